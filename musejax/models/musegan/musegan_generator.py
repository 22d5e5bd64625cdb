"""The generator of MuseGAN (Dong et al., 2018; binary neurons: Dong and Yang, 2018) over rolls of several tracks.

Latent vectors are shared by the tracks or private to one track, and fixed or changing from bar to bar; a temporal
generator unfolds those that change. Together they give one vector per bar. From it, transposed convolutions make the
frames and pitches of each bar: a trunk makes the quarters of the bar, then a head per track has two streams, one that
expands pitches first and one that expands frames first. Each convolution is followed by batch normalisation.

Rolls are float[N, bars, F, P, K] (`nn/roll_features.py`). Modules that each track has for itself are batched over
tracks.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float, Num, Shaped
from musejax.nn import roll_features
from musejax.nn.fast import axis_products

Form = Literal["jamming", "composer", "hybrid"]
Binarise = Literal["threshold", "deterministic", "stochastic"]
FRAMES, PITCHES = 2, 3  # axes
SLOPE = 0.2


def by_track(module: Any, inputs: int, shared: int = 0) -> Any:
    """Batches a module over tracks, the leading axis of its first `inputs` arguments; `shared` more are not batched."""
    in_axes: Any = (0,) * inputs + (None,) * shared
    return nn.vmap(
        module,
        in_axes=in_axes,
        out_axes=0,
        variable_axes={"params": 0, "batch_stats": 0, "spectral": 0},
        split_rngs={"params": True},
    )


def latent_parts(
    form: Form, tracks: tuple[str, ...], latent: int, fixed: bool, by_bar: bool
) -> dict[str, tuple[int, int]]:
    """Returns the range of each latent vector in z: name -> first and end index.

    All tracks use `shared` and `shared-bars` (composer, hybrid); one track uses `TRACK` and `TRACK-bars` (jamming,
    hybrid). Vectors whose name ends in `-bars` change from bar to bar.
    """
    owners = (() if form == "jamming" else ("shared",)) + (() if form == "composer" else tracks)
    names = [owner + suffix for owner in owners for suffix, has in (("", fixed), ("-bars", by_bar)) if has]
    return {name: (i * latent, (i + 1) * latent) for i, name in enumerate(names)}


class Active(nn.Module):
    """Batch normalisation and an optional rectifier."""

    train: bool
    rectify: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, " *S"]) -> Float[Array, " *S"]:
        """Normalises and rectifies x, keeping its shape."""
        x = nn.BatchNorm(use_running_average=not self.train, momentum=0.9)(x)
        return nn.relu(x) if self.rectify else x


class Temporal(nn.Module):
    """The layers that map one vector per piece to one per bar."""

    bars: int
    width: int
    train: bool

    @nn.compact
    def __call__(self, z: Float[Array, "N Z"]) -> Float[Array, "N {self.bars} Z"]:
        """Maps [N, Z] to [N, bars, Z]."""
        x = axis_products.Transposed(self.width, 1, self.bars)(z[:, None])
        x = axis_products.Convolution(z.shape[-1], 1, 3, same=True, bias=False)(Active(self.train)(x))
        return Active(self.train, rectify=False)(x)


class Trunk(nn.Module):
    """The layers that map latent vectors to the quarters of each bar."""

    bars: int
    width: int
    train: bool

    @nn.compact
    def __call__(
        self, fixed: Float[Array, "N Z"] | None, moving: Float[Array, "N Y"] | None
    ) -> Float[Array, "N {self.bars} 4 1 {self.width}"]:
        """Maps [N, Z] each, or None, to [N, bars, 4, 1, width]."""
        vectors = []
        if fixed is not None:
            vectors.append(jnp.broadcast_to(fixed[:, None], (len(fixed), self.bars, fixed.shape[-1])))
        if moving is not None:
            vectors.append(Temporal(self.bars, self.width, self.train)(moving))
        x = jnp.concatenate(vectors, -1)[:, :, None, None]
        for factor in axis_products.prime_factors(roll_features.BEATS):
            x = Active(self.train)(axis_products.Transposed(self.width, FRAMES, factor)(x))
        return x


class Head(nn.Module):
    """The layers that map the quarters of each bar to the frames and pitches of one track."""

    layout: roll_features.Layout
    width: int
    train: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "N bars 4 1 C"], frames: Float[Array, "N bars F 1 G"] | None
    ) -> Float[Array, "N bars F P 1"]:
        """Maps [N, bars, 4, 1, C], and given frames [N, bars, F, 1, G] or None, to logits [N, bars, F, P, 1]."""
        inside = axis_products.prime_factors(self.layout.vocabulary.bar // roll_features.BEATS)
        sizes = [max(self.width // part, 4) for part in (2, 4, 8)]

        def expand_pitches(x: Array) -> Array:
            for width, channels in ((self.layout.octaves, sizes[1]), (roll_features.CLASSES, sizes[2])):
                x = Active(self.train)(axis_products.Transposed(channels, PITCHES, width)(x))
            return x

        def expand_frames(x: Array, channels: int) -> Array:
            for factor in inside:
                x = Active(self.train)(axis_products.Transposed(channels, FRAMES, factor)(x))
            return x

        first = expand_frames(expand_pitches(x), sizes[2])
        second = expand_frames(x, sizes[0])
        if frames is not None:
            second = jnp.concatenate([second, frames.astype(second.dtype)], -1)
        joined = jnp.concatenate([first, expand_pitches(second)], -1)[..., : self.layout.pitches, :]
        return axis_products.Transposed(1, FRAMES, bias=True)(joined)


class Listener(nn.Module):
    """The layers that summarise each frame and each quarter of the given track."""

    width: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "N bars F P 1"]
    ) -> tuple[Float[Array, "N bars F 1 C"], Float[Array, "N bars 4 1 C"]]:
        """Maps [N, bars, F, P, 1] to [N, bars, F, 1, C] and [N, bars, 4, 1, C]."""
        x = roll_features.pad_to_octaves(x)
        for width in (roll_features.CLASSES, x.shape[PITCHES] // roll_features.CLASSES):
            x = nn.leaky_relu(axis_products.Convolution(self.width, PITCHES, width, width)(x), SLOPE)
        quarter = x.shape[FRAMES] // roll_features.BEATS
        return x, nn.leaky_relu(axis_products.Convolution(self.width, FRAMES, quarter, quarter)(x), SLOPE)


class Refiner(nn.Module):
    """Residual units between the logits of a track and its binary neurons."""

    units: int
    train: bool

    @nn.compact
    def __call__(self, logits: Float[Array, "N bars F P 1"]) -> Float[Array, "N bars F P 1"]:
        """Refines logits [N, bars, F, P, 1], keeping their shape."""
        for _ in range(self.units):
            x = axis_products.Convolution(4, PITCHES, roll_features.CLASSES + 1, same=True, bias=False)(
                nn.sigmoid(logits)
            )
            logits = logits + axis_products.Convolution(1, FRAMES, 3, same=True)(Active(self.train)(x))
        return logits


def straight_through(probability: Float[Array, " *S"], hard: Shaped[Array, " *S"]) -> Float[Array, " *S"]:
    """Returns the binary value with the gradient of the probability (Bengio et al., 2013)."""
    return probability + jax.lax.stop_gradient(hard.astype(probability.dtype) - probability)


class Generator(nn.Module):
    """A generator of rolls from latent vectors.

    Attributes:
        layout: Layout of the rolls.
        form: The form, which decides on latent vectors and trunks.
        latent: Size of each latent vector.
        fixed: Whether there are vectors that are constant over the piece.
        by_bar: Whether there are vectors that change from bar to bar.
        width: Number of channels of a trunk.
        given: Index of the given track, or None.
        binarise: How cells are binarised.
        refiner: Number of residual units before binary neurons.
        train: Whether to normalise by the statistics of the batch and return values with a gradient.
    """

    layout: roll_features.Layout
    form: Form
    latent: int
    fixed: bool
    by_bar: bool
    width: int
    given: int | None
    binarise: Binarise
    refiner: int
    train: bool

    @property
    def sampled(self) -> tuple[int, ...]:
        """The tracks to be sampled."""
        return tuple(k for k in range(self.layout.tracks) if k != self.given)

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """The range of each latent vector in z."""
        names = tuple(self.layout.vocabulary.tracks[k] for k in self.sampled)
        return latent_parts(self.form, names, self.latent, self.fixed, self.by_bar)

    @nn.compact
    def __call__(
        self,
        z: Float[Array, "N Z"],
        given: Num[Array, "N bars F P"] | None,
        noise: Float[Array, "N _ _ _ S"],
        stage: Num[Array, ""],
    ) -> Float[Array, "N bars F P K"]:
        """Returns rolls, float[N, bars, F, P, K].

        Args:
            z: Latent vectors [N, Z], laid out as in `parts`.
            given: The given track, [N, bars, F, P], or None.
            noise: Uniform numbers for stochastic neurons, [N, bars, F, P, tracks to be sampled].
            stage: Above 0 once binary neurons are used; before, training uses real values.
        """
        vectors = {name: z[:, first:end] for name, (first, end) in self.parts.items()}
        names = [self.layout.vocabulary.tracks[k] for k in self.sampled]
        sizes = (self.layout.bars, self.width, self.train)
        parts = []
        if self.form != "jamming":
            x = Trunk(*sizes, name="shared")(vectors.get("shared"), vectors.get("shared-bars"))
            parts.append(jnp.broadcast_to(x, (len(names), *x.shape)))
        if self.form != "composer":
            own = [
                jnp.stack([vectors[n + suffix] for n in names]) if has else None
                for suffix, has in (("", self.fixed), ("-bars", self.by_bar))
            ]
            parts.append(by_track(Trunk, 2)(*sizes, name="private")(*own))
        frames = None
        if given is not None:
            frames, quarters = Listener(max(self.width // 2, 4), name="listener")(given[..., None])
            parts.append(jnp.broadcast_to(quarters, (len(names), *quarters.shape)).astype(z.dtype))
        h = jnp.concatenate(parts, -1)
        logits = by_track(Head, 1, 1)(self.layout, self.width, self.train, name="heads")(h, frames)
        values = self._binarise(logits, jnp.moveaxis(noise, -1, 0)[..., None], stage)
        x = jnp.moveaxis(values[..., 0], 0, -1)
        if given is None:
            return x
        at = self.given or 0
        return jnp.concatenate([x[..., :at], given[..., None].astype(x.dtype), x[..., at:]], -1)

    def _binarise(
        self,
        logits: Float[Array, "S N bars F P 1"],
        noise: Float[Array, "S N _ _ _ 1"],
        stage: Num[Array, ""],
    ) -> Float[Array, "S N bars F P 1"]:
        real = nn.sigmoid(logits)
        plain = real if self.train else (logits > 0).astype(real.dtype)
        if self.binarise == "threshold":
            return plain
        refined = nn.sigmoid(by_track(Refiner, 1)(self.refiner, self.train, name="refiners")(logits))
        hard = refined > (noise if self.binarise == "stochastic" else 0.5)
        binary = straight_through(refined, hard) if self.train else hard.astype(real.dtype)
        return jnp.where(stage > 0, binary, plain)
