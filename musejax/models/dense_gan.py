"""The GAN of the pattern page: two dense networks over a window of tokens, scaled to the range of tanh.

The generator has 100 -> 128 -> 256 -> 512 -> 1024 -> 100 units, the critic 100 -> 512 -> 256 -> 128 -> 1, with leaky
rectifiers of slope 0.2 between them. Token ids are scaled to -1..1, and the generator's output is rounded to the
nearest id. The sigmoid of the discriminator is part of the loss.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Key, Num
from musejax.base import Family, Model, Params, State
from musejax.models.shared import adversarial, configs
from musejax.nn import roll_features


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a dense GAN.

    Attributes:
        frames: Number of tokens in a piece.
        latent: Size of the latent vector.
        generator: Units of the generator's hidden layers.
        critic: Units of the critic's hidden layers.
        loss: `logistic`, `wasserstein` or `hinge`.
        penalty: Weight of the gradient penalty; 0 for none.
        critic_updates: Number of critic updates per step, each on its own part of the batch.
        critic_rate: Learning rate of the critic divided by that of the generator.
    """

    frames: int = 100
    latent: int = 100
    generator: tuple[int, ...] = (128, 256, 512, 1024)
    critic: tuple[int, ...] = (512, 256, 128)
    loss: Literal["logistic", "wasserstein", "hinge"] = "logistic"
    penalty: float = 0.0
    critic_updates: int = 1
    critic_rate: float = 1.0


PRESETS: Mapping[str, tuple[str, Config]] = {"sketch-gan": ("melody-100", Config())}


class Dense(nn.Module):
    """Dense layers with leaky rectifiers, and a linear output layer."""

    hidden: tuple[int, ...]
    outputs: int
    bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "N D"]) -> Float[Array, "N {self.outputs}"]:
        """Maps [N, D] to [N, outputs]."""
        for units in self.hidden:
            x = nn.leaky_relu(nn.Dense(units)(x), 0.2)
        return nn.Dense(self.outputs, use_bias=self.bias)(x)


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    adversarial.check(config)
    if vocabulary.kind != "tokens" or vocabulary.streams > 1:
        raise ValueError(f"codec {vocabulary.name} does not have one token per frame, which this family needs")
    configs.check_at_least(config, 1, "frames")
    for name in ("generator", "critic"):
        if min(getattr(config, name), default=1) < 1:
            raise ValueError(f"{name} is {getattr(config, name)}; each layer must have 1 unit or more")
    generator = Dense(tuple(config.generator), config.frames)
    critic = Dense(tuple(config.critic), 1, bias=config.loss != "wasserstein")
    silence = vocabulary.silence(0)[1]
    half = (vocabulary.size - 1) / 2

    def init(key: Key[Array, ""]) -> tuple[Params, State]:
        keys = jax.random.split(key)
        params = {
            "generator": generator.init(keys[0], jnp.zeros((1, config.latent)))["params"],
            "critic": critic.init(keys[1], jnp.zeros((1, config.frames)))["params"],
        }
        return params, {"generator": {}, "critic": {}}

    def generate(
        params: Params,
        state: State,
        noise: Mapping[str, AnyArray],
        given: Num[Array, "N ..."] | None,
        *,
        stage: Num[Array, ""],
        train: bool,
    ) -> tuple[Float[Array, "N T"], State]:
        z = noise["z"].astype(jax.tree.leaves(params)[0].dtype)
        x: Any = jnp.tanh(generator.apply({"params": params}, z))  # type: ignore[arg-type]
        return (x if train else jnp.round((x + 1.0) * half) / half - 1.0), state

    def judge(
        params: Params, state: State, values: Float[Array, "N T"], *, refine: bool
    ) -> tuple[Float[Array, "N 1"], State]:
        values = values.astype(jax.tree.leaves(params)[0].dtype)
        return critic.apply({"params": params}, values), state  # type: ignore[return-value]

    def read(batch: Any) -> tuple[Float[Array, "B T"], Float[Array, " B"]]:
        scored = jnp.asarray(batch["loss_mask"]) > 0
        offsets = jnp.where(scored, jnp.asarray(batch["tokens"]) - silence, 0)
        tokens = roll_features.fit_length(offsets, config.frames) + silence
        return tokens / half - 1.0, scored.any(1).astype(jnp.float32)

    players = adversarial.Players(
        whole=config.frames,
        latent=config.latent,
        parts={},
        init=init,
        noise=lambda key: {"z": jax.random.normal(jax.random.fold_in(key, 1), (config.latent,))},
        generate=generate,
        judge=judge,
        per_track=False,
        read=read,
        given=lambda values: None,
        features=lambda values: values.astype(jnp.float32) / config.frames**0.5,
        write=lambda values: {"tokens": jnp.round((values + 1.0) * half).astype(jnp.int32)},
        read_given=lambda given: None,
        stage=lambda step: jnp.ones(()),
    )
    return adversarial.make(config, players)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, latent=4, frames=10, critic_updates=1)


FAMILY = Family("dense_gan", Config, make, PRESETS, tiny)
