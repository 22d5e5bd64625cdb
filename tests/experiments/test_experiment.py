"""Config files that hold something else than an experiment's parts end in one line that says what would work."""

import dataclasses
import subprocess
import sys

import pytest

from musejax import cli, errors
from musejax.experiments import experiment as experiments

CONFIG = """
import dataclasses
from musejax import experiments
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

@dataclasses.dataclass(frozen=True)
class Own:
    hidden: int = 8

class Wider(recurrent.Config):
    pass

fields = dict(name="own", data="folk-tunes", codec="melody-basic")
config = experiments.Experiment(**(fields | dict({fields})))
"""
WRONG = [
    ("model=Own()", "model is a Own, not the config of a family; the families are coconet"),
    ("model=Own", "model is a builtins.type, not the config of a family"),
    ("model=Wider()", "model is a Wider, not the config of a family"),
    ("model='recurrent'", "model is a builtins.str, not the config of a family"),
    ("model={'hidden': 8}", "model is a builtins.dict, not the config of a family"),
    ("model=Optimizer()", "model is a musejax.training.settings.Optimizer, not the config of a family"),
    ("optimizer={'learning_rate': 1}", "optimizer is a dict; give a musejax.training.settings.Optimizer"),
    ("training=None", "training is a NoneType; give a musejax.training.settings.Training"),
    ("data=3", "data is a int; give a str"),
    ("tuning='policy'", "tuning is a str; give a musejax.tuning.tuning_settings.Tuning or"),
    ("adapters=4", "adapters is a int; give a musejax.training.adapters.Config"),
]


@pytest.mark.parametrize(("fields", "says"), WRONG, ids=[f for f, _ in WRONG])
@pytest.mark.parametrize("options", [[], ["--fields"]], ids=["train", "fields"])
def test_a_part_of_another_class_is_one_line_and_status_2(fields, says, options, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(CONFIG.format(fields=fields))
    with pytest.raises(SystemExit) as e:
        cli.main(["train", "own.py", *options])
    said = capfd.readouterr().err
    assert e.value.code == 2 and said.count("\n") == 1
    assert said.startswith("musejax train: own.py: ") and says in said
    assert [p.name for p in tmp_path.iterdir()] == ["own.py"]


def test_a_value_outside_its_choices_is_one_line_and_status_2(tmp_path):
    # In a process of its own: annotations are checked in this one.
    (tmp_path / "own.py").write_text(CONFIG.format(fields="model=recurrent.Config(net='tree')"))
    command = [sys.executable, "-m", "musejax.cli", "train", "own.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("musejax train: own.py: --model.net is 'tree'; it must be one of token, frame")


def test_a_model_of_your_own_is_refused_from_python_too(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Own:
        hidden: int = 8

    experiment = dataclasses.replace(experiments.read("melody-lstm"), model=Own())
    with pytest.raises(errors.UserError, match="Own, not the config of a family"):
        _ = experiment.family


def test_every_experiment_that_comes_with_the_package_can_be_read():
    for name in experiments.names():
        experiment = experiments.read(name)
        assert experiment.model is None or experiment.family in type(experiment.model).__module__
