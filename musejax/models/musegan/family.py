"""The GAN family: MuseGAN (Dong et al., 2018) over rolls of several tracks, with binary neurons (Dong and Yang, 2018).

The generator makes the rolls of all tracks for a few bars at once. In the form *jamming*, each track has a generator
and a critic of its own, independent of the other tracks. In *composer*, all tracks share one set of latent vectors and
one critic. In *hybrid*, tracks also have latent vectors of their own. A generator can be conditioned on a given track,
which it accompanies with the others.

Cells are binarised by a threshold on the real values that training used, or by deterministic or stochastic binary
neurons after residual units, with a straight-through gradient. The output is not processed further.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Key, Num
from musejax.base import Family, Model, Params, State
from musejax.models.musegan import musegan_critic, musegan_generator
from musejax.models.shared import adversarial, configs
from musejax.nn import roll_features


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a GAN over rolls.

    Attributes:
        bars: Number of 4/4 bars in a piece.
        form: `jamming`, `composer` or `hybrid`.
        latent: Size of each latent vector.
        fixed: Whether there are latent vectors that are constant over the piece.
        by_bar: Whether there are latent vectors that change from bar to bar.
        width: Number of channels of the generator's trunk; its heads have fractions of it.
        critic_width: Number of channels of a stream of the critic.
        given: Name of the given track, which the other tracks accompany; empty for none.
        binarise: `threshold`, or `deterministic` or `stochastic` binary neurons.
        refiner: Number of residual units before binary neurons.
        refine_after: Number of steps before binary neurons are used; until then the critic reads real values.
        refine_alone: Whether only the refiners are trained once binary neurons are used, as in their paper.
        loss: `wasserstein`, `hinge` or `logistic`.
        penalty: Weight of the gradient penalty; 0 for none.
        spectral: Whether the critic's kernels are normalised by their largest singular value.
        critic_updates: Number of critic updates per step, each on its own part of the batch.
        critic_rate: Learning rate of the critic divided by that of the generator.
    """

    bars: int = 4
    form: Literal["jamming", "composer", "hybrid"] = "hybrid"
    latent: int = 32
    fixed: bool = True
    by_bar: bool = True
    width: int = 64
    critic_width: int = 16
    given: str = ""
    binarise: Literal["threshold", "deterministic", "stochastic"] = "deterministic"
    refiner: int = 2
    refine_after: int = 0
    refine_alone: bool = False
    loss: Literal["wasserstein", "hinge", "logistic"] = "wasserstein"
    penalty: float = 10.0
    spectral: bool = False
    critic_updates: int = 5
    critic_rate: float = 1.0


# name -> (codec, config). The first has the grid and the hard threshold of the paper, the second those of version 3.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "musegan": ("rolls-band", Config(width=256, critic_width=64, binarise="threshold")),
    "musegan-v3": ("rolls-band-12", Config(width=256, critic_width=64, form="composer", latent=64, refiner=2)),
    "musegan-chorale": ("rolls-chorale", Config(bars=2, form="composer", binarise="threshold")),
    "musegan-pop": ("rolls-pop", Config(binarise="threshold")),
}


