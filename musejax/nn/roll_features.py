"""Rolls of several tracks as nets see them, and what can be heard in them: pitch classes, onsets, statistics.

A roll is float32[N, bars, F, P, K]: F frames a bar, P pitches, K tracks. All functions here can be differentiated but
for `features`.
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
# Frames of a bar's quarter are looked at together.
BEATS = 4


@dataclasses.dataclass(frozen=True)
class Layout:
    """What rolls a net reads and writes.

    Attributes:
        vocabulary: Of rolls whose tracks have equally many pitches.
        bars: Bars of a roll, each of 4/4.
    """

    vocabulary: vocabularies.Vocabulary
    bars: int

    @property
    def tracks(self) -> int:
        """K."""
        return len(self.vocabulary.tracks)

    @property
    def pitches(self) -> int:
        """P."""
        return self.vocabulary.size // self.tracks

    @property
    def octaves(self) -> int:
        """Octaves that hold all pitches."""
        return -(-self.pitches // CLASSES)

    @property
    def frames(self) -> int:
        """Frames of a whole roll, T."""
        return self.bars * self.vocabulary.bar

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """bars, F, P, K."""
        return self.bars, self.vocabulary.bar, self.pitches, self.tracks

    @property
    def drums(self) -> tuple[bool, ...]:
        """Which tracks are drums."""
        return tuple(r.type.endswith(vocabularies.HIT) for r in self.vocabulary.ranges)

    def read(self, batch: Batch) -> Float[Array, "N bars F P K"]:
        """The rolls of a batch, cells without `loss_mask` silent; what is longer is cut, what is shorter filled up."""
        x = jnp.asarray(batch["frames"], jnp.float32) * jnp.asarray(batch["loss_mask"], jnp.float32)[..., None]
        return self.of_frames(fitted(x, self.frames))

    def of_frames(self, frames: Shaped[AnyArray, "N T R"]) -> Float[Array, "N bars F P K"]:
        """[N, T, K P] -> the roll."""
        bars, length, pitches, tracks = self.shape
        return jnp.moveaxis(jnp.asarray(frames, jnp.float32).reshape(-1, bars, length, tracks, pitches), 3, 4)

    def to_frames(self, x: Num[Array, "N bars F P K"]) -> Int[Array, "N T R"]:
        """The roll -> int32[N, T, K P]."""
        return jnp.moveaxis(x, 4, 3).reshape(len(x), self.frames, -1).astype(jnp.int32)


def check(vocabulary: vocabularies.Vocabulary) -> None:
    """Raises ValueError for a vocabulary that is not one of rolls with equally many pitches."""
    if not vocabulary.tracks:
        raise ValueError(f"codec {vocabulary.name} has no rolls of tracks; the codecs rolls-... have")
    if len({r.size for r in vocabulary.ranges}) > 1:
        raise ValueError(f"the tracks of codec {vocabulary.name} have different numbers of pitches")


def fitted(x: Shaped[Array, "N T *R"], length: int) -> Shaped[Array, "N {length} *R"]:
    """The first frames of [N, T, ...], filled up with zeros to the length."""
    x = x[:, :length]
    return jnp.pad(x, [(0, 0), (0, length - x.shape[1])] + [(0, 0)] * (x.ndim - 2))


def by_octave(x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars F Q C"]:
    """[N, bars, F, P, C] -> [N, bars, F, octaves * 12, C]: pitches filled up at the top."""
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, -x.shape[3] % CLASSES), (0, 0)))


def chroma(x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars 4 12 C"]:
    """How much of each pitch class sounds in each beat of a bar: [N, bars, 4, 12, C], in notes a frame."""
    x = by_octave(x)
    num, bars, frames, pitches, channels = x.shape
    return x.reshape(num, bars, BEATS, frames // BEATS, pitches // CLASSES, CLASSES, channels).sum(4).mean(3)


def onsets(x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars F 1 C"]:
    """How many notes begin in each frame: [N, bars, F, 1, C]. The frame before the first is silent."""
    num, bars, frames, pitches, channels = x.shape
    flat = x.reshape(num, bars * frames, pitches, channels)
    before = jnp.pad(flat, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    return jnp.maximum(flat - before, 0.0).sum(2).reshape(num, bars, frames, 1, channels)


def features(x: Float[Array, "N bars F P K"], drums: tuple[bool, ...]) -> Float[Array, "N D"]:
    """MuseGAN's statistics of each piece by itself: float32[N, D], each number of the order of 1.

    Of every track the share of silent bars (EB), notes a frame, notes that begin a frame; of pitched ones the shares of
    frames with two notes or more and with more (PP), pitch classes a bar in sixths of 12 (UPC), the mean pitch; of
    drums the share of hits on 16ths (DP); of each pair of pitched tracks the mean tonal distance in bars where both
    sound (TD).

    Args:
        x: Binary rolls [N, bars, F, P, K].
        drums: Which tracks are drums.
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
