"""Runs that start from other runs, on the command line."""

import json
import shutil

import numpy as np
import pytest

from musejax import cli, codecs, errors, runs, zoo
from musejax.pipeline import dataset
from musejax.reports import evaluate
from musejax.training import checkpoints, lock, restoring

CONFIG = """
from musejax.experiments import Experiment
from musejax.models import {family}
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name={name!r},
    data={data!r},
    codec={codec!r},
    model={family}.Config({model}),
    optimizer=Optimizer(warmup_steps=1, schedule="constant"),
    training=Training(steps=3, batch_size=4, window=16, eval_every=3, save_every=3, log_every=3),
)
"""
LSTM = "hidden=8, num_layers=1, inputs='embed', embed=8"
QUICK = ["--training.batch-size", 4, "--training.eval-every", 2, "--training.steps", 4]


def prepared(path, codec, source, pieces):
    """A data set of random tunes whose notes every melody codec has."""
    table = codecs.get(codec).vocabulary
    rng = np.random.default_rng(len(source))
    first = table.id("pitch", 60)
    splits = {
        split: [
            dataset.Item(f"{split} {i}", f"{split} {i}", {"tokens": rng.integers(first, first + 12, 20 + i, np.int32)})
            for i in range(n)
        ]
        for split, n in pieces.items()
    }
    dataset.Dataset(source, table, splits, {"used": sum(pieces.values())}).save(path)


def run(*argv):
    with pytest.raises(SystemExit) as e:
        cli.main([str(a) for a in argv])
    return e.value.code or 0


def told(capfd, *argv, status=0):
    """What one command says on standard error."""
    capfd.readouterr()
    assert run(*argv) == status
    return capfd.readouterr().err


def figures(capfd, model, *options):
    capfd.readouterr()
    assert run("evaluate", model, "--json", *options) == 0
    return json.loads(capfd.readouterr().out)


