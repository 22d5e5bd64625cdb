import importlib
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import track_grammar
from hypothesis import strategies as st

from musejax import codecs, errors
from musejax.codecs import song_parts, tokenizers, tracks

SONG = track_grammar.write(
    [
        (16, [[], [], []]),
        (16, [[(0, 72, 4), (6, 74, 2)], [(0, 60, 8)], [(0, 48, 8), (0, 52, 8), (8, 50, 32)]]),
        (12, [[], [(4, 61, 1)], []]),
        (8, [[(7, 69, 9)], [], [(0, 43, 12)]]),
    ]
)


def song():
    return track_grammar.CODEC.decode({"tokens": np.array(SONG)}, 90)


@pytest.fixture
def remi():
    pytest.importorskip("miditok")
    return codecs.get("remi")


def test_without_the_package_it_says_what_to_install(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    tokenizers._tokenizer.cache_clear()
    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(errors.UserError, match=r"needs the package miditok.*pip install 'miditok>=3.1,<4'"):
        tokenizers.make("remi")


def test_looking_at_the_codecs_imports_no_tokenizer():
    code = """
import sys
from musejax import cli, registry
try:
    cli.main(["list"])
except SystemExit:
    pass
assert "remi" in registry.names("codec")
assert "miditok" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_the_vocabulary_is_the_tokenizers_table(remi):
    types = ["pad", "end", "bar", "pitch", "duration", "position", "program", "timesig"]
    assert [r.type for r in remi.vocabulary.ranges] == types
    assert remi.vocabulary.range("pitch") == track_grammar.VOCABULARY.range("pitch")
    table = tokenizers._tokenizer().vocab
    assert remi.vocabulary.size == len(table)
    assert table["Pitch_60"] == remi.vocabulary.id("pitch", 60)
    assert table["Position_9"] == remi.vocabulary.id("position", 9)
    assert table["TimeSig_3/4"] == remi.vocabulary.id("timesig", 2)


def test_a_song_survives(remi):
    (arrays,) = remi.encode(song())
    again = remi.decode(arrays, 90)
    before, after = tracks.read(song()), tracks.read(again)
    np.testing.assert_array_equal(after.notes, before.notes)
    np.testing.assert_array_equal(after.sizes, before.sizes)
    np.testing.assert_array_equal(remi.encode(again)[0]["tokens"], arrays["tokens"])
    np.testing.assert_array_equal(remi.prime(again)["tokens"], arrays["tokens"][:-1])
    assert arrays["tokens"][-1] == remi.vocabulary.id("end")
    assert arrays["tokens"].dtype == np.int32
    assert [i.name for i in again.instrument_infos] == list(song_parts.NAMES)


@hypothesis.settings(
    deadline=None, max_examples=50, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(data=st.data())
def test_any_tokens_decode(remi, data):
    tokens = data.draw(st.lists(st.integers(0, remi.vocabulary.size - 1), max_size=40))
    sequence = remi.decode({"tokens": np.array(tokens, np.int32)}, 120)
    assert len(sequence.notes) <= len(tokens)


def test_bars_must_be_whole_quarters(remi):
    odd = track_grammar.CODEC.decode({"tokens": np.array(track_grammar.write([(14, [[(0, 60, 1)], [], []])]))}, 90)
    with pytest.raises(errors.DiscardError, match="whole number of quarters"):
        remi.encode(odd)
