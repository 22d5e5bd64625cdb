"""Music in ABC: pitches, accidentals, lengths, ties, tuplets, chords, decorations and directives."""

import abc_tunes as abc
import pytest

from musejax.music import score_annotations


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("K:C", "C, C c c' c''", [48, 60, 72, 84, 96]),
        ("K:C", "^C _D =E ^^F __G", [61, 61, 64, 67, 65]),
        ("K:C", "^F F f F, | F", [66, 66, 78, 54, 65]),
        ("K:C", "^F =F F _B B", [66, 65, 65, 70, 70]),
        ("K:C\n%%propagate-accidentals octave", "^F F f", [66, 66, 77]),
        ("K:C\n%%propagate-accidentals not", "^F F f", [66, 65, 77]),
        ("K:C", "{^f}G F", [67, 66]),
        ("K:D", "F C =F F | F", [66, 61, 65, 65, 66]),
        ("K:C octave=1", "C", [72]),
        ("K:C clef=treble-8", "C", [48]),
        ("K:C bass+8", "C", [72]),
        ("K:G clef=bass-8 octave=1 transpose=-2", "F", [64]),
        ("K:C\n%%MIDI transpose 3", "C", [63]),
        ("K:C", "C [K:G] F | F [K:F] B", [60, 66, 66, 70]),
    ],
)
def test_pitches(head, body, expected):
    sequence = abc.read(f"{body}|", f"M:none\nL:1/4\n{head}")
    assert [n.pitch for n in sorted(sequence.notes, key=lambda n: n.start_time)] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("A2 A/2 A/ A// A3/2 A/4", [2, 0.5, 0.5, 0.25, 1.5, 0.25]),
        ("A>B A<B A>>B A<<B", [1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 0.25, 1.75]),
        ("A > B2 | A2>B2", [1.5, 1, 3, 1]),
        ("[AC]>z C", [1.5, 1.5, 1]),
        ("(3ABc A", [0.66667] * 3 + [1]),
        ("(2AB (4ABcd", [1.5, 1.5] + [0.75] * 4),
        ("(5:4:3ABc A", [0.8] * 3 + [1]),
        ("(3::2AB A", [0.66667] * 2 + [1]),
        ("(5ABcde", [0.4] * 5),
        ("((3ABc) (3(ABc)", [0.66667] * 6),
        ("(3A>Bc", [1, 0.33333, 0.66667]),
        ("[L:1/8]A2 A", [1, 0.5]),
        ("A zA xA yA", [1] * 4),
    ],
)
def test_lengths(body, expected):
    assert abc.lengths(abc.read(f"{body}|", "M:none\nL:1/4\nK:C")) == expected


def test_five_notes_take_the_time_of_three_in_compound_metre():
    assert abc.lengths(abc.read("(5ABcde", "M:6/8\nL:1/8\nK:C")) == [0.3] * 5


@pytest.mark.parametrize(
    ("metre", "length"), [("2/4", 0.25), ("3/4", 0.5), ("6/8", 0.5), ("C", 0.5), ("C|", 0.5), ("none", 0.5)]
)
def test_the_unit_length_follows_from_the_metre(metre, length):
    assert abc.lengths(abc.read("C", f"M:{metre}\nK:C")) == [length]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("A4-|A4|", [(69, 0, 8)]),
        ("A2-A2-|A4|A4|", [(69, 0, 8), (69, 8, 12)]),
        ("^F4-|F2 F2|", [(66, 0, 6), (65, 6, 8)]),
        ("[CE]2-[CE]2|", [(60, 0, 4), (64, 0, 4)]),
        ("[C-E]2[CE]2|", [(60, 0, 4), (64, 0, 2), (64, 2, 4)]),
        ("[C2E2]-[CG]2|", [(60, 0, 4), (64, 0, 2), (67, 2, 4)]),
        ("C2-[CE]2|", [(60, 0, 4), (64, 2, 4)]),
        ("A2-B2|", [(69, 0, 2), (71, 2, 4)]),
        ("A-zA2|", [(69, 0, 1), (69, 2, 4)]),
        ("|:A2-A2:|", [(69, 0, 4), (69, 4, 8)]),
        ("C4 & E2-E2 | D4", [(60, 0, 4), (64, 0, 4), (62, 4, 8)]),
    ],
)
def test_ties(body, expected):
    assert abc.notes(abc.read(body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[CEG]2 D2|", [(60, 0, 2), (64, 0, 2), (67, 0, 2), (62, 2, 4)]),
        ("[C2E4]D2|", [(60, 0, 2), (64, 0, 2), (62, 2, 4)]),
        ("[C2E]2|", [(60, 0, 4), (64, 0, 4)]),
        ("+C2E2+D2|", [(60, 0, 2), (64, 0, 2), (62, 2, 4)]),
        ("C4 & G2 E2|D4|", [(60, 0, 4), (67, 0, 2), (64, 2, 4), (62, 4, 8)]),
        ("Z2|C4|Z|z4|X|C4|", [(60, 8, 12), (60, 24, 28)]),
        ("C`D$E!F|", [(60, 0, 1), (62, 1, 2), (64, 2, 3), (65, 3, 4)]),
    ],
)
def test_chords_layers_and_rests(body, expected):
    assert abc.notes(abc.read(body)) == expected


