"""The DeepBach family."""

from musejax.models.deep_bach.family import FAMILY, PRESETS, SMALL, Config, make

__all__ = ["FAMILY", "PRESETS", "SMALL", "Config", "make"]
