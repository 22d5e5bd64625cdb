"""Tuned runs on the command line: training by each method, resuming, sampling, the table, and their mistakes."""

import json
import shutil

import jax
import numpy as np
import pytest

from musejax import cli, codecs, runs, zoo
from musejax.experiments import reinforcement
from musejax.generation import sampling
from musejax.pipeline import dataset
from musejax.training import checkpoints, restoring

VOCABULARY = codecs.get("melody-basic").vocabulary
BASE = """
from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="base",
    data={data!r},
    codec="melody-basic",
    model=recurrent.Config(hidden=8, num_layers=1),
    optimizer=Optimizer(warmup_steps=1),
    training=Training(steps=1, batch_size=4, window=16, eval_every=1, save_every=1, log_every=1),
)
"""
TUNED = """
import dataclasses
import runpy

from musejax.training.settings import Optimizer
from musejax.tuning.tuning_settings import Tuning

config = dataclasses.replace(
    runpy.run_path({base!r})["config"],
    name="tuned",
    optimizer=Optimizer(name="adam", warmup_steps=1, schedule="constant", ema_decay=0.5),
    tuning=Tuning(base={run!r}, replay=12, minibatch=3, updates=2, validation=4),
)
"""
REWARDS = """
import jax.numpy as jnp
import numpy as np

calls = []

def notes(arrays):
    return (arrays["tokens"] > 1).mean(1)

def slow(arrays):
    return [float(len(set(row.tolist()))) for row in arrays["tokens"]]

def wrong(arrays):
    return arrays["tokens"].sum()

def infinite(arrays):
    return jnp.full(len(arrays["tokens"]), jnp.inf)

def later(arrays):
    calls.append(len(np.asarray(arrays["tokens"])))
    return [float("nan") if len(calls) > 2 else 0.0] * calls[-1]
"""


def run(*argv):
    with pytest.raises(SystemExit) as e:
        cli.main([str(a) for a in argv])
    return e.value.code or 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a trained run, the experiment that tunes it, and rewards of one's own."""
    root = tmp_path_factory.mktemp("tuning")
    rng = np.random.default_rng(0)
    splits = {
        name: [
            dataset.Item(f"{name} {i}", f"{name} {i}", {"tokens": rng.integers(0, 38, 40).astype(np.int32)})
            for i in range(n)
        ]
        for name, n in (("train", 6), ("valid", 3), ("test", 2))
    }
    dataset.Dataset("tunes", VOCABULARY, splits, {"used": 11}).save(root / "tunes.npz")
    (root / "base.py").write_text(BASE.format(data=str(root / "tunes.npz")))
    (root / "tuned.py").write_text(TUNED.format(base=str(root / "base.py"), run=str(root / "base")))
    (root / "mine.py").write_text(REWARDS)
    assert run("train", root / "base.py", "--workdir", root / "base") == 0
    return root


def tune(made, name, *options):
    return run("train", made / "tuned.py", "--workdir", made / name, *options)


@pytest.fixture(scope="module")
def trained(made):
    """A run of each method."""
    for method in ("policy", "preferences", "q", "g"):
        assert tune(made, method, "--tuning.method", method, "--training.steps", 2) == 0
    return made


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["policy", "preferences", "q", "g"])
def test_a_tuned_run_is_an_ordinary_run(method, trained, tmp_path, monkeypatch):
    described = json.loads((trained / method / "run.json").read_text())
    assert described["family"] == "recurrent" and described["tuning"]["method"] == method
    said = lines(trained / method)
    assert [x["part"] for x in said] == ["train", "valid"] * 2
    assert {"reward", "kl", "loss", "best"} <= set(said[1]) and "reward" in said[0]
    (tmp_path / method).symlink_to(trained / method)  # without its base beside it
    monkeypatch.chdir(tmp_path)
    (piece,) = sampling.draw_pieces(zoo.load(method), 1, 0)
    assert len(piece.arrays["tokens"]) == 16  # as long as what it was tuned on
    assert run("sample", method, "--length", 40, "--out", tmp_path / "music") == 0
    assert run("evaluate", method, "--data", trained / "tunes.npz", "--json") == 0


def test_the_run_of_g_keeps_its_prior(trained):
    base, tuned = (zoo.load(trained / name).variables for name in ("base", "g"))
    assert tuned["state"].keys() == {"prior"}
    jax.tree.map(np.testing.assert_array_equal, tuned["state"]["prior"], base["params"])


@pytest.mark.parametrize("method", ["policy", "q"])
def test_a_resumed_run_ends_as_the_uninterrupted_one(method, trained, made):
    assert tune(made, f"{method}-whole", "--tuning.method", method, "--training.steps", 4) == 0
    assert tune(made, method, "--tuning.method", method, "--training.steps", 4) == 0
    ends = [[x for x in lines(made / name) if x["step"] == 4] for name in (method, f"{method}-whole")]
    strip = [[{k: v for k, v in x.items() if k not in ("time", "tokens_per_second", "best")} for x in e] for e in ends]
    assert strip[0] == strip[1] and len(strip[0]) == 2


