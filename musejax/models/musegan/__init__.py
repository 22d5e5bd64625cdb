"""The MuseGAN family."""

from musejax.models.musegan.family import FAMILY, PRESETS, Config, make

__all__ = ["FAMILY", "PRESETS", "Config", "make"]
