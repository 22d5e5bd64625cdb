"""The output layout of networks over notes: logits of events as a sum of parts, declared once.

The scores of a head are, in this order: logits of events; scores of intervals to nearby notes (the anchors), so that a
step or chord learned at one pitch generalises to all pitches; a weight for each proposed token; and, where the key is
known, scores of the twelve degrees above the tonic.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int
from musejax.nn.features import axis_labels, inputs, voice_history


@jax.custom_vjp
def place_intervals(scores: Float[Array, "*N R"], pitch: Int[Array, " *N"]) -> Float[Array, "*N P"]:
    """Converts scores of intervals to scores of pitches: out[q] = scores[q - pitch + P - 1].

    The gradient is the same gather in the other direction; autodiff's scatter is slow on a CPU.

    Args:
        scores: float[..., 2P - 1], one for each interval from -(P - 1) to P - 1.
        pitch: int32[...], 0..P - 1, or -1 where there is no pitch and all scores are 0.

    Returns:
        float[..., P].
    """
    size = (scores.shape[-1] + 1) // 2
    index = _count(pitch, size) - jnp.maximum(pitch, 0)[..., None] + size - 1
    return jnp.where((pitch >= 0)[..., None], jnp.take_along_axis(scores, index, axis=-1), 0.0)


def _count(pitch: Int[Array, " *N"], size: int) -> Int[Array, "*N {size}"]:
    """Returns 0..size - 1 along a new last axis."""
    return jax.lax.broadcasted_iota(jnp.int32, (*pitch.shape, size), pitch.ndim)


def _place_forward(
    scores: Float[Array, "*N R"], pitch: Int[Array, " *N"]
) -> tuple[Float[Array, "*N P"], Int[Array, " *N"]]:
    return place_intervals(scores, pitch), pitch


def _place_backward(pitch: Int[Array, " *N"], cotangent: Float[Array, "*N P"]) -> tuple[Float[Array, "*N R"], None]:
    size = cotangent.shape[-1]
    index = _count(pitch, 2 * size - 1) + jnp.maximum(pitch, 0)[..., None] - (size - 1)
    inside = (pitch >= 0)[..., None] & (index >= 0) & (index < size)
    gathered = jnp.take_along_axis(cotangent, jnp.clip(index, 0, size - 1), axis=-1)
    return jnp.where(inside, gathered, 0.0), None


place_intervals.defvjp(_place_forward, _place_backward)


class Scores(NamedTuple):
    """The layout of a head's scores.

    Attributes:
        vocabulary: A vocabulary of tokens.
        anchors: Names of the notes from which intervals are scored.
        proposals: Names of the proposed tokens.
        by_degree: Whether degrees of the key are scored.
        shares: Number of distributions over pitch classes, whose weights are the last scores (`nearby_cells`).
    """

    vocabulary: vocabularies.Vocabulary
    anchors: tuple[Hashable, ...]
    proposals: tuple[Hashable, ...] = ()
    by_degree: bool = False
    shares: int = 0

    @property
    def size(self) -> int:
        """Number of scores."""
        return len(self.labels())

    def labels(self, *stream: Hashable) -> axis_labels.Labels:
        """Returns the labels of the scores; labels that belong to one stream begin with `stream`."""
        pitches = self.vocabulary.range("pitch").size
        out = axis_labels.events(self.vocabulary, *stream)
        out += tuple((*stream, a, interval) for a in self.anchors for interval in range(1 - pitches, pitches))
        out += tuple((*stream, name) for name in self.proposals)
        out += axis_labels.classes(inputs.DEGREES - 1, *stream, "degree") if self.by_degree else ()
        return out + axis_labels.classes(self.shares, "share")

    def logits(
        self,
        scores: Float[Array, "*N R"],
        anchors: Sequence[Int[AnyArray, " *N"]],
        proposals: Sequence[Int[AnyArray, " *N"]] = (),
        signature: Int[AnyArray, " *N"] | None = None,
        shares: Float[Array, "*N K 12"] | None = None,
    ) -> Float[Array, "*N V"]:
        """Returns the logits of all events.

        Args:
            scores: float[..., size].
            anchors: The token of each anchor, int32[...]; one without a pitch adds nothing.
            proposals: The token of each proposal, int32[...].
            signature: The key signature, int32[...], for scores by degree.
            shares: float[..., shares, 12], log shares of pitch classes.

        Returns:
            float[..., V].
        """
        size, pitches = self.vocabulary.size, self.vocabulary.range("pitch").size
        first, low = self.vocabulary.start("pitch"), self.vocabulary.range("pitch").min
        at = size + (2 * pitches - 1) * len(anchors)
        pitch = jnp.asarray(voice_history.tables(self.vocabulary).pitch)[jnp.stack(anchors, -1)]
        steps = scores[..., size:at].reshape(*pitch.shape, -1)
        placed = place_intervals(steps, jnp.where(pitch >= 0, pitch - low, -1)).sum(-2)
        if shares is not None:
            has_class = (np.arange(pitches)[None] + low) % 12 == np.arange(12)[:, None]
            by_pitch = shares.astype(jnp.float32) @ jnp.asarray(has_class, jnp.float32)
            placed = placed + (scores[..., -self.shares :, None] * by_pitch).sum(-2)
        pad = [(0, 0)] * (scores.ndim - 1) + [(first, size - first - pitches)]
        logits = scores[..., :size] + jnp.pad(placed, pad)
        for token in proposals:
            logits = logits + scores[..., at : at + 1] * jax.nn.one_hot(token, size)
            at += 1
        if signature is not None:
            # A product with one-hot rows: the gradient of a gather would be a scatter.
            rows = np.eye(inputs.DEGREES, 12, dtype=np.float32)[inputs.degrees(self.vocabulary)[:, :size]]
            by_key = jnp.asarray(np.swapaxes(rows, 1, 2))[signature]
            logits = logits + jnp.einsum("...d,...dv->...v", scores[..., at : at + 12], by_key)
        return logits
