"""Experiments: what a config file holds, and how it becomes a trained run."""

from musejax.experiments.experiment import Experiment
from musejax.training.settings import Optimizer, Training

__all__ = ["Experiment", "Optimizer", "Training"]
