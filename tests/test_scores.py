import pytest

from musejax import errors, noteseq, rendering, scores


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
        return scores.musicxml_to_sequence(path)

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
    assert [n.program for n in scores.musicxml_to_sequence(tmp_path / "one.musicxml").notes] == [program]


def abc(body, head="M:4/4\nL:1/4\nK:C"):
    with scores.quiet_stdout():
        return scores.abc_to_sequence(f"X:1\nT:Tune\n{head}\n{body}\n")


def lines(sequence):
    """Its bar lines in quarters."""
    return [round(a.time * 2, 6) for a in sequence.text_annotations if a.text == scores.BAR_LINE]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("CDEF|GABc|", [0, 4]),
        ("G|CDEF|GAB|", [0, 1, 5]),
        ("|:G|CDEF|GAB:|", [0, 1, 5, 9, 13]),
        ("CDEF|GA|Bc|CDEF|", [0, 4, 6, 8]),
        ("CDEF|GA||Bc|CDEF|", [0, 4, 8]),
        ("|:CDEF|1G4:|2A4|c4|", [0, 4, 8, 12, 16]),
        ("CDEF|\nM:3/4\nCDE|FGA|", [0, 4, 7]),
        ("z2|CDEF|", [0, 2]),
    ],
)
def test_bar_lines_of_a_tune_are_marked_through_its_repeats(body, expected):
    assert lines(abc(body)) == expected


def test_marking_bar_lines_changes_nothing_else(monkeypatch):
    bodies = ["G|CDEF|GAB:|", "V:1\nC D E F|\nV:2\nE F G A|", "CDEF|\nK:Dm\nM:3/4\nCDE|FGA|", '"G"C4|[CE]4|{d}c4|']
    marked = [abc(body) for body in bodies]
    monkeypatch.setattr(scores, "_bar_lines", lambda tune: [])
    for body, sequence in zip(bodies, marked, strict=True):
        assert lines(sequence)
        del sequence.text_annotations[:]
        assert sequence == abc(body)


def test_a_tune_with_drums_of_its_own_keeps_them():
    sequence = abc("CDEF|GABc|", "M:4/4\nL:1/4\nK:C\n%%MIDI drum dzdz 38 40 90 80\n%%MIDI drumon")
    assert not lines(sequence)
    assert {n.pitch for n in sequence.notes if n.is_drum} == {38, 40}


def test_bar_lines_are_a_bonus(monkeypatch):
    whole = scores._score

    def fails(tune, settings):
        if "drum" in settings:
            raise errors.UserError("it cannot be read as ABC")
        return whole(tune, settings)

    monkeypatch.setattr(scores, "_score", fails)
    sequence = abc("CDEF|GABc|")
    assert len(sequence.notes) == 8 and not lines(sequence)
