"""Evaluation of models and of generated music: likelihoods, reconstruction and published music statistics."""
