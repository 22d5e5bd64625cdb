"""Reinforcement learning and preference tuning of trained models, which use the common training loop."""
