"""Tunes in ABC as sequences: bars, voices, parts, titles, and what a tune may not be."""

import time

import abc_tunes as abc
import pytest

from musejax import errors
from musejax.music import abc_reading, files


@pytest.mark.parametrize(
    ("body", "lines", "metres"),
    [
        ("CDEF|GABc|", [], [(0, (4, 4))]),
        ("G|CDEF|GAB|", [0, 1, 5], [(0, (1, 4)), (1, (4, 4))]),
        ("|:G|CDEF|GAB:|", [0, 1, 5, 9, 13], [(0, (1, 4)), (1, (4, 4))]),
        ("CDEF|GA|Bc|CDEF|", [], [(0, (4, 4))]),
        ("CDEF|GA||Bc|CDEF|", [], [(0, (4, 4))]),
        ("CDEF|GAB|CDEF|", [0, 4, 7], [(0, (4, 4)), (4, (3, 4)), (7, (4, 4))]),
        ("CDEF|\nM:3/4\nCDE|FGA|", [], [(0, (4, 4)), (4, (3, 4))]),
        ("z2|CDEF|", [0, 2], [(0, (2, 4)), (2, (4, 4))]),
    ],
)
def test_bars_are_those_of_a_score(body, lines, metres):
    sequence = abc.read(body)
    assert abc.bar_lines(sequence) == lines
    assert abc.metres(sequence) == metres


def test_free_metre_has_a_signature_for_each_bar():
    sequence = abc.read("CDEFG|AB|", "M:none\nL:1/4\nK:C")
    assert abc.metres(sequence) == [(0, (5, 4)), (5, (2, 4))]
    assert abc.bar_lines(sequence) == [0, 5]


def test_a_pickup_is_a_bar_of_its_own():
    sequence = abc.read("D|G2B|B2A|G2||", "M:3/4\nL:1/4\nQ:1/4=80\nK:G")
    assert abc.metres(sequence) == [(0, (1, 4)), (1, (3, 4))]
    assert abc.notes(sequence)[1] == (67, 1, 3)
    assert abc.tempos(sequence) == [(0, 80)]


TWO = """V:S name="Soprano" clef=treble
V:B nm="Bass" clef=bass octave=-1
[V:S] cdef|"""


@pytest.mark.parametrize(
    "body", [f"{TWO}\n[V:B] CCGG|\n[V:S] g4|\n[V:B] c4|", f"{TWO}g4|\nV:B\nCCGG|c4|", f"{TWO}[V:B]CCGG|c4|[V:S]g4|"]
)
def test_voices_are_parts_with_their_names(body):
    sequence = abc.read(body)
    assert [info.name for info in sequence.part_infos] == ["Soprano", "Bass"]
    assert abc.notes(sequence, 0) == [(72, 0, 1), (74, 1, 2), (76, 2, 3), (77, 3, 4), (79, 4, 8)]
    assert abc.notes(sequence, 1) == [(48, 0, 1), (48, 1, 2), (55, 2, 3), (55, 3, 4), (60, 4, 8)]
    assert {(n.part, n.instrument) for n in sequence.notes} == {(0, 0), (1, 1)}


def test_the_header_gives_voices_their_programs_and_drums():
    head = "V:1\n%%MIDI program 40\nV:2\n%%MIDI channel 10\nM:4/4\nL:1/4\n%%score (1 2)\nK:G"
    sequence = abc.read("V:1\nF4|\nV:2\nF4|", head)
    assert [(n.program, n.is_drum, n.pitch) for n in sequence.notes] == [(40, False, 66), (0, True, 66)]


def test_a_program_changes_within_a_voice():
    sequence = abc.read("%%MIDI program 5\nCD\n%%MIDI program 1 6\nEF|\nI:MIDI program 7\nG4|")
    assert [n.program for n in sequence.notes] == [5, 5, 6, 6, 7]


def test_a_voice_may_end_before_the_others():
    sequence = abc.read("V:1\nCDEF|GABc|\nV:2\nC4|")
    assert abc.notes(sequence, 1) == [(60, 0, 4)]
    assert not abc.remarks("V:1\nCDEF|GABc|\nV:2\nC4|")


def test_bars_of_unequal_length_begin_together_and_are_reported():
    body = "V:1\nCDEF|GABc|\nV:2\nC3|D4|"
    assert abc.notes(abc.read(body), 1) == [(60, 0, 3), (62, 4, 8)]
    assert abc.remarks(body) == ["1 bar is not equally long in all voices"]


