"""Notes of MusicXML scores: pitch, transposition, ties, instruments, percussion, velocities and words."""

import pytest
from musicxml_text import attributes, backup, note, notes, repeat, score

from musejax.music import score_annotations

GRACE = "<note><grace/><pitch><step>D</step><octave>5</octave></pitch><voice>1</voice></note>"


def midi(name, *, channel=None, program=None, unpitched=None):
    values = (("midi-channel", channel), ("midi-program", program), ("midi-unpitched", unpitched))
    inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in values if value is not None)
    return f'<score-instrument id="{name}"/>', f'<midi-instrument id="{name}">{inside}</midi-instrument>'


def head(*instruments):
    return "".join(first for first, _ in instruments) + "".join(second for _, second in instruments)


@pytest.mark.parametrize(
    ("name", "pitch"),
    [("C4", 60), ("B#3", 60), ("Cb4", 59), ("F##4", 67), ("Bbb3", 57), ("C-1", 0), ("G9", 127), ("E#4", 65)],
)
def test_pitches(read_score, rows, name, pitch):
    assert rows(read_score(score([note(name, 4)]))) == [(pitch, 0, 4)]


@pytest.mark.parametrize(("alter", "pitch"), [("0.5", 61), ("-0.5", 60), ("1.5", 62), ("-1.5", 59), ("0.4", 60)])
def test_microtones_are_rounded_and_reported(read_score, rows, alter, pitch):
    text = score([note("C4", 4)]).replace("<step>C</step>", f"<step>C</step><alter>{alter}</alter>")
    assert rows(read_score(text)) == [(pitch, 0, 4)]
    assert read_score.remarks == ["1 note is moved to the nearest semitone"]


TRANSPOSITIONS = {
    "a clarinet in B flat": ("<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>", [70]),
    "a double bass": ("<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>", [60]),
    "a bass clarinet": ("<transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>", [58]),
    "a piccolo": ("<transpose><chromatic>0</chromatic><octave-change>1</octave-change></transpose>", [84]),
    "doubled below": ("<transpose><chromatic>0</chromatic><double/></transpose>", [72, 60]),
    "doubled above": ('<transpose><chromatic>0</chromatic><double above="yes"/></transpose>', [72, 84]),
    "of another staff": ('<transpose number="2"><chromatic>-2</chromatic></transpose>', [72]),
    "of its own staff": ('<transpose number="1"><chromatic>-2</chromatic></transpose>', [70]),
}


@pytest.mark.parametrize("name", TRANSPOSITIONS)
def test_notes_are_at_concert_pitch(read_score, rows, name):
    transpose, pitches = TRANSPOSITIONS[name]
    assert rows(read_score(score([note("C5", 4)], first=transpose))) == [(pitch, 0, 4) for pitch in pitches]


@pytest.mark.parametrize(
    "printed",
    [
        "<attributes><clef><sign>G</sign><line>2</line><clef-octave-change>-1</clef-octave-change></clef></attributes>",
        '<direction><direction-type><octave-shift type="down" size="8"/></direction-type></direction>',
    ],
)
def test_clefs_and_octave_shifts_do_not_change_the_sounding_pitch(read_score, rows, printed):
    assert rows(read_score(score([printed + note("C5", 4)]))) == [(72, 0, 4)]


