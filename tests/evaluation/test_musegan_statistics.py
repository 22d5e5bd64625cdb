import dataclasses
import json

import numpy as np
import pytest

from musejax.evaluation import musegan_statistics, note_rolls

Note = note_rolls.Note


def statistics(*pieces, tracks=1, beat=24, bars=1, drums=()):
    batch = note_rolls.from_notes(
        pieces, tracks=tracks, beat=beat, bar=4 * beat, frames=[4 * beat * bars] * len(pieces), drums=drums
    )
    return musegan_statistics.statistics(batch)


def value(name, *notes, **options):
    return statistics([Note(*n) for n in notes], **options)[name].tolist()


def centroid(*classes):
    """Harte's centroid of equally strong classes, one term at a time."""
    total = np.zeros(6)
    for c in classes:
        fifths, minor, major = 7 * np.pi * c / 6, 3 * np.pi * c / 2, 2 * np.pi * c / 3
        total += [
            np.sin(fifths),
            np.cos(fifths),
            np.sin(minor),
            np.cos(minor),
            np.sin(major) / 2,
            np.cos(major) / 2,
        ]
    return total / len(classes)


def test_empty_bars():
    # Track 0 sounds in bars 0 and 1, track 1 in bar 3 of 4.
    assert value("eb", (0, 60, 90, 100), (1, 60, 300, 310), tracks=2, bars=4) == [0.5, 0.75]


def test_pitch_classes_of_bars_that_sound():
    notes = [(0, 60, 0, 4), (0, 72, 4, 8), (0, 64, 8, 12), (0, 67, 100, 110)]
    assert value("upc", *notes, bars=3) == [(2 + 1) / 2]
    # Relative to 24: 36 // 7 = 5, 48 // 7 = 6, 40 // 7 = 5; the octave counts as two, the third as one.
    assert value("upc_as_coded", *notes, bars=3) == [(2 + 1) / 2]
    assert value("upc", (0, 60, 0, 1), (0, 72, 1, 2)) == [1]
    assert value("upc_as_coded", (0, 60, 0, 1), (0, 72, 1, 2)) == [2]
    assert value("upc_as_coded", (0, 59, 0, 1), (0, 65, 1, 2)) == [1]
    # The code has 84 pitches.
    assert value("upc_as_coded", (0, 108, 0, 1), (0, 23, 1, 2), (0, 60, 1, 2)) == [1]


def test_qualified_notes():
    notes = [(0, 60, 0, 1), (0, 60, 10, 12), (0, 60, 20, 23), (0, 62, 95, 97)]
    assert value("qn", *notes, bars=2) == [1 / 4]
    # Two bars: of 1, 2, 3 and 1 frames two qualify; of one frame none does.
    assert value("qn_as_coded", *notes, bars=2) == [(2 / 4 + 0) / 2]
    # Repeated notes that touch are one in the code.
    assert value("qn", (0, 60, 0, 1), (0, 60, 1, 2)) == [0]
    assert value("qn_as_coded", (0, 60, 0, 1), (0, 60, 1, 2)) == [1]


def test_every_note_qualifies_on_a_grid_of_16ths():
    assert value("qn", (0, 60, 0, 1), beat=4) == [1]
    assert value("qn_as_coded", (0, 60, 0, 1), beat=4) == [1]


def test_polyphony_of_bars_that_sound():
    notes = [(0, 60, 0, 30), (0, 64, 0, 20), (0, 67, 0, 10)]
    assert value("pp", *notes, bars=2) == [10 / 96]
    assert value("pp_as_coded", *notes, bars=2) == [20 / 96]


def test_drum_patterns():
    # On a 16th, a frame before one, a frame behind one, and between.
    notes = [(0, 36, 6, 7), (0, 36, 17, 18), (0, 38, 25, 26), (0, 38, 33, 34)]
    assert value("dp", *notes, drums=[0]) == pytest.approx([1.6 / 4])
    # A bar that is late throughout loses nothing where it is coded.
    late = [(0, 36, 2, 3), (0, 36, 8, 9), (0, 38, 96, 97)]
    assert value("dp", *late, drums=[0], bars=3) == pytest.approx([1 / 3])
    assert value("dp_as_coded", *late, drums=[0], bars=3) == [1]
    # A held note begins once.
    assert value("dp", (0, 36, 0, 96), drums=[0]) == [1]