def test_voices_with_bar_lines_of_their_own_go_on_by_themselves():
    body = "V:1\nCDEF|GABc:|\nV:2\nC2|D2|E4:|"
    assert abc.notes(abc.read(body), 1) == [(60, 0, 2), (62, 2, 4), (64, 4, 8)]
    assert abc.remarks(body) == ["parts have independent bar lines, so repeats of the score are not played"]


@pytest.mark.parametrize(
    ("order", "played"),
    [
        ("ABA", [60, 62, 60]),
        ("A2.B", [60, 60, 62]),
        ("(AB)2A", [60, 62, 60, 62, 60]),
        ("A(AB)3", [60, 60, 62, 60, 62, 60, 62]),
        ("AB % a comment", [60, 62]),
    ],
)
def test_parts_are_played_in_their_order(order, played):
    assert abc.pitches(abc.read("P:A\nC4|\nP:B\nD4|", f"M:4/4\nL:1/4\nP:{order}\nK:C")) == played


@pytest.mark.parametrize("order", ["ABC", "A(B", "A)B", "A99999B", "?"])
def test_an_order_that_cannot_be_followed_is_reported(order):
    head = f"M:4/4\nL:1/4\nP:{order}\nK:C"
    assert abc.pitches(abc.read("P:A\nC4|\nP:B\nD4|", head)) == [60, 62]
    assert abc.remarks("P:A\nC4|\nP:B\nD4|", head) == [
        "its order of parts (P:) cannot be followed; it is read as written"
    ]


def test_the_score_can_be_read_as_written():
    tune = abc.text("|:C4|1D4:|2E4|]", "M:4/4\nL:1/4\nP:AA\nK:C")
    assert abc.pitches(abc_reading.abc_to_sequence(tune, repeats=False)) == [60, 62, 64]


def test_titles_and_composers_are_kept():
    sequence = abc_reading.abc_to_sequence(
        "X:1\nT:F\\\"ur \\'Elise &amp; \\u00e9\nT:Second\nC:A. \\vZ\nL:1/4\nK:C\nC4|\n"
    )
    assert sequence.sequence_metadata.title == "Für Élise & é"
    assert list(sequence.sequence_metadata.composers) == ["A. Ž"]
    assert sequence.source_info.encoding_type == sequence.source_info.ABC


def test_a_tune_ends_with_a_blank_line():
    tunes = abc_reading.abc_tunes(
        "L:1/4\n%%MIDI program 3\n\nX:1\r\nK:C\r\nC|\r\n\r\nText with Notes\r\nX:2\r\nK:D\r\nF\r\n"
    )
    first, second = map(abc_reading.abc_to_sequence, tunes)
    assert (abc.pitches(first), abc.pitches(second)) == ([60], [66])
    assert abc.lengths(first) == abc.lengths(second) == [1]
    assert first.notes[0].program == second.notes[0].program == 3


def test_comments_and_text_for_printing_are_no_music():
    body = "CD % EF\n% GGG\n%%begintext\nABC\n%%endtext\nr: A B C\nN:CCC\n[r:CC]EF|\\\nG4|"
    assert abc.pitches(abc.read(body)) == [60, 62, 64, 65, 67]


@pytest.mark.parametrize(
    "body",
    [
        "Z99999999|",
        "Z" + "9" * 400 + "|",
        "C99999|",
        "C9999999999999999|",
        "C" + "/" * 400 + "D|",
        "C/0|",
        "(99:99:9999" * 300 + "C|",
        "|:" * 3000 + "C" + ":|" * 3000,
        "".join(f"C/{n}" for n in range(60_001, 60_500, 2)),
        "[" * 3000,
        "(" * 3000 + "C",
        "V:" + "|V:".join(map(str, range(300))) + "\nZ40000|",
        "P:A\nC:|" * 200,
    ],
)
def test_hostile_tunes_are_read_or_refused_in_a_line(body):
    start = time.process_time()
    try:
        abc.read(body)
    except errors.UserError as error:
        assert "\n" not in str(error)
    assert time.process_time() - start < 2


def test_a_refusal_names_the_tune(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text(abc.text("Z99999999|") + "\nX:2\nT:No notes\nK:C\nz4|\n")
    with pytest.raises(errors.UserError) as error:
        files.read(path)
    assert str(error.value).startswith(
        f"{path}: tune 1 (X:1, 'Tune'): it has 99,999,999 bars; at most 50,000 can be read"
    )


def test_losses_of_each_tune_are_reported(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text(abc.text("{d}C4|") + "\n" + abc.text("C4{de}|").replace("X:1", "X:2"))
    said = []
    files.read(path, remark=said.append)
    assert said == [
        f"{path}: tune 1 (X:1, 'Tune'): 1 grace note is left out",
        f"{path}: tune 2 (X:2, 'Tune'): 2 grace notes are left out",
    ]
