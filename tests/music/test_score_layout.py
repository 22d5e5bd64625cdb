"""Parts, staves and voices of a score."""

import pytest

from musejax.music import exact_times, noteseq, score_layout


def _parts(*notes, names=(), program=0):
    """Parts of notes given as (part, pitch, start, end, voice) in quarters."""
    sequence = noteseq.load().NoteSequence()
    for part, name in enumerate(names):
        sequence.part_infos.add(part=part, name=name)
    for part, pitch, start, end, voice in notes:
        sequence.notes.add(
            part=part, pitch=pitch, start_time=start / 2, end_time=end / 2, voice=voice, velocity=70, program=program
        )
    return score_layout.parts(sequence, exact_times.read(sequence))


def _lanes(part):
    return [(lane.staff, [(c.start, c.end, [n.pitch for n in c.notes]) for c in lane.chords]) for lane in part.lanes]


def test_what_overlaps_becomes_a_further_voice_and_what_does_not_a_chord():
    (part,) = _parts((0, 60, 0, 2, 0), (0, 64, 0, 2, 0), (0, 67, 1, 2, 0), (0, 65, 2, 3, 0))
    assert _lanes(part) == [(1, [(0, 2, [60, 64]), (2, 3, [65])]), (1, [(1, 2, [67])])]


def test_notes_stay_in_their_voices():
    (part,) = _parts((0, 72, 0, 1, 1), (0, 60, 0, 1, 2), (0, 71, 1, 2, 1), (0, 59, 1, 2, 2))
    assert _lanes(part) == [(1, [(0, 1, [72]), (1, 2, [71])]), (1, [(0, 1, [60]), (1, 2, [59])])]


def test_a_unison_is_kept_twice():
    (part,) = _parts((0, 60, 0, 1, 0), (0, 60, 0, 1, 0), (0, 60, 0, 1, 0))
    assert _lanes(part) == [(1, [(0, 1, [60])])] * 3


def test_two_programs_of_one_named_part_are_its_instruments():
    sequence = noteseq.load().NoteSequence()
    sequence.part_infos.add(part=0, name="Reeds")
    for program in (71, 68):
        sequence.notes.add(pitch=60, start_time=program, end_time=program + 1, velocity=70, program=program)
    (part,) = score_layout.parts(sequence, exact_times.read(sequence))
    assert (part.name, [voice.program for voice in part.instruments]) == ("Reeds", [68, 71])


def test_a_piano_has_two_staves_and_a_voice_is_not_torn_between_them():
    split = ((0, 40, 0, 1, 0), (0, 80, 0, 1, 0))
    assert [lane[0] for lane in _lanes(_parts(*split)[0])] == [1, 2]
    assert _parts(*split, program=40)[0].staves == 1
    low = ((0, 40, 0, 1, 2), (0, 62, 1, 2, 2), (0, 80, 0, 1, 1))
    assert _lanes(_parts(*low)[0]) == [(1, [(0, 1, [80])]), (2, [(0, 1, [40]), (1, 2, [62])])]


@pytest.mark.parametrize(
    ("name", "pitches", "clef"),
    [
        ("", [60, 72], ("G", 2, 0)),
        ("", [40, 52], ("F", 4, 0)),
        ("", [50, 55, 58], ("G", 2, -1)),
        ("Tenor 1", [62, 64], ("G", 2, -1)),
        ("", [], ("G", 2, 0)),
    ],
)
def test_clefs(name, pitches, clef):
    assert score_layout.clef(name, pitches, is_drum=False) == clef
    assert score_layout.clef(name, pitches, is_drum=True) == ("percussion", 2, 0)


def test_a_chord_is_cut_at_bar_lines():
    (part,) = _parts((0, 60, 1, 6, 0))
    pieces = [score_layout.inside(part.lanes[0].chords, start, start + 4) for start in (0, 4)]
    assert [[(c.start, c.end, c.is_tied, c.holds) for c in piece] for piece in pieces] == [
        [(1, 4, False, True)],
        [(4, 6, True, False)],
    ]
