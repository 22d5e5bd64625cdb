"""Training that is killed with SIGKILL and resumed; the documented command is benchmarks/kill_resume.py."""

import importlib.util
import json
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"


def check(capsys, **kwargs):
    spec = importlib.util.spec_from_file_location("kill_resume", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    status = module.check(**kwargs)
    return status, json.loads(capsys.readouterr().out)


def test_killed_runs_end_bit_for_bit_as_one_that_was_never_killed(capsys):
    status, result = check(capsys, runs=2, steps=30, seed=0)
    assert status == 0
    assert result["alike"] == result["runs"] == 2


@pytest.mark.slow
def test_twenty_killed_runs_some_of_them_inside_a_save(capsys):
    status, result = check(capsys, runs=20, steps=120, seed=0)
    assert status == 0
    assert result["alike"] == 20
    assert result["killed_inside_a_save"] > 0
