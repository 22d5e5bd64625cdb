"""Likelihood under published protocols."""
