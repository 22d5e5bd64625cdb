"""The critic of MuseGAN over rolls of several tracks: a stream for each track, a stream over all, and a judge of them.

A stream reads the roll in two orders (pitches first and frames first), its pitch classes per quarter and its onsets,
and returns a vector for each quarter. There is no batch normalisation, as the gradient penalty is defined for single
pieces.
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
    """The options of a critic.

    Attributes:
        width: Number of channels of a stream.
        bias: Whether the score has a bias, on which a Wasserstein loss does not depend.
        spectral: Whether kernels are normalised by their largest singular value.
        refine: Whether the estimate of that value is refined in this call.
    """

    width: int
    bias: bool
    spectral: bool
    refine: bool

    @property
    def layer(self) -> Callable[..., axis_products.Convolution]:
        """The constructor of a layer of this kind."""
        return functools.partial(axis_products.Convolution, spectral=self.spectral, refine=self.refine)


class Stream(nn.Module):
    """The layers that read the given tracks."""

    kind: Kind

    @nn.compact
    def __call__(self, x: Float[Array, "N bars F P C"]) -> Float[Array, "N bars 4 1 D"]:
        """Maps [N, bars, F, P, C] to [N, bars, 4, 1, 6 width]."""

        def reduce(x: Array, axis: int, size: int, channels: int) -> Array:
            return nn.leaky_relu(self.kind.layer(channels, axis, size, size)(x), musegan_generator.SLOPE)

        width, octaves = self.kind.width, -(-x.shape[musegan_generator.PITCHES] // roll_features.CLASSES)
        quarter = x.shape[musegan_generator.FRAMES] // roll_features.BEATS
        whole = roll_features.pad_to_octaves(x)
        first = reduce(whole, musegan_generator.PITCHES, roll_features.CLASSES, width)
        first = reduce(first, musegan_generator.PITCHES, octaves, 2 * width)
        first = reduce(first, musegan_generator.FRAMES, quarter, 2 * width)
        second = reduce(whole, musegan_generator.FRAMES, quarter, width)
        second = reduce(second, musegan_generator.PITCHES, roll_features.CLASSES, width)
        second = reduce(second, musegan_generator.PITCHES, octaves, 2 * width)
        chroma = reduce(roll_features.chroma(x), musegan_generator.PITCHES, roll_features.CLASSES, width)
        onsets = reduce(roll_features.onsets(x), musegan_generator.FRAMES, quarter, width)
        return jnp.concatenate([first, second, chroma, onsets], -1)


class Judge(nn.Module):
    """The layers that map the output of streams for each quarter to one score."""

    kind: Kind

    @nn.compact
    def __call__(self, x: Float[Array, "N bars 4 1 C"]) -> Float[Array, " N"]:
        """Maps [N, bars, 4, 1, C] to [N]."""
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
    """The critic of one track, independent of the others."""

    kind: Kind

    @nn.compact
    def __call__(self, x: Float[Array, "N bars F P 1"]) -> Float[Array, " N"]:
        """Maps [N, bars, F, P, 1] to [N]."""
        return Judge(self.kind)(Stream(self.kind)(x))


class Critic(nn.Module):
    """The critic of rolls.

    Attributes:
        kind: Its options.
        per_track: Whether each track has a critic of its own (jamming); otherwise one critic judges all tracks.
    """

    kind: Kind
    per_track: bool

    @nn.compact
    def __call__(self, x: Float[Array, "N bars F P K"]) -> Float[Array, "N S"]:
        """Maps [N, bars, F, P, K] to [N, K] if per_track, else to [N, 1]."""
        tracks = jnp.moveaxis(x, -1, 0)[..., None]
        if self.per_track:
            return musegan_generator.by_track(Alone, 1)(self.kind, name="tracks")(tracks).T
        own = musegan_generator.by_track(Stream, 1)(self.kind, name="private")(tracks)
        own = jnp.moveaxis(own, 0, -2).reshape(*own.shape[1:-1], -1)
        joined = jnp.concatenate([own, Stream(self.kind, name="shared")(x)], -1)
        return Judge(self.kind, name="judge")(joined)[:, None]
