import zipfile

import pytest

from musejax import errors
from musejax.corpora import pop909


def _file(marks):
    """A beat file of half-second beats from 0.3 s: each mark n(arrow), w(ide, which is narrow too) or nothing."""
    columns = {"n": "1.0 0.0", "w": "1.0 1.0", ".": "0.0 0.0"}
    return "".join(f"{0.3 + i / 2} {columns[mark]}\n" for i, mark in enumerate(marks))


@pytest.mark.parametrize(
    ("marks", "first", "expected"),
    [
        ("w.n.w.n.w.n.", 0.3, [(0.3, 4)]),
        ("w.n.w.n.w.n.", 2.27, [(2.3, 4)]),
        ("w.n.w.n.w.n.", 2.0, [(0.3, 4)]),
        (".w.n.w.w.n.w.n.", 0.3, [(0.8, 4), (2.8, 2), (3.8, 4)]),
        ("w.n.w.w.n.w.n.", 2.4, [(2.3, 2), (3.3, 4)]),
        ("w..n..w..n..", 0.0, [(0.3, 3)]),
        ("n..w..n..w..n.w..n..", 0.0, [(0.3, 3), (6.3, 2), (7.3, 3)]),
    ],
)
def test_time_signatures_of_a_beat_file(marks, first, expected):
    found = pop909.bars(_file(marks), first)
    assert found == [(pytest.approx(time), size) for time, size in expected]


@pytest.mark.parametrize("marks", ["", "....", "w..."])
def test_a_beat_file_without_bars(marks):
    with pytest.raises(errors.UserError, match="fewer than two downbeats"):
        pop909.bars(_file(marks), 0.0)


def test_beats_and_chords_change_no_note(data):
    with zipfile.ZipFile(data / "pop909.zip") as archive:
        files = ("002.mid", "beat_midi.txt", "chord_midi.txt")
        song, beats, chords = (archive.read(f"POP909/002/{name}") for name in files)
    plain = pop909.read(("002", song, pop909.TRACKS["pop909"])).piece().sequence()
    barred = pop909.read_with_beats(("002", song, pop909.TRACKS["pop909"], beats, chords)).piece().sequence()
    assert list(barred.notes) == list(plain.notes)
    assert list(barred.tempos) == list(plain.tempos)
    assert [s.numerator for s in plain.time_signatures] == [2]
    assert [(s.numerator, s.denominator) for s in barred.time_signatures] == [(4, 4)]
    assert barred.time_signatures[0].time == pytest.approx(float(beats.split()[0]))
    symbols = [a.text for a in barred.text_annotations]
    assert len(symbols) == len(chords.splitlines())
    assert not plain.text_annotations


def test_chords_of_a_chord_file():
    text = "0.5\t1.0\tN\n1.0\t2.0\tBb:min7/b3\n2.0\t3.0\tF#:maj\n3.0\t4.0\tG:sus4(b7)\n"
    assert pop909.chord_symbols(text) == [(0.5, "N.C."), (1.0, "Bbm7"), (2.0, "F#"), (3.0, "Gsus4")]
    with pytest.raises(errors.UserError, match=r"chord 'C:odd' in chord_midi.txt is unknown"):
        pop909.chord_symbols("0.0\t1.0\tC:odd\n")