@pytest.mark.parametrize(
    "method",
    ["policy", *(pytest.param(m, marks=pytest.mark.slow) for m in ("g", "preferences", "q", "psi"))],
)
def test_a_method_trains_adapters_alone_which_are_a_run_like_any_other(method, made, tmp_path, capfd):
    adapted = ["--init-from", made / "base", "--adapters.rank", 2, "--tuning.method", method]
    argv = ["train", made / "tuned.py", *adapted, "--optimizer.learning-rate", 0.05]
    assert run(*argv, "--workdir", tmp_path / "cut", "--training.steps", 2) == 0
    assert run(*argv, "--workdir", tmp_path / "whole", "--training.steps", 4) == 0
    assert run(*argv, "--workdir", tmp_path / "cut", "--training.steps", 4) == 0
    # Resumed as if it had never stopped.
    ends = [(tmp_path / name / "checkpoints" / "last" / "4") for name in ("whole", "cut")]
    digests = [json.loads((end / "meta" / "metadata").read_text())["digests"] for end in ends]
    assert digests[0] == digests[1]
    # Adapters alone have moved, and begin at the base.
    loaded, base = runs.load(tmp_path / "cut", pytest.fail), runs.load(made / "base", pytest.fail)
    assert set(restoring.flat(loaded.adapters)) == {
        f"{path}/{part}"
        for path in ("output/kernel", "stack/layer_0/input", "stack/layer_0/recurrent")
        for part in "ab"
    }
    before, now = restoring.flat(base.variables["params"]), restoring.flat(loaded.variables["params"])
    assert {path for path in before if (before[path] != now[path]).any()} == {
        "output/kernel", "stack/layer_0/input", "stack/layer_0/recurrent"
    }  # fmt: skip
    # Sampled, scored and packed, apart from its base and merged into it.
    assert run("pack", tmp_path / "cut", "--out", tmp_path / "apart") == 0
    assert run("pack", tmp_path / "cut", "--out", tmp_path / "merged", "--merge") == 0
    figures = []
    for name in ("cut", "apart", "merged"):
        assert run("sample", tmp_path / name, "--length", 40, "--out", tmp_path / "music" / name) == 0
        capfd.readouterr()
        assert run("evaluate", tmp_path / name, "--data", made / "tunes.npz", "--json") == 0
        figures.append(json.loads(capfd.readouterr().out)["nll_per_token"])
    assert figures == pytest.approx([figures[0]] * 3, abs=5e-3)
    assert run("evaluate", tmp_path / "cut", "--rules", "--num", 30) == 0


def test_adapters_go_on_beside_the_weights_alone_that_they_began_beside(made, tmp_path, capfd):
    shutil.copytree(made / "base", tmp_path / "base")
    argv = ["train", made / "tuned.py", "--init-from", tmp_path / "base", "--adapters.rank", 2]
    argv += ["--tuning.base", made / "base", "--workdir", tmp_path / "run"]
    assert run(*argv, "--training.steps", 1) == 0
    other = runs.load(tmp_path / "base", pytest.fail)
    params = jax.tree.map(lambda x: x + 1, other.variables["params"])
    shutil.rmtree(tmp_path / "base" / "checkpoints")
    checkpoints.write_model(tmp_path / "base" / "checkpoints" / "best" / "1", params, {})
    capfd.readouterr()
    assert run(*argv, "--training.steps", 2) == 2
    said = capfd.readouterr().err.splitlines()
    assert "adapters need the weights that they were trained on" in said[-1]


def test_validation_tells_pieces_over_and_over_where_there_are_few():
    items = [dataset.Item(str(n), str(n), {"tokens": np.full(n, n)}) for n in (8, 4, 9)]
    found = reinforcement.heads(items, 6, 5)
    assert [i.name for i in found] == ["8", "9", "8", "9", "8"]
    assert all(len(i.arrays["tokens"]) == 6 for i in found)
    assert reinforcement.heads(items, 10, 5) == []


def test_the_table_is_of_the_run_and_its_prior(trained, capfd):
    assert run("evaluate", trained / "policy", "--rules", "--num", 30, "--seed", 3, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["num"], found["length"], found["base"]) == (30, 32, str(trained / "base"))
    names = ["repeated", "not_in_key", "starts_on_tonic", "leaps_resolved", "unique_highest", "in_motif",
             "distinct_4grams", "nll_per_token_under_prior"]  # fmt: skip
    for side in ("prior", "tuned"):
        assert list(found[side]) == names
        assert all(found[side][name] is None or 0 <= found[side][name] <= 1 for name in names[:-1])
    assert run("evaluate", trained / "base", "--rules", "--num", 30, "--seed", 3, "--json") == 0
    alone = json.loads(capfd.readouterr().out)
    assert alone["prior"] == found["prior"] and "tuned" not in alone
    assert run("evaluate", trained / "policy", "--rules", "--num", 30) == 0
    assert "leaps_resolved" in capfd.readouterr().out


