"""Flax blocks that families share."""
