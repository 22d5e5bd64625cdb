import json
import math

import numpy as np
import pytest

from musejax.evaluation import note_rolls, voice_leading

C_MAJOR = (0, False)


def chorale(*pieces):
    """Rolls of pieces that are given frame by frame; equal neighbours are one note."""
    notes = []
    for piece in pieces:
        pitch = np.array(piece)
        notes.append([])
        for voice, line in enumerate(pitch.T):
            bounds = np.flatnonzero(np.diff(line, prepend=-2, append=-2))
            spans = zip(bounds[:-1].tolist(), bounds[1:].tolist())
            notes[-1] += [note_rolls.Note(voice, int(line[a]), a, b) for a, b in spans if line[a] >= 0]
    return note_rolls.from_notes(notes, tracks=4, beat=4, bar=16, frames=[len(p) for p in pieces])


def counts(name, *frames, key=C_MAJOR):
    broken, cases = voice_leading.counts(chorale(frames), [key])[name]
    return int(broken[0]), int(cases[0])


def test_voices_are_the_highest_pitches():
    notes = [note_rolls.Note(0, 60, 0, 2), note_rolls.Note(0, 67, 1, 3), note_rolls.Note(3, 40, 0, 1)]
    found = voice_leading.voices(note_rolls.from_notes([notes], tracks=4, beat=4, bar=16, frames=[4]))
    assert found.dtype == np.int16
    assert found.tolist() == [[[60, -1, -1, 40], [67, -1, -1, -1], [67, -1, -1, -1], [-1, -1, -1, -1]]]
    with pytest.raises(ValueError, match="the number of tracks is 5"):
        voice_leading.voices(note_rolls.from_notes([notes], tracks=5, beat=4, bar=16))


def test_parallel_fifths():
    # Soprano and bass go from a twelfth to a fifth, tenor and bass from a sixth to a third.
    assert counts("parallel_fifths", (67, -1, 57, 48), (69, -1, 66, 62)) == (1, 3)
    # In contrary motion they are none, and neither are fifths that stay or are reached by one voice.
    assert counts("parallel_fifths", (67, -1, -1, 48), (64, -1, -1, 57)) == (0, 1)
    assert counts("parallel_fifths", (67, -1, -1, 48), (67, -1, -1, 48), (69, -1, -1, 48)) == (0, 0)
    # Diminished fifths are no fifths; a rest between breaks the move.
    assert counts("parallel_fifths", (67, -1, -1, 60), (65, -1, -1, 59)) == (0, 1)
    assert counts("parallel_fifths", (67, -1, -1, 48), (67, -1, -1, -1), (69, -1, -1, 50)) == (0, 0)


def test_parallel_octaves():
    assert counts("parallel_octaves", (72, 60, -1, -1), (74, 62, -1, -1)) == (1, 1)
    assert counts("parallel_octaves", (60, 60, -1, -1), (62, 62, -1, -1), (64, 57, -1, -1)) == (1, 2)
    assert counts("parallel_octaves", (72, -1, -1, 60), (74, -1, -1, 50)) == (0, 1)


def test_voices_that_cross():
    # Crossed once between alto and tenor, in a frame where the bass is silent; unisons do not cross.
    assert counts("voice_crossing", (67, 55, 57, -1), (67, 57, 57, 50), (67, -1, 60, -1)) == (1, 2)


def test_spacing():
    # The bass may be as far away as it likes.
    assert counts("spacing", (72, 60, 48, 30), (73, 60, 48, 30), (73, 60, 47, 30), (73, -1, 47, 30)) == (2, 3)


def test_ranges():
    assert counts("range", (60, 55, 48, 40), (81, 74, 69, 62)) == (0, 8)
    assert counts("range", (59, 54, 47, 39), (82, 75, 70, 63), (-1, -1, -1, -1)) == (8, 8)


