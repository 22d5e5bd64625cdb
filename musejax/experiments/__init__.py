"""Experiments: their config files, and training them."""

from musejax.experiments.experiment import Experiment
from musejax.training.settings import Optimizer, Training

__all__ = ["Experiment", "Optimizer", "Training"]
