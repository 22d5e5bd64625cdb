"""Requests that end in silence or in a constraint that leaves nothing: an error in one line, and nothing written."""

import json

import jax.numpy as jnp
import numpy as np
import pieces
import pytest

from musejax import cli, codecs, commands, errors, zoo
from musejax.base import Choice, Decoder, Info, Model
from musejax.commands import music_commands
from musejax.decoding import autoregressive
from musejax.generation import primers, restrictions, sampling
from musejax.music import files

CODEC = codecs.get("melody-basic")
TABLE = CODEC.vocabulary
OFF, NOTE = TABLE.id("note_off"), TABLE.id("pitch", 60)


def net(logits, name="idle"):
    """A model whose tokens are independent of each other."""

    def step(params, state, cache, previous, pos, conditions):
        return jnp.tile(jnp.asarray(logits, jnp.float32)[None], (len(previous), 1)), cache

    pair = Decoder(lambda p, s, num, length: jnp.zeros(num), step, TABLE.size)

    def sample(params, state, key, request):
        return autoregressive.sample_request(pair, TABLE, params, state, key, request)

    model = Model(Info(None), lambda key, batch: ({}, {}), lambda *a, **k: None, sample, decoder=pair)
    config = {"model": {}, "training": {}, "data": {}}
    return zoo.Loaded(model, {"params": {}, "state": {}}, CODEC, config, name)


def favouring(**tokens):
    out = np.zeros(TABLE.size)
    for name, value in tokens.items():
        out[{"off": OFF, "hold": 0, "note": NOTE}[name]] = value
    return out


SILENT, EVEN = net(favouring(off=40)), net(np.zeros(TABLE.size))
# A piece of 16 cells sounds with a probability of .28.
RARE = net(favouring(off=7.5))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "another seed"),
        ({"num": 3}, "idle wrote only silence; give"),
        ({"constraint": lambda frame, stream, values: jnp.ones(TABLE.size, bool)}, "relax the constraint"),
        (
            {"constraint": lambda f, s, v: jnp.arange(TABLE.size) < 2, "beams": 2},
            "in a search with 2 beams; relax",
        ),
        ({"constraint": lambda f, s, v: jnp.arange(TABLE.size) < 2, "top_k": 1}, "raise the temperature"),
    ],
)
def test_silence_alone_is_an_error(options, says):
    with pytest.raises(errors.UserError, match=says) as caught:
        pieces.sample(SILENT, length=16, **options)
    assert "\n" not in str(caught.value)


def test_a_primer_with_nothing_behind_it_is_silence():
    primer = CODEC.decode({"tokens": np.array([NOTE, 0, 0, 0])}, 100.0)
    with pytest.raises(errors.UserError, match="only silence"):
        pieces.sample(SILENT, length=40, primer=primer)
    assert pieces.sample(EVEN, length=40, primer=primer)[0].notes


@pytest.mark.parametrize("options", [{"beams": 1}, {"beams": 3}, {"top_k": 1}, {"top_p": 0.1}, {"temperature": 1e-6}])
def test_a_sharp_choice_of_a_net_that_prefers_silence_writes_music(options):
    (piece,) = pieces.sample(SILENT, length=128, **options)
    starts = sorted(note.start_time for note in piece.notes)
    bar = 60 / 100 * 4
    assert starts[0] == 0
    assert np.diff([*starts, 8 * bar]).max() < 3.1 * bar  # a note of two bars, and a rest of one


def test_a_silent_piece_is_drawn_again_and_the_rest_is_written(tmp_path, capsys, monkeypatch):
    pieces = sampling.draw_pieces(RARE, 8, 0, length=16, choice=Choice())
    monkeypatch.setattr(sampling, "TRIES", 1)
    first = sampling.draw_pieces(RARE, 8, 0, length=16, choice=Choice())
    assert sum(p.silent for p in first) > sum(p.silent for p in pieces)
    for a, b in zip(first, pieces, strict=True):
        if not a.silent:
            np.testing.assert_array_equal(a.arrays["tokens"], b.arrays["tokens"])
    assert any(p.silent for p in first) and not all(p.silent for p in first)
    args = cli.parser().parse_args(["sample", "idle", "--num", "8", "--out", str(tmp_path), "--json"])
    music_commands._write(first, [[tmp_path / f"{i}.mid"] for i in range(8)], args, RARE)
    told = json.loads(capsys.readouterr().out)
    assert [t["silent"] for t in told] == [p.silent for p in first]
    assert [bool(t["files"]) for t in told] == [not p.silent for p in first]
    assert len(list(tmp_path.iterdir())) == sum(not p.silent for p in first)


