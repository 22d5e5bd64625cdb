"""Lyrics: from annotations to the parts that sing them."""

from musejax.music import lyrics, noteseq
from musejax.music.lyrics import Syllable


def test_a_hyphen_at_the_end_says_that_the_word_goes_on():
    sequence = noteseq.load().NoteSequence()
    for time, text in (
        (1.0, "lyric: lu-"),
        (0.0, "lyric: Hal-"),
        (2.0, "lyric: jah"),
        (3.0, "fermata"),
        (4.0, "lyric: -"),
    ):
        sequence.text_annotations.add(time=time, text=text)
    syllables = [Syllable("Hal", True), Syllable("lu", True), Syllable("jah", False), Syllable("-", False)]
    assert lyrics.read(sequence) == list(zip((0.0, 1.0, 2.0, 4.0), syllables))
    placed = dict(enumerate(syllables))
    assert [place for _, place in lyrics.word_places(placed).values()] == ["begin", "middle", "end", "single"]


def test_the_part_with_most_syllables_under_its_notes_sings():
    sung = [(place, Syllable(str(place), False)) for place in (0, 2, 4)]
    parts, lost = lyrics.assign(sung, [frozenset([0, 4]), frozenset([0, 2, 4]), frozenset([2])])
    assert parts == [{}, dict(sung), {}] and lost == 0


def test_as_many_parts_sing_as_there_are_syllables():
    sung = [(0, Syllable("Kyrie", False)), (0, Syllable("Christe", False)), (5, Syllable("lost", False))]
    parts, lost = lyrics.assign(sung, [frozenset([0]), frozenset([0])])
    assert [part[0].text for part in parts] == ["Kyrie", "Christe"] and lost == 1
