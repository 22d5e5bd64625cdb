"""Names, titles, lyrics and markers of MIDI files."""

import pytest
from midi_text import file, meta, note

from musejax.music import midi_reading, midi_texts, score_annotations

TEXT, NAME, LYRIC, MARKER, CUE = 1, 3, 5, 6, 7


def annotations(data, prefix):
    sequence = midi_reading.midi_to_sequence(data)
    marks = [a for a in sequence.text_annotations if a.text.startswith(prefix)]
    return [(round(a.time * 2, 6), a.text.removeprefix(prefix)) for a in marks]


def lyrics(*tracks):
    return annotations(file(*tracks), score_annotations.LYRIC)


def sung(*texts, kind=LYRIC):
    """A track that sings each text on a quarter note."""
    return b"".join(meta(kind, text) + note() for text in texts)


NAMES = [
    ("Flöte", "utf-8"), ("Flöte", "latin-1"), ("Größe", "latin-1"), ("Flûte à bec", "latin-1"), ("Violão", "latin-1"),
    ("ÉTÉ", "latin-1"), ("Ação", "latin-1"), ("Präludium", "latin-1"), ("Señorita, 1° parte", "latin-1"),
    ("© 2001", "latin-1"), ("naïve café", "latin-1"), ("À", "latin-1"),
    ("ピアノ", "utf-8"), ("ピアノ", "cp932"), ("ﾋﾟｱﾉ", "cp932"), ("ピアノ右手", "cp932"), ("Piano(右手)", "cp932"),
    ("歌", "cp932"), ("第1ヴァイオリン", "cp932"), ("ドラム♪", "cp932"), ("主旋律", "cp932"), ("表示能力", "cp932"),
    ("Виолончель", "utf-8"), ("钢琴", "utf-8"), ("Piano", "ascii"), ("🎹", "utf-8"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "encoding"), NAMES)
def test_a_name_is_read_in_its_encoding(text, encoding):
    sequence = midi_reading.midi_to_sequence(file(meta(NAME, text.encode(encoding)) + note()))
    assert [info.name for info in sequence.instrument_infos] == [text]


def test_texts_that_are_not_utf_8_share_an_encoding():
    texts = [text.encode("cp932") for text in ("ピアノ", "ベース", "ﾂ")]
    decode = midi_texts.decoder(texts)
    assert [decode(text) for text in texts] == ["ピアノ", "ベース", "ﾂ"]
    assert decode("钢琴".encode()) == "钢琴"


def test_a_text_cut_within_a_character_costs_that_character_alone():
    decode = midi_texts.decoder(["ピアノ".encode("cp932"), "ベース".encode("cp932"), "ドラム".encode("cp932")[:-1]])
    assert decode("ドラム".encode("cp932")[:-1]) == "ドラ\ufffd"


@pytest.mark.parametrize("name", [b"Lead\0", b"  Lead ", b"\xef\xbb\xbfLead", b"Lead\r\n"])
def test_what_surrounds_a_name_is_left_out(name):
    sequence = midi_reading.midi_to_sequence(file(meta(NAME, b" ") + meta(NAME, name) + note()))
    assert [info.name for info in sequence.instrument_infos] == ["Lead"]


def title(*tracks, kind=1):
    return midi_reading.midi_to_sequence(file(*tracks, kind=kind)).sequence_metadata.title


def test_the_name_of_a_first_track_without_notes_is_the_title():
    assert title(meta(NAME, "Für Elise"), note()) == "Für Elise"


@pytest.mark.parametrize(
    "name",
    ["", "Tempo", "TEMPO TRACK", "Conductor track", "tempo map", "Track 0", "track1", "untitled", "Untitled score",
     "New Song", "Sequence01", "Master", "Control track", "seq-1", "MIDI out", "Meta events"],
)  # fmt: skip
def test_a_generic_name_is_no_title(name):
    assert title(meta(NAME, name), note()) == ""


@pytest.mark.parametrize(
    "name", ["Main Theme", "Tempo di Valse", "Song of the Birds", "Sonata 1", "Global Warming Blues", "Scores"]
)
def test_a_title_may_contain_a_generic_word(name):
    assert title(meta(NAME, name), note()) == name


def test_a_track_that_plays_or_stands_alone_gives_no_title():
    assert title(meta(NAME, "Piano") + note(), note()) == ""
    assert title(meta(NAME, "Piano") + b"\0\xc0\7", note()) == ""
    assert title(meta(NAME, "Piano") + note(), kind=0) == ""


def test_a_copyright_is_no_title():
    assert title(meta(2, "(C) 1999 Somebody"), note()) == ""


SYLLABLES = {
    "hyphens": (["Hel-", "lo", "world"], ["Hel-", "lo", "world"]),
    "spaces behind": (["Hel", "lo ", "world "], ["Hel-", "lo", "world"]),
    "spaces before": (["Hel", "lo", " world"], ["Hel-", "lo", "world"]),
    "hyphens and spaces": (["Hel-", "lo ", "world"], ["Hel-", "lo", "world"]),
    "lines": (["/Hel", "lo", " world", "\\Good", " bye"], ["Hel-", "lo", "world", "Good", "bye"]),
    "line ends": (["Hel", "lo ", "world\r", "Good", "bye\n"], ["Hel-", "lo", "world", "Good-", "bye"]),
    "lines without spaces": (["か", "き\r", "く"], ["か", "き", "く"]),
    "no separators": (["one", "two"], ["one", "two"]),
    "inner spaces": (["la", "the_end", "e l'o-"], ["la", "the_end", "e l'o-"]),
    "tags": (["{@LATIN}", "{#Title=x}la ", "la"], ["la", "la"]),
    "a separator of its own": (["Hel", "lo", " ", "wide ", "world"], ["Hel-", "lo", "wide", "world"]),
}


@pytest.mark.parametrize("name", SYLLABLES)
def test_syllables_are_hyphenated_where_words_go_on(name):
    texts, expected = SYLLABLES[name]
    assert [syllable for _, syllable in lyrics(sung(*texts))] == expected


def test_syllables_stand_where_they_are_sung():
    assert lyrics(meta(NAME, "Song"), sung("Hel-", "lo"), sung("Good", "bye")) == [
        (0, "Hel-"),
        (0, "Good"),
        (1, "lo"),
        (1, "bye"),
    ]


def test_karaoke_files_sing_in_text_events_of_their_words():
    words = meta(NAME, "Words") + meta(TEXT, "@TA Song") + meta(TEXT, "@TSomebody") + sung("\\Hel", "lo", kind=TEXT)
    soft = meta(NAME, "Soft karaoke") + meta(TEXT, "@KMIDI KARAOKE FILE")
    data = file(soft, meta(NAME, "Melody") + meta(TEXT, "a remark") + note(length=960), words)
    assert annotations(data, score_annotations.LYRIC) == [(0, "Hel"), (1, "lo")]
    assert midi_reading.midi_to_sequence(data).sequence_metadata.title == "A Song"


def test_lyric_events_come_before_karaoke_words():
    assert lyrics(meta(NAME, "Words") + sung("la", kind=TEXT), sung("la")) == [(0, "la")]


def test_markers_and_cue_points_are_annotations():
    data = file(meta(MARKER, "Verse 1") + meta(CUE, " Curtain\n", delta=480) + meta(MARKER, ""), note())
    assert annotations(data, score_annotations.MARKER) == [(0, "Verse 1"), (1, "Curtain")]