def _check(config: Config, vocabulary: vocabularies.Vocabulary) -> None:
    roll_features.check(vocabulary)
    adversarial.check(config)
    configs.check_at_least(config, 1, "bars", "width", "critic_width")
    configs.check_at_least(config, 0, "refiner", "refine_after")
    if not config.fixed and not config.by_bar:
        raise ValueError("fixed and by_bar are both False; at least one must be True")
    if config.given and config.given not in vocabulary.tracks:
        raise ValueError(f"given is {config.given!r}; the tracks are {', '.join(vocabulary.tracks)}")
    if config.given and config.form == "jamming":
        raise ValueError("given does not fit form = jamming, whose tracks are independent; use composer or hybrid")
    if config.given and len(vocabulary.tracks) == 1:
        raise ValueError(f"given is {config.given!r}, the only track, so that no track is left to sample")


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    _check(config, vocabulary)
    layout = roll_features.Layout(vocabulary, config.bars)
    given_track = vocabulary.tracks.index(config.given) if config.given else None

    def generator(train: bool) -> musegan_generator.Generator:
        return musegan_generator.Generator(
            layout, config.form, config.latent, config.fixed, config.by_bar, config.width, given_track,
            config.binarise, config.refiner, train,
        )  # fmt: skip

    def critic(refine: bool) -> musegan_critic.Critic:
        bias = config.loss != "wasserstein"  # a difference of scores does not depend on it
        kind = musegan_critic.Kind(config.critic_width, bias, config.spectral, refine)
        return musegan_critic.Critic(kind, config.form == "jamming")

    parts = generator(False).parts
    num_sampled, size = len(generator(False).sampled), max(end for _, end in parts.values())
    cells = (*layout.shape[:3], num_sampled) if config.binarise == "stochastic" else (1, 1, 1, num_sampled)

    @jax.jit  # without it the many layers would take a minute
    def init(key: Key[Array, ""]) -> tuple[Params, State]:
        keys = jax.random.split(key)
        x = jnp.zeros((1, *layout.shape))
        players = {
            "generator": generator(True).init(
                keys[0], jnp.zeros((1, size)), given(x), jnp.zeros((1, *cells)), jnp.ones(())
            ),
            "critic": critic(True).init(keys[1], x),
        }
        params = {name: variables["params"] for name, variables in players.items()}
        return params, {n: {k: v for k, v in variables.items() if k != "params"} for n, variables in players.items()}

    finish = jax.jit(generator(False).apply)

    def noise(key: Key[Array, ""]) -> dict[str, Array]:
        z = jax.random.normal(jax.random.fold_in(key, 1), (size,))
        if config.binarise != "stochastic":
            return {"z": z, "cells": jnp.zeros(cells)}
        return {"z": z, "cells": jax.random.uniform(jax.random.fold_in(key, 2), cells)}

    def generate(
        params: Params,
        state: State,
        noise: Mapping[str, AnyArray],
        given: Num[Array, "N bars F P"] | None,
        *,
        stage: Num[Array, ""],
        train: bool,
    ) -> tuple[Float[Array, "N bars F P K"], State]:
        z = noise["z"].astype(jax.tree.leaves(params)[0].dtype)
        args = ({"params": params, **state}, z, given, noise["cells"], stage)
        if not train:
            return finish(*args), state
        values, state = generator(True).apply(*args, mutable=["batch_stats"])
        return values, state

    def judge(
        params: Params, state: State, values: Float[Array, "N bars F P K"], *, refine: bool
    ) -> tuple[Float[Array, "N S"], State]:
        variables = {"params": params, **state}
        if not (refine and config.spectral):
            return critic(False).apply(variables, values), state  # type: ignore[return-value]
        scores, state = critic(True).apply(variables, values, mutable=["spectral"])
        return scores, state

    def read(batch: Any) -> tuple[Float[Array, "B bars F P K"], Float[Array, " B"]]:
        return layout.read(batch), (jnp.asarray(batch["loss_mask"]).sum(1) > 0).astype(jnp.float32)

    def given(values: Float[Array, "N bars F P K"]) -> Float[Array, "N bars F P"] | None:
        return None if given_track is None else values[..., given_track]

    def read_given(frames: Array | None) -> Float[Array, "N bars F P"] | None:
        if given_track is None:
            return None
        if frames is None:
            raise ValueError(f"track {config.given} is missing; this model accompanies it")
        return given(layout.of_frames(roll_features.fit_length(jnp.asarray(frames, jnp.float32), layout.frames)))

    def learns(change: Params, stage: Num[Array, ""]) -> Params:
        before_refining = {name: jax.tree.map(lambda x: x * (stage <= 0), part) for name, part in change.items()}
        return {**before_refining, "refiners": change["refiners"]}

    refine_alone = config.refine_alone and config.binarise != "threshold"
    players = adversarial.Players(
        whole=layout.frames,
        latent=size,
        parts=parts,
        init=init,
        noise=noise,
        generate=generate,
        judge=judge,
        per_track=config.form == "jamming",
        read=read,
        given=given,
        features=lambda values: roll_features.features(values.astype(jnp.float32), layout.drums),
        write=lambda values: {"frames": layout.to_frames(values)},
        read_given=read_given,
        stage=lambda step: jnp.asarray(step >= config.refine_after, jnp.float32),
        given_track=config.given,
        learns=learns if refine_alone else None,
    )
    return adversarial.make(config, players)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, width=16, latent=4, critic_width=4, refiner=1, critic_updates=1, bars=1)


FAMILY = Family("musegan", Config, make, PRESETS, tiny)
