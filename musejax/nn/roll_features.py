"""Piano-rolls of several tracks as network inputs, and their features: pitch classes, onsets, statistics.

A roll is float32[N, bars, F, P, K]: F frames per bar, P pitches, K tracks. All functions here except `features` are
differentiable.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Num, Shaped
from musejax.base import Batch
from musejax.theory import tonal_space
from musejax.theory.sixteenths import BAR

CLASSES = 12
# Number of beats per bar; `chroma` averages over the frames of a beat.
BEATS = 4


@dataclasses.dataclass(frozen=True)
class Layout:
    """The shape of the rolls that a network reads and writes.

    Attributes:
        vocabulary: A vocabulary of rolls whose tracks all have the same number of pitches.
        bars: Number of 4/4 bars in a roll.
    """

    vocabulary: vocabularies.Vocabulary
    bars: int

    @property
    def tracks(self) -> int:
        """Number of tracks, K."""
        return len(self.vocabulary.tracks)

    @property
    def pitches(self) -> int:
        """Number of pitches of each track, P."""
        return self.vocabulary.size // self.tracks

    @property
    def octaves(self) -> int:
        """Number of octaves that cover all pitches."""
        return -(-self.pitches // CLASSES)

    @property
    def frames(self) -> int:
        """Number of frames of a whole roll, T."""
        return self.bars * self.vocabulary.bar

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a roll: bars, F, P, K."""
        return self.bars, self.vocabulary.bar, self.pitches, self.tracks

    @property
    def drums(self) -> tuple[bool, ...]:
        """Whether each track is a drum track."""
        return tuple(r.type.endswith(vocabularies.HIT) for r in self.vocabulary.ranges)

    def read(self, batch: Batch) -> Float[Array, "N bars F P K"]:
        """Returns the rolls of a batch, cut or padded to `frames`; frames whose `loss_mask` is 0 are silent."""
        x = jnp.asarray(batch["frames"], jnp.float32) * jnp.asarray(batch["loss_mask"], jnp.float32)[..., None]
        return self.of_frames(fit_length(x, self.frames))

    def of_frames(self, frames: Shaped[AnyArray, "N T R"]) -> Float[Array, "N bars F P K"]:
        """Converts frames [N, T, K P] to rolls."""
        bars, length, pitches, tracks = self.shape
        return jnp.moveaxis(jnp.asarray(frames, jnp.float32).reshape(-1, bars, length, tracks, pitches), 3, 4)

    def to_frames(self, x: Num[Array, "N bars F P K"]) -> Int[Array, "N T R"]:
        """Converts rolls to frames int32[N, T, K P]."""
        return jnp.moveaxis(x, 4, 3).reshape(len(x), self.frames, -1).astype(jnp.int32)


def check(vocabulary: vocabularies.Vocabulary) -> None:
    """Raises ValueError unless the vocabulary has rolls of tracks with the same number of pitches."""
    if not vocabulary.tracks:
        raise ValueError(f"codec {vocabulary.name} has no rolls of tracks; use one of the codecs rolls-...")
    if len({r.size for r in vocabulary.ranges}) > 1:
        raise ValueError(f"the tracks of codec {vocabulary.name} have different numbers of pitches")


def fit_length(x: Shaped[Array, "N T *R"], length: int) -> Shaped[Array, "N {length} *R"]:
    """Cuts [N, T, ...] to the first `length` frames, or pads it with zeros."""
    x = x[:, :length]
    return jnp.pad(x, [(0, 0), (0, length - x.shape[1])] + [(0, 0)] * (x.ndim - 2))


def pad_to_octaves(x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars F Q C"]:
    """Pads the pitches at the top to whole octaves: [N, bars, F, P, C] -> [N, bars, F, octaves * 12, C]."""
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, -x.shape[3] % CLASSES), (0, 0)))


def chroma(x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars 4 12 C"]:
    """Returns the amount of each pitch class in each beat, in notes per frame: [N, bars, 4, 12, C]."""
    x = pad_to_octaves(x)
    num, bars, frames, pitches, channels = x.shape
    return x.reshape(num, bars, BEATS, frames // BEATS, pitches // CLASSES, CLASSES, channels).sum(4).mean(3)


def onsets(x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars F 1 C"]:
    """Returns the number of notes that begin in each frame, [N, bars, F, 1, C]; the music before a roll is silent."""
    num, bars, frames, pitches, channels = x.shape
    flat = x.reshape(num, bars * frames, pitches, channels)
    before = jnp.pad(flat, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    return jnp.maximum(flat - before, 0.0).sum(2).reshape(num, bars, frames, 1, channels)


def features(x: Float[Array, "N bars F P K"], drums: tuple[bool, ...]) -> Float[Array, "N D"]:
    """Returns MuseGAN's statistics of each piece, float32[N, D], scaled to the order of 1.

    For every track: the share of silent bars (EB), notes per frame, and onsets per frame. For pitched tracks: the
    shares of frames with at least two and at least three notes (PP), pitch classes per bar divided by 6 (UPC), and the
    mean pitch. For drums: the share of hits on 16ths (DP). For each pair of pitched tracks: the mean tonal distance in
    bars where both sound (TD).

    Args:
        x: Binary rolls [N, bars, F, P, K].
        drums: Whether each track is a drum track.
    """
    frames, pitches, tracks = x.shape[2:]
    notes, begun = x.sum(3), onsets(x)[..., 0, :]  # [N, bars, F, K]
    active = (notes.sum(2) > 0).astype(jnp.float32)  # [N, bars, K]
    classes = chroma(x).sum(2)  # [N, bars, 12, K]
    share = classes / jnp.maximum(classes.sum(2, keepdims=True), 1e-6)
    tonal = tonal_space.PLACES.swapaxes(1, 2).reshape(CLASSES, 6)
    places = jnp.einsum("nbck,cd->nbkd", share, jnp.asarray(tonal, jnp.float32))
    height = jnp.arange(pitches, dtype=jnp.float32) / pitches
    on_grid = jnp.asarray(np.arange(frames) % max(frames // BAR, 1) == 0, jnp.float32)
    out = []
    for k in range(tracks):
        own = notes[..., k]
        total = jnp.maximum(own.sum((1, 2)), 1.0)
        out += [1.0 - active[..., k].mean(1), own.mean((1, 2)), begun[..., k].mean((1, 2))]
        if drums[k]:
            hits = jnp.maximum(begun[..., k].sum((1, 2)), 1.0)
            out.append(jnp.einsum("nbf,f->n", begun[..., k], on_grid) / hits)
            continue
        out += [(own > 1).mean((1, 2)), (own > 2).mean((1, 2))]
        out.append((classes[..., k] > 0).sum(2).mean(1) / 6.0)
        out.append(4.0 * jnp.einsum("nbfp,p->n", x[..., k], height) / total)
    pitched = [k for k in range(tracks) if not drums[k]]
    for i, a in enumerate(pitched):
        for b in pitched[i + 1 :]:
            both = active[..., a] * active[..., b]
            apart = jnp.sqrt(jnp.square(places[:, :, a] - places[:, :, b]).sum(-1) + 1e-12)
            out.append((apart * both).sum(1) / jnp.maximum(both.sum(1), 1.0))
    return jnp.stack(out, 1)
