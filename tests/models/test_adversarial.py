"""What two players mean: gradients kept apart, losses and penalty by hand, exact resuming, the pattern page's GAN."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musejax import vocabulary
from musejax.models import dense_gan
from musejax.models.shared import adversarial
from musejax.nn import losses
from musejax.pipeline import batches, dataset, stream
from musejax.training import checkpoints, loop, settings, step

DENSE = dense_gan.Config(frames=8, latent=4, generator=(6,), critic=(7,), critic_updates=2, penalty=0.5)
TUNES = vocabulary.melody(60, 69)


def test_the_gradient_penalty_of_a_linear_score_is_known():
    w = jnp.asarray([[3.0, 0.0], [4.0, 0.5]])
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2, 2)), jnp.float32)
    together = adversarial.gradient_penalty(lambda x: jnp.einsum("nab,ab->n", x, w)[:, None], x, False)
    np.testing.assert_allclose(together, (np.sqrt(9 + 16 + 0.25) - 1) ** 2, rtol=1e-5)
    apart = adversarial.gradient_penalty(lambda x: jnp.einsum("nab,ab->nb", x, w), x, True)
    np.testing.assert_allclose(apart, ((5 - 1) ** 2 + (0.5 - 1) ** 2) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "critic", "generator"),
    [
        ("wasserstein", 0.25 - 1.0, -0.25),
        ("hinge", (0.0 + 1.0) / 2 + (0.5 + 2.0) / 2, -0.25),
        ("logistic", np.log1p(np.exp([-2.0, 0.0])).mean() + np.log1p(np.exp([-0.5, 1.0])).mean(),
         np.log1p(np.exp([0.5, -1.0])).mean()),
    ],
)  # fmt: skip
def test_losses_of_both_players(kind, critic, generator):
    real, fake = jnp.asarray([[2.0], [0.0]]), jnp.asarray([[-0.5], [1.0]])
    np.testing.assert_allclose(losses.critic_loss(kind, real, fake), critic, rtol=1e-6)
    np.testing.assert_allclose(losses.generator_loss(kind, fake), generator, rtol=1e-6)


def tunes(num=24, seed=0):
    rng = np.random.default_rng(seed)
    return [dataset.Item(str(i), str(i), {"tokens": rng.integers(2, 9, 8).astype(np.int32)}) for i in range(num)]


def tune_stream(rows=6):
    return stream.ArrayStream(batches.Batches(tunes(), TUNES, batch_size=rows, window=8, seed=0))


@functools.cache
def dense():
    return dense_gan.make(DENSE, TUNES)


@functools.cache
def dense_step(**fields):
    optimizer = settings.Optimizer(**{"name": "adam", "learning_rate": 0.02, "warmup_steps": 0, "clip": 0.0,
                                    "schedule": "constant", "b1": 0.5, **fields})  # fmt: skip
    return step.make_step(dense(), optimizer, steps=12, seed=4)


def test_two_steps_are_both_players_updates_taken_by_hand():
    """Each gradient is of one player's parameters alone, and the generator meets the critic as it is then."""
    s, source = dense_step(), tune_stream()
    ts = s.init(jax.random.key(0), next(tune_stream()))
    params, opt = jax.tree.map(np.array, (ts.params, ts.opt_state))
    adam = optax.adam(0.02, b1=0.5, b2=0.99)
    half = (TUNES.size - 1) / 2

    def mlp(params, x):
        x = jax.nn.leaky_relu(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"][None], 0.2)
        return x @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"][None]

    def generate(params, key):
        keys = [jax.random.fold_in(jax.random.fold_in(key, i), 1) for i in range(3)]
        return jnp.tanh(mlp(params, jnp.stack([jax.random.normal(k, (4,)) for k in keys])))

    @jax.jit
    def by_hand(params, opt, tokens, key):
        keys = jax.random.split(key, 3)
        critic, critic_opt = params["critic"], opt["critic"]
        for i in range(2):
            of_noise, of_penalty = jax.random.split(keys[1 + i])
            real, fake = tokens[i::2] / half - 1.0, generate(params["generator"], of_noise)
            share = jax.random.uniform(of_penalty, (3, 1))

            def cost(p, real=real, fake=fake, share=share):
                loss = jax.nn.softplus(-mlp(p, real)).mean() + jax.nn.softplus(mlp(p, fake)).mean()
                slopes = [jax.grad(lambda x: mlp(p, x[None])[0, 0])(x) for x in share * real + (1 - share) * fake]
                return loss + 0.5 * jnp.stack([(jnp.linalg.norm(g) - 1) ** 2 for g in slopes]).mean()

            value, gradient = jax.value_and_grad(cost)(critic)
            change, critic_opt = adam.update(gradient, critic_opt)
            critic = optax.apply_updates(critic, change)
        own, gradient = jax.value_and_grad(lambda p: jax.nn.softplus(-mlp(critic, generate(p, keys[0]))).mean())(
            params["generator"]
        )
        change, generator_opt = adam.update(gradient, opt["generator"])
        generator = optax.apply_updates(params["generator"], change)
        opt = {"critic": critic_opt, "generator": generator_opt}
        return {"critic": critic, "generator": generator}, opt, value, own

    for at in range(2):
        batch = next(source)
        before = params
        params, opt, value, own = by_hand(params, opt, batch["tokens"], jax.random.fold_in(jax.random.key(4), at))
        ts, info = s.update(ts, batch)
        np.testing.assert_allclose(info["critic_loss"], value, rtol=1e-4)
        np.testing.assert_allclose(info["generator_loss"], own, rtol=1e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-4), ts.params, params)
    moved = jax.tree.map(lambda a, b: np.abs(np.asarray(a) - np.asarray(b)).max(), params, before)
    assert min(jax.tree.leaves(moved)) > 1e-3


