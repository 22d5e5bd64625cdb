"""Pieces to render."""

from small_scores import chorale, polyphony

__all__ = ["chorale", "polyphony"]
