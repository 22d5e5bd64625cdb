"""The training step, training loop and checkpoints that all model families share."""
