"""Tests of training that is killed with SIGKILL and resumed (`python -m benchmarks.kill_resume`)."""

import json

import pytest

from benchmarks import kill_resume


def check(capsys, **kwargs):
    status = kill_resume.check(**kwargs)
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.slow
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