def described(path):
    return json.loads((path / "run.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A trained run, a few pieces to tune it on, the tuned run, and adapters of it."""
    root = tmp_path_factory.mktemp("tuned")
    prepared(root / "many.npz", "melody-basic", "many", {"train": 8, "valid": 2, "test": 2})
    prepared(root / "few.npz", "melody-basic", "few", {"train": 5, "valid": 0, "test": 2})
    prepared(root / "wide.npz", "melody", "wide", {"train": 5, "valid": 1, "test": 1})
    kinds = {
        "base": ("recurrent", "melody-basic", "many", LSTM),
        "wide": ("recurrent", "melody", "wide", LSTM),
        "wider": ("recurrent", "melody-basic", "few", LSTM.replace("hidden=8", "hidden=9")),
        "other": ("music_vae", "melody-basic", "few", "latent=3, encoder_hidden=5, hidden=7, num_layers=1"),
    }
    for name, (family, codec, data, model) in kinds.items():
        text = CONFIG.format(name=name, family=family, codec=codec, data=str(root / f"{data}.npz"), model=model)
        (root / f"{name}.py").write_text(text)
    assert run("train", root / "base.py", "--workdir", root / "base") == 0
    tune = ["train", "fine-tune", "--init-from", root / "base", "--data", root / "few.npz", *QUICK]
    assert run(*tune, "--workdir", root / "tuned") == 0
    assert run(*tune, "--workdir", root / "adapted", "--adapters.rank", 2, "--optimizer.learning-rate", 0.05) == 0
    return root


def test_a_run_that_is_tuned_takes_all_from_its_base_and_says_so(made, capfd, tmp_path):
    found = described(made / "tuned")
    assert found["name"] == "base-tuned" and found["vocabulary"]["name"] == "melody-basic"
    assert found["model"] == described(made / "base")["model"] and found["training"]["window"] == 16
    init = found["init"]
    assert init["from"] == str(made / "base") and init["name"] == "base" and init["data"] == ["many"]
    assert len(init["restored"]) == 6 and init["grown"] == init["random"] == []
    assert len(found["data"]["report"]["held_out"]) == 2 == found["data"]["pieces"]["valid"]
    # What was scored first are the base's weights, on the pieces that were held out.
    lines = [json.loads(line) for line in (made / "tuned" / "metrics.jsonl").read_text().splitlines()]
    first = next(line for line in lines if line["part"] == "valid")
    assert first["step"] == 0
    own = figures(capfd, made / "tuned", "--data", made / "few.npz", "--split", "valid")
    assert own["pieces"] == 2
    assert own["nll_per_token"] <= first["loss"] + 1e-5
    assert run("sample", made / "tuned", "--out", tmp_path) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["base-tuned-0-000.mid"]


def test_what_fits_is_told_and_so_is_what_does_not(made, capfd, tmp_path):
    said = told(capfd, "train", made / "wide.py", "--init-from", made / "base", "--workdir", tmp_path / "wide")
    assert "restored 3 of 6 parameters, 3 grown, 0 left at random" in said
    assert "grown: embed, output/bias, output/kernel" in said
    assert described(tmp_path / "wide")["init"]["grown"] == ["embed", "output/bias", "output/kernel"]
    said = told(capfd, "train", made / "wider.py", "--init-from", made / "base", "--workdir", tmp_path / "wider")
    assert "left at random: output/kernel, stack/layer_0/bias, stack/layer_0/input, stack/layer_0/recurrent" in said


def test_adapters_are_a_run_like_any_other(made, capfd, tmp_path):
    found = described(made / "adapted")["adapters"]
    assert (found["rank"], found["base"]["run"], found["base"]["shipped"]) == (2, "../base", False)
    run_dir = next((made / "adapted" / "checkpoints" / "best").glob("[0-9]*"))
    assert sum(p.stat().st_size for p in run_dir.rglob("*") if p.is_file()) < 100_000
    few = ("--data", made / "few.npz")
    whole = figures(capfd, made / "adapted", *few)
    # Apart and merged, in sixteen bits.
    assert run("pack", made / "adapted", "--out", tmp_path / "deep" / "apart") == 0
    assert run("pack", made / "adapted", "--out", tmp_path / "merged", "--merge") == 0
    assert "adapters" not in described(tmp_path / "merged")
    for name in ("deep/apart", "merged"):
        there = figures(capfd, tmp_path / name, *few)
        assert there["nll_per_token"] == pytest.approx(whole["nll_per_token"], abs=2e-3)
    loaded = runs.load(made / "adapted", pytest.fail)
    assert loaded.adapters is not None and loaded.model.decoder is not None
    for model in (made / "adapted", tmp_path / "deep" / "apart"):
        assert run("sample", model, "--num", 2, "--out", tmp_path / "music", "--length", 16, "--overwrite") == 0


def test_a_model_that_was_tuned_can_be_tuned_again(made, capfd, tmp_path):
    argv = ["train", "fine-tune", "--data", made / "few.npz", *QUICK, "--training.steps", 2]
    said = told(capfd, *argv, "--init-from", made / "adapted", "--workdir", tmp_path / "again")
    assert "restored 6 of 6" in said
    assert described(tmp_path / "again")["init"]["data"] == ["few", "many"]
    # Adapters of adapters.
    assert run(*argv, "--init-from", made / "adapted", "--adapters.rank", 1, "--workdir", tmp_path / "twice") == 0
    assert figures(capfd, tmp_path / "twice", "--data", made / "few.npz")["pieces"] == 2


@pytest.mark.parametrize("options", [[], ["--adapters.rank", 2], ["--optimizer.unfreeze", "3:stack/*"]])
def test_a_tuned_run_resumes_bit_for_bit(made, options, tmp_path):
    shutil.copytree(made / "base", tmp_path / "base")
    argv = ["train", "fine-tune", "--init-from", tmp_path / "base", "--data", made / "few.npz", *QUICK, *options]
    argv += ["--optimizer.warmup-steps", 1]  # as long in a shorter run
    assert run(*argv, "--workdir", tmp_path / "whole") == 0
    assert run(*argv, "--workdir", tmp_path / "cut", "--training.steps", 2) == 0
    if not options:  # The weights are in the checkpoint by now.
        shutil.copytree(tmp_path / "base", tmp_path / "moved")
        for part in (tmp_path / "base" / "checkpoints" / "best").iterdir():
            shutil.rmtree(part)
    assert run(*argv, "--workdir", tmp_path / "cut") == 0
    ends = [(tmp_path / name / "checkpoints" / "last" / "4") for name in ("whole", "cut")]
    digests = [json.loads((end / "meta" / "metadata").read_text())["digests"] for end in ends]
    assert digests[0] == digests[1]


def test_adapters_serve_the_model_alone_that_they_were_trained_on(made, capfd, tmp_path):
    for name in ("base", "adapted"):
        shutil.copytree(made / name, tmp_path / name)
    loaded = runs.load(tmp_path / "base", pytest.fail)
    params = dict(loaded.variables["params"])
    params["output"] = {name: value + 1 for name, value in params["output"].items()}
    best = next((tmp_path / "base" / "checkpoints" / "best").glob("[0-9]*"))
    shutil.rmtree(best)
    checkpoints.write_model(best, params, loaded.variables["state"])
    said = told(capfd, "sample", tmp_path / "adapted", "--out", tmp_path / "music", status=2)
    assert said.count("\n") == 1 and "adapters need the weights that they were trained on" in said
    shutil.rmtree(tmp_path / "base")
    said = told(capfd, "evaluate", tmp_path / "adapted", "--data", made / "few.npz", status=2)
    assert said.count("\n") == 1 and "has adapters for base, which is not at" in said
    assert not (tmp_path / "music").exists()


def wrong(name, *argv, says):
    return pytest.param(argv, says, id=name)


TUNE = ("train", "fine-tune", "--data", "{few.npz}", "--init-from", "{base}")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        wrong("nothing fits", "train", "{other.py}", "--init-from", "{base}", says="none of its weights match; its"),
        wrong("no such run", *TUNE[:4], "--init-from", "organ", says="no run directory or shipped model 'organ'"),
        wrong("no run", *TUNE[:4], says="fine-tune takes its model from another run; give --init-from"),
        wrong("no music", *TUNE[:2], *TUNE[4:], says="base-tuned has no data; give a corpus"),
        wrong("nothing to adapt", "train", "{base.py}", "--adapters.rank", 2, says="give the run to adapt by"),
        wrong("adapters of another model", "train", "{wider.py}", *TUNE[4:], "--adapters.rank", 2,
              says="adapters need the model and codec of"),
        wrong("a rank too large", *TUNE, "--adapters.rank", 99, says="--adapters: patterns * match no matrix"),
        wrong("no such parameter", *TUNE, "--optimizer.freeze", "organ/*", says="--optimizer: freeze: 'organ/*'"),
        wrong("all frozen", *TUNE, "--optimizer.freeze", "*", says="leaves no parameter to train"),
        wrong("no step", *TUNE, "--optimizer.unfreeze", "stack/*", says="give STEP:PATTERN"),
        wrong("a rate below 0", *TUNE, "--optimizer.restored-rate", -1, says="--optimizer.restored-rate is -1.0"),
        wrong("no adapters to merge", "pack", "{base}", "--merge", "--out", "out", says="has no adapters to merge"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing_behind(made, argv, says, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = told(capfd, *(_path(made, a) for a in argv), status=2).splitlines()
    assert says in lines[-1] and not any("Traceback" in line for line in lines)
    assert not list(tmp_path.iterdir())


def _path(made, argument):
    text = str(argument)
    return made / text[1:-1] if text.startswith("{") else text


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("base", TUNE, "holds a run that started from random weights, not from"),
        ("tuned", ("train", "{base.py}", "--data", "{few.npz}"), "not from random weights; give another --workdir"),
        ("tuned", (*TUNE, "--adapters.rank", 1), "holds a run with adapters.rank 0, not 1"),
        ("adapted", (*TUNE, "--adapters.rank", 1), "holds a run with adapters.rank 2, not 1"),
        ("tuned", (*TUNE, "--optimizer.freeze", "stack/*"), "holds a run with optimizer.freeze"),
    ],
)
def test_a_directory_goes_on_as_it_began(made, name, options, says, capfd):
    said = told(capfd, *(_path(made, a) for a in options), "--workdir", made / name, status=2)
    assert says in said.splitlines()[-1]


def test_a_run_that_learns_nothing_says_so(made, capfd, tmp_path):
    argv = ["train", "fine-tune", "--init-from", made / "base", "--data", made / "few.npz", *QUICK]
    argv += ["--optimizer.warmup-steps", 0]
    said = told(capfd, *argv, "--optimizer.learning-rate", 30, "--workdir", tmp_path / "same").splitlines()[-1]
    assert f"nothing was learnt, this is still {made / 'base'}: no later weights were better on the pieces held" in said
    assert "Give more pieces" in said and "--optimizer.learning-rate" in said
    found = described(tmp_path / "same")["result"]
    assert (found["stopped"], found["step"], found["best_step"], found["learnt"]) == ("done", 4, 0, False)
    for path, value in restoring.flat(runs.load(made / "base", pytest.fail).variables["params"]).items():
        loaded = restoring.flat(runs.load(tmp_path / "same", pytest.fail).variables["params"])
        np.testing.assert_array_equal(loaded[path], value)
    said = told(capfd, *argv, "--optimizer.learning-rate", 0.05, "--workdir", tmp_path / "better")
    assert "nothing was learnt" not in said
    found = described(tmp_path / "better")["result"]
    assert found["learnt"] and found["best_step"] > 0


@pytest.mark.parametrize("name", ["tuned", "new"])
def test_a_second_training_in_a_directory_is_one_line_and_status_2(made, name, capfd, tmp_path):
    workdir = (made if name == "tuned" else tmp_path) / name
    argv = [_path(made, a) for a in TUNE] + [*QUICK, "--workdir", workdir]
    before = described(workdir) if name == "tuned" else None
    with lock.hold(workdir):
        said = told(capfd, *argv, status=2).splitlines()
    assert said[-1].startswith(f"musejax train: another training is writing to {workdir}; wait until it ends, or give")
    assert [p.name for p in workdir.iterdir()] == ["train.lock"] if before is None else described(workdir) == before
    assert run(*argv) == 0


def test_a_tuned_run_is_not_scored_on_what_shares_music_with_its_base(made, tmp_path):
    shutil.copytree(made / "tuned", tmp_path / "tuned")
    found = described(tmp_path / "tuned")
    found["init"]["data"] = ["folk-tunes"]
    (tmp_path / "tuned" / "run.json").write_text(json.dumps(found))
    with pytest.raises(errors.UserError, match="trained on folk-tunes, which shares music with bl-nottingham"):
        evaluate.evaluate(zoo.load(tmp_path / "tuned"), "bl-nottingham", "test", pytest.fail)