KEYS = {
    "C major": ("<fifths>0</fifths><mode>major</mode>", "", (0, False)),
    "A minor": ("<fifths>0</fifths><mode>minor</mode>", "", (9, True)),
    "B flat major": ("<fifths>-2</fifths>", "", (10, False)),
    "C sharp minor": ("<fifths>4</fifths><mode>minor</mode>", "", (1, True)),
    "C flat major": ("<fifths>-7</fifths><mode>major</mode>", "", (11, False)),
    "D dorian has the signature of C": ("<fifths>0</fifths><mode>dorian</mode>", "", (0, False)),
    "D major of a clarinet": (
        "<fifths>2</fifths><mode>major</mode>",
        "<transpose><chromatic>-2</chromatic></transpose>",
        (0, False),
    ),
    "F sharp minor of a horn": (
        "<fifths>3</fifths><mode>minor</mode>",
        "<transpose><chromatic>-7</chromatic></transpose>",
        (11, True),
    ),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_have_a_mode_and_are_at_concert_pitch(read_score, name):
    written, transpose, expected = KEYS[name]
    sequence = read_score(score([note("C5", 4)], first=f"<key>{written}</key>{transpose}"))
    assert [(k.time, k.key, k.mode == k.MINOR) for k in sequence.key_signatures] == [(0, *expected)]


def test_the_first_part_that_has_a_key_decides(read_score):
    one, two = score([note("C4", 4)], [note("C4", 4)]).split('<part id="P2">')
    text = '<part id="P2">'.join(
        text.replace("<time>", f"<key><fifths>{fifths}</fifths></key><time>") for fifths, text in ((1, one), (2, two))
    )
    assert [(k.time, k.key) for k in read_score(text).key_signatures] == [(0, 7)]


def test_a_key_that_is_not_traditional_is_reported(read_score):
    odd = "<key><key-step>F</key-step><key-alter>1</key-alter></key>"
    assert not read_score(score([note("C4", 4)], first=odd)).key_signatures
    assert read_score.remarks == ["1 non-traditional key signature is left out"]


TIES = {
    "over a bar line": (
        [note("C4", 4, tie="start"), note("C4", 4, tie="stop start"), note("C4", 4, tie="stop")],
        [(60, 0, 12)],
    ),
    "of a chord": (
        [
            note("C4", 4, tie="start") + note("E4", 4, chord=True),
            note("C4", 4, tie="stop") + note("E4", 4, chord=True),
        ],
        [(60, 0, 8), (64, 0, 4), (64, 4, 4)],
    ),
    "into another voice": (
        [
            note("r", 2) + note("G4", 2) + backup(4) + note("C4", 4, voice=2, tie="start"),
            note("C4", 4, voice=1, tie="stop"),
        ],
        [(60, 0, 8), (67, 2, 2)],
    ),
    "within a measure into an earlier voice": (
        [note("r", 2) + note("C4", 2, tie="stop") + backup(4) + note("C4", 2, voice=2, tie="start")],
        [(60, 0, 4)],
    ),
    "that nothing continues": ([note("C4", 2, tie="start") + note("D4", 2)], [(60, 0, 2), (62, 2, 2)]),
    "that nothing begins": ([note("C4", 2) + note("C4", 2, tie="stop")], [(60, 0, 2), (60, 2, 2)]),
}


@pytest.mark.parametrize("name", TIES)
def test_tied_notes_are_one(read_score, rows, name):
    measures, expected = TIES[name]
    assert sorted(rows(read_score(score(measures)))) == expected


def test_tuplets_are_exact(read_score):
    sequence = read_score(score([notes("C4 D4 E4", 1 / 3) + notes("F4 G4 A4", 1)]))
    assert [(n.numerator, n.denominator) for n in sequence.notes] == [(1, 12)] * 3 + [(1, 4)] * 3
    assert [n.start_time for n in sequence.notes] == pytest.approx([0, 1 / 6, 1 / 3, 0.5, 1, 1.5], abs=1e-12)


def test_divisions_may_change(read_score, rows):
    seven = "<attributes><divisions>7</divisions></attributes>"
    sevenths = "".join(note("C4", at / 12) for at in (1,) * 7)
    assert rows(read_score(score([note("D4", 1) + seven + sevenths + note("E4", 14 / 12)]))) == [
        (62, 0, 1), *((60, round(1 + k / 7, 4), 0.1429) for k in range(7)), (64, 2, 2)
    ]  # fmt: skip


def test_grace_and_cue_notes_are_left_out_and_reported(read_score, rows):
    cue = note("G4", 1, more="").replace("<note >", "<note><cue/>")
    assert "<cue/>" in cue
    sequence = read_score(score([GRACE + GRACE + note("C4", 1) + cue + note("D4", 2)]))
    assert rows(sequence) == [(60, 0, 1), (62, 2, 2)]
    assert read_score.remarks == ["1 cue note is left out", "2 grace notes are left out"]


def test_hidden_notes_sound(read_score, rows):
    assert rows(read_score(score([note("C4", 4, attributes='print-object="no"')]))) == [(60, 0, 4)]


def test_a_chord_sounds_together(read_score, rows):
    chord = note("C4", 2) + note("E4", 2, chord=True) + note("G4", 1, chord=True) + note("D4", 2)
    assert rows(read_score(score([chord]))) == [(60, 0, 2), (64, 0, 2), (67, 0, 1), (62, 2, 2)]


SYLLABLE = "<lyric><text>la</text></lyric>"


@pytest.mark.parametrize(
    ("bars", "expected"),
    {
        "it ends with the next note of its pitch": (
            [note("C4", 4, tie="start"), note("C4", 2) + note("C4", 2)], [(60, 0, 6), (60, 6, 2)]),
        "a note with a syllable is sung anew": (
            [note("C4", 4, tie="start"), note("C4", 4, more=SYLLABLE)], [(60, 0, 4), (60, 4, 4)]),
        "a note that follows later does not end it": (
            [note("C4", 2, tie="start") + note("r", 2), note("C4", 4)], [(60, 0, 2), (60, 4, 4)]),
        "nor does one of another voice": (
            [note("C4", 4, tie="start"), note("C4", 4, voice=2)], [(60, 0, 4), (60, 4, 4)]),
        "nor one beside a note of another voice that does": (
            [note("C4", 4, tie="start"), note("C4", 4) + backup(4) + note("C4", 2, voice=2, tie="stop")],
            [(60, 0, 6), (60, 4, 4)]),
        "nor one that is played after it, but stands before it": (
            [note("C4", 4), note("C4", 4, tie="start") + repeat("backward")],
            [(60, 0, 4), (60, 4, 4), (60, 8, 4), (60, 12, 4)]),
    }.values(),
)  # fmt: skip
def test_a_tie_that_does_not_end(read_score, rows, bars, expected):
    assert sorted(rows(read_score(score(bars)))) == expected


@pytest.mark.parametrize(("sign", "length"), [("<type>half</type><dot/>", 3), ("<type>half</type>", 2)])
def test_notes_of_a_chord_with_one_note_value_are_equally_long(read_score, rows, sign, length):
    first = note("C4", 3, more="<type>half</type><dot/>")
    second = note("E4", 2, chord=True, more=sign)
    assert rows(read_score(score([first + second + note("r")]))) == [(60, 0, 3), (64, 0, length)]


@pytest.mark.parametrize("broken", ["<octave>x</octave>", "<step>H</step>", "<step/>"])
def test_a_note_without_a_pitch_is_left_out(read_score, rows, broken):
    tag = broken[1:5]
    text = score([note("C4", 2) + note("D4", 2)])
    whole = "<octave>4</octave>" if tag == "octa" else "<step>C</step>"
    assert rows(read_score(text.replace(whole, broken, 1))) == [(62, 2, 2)]
    assert read_score.remarks == ["1 note without a readable pitch is left out"]


def test_notes_outside_midi_are_left_out(read_score, rows):
    assert rows(read_score(score([note("A9", 2) + note("C4", 2)]))) == [(60, 2, 2)]
    assert read_score.remarks == ["1 note outside MIDI's pitches is left out"]


def test_voices_keep_their_numbers(read_score):
    measure = note("C5", 4) + backup(4) + note("C4", 4, voice=5) + backup(4) + note("C3", 4, voice="low")
    assert [n.voice for n in read_score(score([measure])).notes] == [1, 5, 6]


def test_programs_and_channels(read_score):
    heads = [
        head(midi("I1", channel=3, program=41)),
        head(midi("I2", channel=4, program=1), midi("I3", channel=5, program=74)),
    ]
    change = '<sound><midi-instrument id="I1"><midi-program>46</midi-program></midi-instrument></sound>'
    flute = note("D4", 2, more='<instrument id="I3"/>')
    sequence = read_score(score([note("C4", 2) + change + note("C4", 2)], [note("C4", 2) + flute], heads=heads))
    assert [(n.part, n.instrument, n.program) for n in sequence.notes] == [
        (0, 3, 40), (0, 3, 45), (1, 4, 0), (1, 5, 73)
    ]  # fmt: skip
    assert [(p.part, p.name) for p in sequence.part_infos] == [(0, "Part 1"), (1, "Part 2")]


def test_percussion_has_the_pitches_of_its_instruments(read_score, rows):
    drums = head(
        midi("D1", channel=10, program=1, unpitched=37),
        midi("D2", channel=10, program=1, unpitched=39),
        midi("D3", channel=10, program=1),
    )
    struck = "".join(
        f"<note><unpitched/><duration>12</duration><instrument id='{name}'/></note>"
        for name in ["D1", "D2", "D1", "D3"]
    )
    sequence = read_score(score([notes("C5 D5 E5 F5")], [struck], heads=["", drums]))
    assert rows(sequence, 0) == [(72, 0, 1), (74, 1, 1), (76, 2, 1), (77, 3, 1)]
    assert rows(sequence, 1) == [(36, 0, 1), (38, 1, 1), (36, 2, 1)]
    assert [n.is_drum for n in sequence.notes] == [False] * 4 + [True] * 3
    assert {n.instrument for n in sequence.notes if n.is_drum} == {10}
    assert read_score.remarks == [
        "1 percussion note is left out, because its instrument has no MIDI number",
    ]


def test_a_pitch_on_a_percussion_staff_of_channel_10_is_a_drum(read_score):
    percussion = "<clef><sign>percussion</sign></clef>"
    drums = head(midi("D", channel=10, program=1))
    assert [n.is_drum for n in read_score(score([note("C2", 4)], heads=[drums], first=percussion)).notes] == [True]
    assert [n.is_drum for n in read_score(score([note("C2", 4)], heads=[drums])).notes] == [False]


def mark(name, sound=""):
    return f"<direction><direction-type><dynamics><{name}/></dynamics></direction-type>{sound}</direction>"


DYNAMICS = {
    "none": (notes("C4 D4", 2), [64, 64]),
    "a mark": (note("C4", 2) + mark("ff") + note("D4", 2), [64, 112]),
    "a mark with a sound": (mark("p", '<sound dynamics="50"/>') + notes("C4 D4", 2), [45, 45]),
    "a sound alone": ('<sound dynamics="100"/>' + notes("C4 D4", 2), [90, 90]),
    "a note of its own": (note("C4", 2, attributes='dynamics="110"') + note("D4", 2), [99, 64]),
    "an accent does not last": (mark("sfz", '<sound dynamics="130"/>') + notes("C4 D4", 2), [64, 64]),
    "too loud and too soft": (
        note("C4", 2, attributes='dynamics="900"') + note("D4", 2, attributes='dynamics="0"'),
        [127, 1],
    ),
    "every voice of the part": (
        note("C4", 2) + mark("f") + note("D4", 2) + backup(4) + notes("C3 D3", 2, voice=2),
        [64, 64, 96, 96],
    ),
}


@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics_are_velocities(read_score, name):
    measure, expected = DYNAMICS[name]
    assert [n.velocity for n in sorted(read_score(score([measure])).notes, key=lambda n: n.start_time)] == expected


def test_dynamics_go_on_into_the_next_measure_and_not_into_other_parts(read_score):
    sequence = read_score(score([mark("mf") + note("C4", 4), note("D4", 4)], [note("C4", 4), note("D4", 4)]))
    assert [n.velocity for n in sequence.notes] == [80, 80, 64, 64]


def annotations(sequence, text):
    return [a.time * 2 for a in sequence.text_annotations if a.text == text]


def test_fermatas_stand_at_the_start_of_their_notes(read_score):
    fermata = "<notations><fermata/></notations>"
    tied = note("C4", 2, tie="start") + note("C4", 1, tie="stop", more=fermata) + note("D4", 1)
    sequence = read_score(score([tied, note("E4", 4, more=fermata)], [note("C3", 4), note("C3", 4, more=fermata)]))
    assert annotations(sequence, score_annotations.FERMATA) == [0, 4]


def lyric(text, syllabic="single", number=1):
    return f'<lyric number="{number}"><syllabic>{syllabic}</syllabic><text>{text}</text></lyric>'


def test_lyrics_are_annotations_of_their_verse(read_score):
    first = note("C4", 2, more=lyric("Hal", "begin") + lyric("A", number=2)) + note("D4", 2, more=lyric("lo", "end"))
    sequence = read_score(score([first + repeat("backward")]))
    found = [(a.time * 2, a.text) for a in sequence.text_annotations if a.text.startswith("lyric")]
    assert found == [(0, "lyric: Hal-"), (2, "lyric: lo"), (4, "lyric: A"), (6, "lyric: lo")]


def test_title_composer_and_source(read_score):
    before = (
        "<work><work-title>Das  Lied</work-title></work><movement-title>Other</movement-title><identification>"
        '<creator type="composer">Louise Farrenc</creator><creator type="lyricist">Somebody</creator></identification>'
    )
    sequence = read_score(score([note("C4", 4)], before=before))
    assert sequence.sequence_metadata.title == "Das Lied"
    assert list(sequence.sequence_metadata.composers) == ["Louise Farrenc"]
    info = sequence.source_info
    assert (info.parser, info.encoding_type, info.source_type) == (
        info.UNKNOWN_PARSER, info.MUSIC_XML, info.SCORE_BASED
    )  # fmt: skip


def test_an_instrument_change_moves_the_transposition(read_score, rows):
    change = attributes("<transpose><chromatic>-2</chromatic></transpose>")
    assert rows(read_score(score([note("C5", 2) + change + note("C5", 2)]))) == [(72, 0, 2), (70, 2, 2)]
