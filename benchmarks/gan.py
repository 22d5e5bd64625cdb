# pyright: reportMissingImports=false
"""Speed of the GAN family: a training step of both players, and generation of pieces, against PyTorch.

    python -m benchmarks.gan --json OUT.json [--rows NAME ...]
    python -m benchmarks.gan --check

Both sides use the preset musegan-chorale (two bars of four voices) as a hybrid with deterministic binary neurons, the
variant with the most parts, in float32 on the same cores. A training step consists of five updates of the critic with
gradient penalty, each on 32 of 160 pieces, and one update of the generator, all with Adam. Generation samples 256
pieces; ours also produces the arrays of the codec. The peer has one module per track, or grouped convolutions, in
either memory layout, eager or with a compiled generator (the second derivatives of the critic cannot be compiled).
"""

import functools
import importlib.util
import sys
from typing import Any

from benchmarks import harness, jobs, workers

PRESET = "musegan-chorale"
BATCH, NUM = 160, 256
# grouped, channels last, compiled
WAYS = {
    "eager, a module a track": (False, False, False),
    "eager, grouped": (True, False, False),
    "eager, channels last": (False, True, False),
    "compiled, a module a track": (False, False, True),
    "compiled, grouped": (True, False, True),
}


def _model(**fields: Any) -> Any:
    import dataclasses

    from musejax import codecs
    from musejax.models import musegan

    codec, config = musegan.PRESETS[PRESET]
    fields = {"form": "hybrid", "binarise": "deterministic", **fields}
    return musegan.make(dataclasses.replace(config, **fields), codecs.get(codec).vocabulary)


def _layout(model: Any) -> Any:
    from musejax import codecs
    from musejax.models import musegan
    from musejax.nn import roll_features

    return roll_features.Layout(codecs.get(musegan.PRESETS[PRESET][0]).vocabulary, model.info.config.bars)


def rolls_of(model: Any, rows: int) -> dict[str, Any]:
    """Returns a batch of random rolls."""
    import numpy as np

    layout = _layout(model)
    frames = np.random.default_rng(0).random((rows, layout.frames, layout.vocabulary.size)) < 0.02
    return {"frames": frames.astype(np.int32), "loss_mask": np.ones((rows, layout.frames), np.int32)}


def training(threads: int) -> workers.Job:
    """Returns the job of our training step."""
    model = _model()
    return jobs.training(model, rolls_of(model, BATCH), b1=0.5, b2=0.9, clip=0.0)


def generation(threads: int) -> workers.Job:
    """Returns the job of our sampler."""
    model = _model()
    return jobs.generation(model, _layout(model).vocabulary.size, NUM, model.info.piece_frames, "frames")


def shape(model: Any) -> Any:
    """Returns the shape of our model in the twin's terms."""
    from benchmarks import twins_gan

    bars, frames, pitches, tracks = _layout(model).shape
    config = model.info.config
    return twins_gan.Shape(
        tracks, bars, frames, pitches, config.latent, config.width, config.critic_width, config.refiner, config.penalty
    )


def _twin(kind: str, threads: int, *, way: tuple[bool, bool, bool], **options: Any) -> workers.Job:
    from benchmarks import twins_gan_jobs

    grouped, last, compiled = way
    return getattr(twins_gan_jobs, kind)(
        threads, shape=shape(_model()), grouped=grouped, last=last, compiled=compiled, **options
    )


def _row(name: str, pieces: int, ours: Any, kind: str, **options: Any) -> harness.Row:
    theirs = {called: functools.partial(_twin, kind, way=way, **options) for called, way in WAYS.items()}
    return harness.Row(name, 32 * pieces, workers.Side({"jit": ours}), workers.Side(theirs))


ROWS = [
    _row("step", BATCH, training, "training", batch=BATCH, updates=5),
    _row("sample", NUM, generation, "generation", num=NUM),
]


