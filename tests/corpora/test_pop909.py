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
    with pytest.raises(errors.UserError, match="no bars"):
        pop909.bars(_file(marks), 0.0)


def test_beats_change_the_time_signatures_alone(data):
    with zipfile.ZipFile(data / "pop909.zip") as archive:
        song, beats = (archive.read(f"POP909/002/{name}") for name in ("002.mid", "beat_midi.txt"))
    plain = pop909.read(("002", song, pop909.TRACKS["pop909"])).piece().sequence()
    barred = pop909.read_with_beats(("002", song, pop909.TRACKS["pop909"], beats)).piece().sequence()
    assert list(barred.notes) == list(plain.notes)
    assert list(barred.tempos) == list(plain.tempos)
    assert [s.numerator for s in plain.time_signatures] == [2]
    assert [(s.numerator, s.denominator) for s in barred.time_signatures] == [(4, 4)]
    assert barred.time_signatures[0].time == pytest.approx(float(beats.split()[0]))
