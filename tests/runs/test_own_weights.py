"""What is written for weights of one's own loads like any run; tests of the function are in tests/api."""

import json

import jax
import pytest

from musejax import errors, registry, runs
from musejax.runs import own_weights


def test_a_run_of_own_weights_is_described(tmp_path):
    record = registry.get("family", "recurrent")
    codec, config = record.presets["mono-rnn"]
    from musejax import codecs

    model = record.build(record.tiny(config), codecs.get(codec).vocabulary)
    params, state = model.init(jax.random.key(1), model.example_batch())
    own_weights.write(
        model, {"params": params, "state": state}, tmp_path / "own", name="own", data="folk-tunes", step=7
    )
    described = json.loads((tmp_path / "own" / "run.json").read_text())
    assert described["data"]["source"] == "folk-tunes" and described["family"] == "recurrent"
    run = runs.load(tmp_path / "own", pytest.fail)
    assert run.step == 7 and run.vocabulary == codecs.get(codec).vocabulary


def test_a_name_must_be_a_file_name(tmp_path):
    with pytest.raises(errors.UserError, match="name"):
        own_weights.write(None, {}, tmp_path / "x", name="a/b")