def check() -> str:
    """Compares rolls, scores, losses and gradients of network and twin with the same weights and noise.

    Raises:
        AssertionError: The two networks differ.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np
    import torch

    from benchmarks import twins_gan
    from benchmarks import twins_gan_jobs as twin
    from musejax.models.musegan import musegan_critic
    from musejax.models.musegan import musegan_generator as musegan
    from musejax.models.shared import adversarial
    from musejax.nn import losses

    model, lines = _model(latent=6, width=32, critic_width=4), []
    layout, config = _layout(model), model.info.config
    params, state = model.init(jax.random.key(1), {})
    # Far enough from the initialisation for every weight, and the statistics, to matter.
    params, stats = jax.tree.map(
        lambda p: 1.5 * p + 0.1 * jax.random.uniform(jax.random.key(p.size), p.shape),
        (params, state["generator"]["batch_stats"]),
    )
    rng, num = np.random.default_rng(0), 4
    z = rng.normal(size=(num, model.latent.size)).astype(np.float32)
    real = np.array(layout.read(rolls_of(model, num)))
    share = rng.random((num, 1, 1, 1, 1)).astype(np.float32)
    nets = {
        train: musegan.Generator(
            layout, config.form, config.latent, True, True, config.width, None, config.binarise, config.refiner, train
        )
        for train in (False, True)
    }
    critic = musegan_critic.Critic(musegan_critic.Kind(config.critic_width, False, False, False), False)

    def generate(p: Any, train: bool) -> Any:
        args = {"params": p, "batch_stats": stats}, z, None, jnp.zeros((1, 1, 1, 1, 4)), jnp.ones(())
        return nets[train].apply(*args, mutable=["batch_stats"])[0] if train else nets[False].apply(*args)

    def score(p: Any, x: Any) -> Any:
        return critic.apply({"params": p}, x)

    def critic_loss(p: Any, fake: Any) -> Any:
        loss = losses.critic_loss("wasserstein", score(p, real), score(p, fake))
        between = share * real + (1 - share) * fake
        return loss + config.penalty * adversarial.gradient_penalty(lambda x: score(p, x), between, False)

    def generator_loss(p: Any) -> Any:
        return losses.generator_loss("wasserstein", score(params["critic"], generate(p, True)))

    values = {train: np.array(jax.jit(generate, static_argnums=1)(params["generator"], train)) for train in nets}
    # Training values are rounded near 0 and 1; both sides are compared on the same values.
    fake = values[True].round()
    found = jax.jit(jax.value_and_grad(critic_loss))(params["critic"], fake)
    own = jax.jit(jax.value_and_grad(generator_loss))(params["generator"])
    (loss_c, grads_c), (loss_g, grads_g), params, stats = jax.tree.map(np.array, (found, own, params, stats))
    count = {player: sum(p.size for p in jax.tree.leaves(tree)) for player, tree in params.items()}

    def theirs(x: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))

    for grouped in (False, True):
        generator = twin.load(twins_gan.Generator(shape(model), grouped), params["generator"], stats)
        judge = twin.load(twins_gan.Critic(shape(model), grouped), params["critic"])
        assert count == {
            "generator": sum(p.numel() for p in generator.parameters()),
            "critic": sum(p.numel() for p in judge.parameters()),
        }
        with torch.inference_mode():
            rolled = generator.eval()(torch.from_numpy(z))
        assert 0.01 < rolled.mean() < 0.99
        torch.testing.assert_close(rolled, theirs(values[False]))
        drawn = generator.train()(torch.from_numpy(z))
        torch.testing.assert_close(drawn, theirs(values[True]), rtol=0, atol=1e-5)
        value = twin.critic_loss(judge, theirs(real), theirs(fake), torch.from_numpy(share), config.penalty)
        value.backward()
        np.testing.assert_allclose(loss_c, value.item(), rtol=1e-4)
        worst = {"critic": twin.apart(judge, grads_c)}
        value = -judge(drawn).mean()
        value.backward()
        np.testing.assert_allclose(loss_g, value.item(), rtol=1e-4)
        worst["generator"] = twin.apart(generator, grads_g)
        assert max(worst.values()) < 1e-3, worst
        said = ", ".join(f"{player} {by:.1e}" for player, by in worst.items())
        lines.append(f"{'grouped' if grouped else 'a module a track'}: the same rolls and losses; gradients: {said}")
    lines.append(f"{count['generator']} and {count['critic']} parameters on both sides")
    return "\n".join(lines)


if __name__ == "__main__":
    # Before any timing, the twin is shown to be the same network, on a CPU because this requires exact products.
    if not {"--check", "-h", "--help", "--gpu"} & set(sys.argv[1:]) and importlib.util.find_spec("torch"):
        sys.stdout.write(check() + "\n")
    sys.exit(harness.main(ROWS, check, __doc__ or ""))
