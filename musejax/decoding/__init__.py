"""Compiled sampling loops, which take the step function of a model, and constraints for them."""
