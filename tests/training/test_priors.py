"""A prior fitted to the vectors of training: their mean and axes, kept beside the checkpoint that it belongs to."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_vae

from musejax import cli, codecs, runs, zoo
from musejax.base import Latent
from musejax.decoding import latent_paths
from musejax.generation import sampling
from musejax.pipeline import dataset
from musejax.runs import packing
from musejax.training import priors

MEAN = np.array([3.0, -1.0, 0.5, 2.0])
AXES = np.array([[2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.5, -0.5]])
CONFIG = """
from musejax.experiments import Experiment
from musejax.models import music_vae
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="vae",
    data={data!r},
    codec="melody-90",
    model=music_vae.Config(latent=4, encoder_hidden=6, hidden=8, num_layers=1),
    optimizer=Optimizer(warmup_steps=1),
    training=Training(steps=2, batch_size=4, window=32, bars=2, eval_every=2, save_every=2, log_every=1),
)
"""


def reading(vectors):
    """A model whose encoder gives vectors by number."""
    table = np.asarray(vectors, np.float32)

    def encode(params, state, batch):
        return table[np.asarray(batch["number"])], np.ones((len(batch["number"]), 4), np.float32)

    return small_vae.loaded().model._replace(latent=Latent(4, encode, lambda *_: {}))


def batches(count, size):
    for first in range(0, count, size):
        number = np.arange(first, first + size)
        yield {"number": np.minimum(number, count - 1), "loss_mask": np.tile(number[:, None] < count, (1, 3))}


def test_it_finds_the_mean_and_the_axes_of_what_training_has(monkeypatch):
    vectors = MEAN + np.random.default_rng(0).normal(size=(999, 2)) @ AXES
    monkeypatch.setattr(jax, "jit", lambda f: lambda p, s, b: f(p, s, b))
    found = priors.fit(reading(vectors), {}, {}, batches(999, 50))
    np.testing.assert_allclose(found["mean"], vectors.mean(0), atol=1e-4)
    covariance = found["axes"].T @ found["axes"]
    np.testing.assert_allclose(covariance, np.cov(vectors.T), atol=1e-4)
    with pytest.raises(ValueError, match="number of training pieces is 1; a prior needs at least 2"):
        priors.fit(reading(vectors), {}, {}, batches(1, 1))


def test_draws_lie_where_it_says():
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = np.asarray(latent_paths.prior(keys, 4, {"mean": jnp.asarray(MEAN), "axes": jnp.asarray(AXES)}))
    np.testing.assert_allclose(drawn.mean(0), MEAN, atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), AXES.T @ AXES, atol=0.3)
    np.testing.assert_allclose(drawn[:, 0] - drawn[:, 1], 4.0, atol=1e-4)  # nothing across the axes
    assert np.asarray(latent_paths.prior(keys, 4)).std() == pytest.approx(1.0, abs=0.05)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("priors")
    table = codecs.get("melody-90").vocabulary
    rng = np.random.default_rng(0)

    def piece():
        tokens = np.full(64, table.id("hold"), np.int32)
        tokens[::4] = [table.id("pitch", p) for p in rng.integers(60, 72, 16)]
        return {"tokens": tokens, "beat": np.tile(np.arange(16, dtype=np.int32), 4)}

    splits = {
        s: [dataset.Item(f"{s} {i}", f"{s} {i}", piece()) for i in range(n)] for s, n in (("train", 6), ("valid", 2))
    }
    dataset.Dataset("tunes", table, splits, {"used": 8}).save(root / "tunes.npz")
    (root / "vae.py").write_text(CONFIG.format(data=str(root / "tunes.npz")))
    with pytest.raises(SystemExit) as status:
        cli.main(["train", str(root / "vae.py"), "--workdir", str(root / "run")])
    assert not status.value.code
    return root / "run"


def test_training_leaves_one_and_samples_come_from_it(trained, tmp_path):
    run = runs.load(trained, print)
    prior = run.variables["state"]["latent_prior"]
    assert prior["mean"].shape == (4,) and prior["axes"].shape == (4, 4)
    loaded = zoo.load(trained)
    drawn = sampling.draw_pieces(loaded, 3, 0)
    bare = loaded._replace(variables={**loaded.variables, "state": {}})
    assert any(
        (a.arrays["tokens"] != b.arrays["tokens"]).any() for a, b in zip(drawn, sampling.draw_pieces(bare, 3, 0))
    )
    packing.pack(run, tmp_path / "packed", 16)
    again = runs.load(tmp_path / "packed", print).variables["state"]["latent_prior"]
    np.testing.assert_array_equal(again["axes"], prior["axes"])


def test_one_of_another_step_or_a_damaged_one_does_not_count(trained, tmp_path):
    step = runs.load(trained, print).step
    assert priors.read(trained, step) is not None and priors.read(trained, step + 1) is None
    (tmp_path / priors.FILE).write_bytes((trained / priors.FILE).read_bytes()[:-40])
    assert priors.read(tmp_path, step) is None and priors.read(tmp_path / "none", step) is None


def test_a_run_that_starts_from_one_trains(trained, tmp_path):
    config = trained.parent / "vae.py"
    with pytest.raises(SystemExit) as status:
        cli.main(["train", str(config), "--init-from", str(trained), "--workdir", str(tmp_path / "next")])
    assert not status.value.code
    assert json.loads((tmp_path / "next" / "run.json").read_text())["init"]["name"] == "vae"
    with pytest.raises(SystemExit) as status:
        cli.main(
            [
                "train",
                str(config),
                "--init-from",
                str(trained),
                "--adapters.rank",
                "2",
                "--workdir",
                str(tmp_path / "a"),
            ]
        )
    assert not status.value.code
    assert "latent_prior" in runs.load(tmp_path / "a", print).variables["state"]
