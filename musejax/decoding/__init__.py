"""Compiled sampling loops: they take a step function, not a model."""
