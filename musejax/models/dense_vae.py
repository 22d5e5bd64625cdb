"""The dense VAE family: a window of frames as one vector of numbers in 0..1, with a dense encoder and decoder (Kingma
and Welling, 2014).

The smallest member is the sketch of the pattern page: 100 numbers -> a latent vector of size 2 -> 100 numbers through a
sigmoid, with squared error plus KL divergence. Its numbers are the frames of a melody, each an id divided by the
largest id; the codec is `melody-100`. Binary frames are concatenated. A piece is cut into independent windows; the last
window is padded with zeros, which are not scored.

The loss over ids is the squared error divided by twice the square of `spread`: up to a constant, the negative
log-density of a normal with that standard deviation. The likelihood of ids is the same normal at the values of the ids,
normalised to sum to 1. For bits, both are the cross-entropy. Sampling follows the likelihood; with `top_k` = 1 it
rounds the output of the decoder to the nearest id.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import errors
from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key, Num
from musejax.base import (
    Axes,
    Batch,
    Decoder,
    Family,
    Info,
    Latent,
    Likelihood,
    Metrics,
    Model,
    Params,
    Request,
    State,
)
from musejax.decoding import autoregressive, latent_paths
from musejax.models.shared import configs
from musejax.nn import latent_layers, losses
from musejax.nn.features import axis_labels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a dense VAE.

    Attributes:
        frames: Number of frames in a window; `training.window` should be the same.
        latent: Size Z of the latent vector.
        layers: Units of the encoder's hidden layers; the decoder has the same in reverse.
        beta: KL weight.
        spread: Standard deviation of scaled ids, which lie in 0..1, around the output of the decoder.
    """

    frames: int = 100
    latent: int = 2
    layers: tuple[int, ...] = ()
    beta: float = 1.0
    spread: float = 0.05


# name -> (codec, config). With the sketch's spread the loss is the squared error plus the KL divergence.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "sketch-vae": ("melody-100", Config(spread=math.sqrt(0.5))),
    "roll-vae": ("pianoroll-88", Config(frames=16, latent=32, layers=(512, 256))),
}


