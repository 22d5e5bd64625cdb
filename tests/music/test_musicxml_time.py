"""Times of MusicXML scores: one tempo map, shared bar lines, and the notes of older tests of the reader."""

import pytest

from musejax import rendering
from musejax.music import musicxml_reading, noteseq


def note(step, octave, length=2, alter=0, tie="", voice=1):
    ties = "".join(f'<tie type="{t}"/>' for t in tie.split())
    alter = f"<alter>{alter}</alter>" if alter else ""
    pitch = f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{length}</duration>{ties}<voice>{voice}</voice><type>quarter</type></note>"


@pytest.fixture
def read(tmp_path):
    """Reads bars of one part, two divisions a quarter."""

    def reader(*bars, program=None):
        sound = f"<midi-channel>1</midi-channel><midi-program>{program}</midi-program>" if program else ""
        text = (
            f'<score-partwise><part-list><score-part id="P1"><part-name>One</part-name><midi-instrument id="I1">{sound}'
            '</midi-instrument></score-part></part-list><part id="P1">'
        )
        for number, bar in enumerate(bars, 1):
            first = "<attributes><divisions>2</divisions></attributes>" if number == 1 else ""
            text += f'<measure number="{number}">{first}{bar}</measure>'
        path = tmp_path / "score.xml"
        path.write_text(text + "</part></score-partwise>")
        return musicxml_reading.musicxml_to_sequence(path)

    return reader


def notes(sequence):
    return sorted((n.start_time * 2, n.end_time * 2, n.pitch, n.voice) for n in sequence.notes)


@pytest.mark.parametrize(
    ("step", "octave", "alter", "pitch"),
    [
        ("B", 3, 1, 60),
        ("B", 3, 2, 61),
        ("C", 4, -1, 59),
        ("C", 4, -2, 58),
        ("B", 3, -1, 58),
        ("C", 4, 1, 61),
        ("E", 4, 1, 65),
        ("C", 4, -0.5, 60),
    ],
)
def test_an_altered_note_stays_in_its_octave(read, step, octave, alter, pitch):
    assert [n.pitch for n in read(note(step, octave, 8, alter)).notes] == [pitch]


def test_a_transposing_part_keeps_its_transposition(read):
    down = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    assert [n.pitch for n in read(down + note("B", 3, 8, 1)).notes] == [58]


def test_ties_are_of_their_own_voice(read):
    back = "<backup><duration>8</duration></backup>"
    held = note("G", 4, 8, tie="start") + back + note("E", 4, 6, voice=2) + note("G", 4, 2, voice=2)
    sequence = read(held, note("G", 4, 8, tie="stop start") + back + note("G", 4, 8, voice=2), note("G", 4, tie="stop"))
    assert notes(sequence) == [(0, 3, 64, 2), (0, 9, 67, 1), (3, 4, 67, 2), (4, 8, 67, 2)]


def test_an_untied_repeat_is_a_note_of_its_own(read):
    sequence = read(note("G", 4, 2, tie="start") + note("G", 4, 2, tie="stop") + note("G", 4, 4))
    assert notes(sequence) == [(0, 2, 67, 1), (2, 4, 67, 1)]


def test_a_tie_that_nothing_continues_ends_with_its_note(read):
    sequence = read(note("G", 4, 2, tie="start") + note("A", 4, 2) + note("G", 4, 4, tie="stop"))
    assert notes(sequence) == [(0, 1, 67, 1), (1, 2, 69, 1), (2, 4, 67, 1)]


@pytest.mark.parametrize(("written", "program"), [(None, 0), (1, 0), (20, 19), (128, 127)])
def test_programs_count_from_0(read, written, program):
    assert [n.program for n in read(note("C", 4, 8), program=written).notes] == [program]


@pytest.mark.parametrize("program", [0, 19, 127])
def test_a_program_comes_back_from_a_score(tmp_path, program):
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=60, velocity=80, end_time=2.0, program=program)
    rendering.write(sequence, tmp_path / "one.musicxml")
    assert [n.program for n in musicxml_reading.musicxml_to_sequence(tmp_path / "one.musicxml").notes] == [program]


TEMPO = '<direction><direction-type><words/></direction-type><sound tempo="{}"/></direction>'
MARK = (
    "<direction><direction-type><metronome><beat-unit>{}</beat-unit>{}<per-minute>{}</per-minute></metronome>"
    "</direction-type></direction>"
)
BACK = "<backup><duration>{}</duration></backup>"
REST = '<note><rest measure="yes"/><duration>{}</duration></note>'


@pytest.fixture
def parts(tmp_path):
    """Reads parts of bars, two divisions a quarter, and gives (part, onset, end, pitch) in seconds."""

    def reader(*all_bars):
        listed = "".join(f'<score-part id="P{k}"/>' for k in range(len(all_bars)))
        text = f"<score-partwise><part-list>{listed}</part-list>"
        for k, bars in enumerate(all_bars):
            first = (
                "<attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
            )
            text += f'<part id="P{k}"><measure>{first}' + "</measure><measure>".join(bars) + "</measure></part>"
        path = tmp_path / "score.xml"
        path.write_text(text + "</score-partwise>")
        sequence = musicxml_reading.musicxml_to_sequence(path)
        rows = sorted((n.part, round(n.start_time, 6), round(n.end_time, 6), n.pitch) for n in sequence.notes)
        return rows, [(round(t.time, 6), t.qpm) for t in sequence.tempos], sequence

    return reader