def test_leading_tones():
    name = "unresolved_leading_tone"
    assert counts(name, (71, 67, 62, 55), (72, 67, 64, 48)) == (0, 1)
    assert counts(name, (71, 67, 62, 55), (67, 67, 64, 48)) == (1, 1)
    # Inner voices may fall a third to the fifth degree, the soprano may not.
    assert counts(name, (74, 71, 62, 55), (72, 67, 64, 48)) == (0, 1)
    assert counts(name, (74, 71, 59, 55), (72, 71, 55, 60)) == (1, 2)
    # No cadence in the bass, no rule; another tonic, another leading tone.
    assert counts(name, (71, 67, 62, 55), (67, 67, 64, 57)) == (0, 0)
    assert counts(name, (71, 67, 62, 55), (67, 67, 64, 48), key=(7, False)) == (0, 0)
    assert counts(name, (66, 62, 57, 50), (67, 62, 59, 43), key=(7, True)) == (0, 1)


def test_rates_are_pooled():
    pieces = chorale([(67, -1, -1, 48), (69, -1, -1, 50)], [(67, -1, -1, 48), (69, -1, -1, 53), (71, -1, -1, 55)])
    found = voice_leading.statistics(pieces, [C_MAJOR, C_MAJOR])
    assert found["parallel_fifths"] == 1 / 3
    broken, cases = voice_leading.counts(pieces)["parallel_fifths"]
    assert (broken.tolist(), cases.tolist()) == ([1, 0], [1, 2])
    assert math.isnan(found["unresolved_leading_tone"])
    with pytest.raises(ValueError, match="the number of keys is 1; it must be the number of pieces, 2"):
        voice_leading.statistics(pieces, [C_MAJOR])


def test_keys():
    c_major = [(p, -1, -1, 48) for p in (60, 62, 64, 65, 67, 69, 71, 72, 67, 64)]
    a_minor = [(p, -1, -1, 57) for p in (69, 71, 72, 74, 76, 77, 80, 81, 76, 72)]
    up = [tuple(p + 5 if p >= 0 else p for p in frame) for frame in c_major]
    silent = [(-1, -1, -1, -1)]
    assert voice_leading.estimate_keys(chorale(c_major, a_minor, up, silent)).tolist() == [
        [0, 0],
        [9, 1],
        [5, 0],
        [0, 0],
    ]
    drums = note_rolls.from_notes([[note_rolls.Note(1, 61, 0, 9)]], tracks=2, beat=4, bar=16, drums=[1])
    assert voice_leading.estimate_keys(drums).tolist() == [[0, 0]]


def test_keys_are_those_of_the_correlation(data_folder):
    pieces = json.loads((data_folder / "Jsb16thSeparated.json").read_text())["test"][:8]
    for piece, key in zip(pieces, voice_leading.estimate_keys(chorale(*pieces))):
        pitch = np.array(piece).ravel()
        time = np.bincount(pitch[pitch >= 0] % 12, minlength=12)
        fits = {
            (tonic, minor): np.corrcoef(np.roll(time, -tonic), profile)[0, 1]
            for minor, profile in enumerate((voice_leading.MAJOR, voice_leading.MINOR))
            for tonic in range(12)
        }
        assert tuple(key) == max(fits, key=lambda k: fits[k])


def test_bach_keeps_the_rules_and_chance_does_not(data_folder):
    pieces = json.loads((data_folder / "Jsb16thSeparated.json").read_text())["test"]
    bach = voice_leading.statistics(chorale(*pieces))
    assert bach["parallel_fifths"] < 0.002 and bach["parallel_octaves"] < 0.002
    assert bach["voice_crossing"] < 0.03 and bach["spacing"] < 0.03 and bach["range"] < 0.01
    assert bach["unresolved_leading_tone"] < 0.1
    # Each voice with its beats in an order of its own.
    rng = np.random.default_rng(0)
    shuffled = []
    for piece in pieces:
        beats = np.array(piece)[: len(piece) // 4 * 4].reshape(-1, 4, 4)
        mixed = [beats[rng.permutation(len(beats)), :, voice] for voice in range(4)]
        shuffled.append(np.stack(mixed, -1).reshape(-1, 4))
    chance = voice_leading.statistics(chorale(*shuffled))
    assert all(chance[name] > 4 * bach[name] for name in bach if name != "range")