@pytest.mark.parametrize("options", [{}, {"beams": 2}])
def test_a_constraint_that_leaves_nothing_is_an_error(options):
    def nothing(frame, stream, values):
        return jnp.where(frame == 5, False, jnp.ones(TABLE.size, bool))

    with pytest.raises(errors.UserError, match="leaves no token in frame 5"):
        pieces.sample(EVEN, length=16, constraint=nothing, **options)


def test_a_plain_function_is_heeded_and_compiled_once():
    calls = []

    def rising(frame, stream, values):
        calls.append(1)
        return jnp.arange(TABLE.size) == NOTE + frame % 4

    (piece,) = pieces.sample(EVEN, length=8, constraint=rising)
    assert [note.pitch for note in piece.notes] == [60, 61, 62, 63] * 2
    before = len(calls)
    pieces.sample(EVEN, length=8, constraint=rising, seed=1)
    assert len(calls) - before <= 1, "its shape is checked again, and nothing compiled"


@pytest.mark.parametrize(
    ("constraint", "says"),
    [
        (3, "it is 3"),
        ("C major", "it is 'C major'"),
        (lambda frame: jnp.ones(TABLE.size, bool), r"called with \(frame, stream, values\)"),
        (lambda f, s, v: jnp.ones(7, bool), r"returned shape \[7\]"),
        (lambda f, s, v: jnp.ones((5, TABLE.size), bool), r"returned shape \[5, 38\]"),
        (lambda f, s, v: jnp.ones((1, 1, TABLE.size), bool), r"returned shape \[1, 1, 38\]"),
        (lambda f, s, v: jnp.ones(TABLE.size), "returned float32"),
        (lambda f, s, v: None, "returned NoneType"),
        (lambda f, s, v: jnp.ones(TABLE.size, bool) if f > 3 else jnp.zeros(TABLE.size, bool), "use jax.numpy"),
        (lambda f, s, v: np.arange(TABLE.size) == int(f), "use jax.numpy"),
    ],
)
def test_what_is_no_constraint_is_an_error(constraint, says):
    with pytest.raises(errors.UserError, match=says) as caught:
        pieces.sample(EVEN, length=16, constraint=constraint)
    assert "\n" not in str(caught.value)


def test_part_of_a_bar_within_something_given_may_be_silent():
    def silent(free):
        mask = np.zeros(40, np.int32)
        mask[:free] = 1
        return restrictions.is_silent(CODEC, {"tokens": np.full(40, OFF)}, primers.Given(mask, mask, {}))

    assert not silent(15) and silent(16)


@pytest.mark.parametrize(
    "options",
    [
        ["melody-lstm", "--scale", "C", "--pitches", "61-61"],
        ["melody-lstm", "--pitches", "100-110"],
        ["chorale-lstm", "--scale", "C", "--chords", "C F#", "--pitches", "36-81"],
        ["melody-lstm", "--density", "0-0"],
        ["chorale-lstm", "--scale", "C", "--allow", "alto@2:61"],
        ["deep-bach", "--scale", "C", "--pitches", "61-61"],
        ["coconet", "--pitches", "10-20"],
    ],
)
def test_options_that_leave_no_note_are_a_mistake(options, tmp_path):
    args, _ = cli.parser().parse_known_args(["sample", *options, "--out", str(tmp_path / "out")])
    with pytest.raises(errors.UserError, match="no note of codec .* is left"):
        commands.run("sample", args, [])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["melody-lstm", "melody-transformer", "melody-rl", "jsb16-lstm", "pop-transformer"])
@pytest.mark.parametrize("options", [{"beams": 4}, {"top_k": 1}, {"temperature": 1e-6}, {"top_p": 0.1}])
def test_sharp_choices_of_shipped_models_write_music(model, options):
    (piece,) = pieces.sample(model, **options)
    quarter = 60 / 100
    starts = sorted({round(note.start_time / quarter, 2) for note in piece.notes})
    end = max(note.end_time for note in piece.notes) / quarter
    assert starts[0] < 4 and np.diff([*starts, end]).max() <= 12


@pytest.mark.slow
def test_the_search_of_the_readme_writes_a_chorale(tmp_path):
    line = ["sample", "chorale-lstm", "--chords", "D A Bm G", "--scale", "D", "--beam", "4", "--out", str(tmp_path)]
    args, _ = cli.parser().parse_known_args(line)
    assert commands.run("sample", args, []) == 0
    piece = files.read(next(tmp_path.iterdir()))[0]
    bars = piece.total_time / (4 * 60 / 100)
    assert bars >= 7
    assert len({int(note.start_time / (4 * 60 / 100)) for note in piece.notes}) >= bars - 1