@pytest.mark.parametrize(
    ("beat", "weights"),
    [
        (24, [1, 0.3, 0, 0, 0, 0.3]),
        (16, [1, 0.3, 0, 0.3]),
        (12, [1, 0.3, 0.3]),
        (8, [1, 0.3]),
        (6, [1, 0.3, 0.3]),
        (4, [1, 0.3]),
    ],
)
def test_the_pattern_of_each_grid(beat, weights):
    shares = [value("dp", (0, 36, start, start + 1), drums=[0], beat=beat)[0] for start in range(len(weights))]
    assert shares == weights


def test_grids_without_a_pattern():
    assert np.isnan(value("dp", (0, 36, 0, 1), drums=[0], beat=2)[0])
    assert np.isnan(value("dp_as_coded", (0, 36, 0, 1), drums=[0], beat=3)[0])


def test_tonal_distance():
    # Bar 0: C and E (as long) against G; bar 1 has one track; bar 2: the same class in two octaves.
    notes = [(0, 60, 0, 10), (0, 64, 5, 15), (1, 67, 90, 96), (0, 60, 96, 99), (0, 61, 192, 193), (1, 49, 200, 288)]
    found = np.array(value("td", *notes, tracks=3, bars=3, drums=[2]))
    distance = np.linalg.norm(centroid(0, 4) - centroid(7)) / 2
    assert found[0, 1] == found[1, 0] == pytest.approx(distance)
    assert np.isnan(found[2]).all() and np.isnan(found.diagonal()).all()


def test_tonal_distance_as_coded():
    # Beats of two bars in which both tracks sound; in the third the second track lacks a beat.
    notes = [(0, 60, 0, 96), (1, 72, 0, 48), (1, 60, 48, 96)]
    notes += [(0, 60, 96, 192), (1, 60, 96, 192), (0, 60, 192, 288), (1, 90, 192, 264)]
    found = value("td_as_coded", *notes, tracks=2, bars=3)
    # 60 is in class 36 // 7 = 5, 72 in 48 // 7 = 6; half of the beats of the first bar differ.
    distance = np.linalg.norm(centroid(5) - centroid(6))
    assert found[0][1] == found[1][0] == pytest.approx((distance / 2 + 0) / 2)


def test_pieces_are_pooled_by_bar_and_padding_is_no_bar():
    notes = [[Note(0, 60, 0, 4)], [Note(0, 60, 0, 2), Note(0, 62, 2, 4), Note(0, 64, 6, 7)]]
    batch = note_rolls.from_notes(notes, tracks=1, beat=4, bar=[16, 6], frames=[16, 12])
    found = musegan_statistics.statistics(batch)
    assert found["eb"].tolist() == [0]
    assert found["upc"].tolist() == [(1 + 2 + 1) / 3]
    apart = [musegan_statistics.statistics(batch.take([i])) for i in (0, 1)]
    assert [a["upc"].tolist() for a in apart] == [[1], [3 / 2]]


def test_what_is_not_defined():
    found = statistics([], tracks=2, drums=[1])
    assert found["eb"].tolist() == [1, 1]
    assert all(np.isnan(values).all() for name, values in found.items() if name != "eb")
    empty = musegan_statistics.statistics(note_rolls.from_notes([], tracks=2, beat=4, bar=16))
    assert all(np.isnan(values).all() for values in empty.values())


def test_chorales(data_folder):
    pieces = json.loads((data_folder / "Jsb16thSeparated.json").read_text())["test"][:10]
    pitch = [np.array(piece) for piece in pieces]
    size = max(len(p) for p in pitch)
    padded = np.stack([np.pad(p, ((0, size - len(p)), (0, 0)), constant_values=-1) for p in pitch])
    sounding = padded.swapaxes(1, 2)[..., None] == np.arange(128)
    batch = note_rolls.Rolls(
        sounding, sounding, np.array([len(p) for p in pitch]), np.full(10, 16), 4, np.zeros(4, bool)
    )
    found = musegan_statistics.statistics(batch)
    bars = [p[i : i + 16, 0] for p in pitch for i in range(0, len(p), 16)]
    classes = [len(set(bar[bar >= 0] % 12)) for bar in bars]
    assert found["upc"][0] == pytest.approx(np.mean([c for c in classes if c]))
    assert (found["eb"] < 0.01).all() and (found["pp"] == 0).all()
    # Voices of one chorale are nearer to each other than to those of another.
    mixed = dataclasses.replace(batch, sounding=sounding.copy())
    mixed.sounding[:, 0] = np.roll(sounding[:, 0], 1, axis=0)
    assert (musegan_statistics.statistics(mixed)["td"][0, 1:] > found["td"][0, 1:]).all()