def test_fermatas_are_annotations_and_double_nothing():
    sequence = abc.read("!fermata!C +fermata+D HE U2|", "M:4/4\nL:1/4\nU:U=!fermata!\nK:C")
    assert abc.notes(sequence) == [(60, 0, 1), (62, 1, 2), (64, 2, 3)]
    fermatas = [place for place, text in abc.annotations(sequence) if text == score_annotations.FERMATA]
    assert fermatas == [0, 1, 2]


def test_a_sign_of_the_users_is_its_decoration():
    assert abc.annotations(abc.read("nC n2D|", "M:none\nL:1/4\nU:n=!fermata!\nK:C"))[0] == (
        0,
        score_annotations.FERMATA,
    )
    assert not abc.annotations(abc.read("HC3|C4|", "M:4/4\nL:1/4\nU: H = !nil!\nK:C"))[3:]


def test_dynamics_are_velocities():
    sequence = abc.read("C!p!D!f!EF|!sfz!G2!ff![Ac]2|")
    assert [n.velocity for n in sorted(sequence.notes, key=lambda n: (n.start_time, n.pitch))] == [
        64, 49, 96, 96, 96, 112, 112,
    ]  # fmt: skip


def test_decorations_change_no_lengths():
    assert abc.lengths(abc.read(".C~D!trill!ET=F|uGvA.(Bc)|")) == [1] * 8


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"Am7"C2"^slow""G"D2|"N.C."E4|', [(0, "Am7"), (2, "G"), (4, "N.C.")]),
        ('"Bb/D"C4|"F#dim"C4|"C6/9"C4|', [(0, "Bb/D"), (4, "F#dim"), (8, "C6/9")]),
        ('"<("C2"@1,2 x"D2|"_p"E4|', []),
        ('C2"Dm"|D4|', [(2, "Dm")]),
    ],
)
def test_chord_symbols(body, expected):
    sequence = abc.read(body, "M:none\nL:1/4\nK:C")
    kind = sequence.TextAnnotation.CHORD_SYMBOL
    assert [a.text for a in sequence.text_annotations if a.annotation_type == kind] == [text for _, text in expected]
    assert set(expected) <= set(abc.annotations(sequence))


def test_chord_symbols_and_keys_sound_with_the_notes():
    sequence = abc.read('"Am/C"A4|', "M:4/4\nL:1/4\nK:Am transpose=-2")
    assert abc.annotations(sequence) == [(0, "Gm/Bb")]
    assert abc.keys(sequence) == [(0, (7, True))]
    assert abc.pitches(sequence) == [67]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("{dB}C4|", "2 grace notes are left out"),
        ('"foo"C4|', "1 chord symbol of an unknown kind is left out"),
        ("C4#|", "1 character that is not ABC is passed over"),
        ("kC4|", "1 character that is not ABC is passed over"),
        ("!wobble!C4|", "1 unknown decoration is left out"),
        ("C,,,,,,4|", "1 note outside MIDI's pitches is left out"),
        ("^/C4|", "1 note is moved to the nearest semitone"),
        ("s: !f!\nC4|\ns:*", "2 symbol lines (s:) are left out"),
        ("%%MIDI drum dz 35 80\nC4|", "1 %%MIDI instruction is not followed"),
        ("%%MIDI program 200\nC4|", "1 %%MIDI instruction is not followed"),
        ("[M:fast]C4|", "1 time signature that cannot be read is left out"),
        ("[L:long]C4|", "1 field that cannot be read is left out"),
        ('[Q:"Allegro"]C4|', "1 tempo without a number is left out"),
        ("[K:Dwhat]C4|", "1 key of an unknown mode is read as major"),
        ("[K:H]C4|", "1 key that cannot be read is left out"),
        ("[K:exp ^c]C4|", "1 non-traditional key signature is left out"),
        ("m:~G2=G2\nC4|", "1 macro is not expanded"),
        ("C4|\nw: a b", "1 syllable without a note is left out"),
    ],
)
def test_what_is_lost_is_reported(body, line):
    assert abc.remarks(body) == [line]


@pytest.mark.parametrize(
    "body", ["%%staves 1", "%%scale 0.7", "%%MIDI gchordoff", "I:linebreak $", "W: words", "N:a note", "y", "CD (EF)"]
)
def test_what_changes_no_music_is_passed_over(body):
    assert abc.remarks(f"{body}\nC4|") == []
