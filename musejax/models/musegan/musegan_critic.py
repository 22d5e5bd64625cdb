"""Critic of MuseGAN over rolls of several tracks: streams of its own for each track, one over all, and their judge.

A stream reads the roll in two orders (pitches first, frames first), its pitch classes by quarter and its onsets, and
gives a vector for each quarter. There is no batch normalisation, for the gradient penalty is of single pieces.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float
from musejax.models.musegan import musegan_generator
from musejax.nn import roll_features
from musejax.nn.fast import axis_products

BARS = 1  # axis


class Kind(NamedTuple):
    """How a critic is made.

    Attributes:
        width: Channels of a stream.
        bias: Whether the score has a bias, which a Wasserstein loss does not see.
        spectral: Whether kernels are normalised by their largest singular value.
        refine: Whether that value is refined in this call.
    """

    width: int
    bias: bool
    spectral: bool
    refine: bool

    @property
    def layer(self) -> Callable[..., axis_products.Convolution]:
        """A layer of it."""
        return functools.partial(axis_products.Convolution, spectral=self.spectral, refine=self.refine)


class Stream(nn.Module):
    """What is seen and heard in the tracks that it is given."""

    kind: Kind

    @nn.compact
    def __call__(self, x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars 4 1 D"]:
        """[N, bars, F, P, C] -> [N, bars, 4, 1, 6 width]."""

        def reduced(x: Array, axis: int, size: int, channels: int) -> Array:
            return nn.leaky_relu(self.kind.layer(channels, axis, size, size)(x), musegan_generator.SLOPE)

        width, octaves = self.kind.width, -(-x.shape[musegan_generator.PITCHES] // roll_features.CLASSES)
        quarter = x.shape[musegan_generator.FRAMES] // roll_features.BEATS
        whole = roll_features.pad_to_octaves(x)
        first = reduced(whole, musegan_generator.PITCHES, roll_features.CLASSES, width)
        first = reduced(first, musegan_generator.PITCHES, octaves, 2 * width)
        first = reduced(first, musegan_generator.FRAMES, quarter, 2 * width)
        second = reduced(whole, musegan_generator.FRAMES, quarter, width)
        second = reduced(second, musegan_generator.PITCHES, roll_features.CLASSES, width)
        second = reduced(second, musegan_generator.PITCHES, octaves, 2 * width)
        heard = reduced(roll_features.chroma(x), musegan_generator.PITCHES, roll_features.CLASSES, width)
        begun = reduced(roll_features.onsets(x), musegan_generator.FRAMES, quarter, width)
        return jnp.concatenate([first, second, heard, begun], -1)


class Judge(nn.Module):
    """From what streams give of each quarter to one number."""

    kind: Kind

    @nn.compact
    def __call__(self, x: Float[Array, "N bars 4 1 C"]) -> Float[Array, " N"]:
        """[N, bars, 4, 1, C] -> [N]."""
        layer, width = self.kind.layer, self.kind.width
        x = nn.leaky_relu(layer(4 * width, musegan_generator.FRAMES, 2, 1)(x), musegan_generator.SLOPE)
        x = nn.leaky_relu(
            layer(4 * width, musegan_generator.FRAMES, roll_features.BEATS - 1, 1)(x), musegan_generator.SLOPE
        )
        if x.shape[BARS] > 1:
            x = nn.leaky_relu(layer(4 * width, BARS, 2, 1)(x), musegan_generator.SLOPE)
        x = x.reshape(len(x), 1, -1)
        x = nn.leaky_relu(layer(8 * width, 1)(x), musegan_generator.SLOPE)
        return layer(1, 1, bias=self.kind.bias)(x)[:, 0, 0]


class Alone(nn.Module):
    """The critic of one track that knows of no other."""

    kind: Kind

    @nn.compact
    def __call__(self, x: Float[Array, "N bars F P 1"]) -> Float[Array, " N"]:
        """[N, bars, F, P, 1] -> [N]."""
        return Judge(self.kind)(Stream(self.kind)(x))


class Critic(nn.Module):
    """Scores of rolls.

    Attributes:
        kind: How it is made.
        apart: Whether each track has a critic of its own (jamming), else one judges all.
    """

    kind: Kind
    apart: bool

    @nn.compact
    def __call__(self, x: Float[Array, "N bars F P K"]) -> Float[Array, "N S"]:
        """[N, bars, F, P, K] -> [N, K] if apart, else [N, 1]."""
        tracks = jnp.moveaxis(x, -1, 0)[..., None]
        if self.apart:
            return musegan_generator.by_track(Alone, 1)(self.kind, name="tracks")(tracks).T
        own = musegan_generator.by_track(Stream, 1)(self.kind, name="private")(tracks)
        own = jnp.moveaxis(own, 0, -2).reshape(*own.shape[1:-1], -1)
        seen = jnp.concatenate([own, Stream(self.kind, name="shared")(x)], -1)
        return Judge(self.kind, name="judge")(seen)[:, None]