HALF = note("C", 4, 4)


@pytest.mark.parametrize("first", [0, 1])
def test_a_tempo_in_one_part_holds_in_all(parts, first):
    marked = [HALF + HALF, TEMPO.format(60) + HALF + HALF, HALF + TEMPO.format(240) + HALF]
    plain = [HALF + HALF, HALF + HALF, HALF + HALF]
    rows, tempos, sequence = parts(*((plain, marked) if first else (marked, plain)))
    times = [(0, 1), (1, 2), (2, 4), (4, 6), (6, 8), (8, 8.5)]
    assert rows == [(part, start, end, 60) for part in (0, 1) for start, end in times]
    assert tempos == [(2, 60), (8, 240)]
    assert sequence.total_time == 8.5


@pytest.mark.parametrize(
    "mark",
    [
        TEMPO.format(60),
        '<sound tempo="60"/>',
        MARK.format("quarter", "", 60),
        MARK.format("half", "", "c. 30"),
        MARK.format("quarter", "<beat-unit-dot/>", 40),
        MARK.format("quarter", "", 90).replace("</direction>", '<sound tempo="60"/></direction>'),
    ],
)
def test_marks_of_every_kind_and_place_hold_for_every_voice(parts, mark):
    lower = note("C", 3, 4, voice=2)
    expected = [(0, 0, 1, 48), (0, 0, 1, 60), (0, 1, 3, 48), (0, 1, 3, 60)]
    for bar in (
        HALF + mark + HALF + BACK.format(8) + lower + lower,
        HALF + HALF + BACK.format(8) + lower + mark + lower,
        HALF + HALF + BACK.format(8) + lower + lower + BACK.format(4) + mark,
        HALF + HALF + BACK.format(4) + mark + BACK.format(4) + lower + lower,
    ):
        rows, tempos, _ = parts([bar])
        assert rows == expected
        assert tempos == [(1, 60)]


def test_a_mark_in_the_middle_of_a_note_changes_its_length(parts):
    rows, _, _ = parts([note("C", 4, 8)], [HALF + TEMPO.format(60) + HALF])
    assert rows == [(0, 0, 3, 60), (1, 0, 1, 60), (1, 1, 3, 60)]


@pytest.mark.parametrize("tempo", ["0", "-3", "nan", "inf"])
def test_a_tempo_that_is_none_changes_nothing(parts, tempo):
    rows, tempos, _ = parts([TEMPO.format(tempo) + HALF + HALF])
    assert rows == [(0, 0, 1, 60), (0, 1, 2, 60)]
    assert not tempos


@pytest.mark.parametrize(
    "first",
    [
        HALF + HALF + BACK.format(8) + note("C", 3, 4, voice=2),  # a second voice that stops short
        HALF + HALF + BACK.format(8),
        REST.format(8),
        REST.format(16),  # longer than the bar
        "",
    ],
)
def test_bars_of_all_parts_begin_together(parts, first):
    rows, _, sequence = parts([first, HALF + HALF], [HALF + HALF, HALF + HALF])
    assert [row for row in rows if row[1] >= 2] == [(p, t, t + 1, 60) for p in (0, 1) for t in (2, 3)]
    assert sequence.total_time == 4


def test_a_backup_leads_no_further_than_the_bar_line(parts):
    upper = note("E", 4, 4) + BACK.format(8) + HALF + HALF  # what follows the E is hidden
    rows, _, _ = parts([HALF + HALF, upper, HALF])
    assert [row[1:] for row in rows] == [(0, 1, 60), (1, 2, 60), (2, 3, 60), (2, 3, 64), (3, 4, 60), (4, 5, 60)]


@pytest.mark.parametrize("long", [0, 3])
def test_rounded_tuplets_move_no_bar_line(parts, long):
    divisions = "<attributes><divisions>100</divisions></attributes>"
    seven = note("C", 4, 58) * long + note("C", 4, 57) * (7 - long)  # 399 or 402 of 400
    rows, _, _ = parts([divisions + seven, note("C", 4, 200)])
    assert rows[-1][1:] == (2, 3, 60)


def test_a_rest_of_a_bar_is_as_long_as_an_incomplete_bar(parts):
    rows, _, _ = parts([REST.format(8), HALF + HALF], [note("C", 4, 2), HALF + HALF])
    assert [row[1] for row in rows] == [0.5, 1.5, 0, 0.5, 1.5]


def test_parts_with_bar_lines_of_their_own_keep_them(tmp_path, parts):
    bars = (
        [HALF + note("C", 4, 2)] * 4,
        [HALF + HALF + '<x/></measure><measure non-controlling="yes">' + HALF, HALF + HALF],
    )
    rows, _, _ = parts(*bars)
    assert [row[1] for row in rows if row[0] == 0] == [0, 1, 1.5, 2.5, 3, 4, 4.5, 5.5]
    assert [row[1] for row in rows if row[0] == 1] == [0, 1, 2, 3, 4]
