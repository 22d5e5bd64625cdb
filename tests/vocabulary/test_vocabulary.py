"""Streams that have ids of their own, silence, and tables that were saved before a field was there."""

import dataclasses
import json

import pytest

from musejax import codecs, registry, vocabulary


def test_the_streams_of_a_trio_have_ids_of_their_own():
    table = vocabulary.trio()
    assert [table.span(s) for s in range(3)] == [(0, 90), (90, 90), (180, 512)]
    assert table.types(1) == ("bass_hold", "bass_off", "bass")
    chorale = vocabulary.chorale()
    assert [chorale.span(s) for s in range(4)] == [(0, chorale.size)] * 4


@pytest.mark.parametrize(
    ("codec", "ends", "goes_on"),
    [
        ("melody-90", ["note_off"], ["hold"]),
        ("melody-100", ["rest"], ["rest"]),
        ("chorale", ["rest"] * 4, ["rest"] * 4),
        ("trio", ["melody_off", "bass_off", "drums"], ["melody_hold", "bass_hold", "drums"]),
        ("drums", ["drums"], ["drums"]),
    ],
)
def test_every_stream_knows_its_silence(codec, ends, goes_on):
    table = codecs.get(codec).vocabulary
    found = [table.silence(s) for s in range(table.streams)]
    assert [table.event(a) for a, _ in found] == [(type, 0) for type in ends]
    assert [table.event(b) for _, b in found] == [(type, 0) for type in goes_on]


@pytest.mark.parametrize("codec", [name for name in registry.names("codec") if name != "remi"])
def test_a_table_comes_back_as_it_was_saved_also_from_before_streams_had_ids_of_their_own(codec):
    table = codecs.get(codec).vocabulary
    saved = json.loads(json.dumps(table.to_json()))
    assert vocabulary.Vocabulary.from_json(saved) == table
    del saved["own"]
    assert vocabulary.Vocabulary.from_json(saved) == table


def test_ids_of_their_own_are_part_of_the_table():
    table = vocabulary.trio()
    other = dataclasses.replace(table, own=())
    assert vocabulary.Vocabulary.from_json(json.loads(json.dumps(other.to_json()))) == other != table
