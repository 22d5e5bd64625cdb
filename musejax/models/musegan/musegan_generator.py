"""Generator of MuseGAN (Dong et al., 2018; its binary neurons: Dong and Yang, 2018) over rolls of several tracks.

Latent vectors, shared by the tracks or private to one, fixed or changing by bar, become one vector a bar; a temporal
generator unfolds those that change. From it transposed convolutions make the frames and pitches of each bar: a trunk
up to the quarters of the bar, then for each track a head of two streams, one that goes over pitches first and one that
goes over frames first. Batch normalisation stands behind each of them.

Rolls are float[N, bars, F, P, K] (`nn/roll_features.py`). What each track has of its own is one module, batched over
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
    """A module batched over tracks: the leading axis of its first `inputs` arguments; `shared` more are the same."""
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
    """Where each latent vector of a form stands in z: name -> first and end index.

    `shared` and `shared-bars` serve all tracks (composer, hybrid), `TRACK` and `TRACK-bars` one (jamming, hybrid);
    those on `-bars` change by bar.
    """
    owners = (() if form == "jamming" else ("shared",)) + (() if form == "composer" else tracks)
    names = [owner + suffix for owner in owners for suffix, has in (("", fixed), ("-bars", by_bar)) if has]
    return {name: (i * latent, (i + 1) * latent) for i, name in enumerate(names)}


class Active(nn.Module):
    """Batch normalisation and a rectifier."""

    train: bool
    rectify: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, " *S"]) -> Float[Array, " *S"]:
        """The same shape."""
        x = nn.BatchNorm(use_running_average=not self.train, momentum=0.9)(x)
        return nn.relu(x) if self.rectify else x


class Temporal(nn.Module):
    """From one vector a piece to one a bar."""

    bars: int
    width: int
    train: bool

    @nn.compact
    def __call__(self, z: Float[Array, "N Z"]) -> Float[Array, "N {self.bars} Z"]:
        """[N, Z] -> [N, bars, Z]."""
        x = axis_products.Transposed(self.width, 1, self.bars)(z[:, None])
        x = axis_products.Convolution(z.shape[-1], 1, 3, same=True, bias=False)(Active(self.train)(x))
        return Active(self.train, rectify=False)(x)


class Trunk(nn.Module):
    """From latent vectors to the quarters of each bar."""

    bars: int
    width: int
    train: bool

    @nn.compact
    def __call__(
        self, fixed: Float[Array, "N Z"] | None, moving: Float[Array, "N Y"] | None
    ) -> Float[Array, "N {self.bars} 4 1 {self.width}"]:
        """[N, Z] each, or None -> [N, bars, 4, 1, width]."""
        found = []
        if fixed is not None:
            found.append(jnp.broadcast_to(fixed[:, None], (len(fixed), self.bars, fixed.shape[-1])))
        if moving is not None:
            found.append(Temporal(self.bars, self.width, self.train)(moving))
        x = jnp.concatenate(found, -1)[:, :, None, None]
        for factor in axis_products.prime_factors(roll_features.BEATS):
            x = Active(self.train)(axis_products.Transposed(self.width, FRAMES, factor)(x))
        return x


class Head(nn.Module):
    """From the quarters of each bar to the frames and pitches of one track."""

    layout: roll_features.Layout
    width: int
    train: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "N bars 4 1 C"], frames: Float[Array, "N bars F 1 G"] | None
    ) -> Float[Array, "N bars F P 1"]:
        """[N, bars, 4, 1, C], what is known of each frame [N, bars, F, 1, G] -> logits [N, bars, F, P, 1]."""
        inside = axis_products.prime_factors(self.layout.vocabulary.bar // roll_features.BEATS)
        sizes = [max(self.width // part, 4) for part in (2, 4, 8)]

        def over_pitches(x: Array) -> Array:
            for width, channels in ((self.layout.octaves, sizes[1]), (roll_features.CLASSES, sizes[2])):
                x = Active(self.train)(axis_products.Transposed(channels, PITCHES, width)(x))
            return x

        def over_frames(x: Array, channels: int) -> Array:
            for factor in inside:
                x = Active(self.train)(axis_products.Transposed(channels, FRAMES, factor)(x))
            return x

        first = over_frames(over_pitches(x), sizes[2])
        second = over_frames(x, sizes[0])
        if frames is not None:
            second = jnp.concatenate([second, frames.astype(second.dtype)], -1)
        joined = jnp.concatenate([first, over_pitches(second)], -1)[..., : self.layout.pitches, :]
        return axis_products.Transposed(1, FRAMES, bias=True)(joined)


class Listener(nn.Module):
    """Reads a track that is given: what it has in each frame and in each quarter."""

    width: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "N bars F P 1"]
    ) -> tuple[Float[Array, "N bars F 1 C"], Float[Array, "N bars 4 1 C"]]:
        """[N, bars, F, P, 1] -> [N, bars, F, 1, C], [N, bars, 4, 1, C]."""
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
        """[N, bars, F, P, 1], the same shape."""
        for _ in range(self.units):
            x = axis_products.Convolution(4, PITCHES, roll_features.CLASSES + 1, same=True, bias=False)(
                nn.sigmoid(logits)
            )
            logits = logits + axis_products.Convolution(1, FRAMES, 3, same=True)(Active(self.train)(x))
        return logits


def straight_through(probability: Float[Array, " *S"], hard: Shaped[Array, " *S"]) -> Float[Array, " *S"]:
    """The binary value, with the gradient of the probability (Bengio et al., 2013)."""
    return probability + jax.lax.stop_gradient(hard.astype(probability.dtype) - probability)


class Generator(nn.Module):
    """Rolls from latent vectors.

    Attributes:
        layout: Of the rolls.
        form: Which latent vectors and trunks there are.
        latent: Size of each latent vector.
        fixed: Whether there are vectors that hold for the piece.
        by_bar: Whether there are vectors that change by bar.
        width: Channels of a trunk.
        given: Index of the track that is given; None for none.
        binarise: How cells become 0 or 1.
        refiner: Residual units before binary neurons.
        train: Whether batch statistics are those of the batch, and what comes out carries a gradient.
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
    def drawn(self) -> tuple[int, ...]:
        """The tracks that are drawn."""
        return tuple(k for k in range(self.layout.tracks) if k != self.given)

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """Where each latent vector stands."""
        names = tuple(self.layout.vocabulary.tracks[k] for k in self.drawn)
        return latent_parts(self.form, names, self.latent, self.fixed, self.by_bar)

    @nn.compact
    def __call__(
        self,
        z: Float[Array, "N Z"],
        given: Num[Array, "N bars F P"] | None,
        noise: Float[Array, "N _ _ _ drawn"],
        stage: Num[Array, ""],
    ) -> Float[Array, "N bars F P K"]:
        """float[N, bars, F, P, K].

        Args:
            z: [N, Z], as `parts` lays it out.
            given: The track that is given, [N, bars, F, P].
            noise: Uniform numbers for stochastic neurons, [N, bars, F, P, drawn tracks].
            stage: Above 0 once binary neurons are in use; before, training sees real values.
        """
        vectors = {name: z[:, first:end] for name, (first, end) in self.parts.items()}
        names = [self.layout.vocabulary.tracks[k] for k in self.drawn]
        sizes = (self.layout.bars, self.width, self.train)
        found = []
        if self.form != "jamming":
            x = Trunk(*sizes, name="shared")(vectors.get("shared"), vectors.get("shared-bars"))
            found.append(jnp.broadcast_to(x, (len(names), *x.shape)))
        if self.form != "composer":
            own = [
                jnp.stack([vectors[n + suffix] for n in names]) if has else None
                for suffix, has in (("", self.fixed), ("-bars", self.by_bar))
            ]
            found.append(by_track(Trunk, 2)(*sizes, name="private")(*own))
        frames = None
        if given is not None:
            frames, quarters = Listener(max(self.width // 2, 4), name="listener")(given[..., None])
            found.append(jnp.broadcast_to(quarters, (len(names), *quarters.shape)).astype(z.dtype))
        h = jnp.concatenate(found, -1)
        logits = by_track(Head, 1, 1)(self.layout, self.width, self.train, name="heads")(h, frames)
        drawn = self._values(logits, jnp.moveaxis(noise, -1, 0)[..., None], stage)
        x = jnp.moveaxis(drawn[..., 0], 0, -1)
        if given is None:
            return x
        at = self.given or 0
        return jnp.concatenate([x[..., :at], given[..., None].astype(x.dtype), x[..., at:]], -1)

    def _values(
        self,
        logits: Float[Array, "drawn N bars F P 1"],
        noise: Float[Array, "drawn N _ _ _ 1"],
        stage: Num[Array, ""],
    ) -> Float[Array, "drawn N bars F P 1"]:
        real = nn.sigmoid(logits)
        plain = real if self.train else (logits > 0).astype(real.dtype)
        if self.binarise == "threshold":
            return plain
        refined = nn.sigmoid(by_track(Refiner, 1)(self.refiner, self.train, name="refiners")(logits))
        hard = refined > (noise if self.binarise == "stochastic" else 0.5)
        binary = straight_through(refined, hard) if self.train else hard.astype(real.dtype)
        return jnp.where(stage > 0, binary, plain)
