"""What a file does not say is assumed, and said, alike for every format."""

import json

import musicxml_text as mx
import numpy as np
import pytest

from musejax import codecs, zoo
from musejax.base import Info, Model
from musejax.generation import planning
from musejax.music import files

STEPS = "G4 A4 B4 C5 B4 A4 G4 F#4 G4 B4 D5 C5 B4 A4 G4"
LENGTHS = [1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 4]
PITCHES = [67, 69, 71, 72, 71, 69, 67, 66, 67, 71, 74, 72, 71, 69, 67]


def stub():
    """A loaded model that reads key, beat and fermatas, and is never asked to draw."""

    def never(*args, **options):
        raise AssertionError("no network is asked")

    codec = codecs.get("chorale")
    names = tuple(name for name, _ in codec.vocabulary.conditions)
    config = {"model": {}, "data": {}, "training": {}}
    return zoo.Loaded(Model(Info(None, conditions=names), never, never, never), {}, codec, config, "stub")


def midi(notes, *, fifths=None, metre=True):
    """The bytes of a MIDI file of (pitch, quarters) without a tempo."""

    def event(delta, *data):
        return bytes([delta // 128 | 128, delta % 128, *data])

    track = event(0, 0xFF, 0x58, 4, 4, 2, 24, 8) if metre else b""
    track += event(0, 0xFF, 0x59, 2, fifths % 256, 0) if fifths is not None else b""
    for pitch, quarters in notes:
        track += event(0, 0x90, pitch, 80) + event(int(96 * quarters), 0x80, pitch, 0)
    track += event(0, 0xFF, 0x2F, 0)
    head = b"MThd" + (6).to_bytes(4, "big") + b"\0\0" + b"\0\1" + (96).to_bytes(2, "big")
    return head + b"MTrk" + len(track).to_bytes(4, "big") + track


def score(down, *, fifths=None):
    """The same melody, so many octaves lower, as MusicXML."""
    names = ["".join(c if not c.isdigit() else str(int(c) - down) for c in name) for name in STEPS.split()]
    bars, bar, room = [], "", 4
    for name, quarters in zip(names, LENGTHS, strict=True):
        bar, room = bar + mx.note(name, quarters), room - quarters
        if not room:
            bars, bar, room = [*bars, bar], "", 4
    key = "" if fifths is None else f"<key><fifths>{fifths}</fifths></key>"
    return mx.score(bars, first=key)


def abc(down):
    """The same melody as ABC; the key signature has the F sharp."""
    text = "G A B c|B2 A G|F G B d|c2 B A|G4|"
    words = text if not down else text.replace("d", "D").replace("c", "C").translate({ord(c): f"{c}," for c in "GABF"})
    return f"X:1\nM:4/4\nL:1/4\nK:G\n{words}\n"


@pytest.fixture(params=[0, 1], ids=["high", "low"])
def plans(request, tmp_path):
    """The plan to harmonise one melody, and what is said of it, by format."""
    notes = [(pitch - 12 * request.param, quarters) for pitch, quarters in zip(PITCHES, LENGTHS, strict=True)]
    (tmp_path / "song.mid").write_bytes(midi(notes, fifths=1))
    (tmp_path / "song.musicxml").write_text(score(request.param, fifths=1))
    (tmp_path / "song.abc").write_text(abc(request.param))
    out = {}
    for suffix in ("mid", "musicxml", "abc"):
        said: list[str] = []
        (sequence,) = files.read(tmp_path / f"song.{suffix}")
        plan = planning.harmony(stub(), sequence, say=said.append)
        out[suffix] = plan, [line.replace(f"song.{suffix}: ", "") for line in said]
    return request.param, out


def test_the_same_melody_has_the_same_conditions_and_remarks_in_every_format(plans):
    down, by_format = plans
    plan, said = by_format["mid"]
    assert plan.given.conditions["fermata"].sum() == 4 * (2 + 2 + 4)
    low = ["its melody lies below 60..81, the range of soprano voices; it is taken as the soprano and harmonised where"]
    assert [line for line in said if "melody" in line] == [f"{line} it is" for line in low * down]
    assert "it has no tempo; 120 quarter notes a minute are assumed" in said
    assert "it has no fermatas; 3 are assumed, on its last note, long ones and those before a rest" in said
    assert len(said) == 2 + down
    for other, remarks in (by_format["musicxml"], by_format["abc"]):
        assert remarks == said
        assert [n._replace(number=0) for n in other.source.notes] == [n._replace(number=0) for n in plan.source.notes]
        for name, values in plan.given.conditions.items():
            np.testing.assert_array_equal(other.given.conditions[name], values)


def test_a_key_and_a_metre_are_estimated_alike(tmp_path):
    (tmp_path / "song.mid").write_bytes(midi(zip(PITCHES, LENGTHS, strict=True)))
    (tmp_path / "song.musicxml").write_text(score(0))
    said: dict[str, list[str]] = {"mid": [], "musicxml": []}
    one, other = (planning.harmony(stub(), files.read(tmp_path / f"song.{s}")[0], say=said[s].append) for s in said)
    np.testing.assert_array_equal(one.given.conditions["key"], other.given.conditions["key"])
    remarks = [json.dumps(lines).replace(f"song.{suffix}", "song") for suffix, lines in said.items()]
    assert remarks[0] == remarks[1] and "G major is assumed, by Krumhansl's profiles" in remarks[0]


def test_the_end_of_a_piece_counts_as_a_bar_line_in_every_format(tmp_path):
    (tmp_path / "song.mid").write_bytes(midi([(67, 1), (69, 1), (71, 1)], fifths=0))
    (tmp_path / "song.musicxml").write_text(mx.score([mx.notes("G4 A4 B4 r")], first="<key><fifths>0</fifths></key>"))
    for suffix in ("mid", "musicxml"):
        plan = planning.harmony(stub(), files.read(tmp_path / f"song.{suffix}")[0], say=lambda line: None)
        assert plan.given.conditions["beat"].tolist() == [*range(12), 0]


@pytest.mark.parametrize(("moved", "read"), [({5: 36}, 81), ({3: -48}, 36)], ids=["high", "low"])
def test_a_note_outside_the_range_is_read_in_another_octave_kept_and_said(tmp_path, moved, read):
    notes = [(pitch + moved.get(i, 0), quarters) for i, (pitch, quarters) in enumerate(zip(PITCHES, LENGTHS))]
    (tmp_path / "song.mid").write_bytes(midi(notes, fifths=1))
    said: list[str] = []
    (sequence,) = files.read(tmp_path / "song.mid")
    plan = planning.harmony(stub(), sequence, say=said.append)
    (at,) = moved
    assert plan.source.shift == 0 and plan.source.notes[at].pitch == read
    assert plan.source.sequence.notes[at].pitch == PITCHES[at] + moved[at] and not plan.redrawn
    assert (
        "song.mid: 1 note lies outside 36..81; stub reads it in another octave, but the result has it as given" in said
    )


def test_a_melody_that_lies_outside_the_range_is_read_in_another_octave_as_a_whole(tmp_path):
    (tmp_path / "song.mid").write_bytes(midi([(p - 48, q) for p, q in zip(PITCHES, LENGTHS)], fifths=1))
    said: list[str] = []
    plan = planning.harmony(stub(), files.read(tmp_path / "song.mid")[0], say=said.append)
    assert plan.source.shift == 24 and [n.pitch + 24 for n in plan.source.notes] == PITCHES
    assert [n.pitch + 48 for n in plan.source.sequence.notes] == PITCHES
    assert any("its melody lies below 60..81, the range of soprano voices" in line for line in said)
