"""The files of docs/extending: an own family, codec, corpus, metric, reward and data set work as the built-in ones."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from musejax import cli, errors, registry, zoo

FILES = Path(__file__).parents[1] / "docs" / "extending"
SMALL = [
    "--training.steps", "4", "--training.batch-size", "4", "--training.window", "16", "--training.eval-every", "2",
    "--training.save-every", "2", "--training.log-every", "1", "--training.eval-batch-size", "4",
]  # fmt: skip
TINY = [*SMALL, "--model.num-layers", "2", "--model.width", "8"]
TUNE = "X:{n}\nT:Tune {n}\nM:4/4\nL:1/8\nK:C\n{notes}|\n"


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    """An empty folder, and a registry without what the test brings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_brought", {})
    for file in FILES.glob("*.py"):
        shutil.copy(file, tmp_path)
    scales = ["CDEFGABc", "cBAGFEDC", "CEGcGECE", "EFGABcde", "GFEDCDEF", "ABcdcBAG", "CCGGAAG2", "FFEEDDC2"]
    (tmp_path / "my_tunes").mkdir()
    for n in range(12):
        bars = "|".join(scales[(n * 3 + i) % 8] for i in range(9))
        (tmp_path / "my_tunes" / f"{n}.abc").write_text(TUNE.format(n=n + 1, notes=bars))


def run(*argv):
    with pytest.raises(SystemExit) as end:
        cli.main([str(a) for a in argv])
    return end.value.code


@pytest.fixture
def tcn(capsys):
    """A trained run of the family in my_tcn.py."""
    assert run("train", "my_tcn.py", "--workdir", "r", "--data", "my_tunes", "--codec", "melody", *TINY) == 0
    registry._brought.clear()
    capsys.readouterr()
    return Path("r")


def test_the_files_are_as_short_as_they_promise():
    assert len((FILES / "my_tcn.py").read_text().splitlines()) <= 70
    assert len((FILES / "my_codec.py").read_text().splitlines()) <= 60


def test_a_family_in_one_file_works_everywhere(tcn, capsys):
    assert json.loads((tcn / "run.json").read_text())["plugins"] == {"family": "my_tcn.py"}
    assert run("sample", "r", "--plugin", "my_tcn.py", "--length", "32", "--num", "2") == 0
    assert len(list(Path().glob("*.mid"))) == 2
    assert run("sample", "r", "--plugin", "my_tcn.py", "--length", "32", "--beams", "4", "--out", "beam") == 0
    capsys.readouterr()
    assert run("evaluate", "r", "--plugin", "my_tcn.py", "--data", "my_tunes", "--split", "train", "--json") == 0
    assert np.isfinite(json.loads(capsys.readouterr().out)["nll_per_token"])
    assert run("pack", "r", "--plugin", "my_tcn.py", "--out", "packed") == 0
    assert run("sample", "packed", "--plugin", "my_tcn.py", "--length", "32", "--out", "from_packed") == 0


def test_training_goes_on_where_it_stopped(tcn):
    more = ("train", "my_tcn.py", "--workdir", "r", "--data", "my_tunes", "--codec", "melody", *TINY)
    assert run(*more, "--training.steps", "6") == 0
    assert zoo.load("r").config["training"]["steps"] == 6


def test_a_run_whose_family_is_missing_names_the_file(tcn, capsys):
    assert run("sample", "r") == 2
    assert "family 'tcn' comes from my_tcn.py; name that file with --plugin" in capsys.readouterr().err


def test_a_codec_in_one_file_makes_a_data_set_and_samples(capsys):
    argv = ("--codec", "skyline-8ths", "--plugin", "my_codec.py")
    assert run("prepare", "my_tunes", *argv, "--out", "tunes.npz") == 0
    train = ("train", "my_tcn.py", "--workdir", "r", "--data", "tunes.npz", *argv, *TINY)
    assert run(*train) == 0
    registry._brought.clear()
    capsys.readouterr()
    assert run("sample", "r", "--plugin", "my_tcn.py", "--length", "16") == 2
    assert "codec 'skyline-8ths' comes from my_codec.py; name that file with --plugin" in capsys.readouterr().err
    assert run("sample", "r", "--plugin", "my_tcn.py", "--plugin", "my_codec.py", "--length", "16") == 0


def test_a_corpus_in_one_file_has_its_own_name(capsys):
    argv = ("prepare", "my-songs", "--codec", "melody", "--plugin", "my_corpus.py", "--out", "songs.npz", "--json")
    assert run(*argv) == 0
    assert json.loads(capsys.readouterr().out)["used"] == 12
    assert run("prepare", "my-songs", "--codec", "melody", "--out", "more.npz") == 2 or registry.is_known(
        "corpus", "my-songs"
    )


def test_a_metric_stands_in_the_table(capsys):
    assert run("metrics", "my_tunes", "--reference", "my_tunes", "--plugin", "my_metric.py", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["generated"]["step_rate"] < 1


def test_a_metric_of_a_wrong_shape_is_one_line(capsys):
    Path("bad.py").write_text("from musejax.evaluation.metric import Metric\nM = Metric('bad', lambda rolls: [1, 2])\n")
    assert run("metrics", "my_tunes", "--reference", "my_tunes", "--plugin", "bad.py") == 2
    assert "metric bad of bad.py returns an array of shape (2,)" in capsys.readouterr().err


def test_a_reward_has_a_name():
    registry.use("my_reward.py")
    tokens = np.array([[10, 0, 11, 12], [2, 30, 2, 30]])
    even, wild = np.asarray(registry.get("reward", "steps").score({"tokens": tokens}))
    assert wild < even <= 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        ("x = 1", "defines no Family, Codec, Corpus, Metric or Reward"),
        (
            "from musejax.base import Family\nF = Family('recurrent', dict, print)",
            "musejax already has a family 'recurrent'; choose another name",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_line(content, message, capsys):
    Path("bad.py").write_text(content)
    assert run("list", "--plugin", "bad.py") == 2
    assert message in capsys.readouterr().err


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(errors.UserError, match="codec 'nope' is unknown; the codecs are .*melody.*--plugin FILE"):
        registry.get("codec", "nope")


def test_a_data_set_with_a_vocabulary_of_its_own_needs_no_codec(capsys):
    runpy.run_path("my_arrays.py", run_name="__main__")
    sizes = ("--model.num-layers", "1", "--model.hidden", "8", "--training.transpose", "0", "--model.conditions")
    data = ("--data", "knights.npz", "--codec", "knights")
    assert run("train", "melody-lstm", *data, "--workdir", "r", *SMALL, *sizes) == 0
    assert run("sample", "r", "--num", "2", "--length", "12", "--out", "drawn") == 0
    assert run("sample", "r", "--beams", "2", "--length", "12", "--out", "best.npz") == 0
    for file in (*Path("drawn").iterdir(), Path("best.npz")):
        tokens = np.load(file)["tokens"]
        assert 0 < len(tokens) <= 12 and (tokens >= 0).all() and (tokens < 65).all()
    capsys.readouterr()
    assert run("evaluate", "r", "--data", "knights.npz", "--json") == 0
    assert 0 < json.loads(capsys.readouterr().out)["nll_per_token"] < 1.1 * np.log(65)
    assert run("sample", "r", "--out", "knight.mid") == 2
    assert "writes arrays; give a folder, or a file such as F.npz" in capsys.readouterr().err
    assert run("train", "melody-lstm", "--data", "knights.npz", "--workdir", "other") == 2
    assert "prepared for codec knights, not melody-basic; give --codec knights" in capsys.readouterr().err
