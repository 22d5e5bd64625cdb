"""Chord symbols of MusicXML scores are figures that note-seq's chord library reads."""

import pytest
from musicxml_text import note, notes, score

from musejax.music import chord_annotations, noteseq


def harmony(root="C", kind="major", *, alter=0, bass="", text="", degrees=(), offset=None):
    alter = f"<root-alter>{alter}</root-alter>" if alter else ""
    root = f"<root><root-step>{root}</root-step>{alter}</root>" if root else ""
    bass = f"<bass><bass-step>{bass}</bass-step></bass>" if bass else ""
    rows = "".join(
        f"<degree><degree-value>{v}</degree-value><degree-alter>{a}</degree-alter><degree-type>{t}</degree-type></degree>"
        for v, a, t in degrees
    )
    offset = "" if offset is None else f"<offset>{offset}</offset>"
    return f'<harmony>{root}<kind text="{text}">{kind}</kind>{bass}{rows}{offset}</harmony>'


# A chord symbol and its figure; None where it is left out.
FIGURES = {
    "major": (harmony(), "C"),
    "minor seventh": (harmony("D", "minor-seventh"), "Dm7"),
    "a flat root": (harmony("B", "dominant", alter=-1), "Bb7"),
    "a bass": (harmony("C", "major", bass="E"), "C/E"),
    "half-diminished": (harmony("F", "half-diminished", alter=1), "F#m7b5"),
    "minor with a major seventh": (harmony("A", "major-minor"), "Am(maj7)"),
    "suspended": (harmony("G", "suspended-fourth"), "Gsus"),
    "power": (harmony("E", "power"), "E5"),
    "no chord": (harmony("", "none"), "N.C."),
    "an added ninth": (harmony(degrees=[(9, 0, "add")]), "C(add9)"),
    "altered": (harmony("C", "dominant", degrees=[(5, -1, "alter"), (9, 1, "add")]), "C7(b5)(#9)"),
    "without third": (harmony("C", "dominant", degrees=[(3, 0, "subtract")]), "C7(no3)"),
    "an abbreviated kind": (harmony("C", "min7"), "Cm7"),
    "an empty kind": (harmony("C", ""), "C"),
    "an unknown kind with a text that can be read": (harmony("C", "other", text="m7b5"), "Cm7b5"),
    "an unknown kind": (harmony("C", "other"), None),
    "an unknown kind with a text that cannot be read": (harmony("C", "other", text="mystic"), None),
    "a Neapolitan chord": (harmony("C", "Neapolitan"), None),
    "no root": (harmony("", "major"), None),
    "degrees that cannot be read": (harmony("C", "major", degrees=[("x", 0, "add")]), "C"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures(read_score, rows, name):
    element, figure = FIGURES[name]
    sequence = read_score(score([element + note("C4", 4)]))
    assert rows(sequence) == [(60, 0, 4)]
    found = [a for a in sequence.text_annotations if a.annotation_type == a.CHORD_SYMBOL]
    assert [(a.time, a.text) for a in found] == ([] if figure is None else [(0, figure)])
    if figure not in (None, "N.C."):
        assert noteseq.load().chord_symbols_lib.chord_symbol_pitches(figure)


@pytest.mark.parametrize(
    ("element", "remark"),
    [
        (harmony("C", "other") * 3, "3 chord symbols of an unknown kind are left out"),
        (harmony("", "major"), "1 chord symbol without a root is left out"),
        (harmony("C", "major", degrees=[("x", 0, "add")]), "1 chord symbol is read without its degrees"),
    ],
)
def test_what_is_lost_is_reported(read_score, element, remark):
    read_score(score([element + note("C4", 4)]))
    assert read_score.remarks == [remark]


def test_chord_symbols_of_a_transposing_part_are_at_concert_pitch(read_score):
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    content = harmony("D", "minor", bass="A") + note("C4", 2) + harmony("C", "dominant") + note("C4", 2)
    sequence = read_score(score([content], first=clarinet))
    assert [a.text for a in sequence.text_annotations] == ["Cm/G", "Bb7"]


def test_symbols_stand_where_they_sound_and_once(read_score):
    content = notes("C4 D4") + harmony("F", offset=12) + notes("E4 F4")
    sequence = read_score(score([harmony() + content], [harmony() + notes("C3 C3", 2)]))
    assert [(a.time, a.text) for a in sequence.text_annotations] == [(0, "C"), (1.5, "F")]
    # Classes 1 and 6 are the major triads on C and F; 120 quarters a minute.
    assert chord_annotations.read(sequence, 4, 1).tolist() == [1, 1, 1, 6]
