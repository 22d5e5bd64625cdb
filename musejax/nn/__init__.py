"""Flax modules and losses that model families share."""