def trained(run, source=None, steps=12, validation=True):
    training = settings.Training(steps=steps, batch_size=6, window=8, eval_every=4, save_every=3, log_every=2)
    held_out = (lambda: (b for _, b in batches.whole(tunes(8, 9), 4))) if validation else None
    return loop.train(dense(), dense_step(ema_decay=0.9), source or tune_stream(), held_out, training, run)


class Cut:
    """A stream that ends before its n-th batch."""

    def __init__(self, n):
        self.inner, self.left = tune_stream(), n

    def __next__(self):
        self.left -= 1
        if not self.left:
            raise RuntimeError("killed")
        return next(self.inner)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_a_resumed_run_of_two_players_ends_bit_for_bit_as_the_uninterrupted_one(tmp_path):
    whole = trained(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        trained(tmp_path / "cut", Cut(9))
    again = trained(tmp_path / "cut")
    assert checkpoints.digest(again.train_state) == checkpoints.digest(whole.train_state)
    assert again.best == whole.best and whole.stopped == "done"
    lines = [json.loads(x) for x in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    told = {"critic_loss", "generator_loss", "gradient_penalty", "wasserstein", "critic_grad_norm", "loss"}
    assert all(told <= set(x) for x in lines if x["part"] == "train")
    found = {x["step"]: x["loss"] for x in lines if x["part"] == "valid"}
    assert whole.best == (min(found.values()), min(found, key=found.__getitem__))


def test_the_average_is_of_the_generator_alone(tmp_path):
    ts = trained(tmp_path, validation=False).train_state
    same = jax.tree.map(lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), ts.ema, ts.params)
    assert all(jax.tree.leaves(same["critic"])) and not any(jax.tree.leaves(same["generator"]))


def test_the_sketch_has_the_pages_shapes():
    codec, sketch = dense_gan.PRESETS["sketch-gan"]
    assert codec == "melody-100"
    params, _ = jax.eval_shape(dense_gan.make(sketch, vocabulary.sketch()).init, jax.random.key(0), {})
    shapes = {player: [params[player][f"Dense_{i}"]["kernel"].shape for i in range(len(params[player]))]
              for player in ("generator", "critic")}  # fmt: skip
    assert shapes["generator"] == [(100, 128), (128, 256), (256, 512), (512, 1024), (1024, 100)]
    assert shapes["critic"] == [(100, 512), (512, 256), (256, 128), (128, 1)]


def test_a_setting_that_is_not_for_two_players_is_refused():
    with pytest.raises(ValueError, match="accumulate is 2"):
        step.make_step(dense(), settings.Optimizer(accumulate=2), steps=1, seed=0)
    with pytest.raises(ValueError, match="one token per frame"):
        dense_gan.make(DENSE, vocabulary.trio())
