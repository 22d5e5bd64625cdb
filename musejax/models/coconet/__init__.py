"""The Coconet family."""

from musejax.models.coconet.family import FAMILY, FRAMES, MASKERS, PRESETS, SAMPLERS, STRATA, Config, make, plan

__all__ = ["FRAMES", "MASKERS", "FAMILY", "PRESETS", "SAMPLERS", "STRATA", "Config", "make", "plan"]