class Net(nn.Module):
    """A dense encoder and decoder.

    Attributes:
        layers: Units of the encoder's hidden layers; the decoder has the same in reverse.
        latent: Size Z of the latent vector.
        outputs: Size O of the decoder's output.
    """

    layers: tuple[int, ...]
    latent: int
    outputs: int

    def setup(self) -> None:
        """Creates the layers."""
        self.down = [nn.Dense(units) for units in self.layers]
        self.mean, self.scale = nn.Dense(self.latent), nn.Dense(self.latent)
        self.up = [nn.Dense(units) for units in self.layers[::-1]]
        self.output = nn.Dense(self.outputs)

    def encode(self, x: Float[Array, "B D"]) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Maps float[B, D] to the mean and scale of a diagonal normal, float32[B, Z] each."""
        for layer in self.down:
            x = nn.relu(layer(x))
        raw = self.scale(x).astype(jnp.float32)
        return self.mean(x).astype(jnp.float32), jax.nn.softplus(raw) + latent_layers.MIN_SCALE

    def decode(self, z: Float[Array, "*B Z"]) -> Float[Array, "*B O"]:
        """Maps latent vectors to the output of the last layer."""
        for layer in self.up:
            z = nn.relu(layer(z))
        return self.output(z)

    def __call__(self, x: Float[Array, "B D"]) -> Float[Array, "B O"]:
        """Runs the encoder and the decoder once, to create the parameters."""
        mean, scale = self.encode(x)
        return self.decode(mean + scale)


def autoencode(
    net: Net, params: Params, x: Float[Array, "B D"], key: Key[Array, ""]
) -> tuple[Float[Array, "B O"], Float[Array, " B"], Float[Array, " B"]]:
    """Encodes vectors, samples from their posteriors and decodes the samples.

    Args:
        net: Encoder and decoder.
        params: Parameters of `net`.
        x: float[B, D].
        key: Key for the samples.

    Returns:
        The output of the decoder, float[B, O]; the KL divergences from the prior, float32[B]; and -log(p(z) / q(z|x)),
        float32[B], whose expectations are the KL divergences.
    """
    encoded: Any = net.apply({"params": params}, x, method="encode")
    mean, scale = encoded
    noise = jax.random.normal(key, mean.shape)
    z = mean + scale * noise
    out: Any = net.apply({"params": params}, z.astype(x.dtype), method="decode")
    # The constants of the two normals cancel.
    log_ratio = 0.5 * (jnp.square(z) - jnp.square(noise)).sum(-1) - jnp.log(scale).sum(-1)
    return out, losses.kl_to_standard(mean, scale).sum(-1), log_ratio


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    configs.check_at_least(config, 1, "frames", "latent")
    if any(units < 1 for units in config.layers):
        raise ValueError(f"layers is {config.layers}; each layer must have 1 unit or more")
    if config.beta < 0:
        raise ValueError(f"beta is {config.beta}; it must be at least 0")
    if config.spread <= 0:
        raise ValueError(f"spread is {config.spread}; it must be above 0")
    if vocabulary.kind == "groove":
        raise ValueError(f"codec {vocabulary.name} has rows of real numbers; this family needs tokens or bits")
    if vocabulary.frames_per_quarter == 0:
        raise ValueError(f"codec {vocabulary.name} has no frames, which a VAE needs")
    bits, frames, top = vocabulary.kind == "bits", config.frames, vocabulary.size - 1
    field, cells = ("frames", vocabulary.size) if bits else ("tokens", vocabulary.streams)
    net = Net(tuple(config.layers), config.latent, frames * cells)

    def cut(
        batch: Batch,
    ) -> tuple[Num[AnyArray, "W T C"], Float[Array, "W D"], Float[Array, "W T"], Float[Array, "W T"]]:
        """Cuts windows: values int[W, T, C], vectors float[W, T C], pad_mask and loss_mask float32[W, T]."""
        missing = -batch["pad_mask"].shape[1] % frames

        def cut_field(name: str, *tail: int) -> Array:
            x = jnp.asarray(batch[name])
            x = x.reshape(*x.shape[:2], *tail)
            return jnp.pad(x, [(0, 0), (0, missing)] + [(0, 0)] * len(tail)).reshape(-1, frames, *tail)

        values, real, scored = cut_field(field, cells), cut_field("pad_mask"), cut_field("loss_mask")
        x = values.astype(jnp.float32) / (1 if bits else top) * real[..., None]
        return values, x.reshape(len(x), -1), real.astype(jnp.float32), scored.astype(jnp.float32)

    def logits(out: Float[Array, " *N"]) -> Float[Array, "*N V"]:
        """Returns the logits of all ids, float32[..., V], from the decoder's output for each cell, float[...]."""
        places = jnp.linspace(0.0, 1.0, vocabulary.size).reshape((1,) * out.ndim + (-1,))
        return -jnp.square((places - jax.nn.sigmoid(out.astype(jnp.float32))[..., None]) / config.spread) / 2

    def init(key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        return net.init(key, jnp.zeros((1, frames * cells)))["params"], {}

    def loss(
        params: Params, state: State, key: Key[Array, ""], batch: Batch, *, step: Int[AnyArray, ""] | int, train: bool
    ) -> tuple[Float[Array, ""], tuple[State, Metrics]]:
        dtype = jax.tree.leaves(params)[0].dtype
        values, x, real, scored = cut(batch)
        out, kl, _ = autoencode(net, params, x.astype(dtype), key)
        out = out.reshape(values.shape).astype(jnp.float32)
        if bits:
            cost, right = losses.bernoulli_nll(out, values), (out > 0) == (values > 0)
        else:
            decoded = jax.nn.sigmoid(out)
            cost = jnp.square((decoded - x.reshape(values.shape)) / config.spread) / 2
            right = jnp.round(decoded * top) == values
        weight, windows = scored.sum(), scored.max(1)
        each = jnp.maximum(weight, 1.0)
        reconstruction, divergence = (cost.sum(-1) * scored).sum(), (kl * windows).sum()
        total = (reconstruction + config.beta * divergence) / each
        right = right.all(-1) if bits else right.mean(-1)
        info = {
            "loss": total,
            "weight": weight,
            "reconstruction": reconstruction / each,
            "kl": divergence / jnp.maximum(windows.sum(), 1.0),
            "accuracy": (right * scored).sum() / each,
        }
        return total, (state, info)

    def estimate(params: Params, state: State, key: Key[Array, ""], batch: Batch) -> Float[Array, " B"]:
        values, x, real, _ = cut(batch)
        out, _, log_ratio = autoencode(net, params, x, key)
        out = out.reshape(values.shape)
        cost = losses.bernoulli_nll(out, values) if bits else losses.categorical_nll(logits(out), values)
        nats = (cost.sum(-1) * real).sum(1) + log_ratio * real.max(1)
        return nats.reshape(len(batch["pad_mask"]), -1).sum(1)

    def posterior(params: Params, state: State, batch: Batch) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        few = {name: batch[name][:, :frames] for name in (field, "pad_mask", "loss_mask")}
        return net.apply({"params": params}, cut(few)[1], method="encode")  # type: ignore[return-value]

    def decode(
        params: Params, state: State, key: Key[Array, ""], z: Float[Array, "N Z"], request: Request
    ) -> dict[str, Array]:
        if request.length > frames:
            raise errors.UserError(f"length is {request.length}; this model writes windows of {frames} frames at most")
        dtype = jax.tree.leaves(params)[0].dtype
        out: Any = net.apply({"params": params}, z.astype(dtype), method="decode")
        out = out.reshape(len(z), frames, cells) if bits else out

        def step(
            params: Any, state: State, cache: Any, previous: Array, pos: Array, conditions: Any
        ) -> tuple[Array, Any]:
            here = jax.lax.dynamic_index_in_dim(cache, pos, 1, False)
            return (here if bits else logits(here)), cache

        decoder = Decoder(lambda *_: out, step, 0)
        return autoregressive.sample_request(decoder, vocabulary, params, state, key, request)

    def sample(params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        keys = autoregressive.piece_keys(key, request.first, request.num)
        z = latent_paths.prior(
            jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys), config.latent, state.get("latent_prior")
        )
        return decode(params, state, key, z, request)

    return Model(
        Info(config, axes=lambda: axes(config, vocabulary)),
        init,
        loss,
        sample,
        Likelihood("bound", estimate=estimate),
        latent=Latent(config.latent, posterior, decode, length=frames),
    )


def axes(config: Config, vocabulary: vocabularies.Vocabulary) -> Axes:
    """Returns the axis labels of the first and the last layer, which have one number per cell."""
    if vocabulary.kind == "bits":
        cells = axis_labels.events(vocabulary)
    else:  # the same number stands for another event in another vocabulary
        cells = tuple((stream, vocabulary.ranges) for stream in range(vocabulary.streams))
    labels = tuple((frame, cell) for frame in range(config.frames) for cell in cells)
    firsts = ("down_0",) if config.layers else ("mean", "scale")
    outputs = {"output/kernel": {1: labels}, "output/bias": {0: labels}}
    return {**{f"{name}/kernel": {0: labels} for name in firsts}, **outputs}


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, latent=4, frames=10)


FAMILY = Family("dense_vae", Config, make, PRESETS, tiny)
