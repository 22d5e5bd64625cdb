"""Harte's tonal space, in which the distance between two harmonies can be measured."""

import numpy as np

# Position of each pitch class on the circles of fifths, minor thirds and major thirds (of radius 1, 1 and 0.5), as sine
# and cosine: float64[12, 3, 2]. Harte, Sandler & Gasser, "Detecting harmonic change in musical audio", ACM Multimedia
# 2006.
_ANGLES = np.arange(12)[:, None] * np.pi * np.array([7 / 6, 3 / 2, 2 / 3])
PLACES = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)], -1) * np.array([1.0, 1.0, 0.5])[:, None]