@pytest.mark.parametrize(
    "rewards",
    [("nearness", 1), ("critic:{root}/base", 0.5), ("{root}/mine.py:notes", 2), ("rules", 1, "{root}/mine.py:slow", 1)],
)
def test_rewards_have_names(rewards, made, tmp_path, capfd):
    told = [str(r).format(root=made) for r in rewards]
    options = ["--training.steps", 1, "--tuning.rewards", *told, "--workdir", tmp_path / "run"]
    assert run("train", made / "tuned.py", *options) == 0
    slow = [line for line in capfd.readouterr().err.splitlines() if "cannot be compiled by JAX" in line]
    assert len(slow) == any("slow" in t for t in told)


def test_a_reward_that_stops_being_finite_stops_training(made, tmp_path, capfd):
    status = run(
        "train", made / "tuned.py", "--tuning.rewards", f"{made}/mine.py:later", "1", "--workdir", tmp_path / "r"
    )
    assert status == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert "reward is nan at step 1; there is no checkpoint yet. A reward must be finite for every piece" in said


TRAIN = ["train", "{root}/tuned.py", "--workdir", "new"]
BAD = [
    ([*TRAIN, "--tuning.base", "nowhere"], "no run directory or shipped model 'nowhere'"),
    ([*TRAIN, "--tuning.base", "jsb16-lstm"], "jsb16-lstm: its codec is chorale-pitches, but --codec is melody-basic"),
    ([*TRAIN, "--tuning.base", "melody-transformer"], "its family is transformer, not recurrent"),
    ([*TRAIN, "--model.hidden", "9"], "its hidden is 8, but --model.hidden is 9"),
    ([*TRAIN, "--tuning.base", "{root}/g"], "it was tuned by g and has two networks; give its own base"),
    ([*TRAIN, "--init-from", "{root}/g"], "it was tuned by g and has two networks; start from its base, "),
    ([*TRAIN, "--init-from", "{root}/g", "--adapters.rank", "1"], "it was tuned by g and has two networks"),
    ([*TRAIN, "--tuning.method", "sarsa"], "--tuning.method"),
    ([*TRAIN, "--tuning.leash", "-1"], "--tuning: leash is -1.0; it must be at least 0"),
    ([*TRAIN, "--tuning.group", "3"], "--tuning: group is 3 and the batch size 4; group must be at least 2"),
    ([*TRAIN, "--training.batch-size", "1"], "group is 1 and the batch size 1; group must be at least 2"),
    ([*TRAIN, "--tuning.discount", "1.5"], "--tuning: discount is 1.5; it must be in 0..1"),
    ([*TRAIN, "--tuning.replay", "0"], "--tuning: replay is 0; it must be at least 1"),
    ([*TRAIN, "--tuning.rules.tonic", "12"], "--tuning: rules.tonic is 12; it must be a pitch class, 0..11"),
    ([*TRAIN, "--tuning.rules.key", "nan"], "--tuning: rules.key is nan"),
    ([*TRAIN, "--tuning.rewards", "beauty", "1"], "--tuning.rewards beauty: it is unknown; rewards are rules"),
    ([*TRAIN, "--tuning.rewards", "rules", "inf"], "--tuning: the factor of reward rules is inf"),
    ([*TRAIN, "--tuning.rewards", "critic:jsb16-lstm", "1"], "critic:jsb16-lstm: its codec is chorale-pitches"),
    ([*TRAIN, "--tuning.rewards", "{root}/none.py:notes", "1"], "none.py cannot be read: FileNotFoundError"),
    ([*TRAIN, "--tuning.rewards", "{root}/mine.py:none", "1"], "mine.py defines no function 'none'"),
    ([*TRAIN, "--tuning.rewards", "{root}/mine.py:wrong", "1"], "returns shape () for 4 pieces of 16 frames"),
    ([*TRAIN, "--tuning.rewards", "{root}/mine.py:infinite", "1"], "returns values that are not finite"),
    ([*TRAIN, "--optimizer.accumulate", "2"], "--optimizer: accumulate is 2"),
    ([*TRAIN[:3], "{root}/policy", "--tuning.leash", "3"], "holds a run with another tuning"),
    (["train", "{root}/base.py", "--workdir", "{root}/policy"], "holds a run with another tuning"),
    (["evaluate", "chorale-lstm", "--rules"], "the music rules need a codec for a single melody"),
    (["evaluate", "melody-vae-2bar", "--rules"], "melody-vae-2bar: it has no exact left-to-right likelihood"),
    (["evaluate", "{root}/policy", "--rules", "--num", "0"], "--num 0: it must be at least 1"),
    (["evaluate", "{root}/policy", "--rules", "--seed", "-1"], "--seed -1"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "says"), BAD, ids=[" ".join(a)[-50:] for a, _ in BAD])
def test_bad_input_is_one_line_and_status_2(argv, says, trained, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    status = run(*(a.format(root=trained) for a in argv))
    captured = capfd.readouterr()
    assert status == 2, captured.err
    assert captured.err.count("\n") == 1, captured.err
    assert says in captured.err
    assert not list(tmp_path.iterdir())
