"""Names, titles, lyrics and markers of a MIDI file.

MIDI does not specify the encoding of its texts. Texts that are valid UTF-8 are read as UTF-8. All others share one
encoding: Shift-JIS if most of them are plausible Japanese, else Latin-1.

Lyrics are lyric events or, in a file without them, the text events of a track "Words", as in karaoke files. If spaces
separate words, a syllable without a following space continues its word; otherwise a hyphen at the end of a syllable
marks that.
"""

import codecs
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Sequence

from musejax.music import midi_bytes

Decode = Callable[[bytes], str]

# Full-width kana; characters that do not occur in Japanese; two characters beyond ASCII, or one that is full-width.
_KANA = re.compile("[\u3040-\u30ff]")
_ALIEN = re.compile("[^\x00-\x7f\u2010-\u2312\u25a0-\u266f\u3000-\u30ff\u4e00-\u9fff\uff01-\uffef]")
_JAPANESE = re.compile("[^\x00-\x7f]{2}|[^\x00-\x7f\uff61-\uff9f]")
# A single kanji or half-width katakana next to Latin letters is a misread accented letter.
_LONE = re.compile("(?<=[A-Za-z])[^\x00-\x7f](?![^\x00-\x7f])|(?<![^\x00-\x7f])[^\x00-\x7f](?=[A-Za-z])")
# Number of different texts from which an encoding is guessed, and size of the cache of decoded texts.
_SAMPLE = 1000
# Ends of lines and paragraphs in karaoke files.
_BREAKS = "\0/\\\r\n"
_SPACES = str.maketrans(dict.fromkeys(_BREAKS, " "))
# Tags of lyric events that set a language or a title.
_TAG = re.compile(r"\{[@#][^}]*\}")
# Names that sequencers give to the track of tempos and signatures.
_GENERIC = re.compile(
    r"(untitled|no ?name|new)?\W*((conductor|tempo|master|control|meta|header|timing|global|midi|main)\W*"
    r"(track|map|events?|data|out|file)?|(track|sequence|seq|song|project|score|untitled|no ?name|new)?)\W*\d*\W*",
    re.IGNORECASE,
)


def decoder(texts: Iterable[bytes]) -> Decode:
    """Returns a function that decodes the texts of a file.

    Args:
        texts: All texts of the file, from which the encoding is guessed.
    """
    others = list(itertools.islice((text for text in dict.fromkeys(texts) if not _is_utf_8(text)), _SAMPLE))
    japanese = sum(map(_is_japanese, others))
    fallback = "cp932" if 2 * japanese > len(others) else "latin-1"

    @functools.lru_cache(_SAMPLE)
    def decode(text: bytes) -> str:
        try:
            return text.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError:
            return text.decode(fallback, "replace")

    return decode


def _is_utf_8(text: bytes) -> bool:
    """Returns whether a text is valid UTF-8."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_japanese(text: bytes) -> bool:
    """Returns whether a text, read as Shift-JIS, is plausible Japanese."""
    try:
        decoded = text.decode("cp932")
    except UnicodeDecodeError:
        return False
    if _ALIEN.search(decoded):
        return False
    return bool(_KANA.search(decoded)) or bool(_JAPANESE.search(decoded) and not _LONE.search(decoded))


def name(track: midi_bytes.Track, decode: Decode) -> str:
    """Returns the first name of a track that is not blank, or an empty text."""
    names = (decode(meta.data).strip("\0 \t\r\n") for meta in track.metas if meta.kind == midi_bytes.NAME)
    return next(filter(None, names), "")


def title(tracks: Sequence[midi_bytes.Track], decode: Decode) -> str:
    """Returns the title of a file, or an empty text.

    It is the first title line (`@T`) of a karaoke file. Otherwise, if there are several tracks, it is the name of the
    first one, provided that it has no channel messages and is not called "Tempo", "Conductor track" or the like.

    Args:
        tracks: The tracks of the file.
        decode: Decodes the texts of the file.
    """
    for track in tracks:
        for meta in track.metas:
            if meta.kind == midi_bytes.TEXT and meta.data.startswith(b"@T"):
                return decode(meta.data[2:]).strip("\0 \t\r\n")
    if len(tracks) < 2 or len(tracks[0].messages):
        return ""
    first = name(tracks[0], decode)
    return "" if _GENERIC.fullmatch(first) else first


def markers(tracks: Sequence[midi_bytes.Track], decode: Decode) -> list[tuple[int, str]]:
    """Returns the ticks and texts of markers and cue points, in temporal order."""
    kinds = midi_bytes.MARKER, midi_bytes.CUE
    texts = [(m.tick, " ".join(decode(m.data).split())) for t in tracks for m in t.metas if m.kind in kinds]
    return sorted(((tick, text) for tick, text in texts if text), key=lambda marker: marker[0])


def lyrics(tracks: Sequence[midi_bytes.Track], decode: Decode) -> list[tuple[int, str]]:
    """Returns the ticks and syllables of the lyrics, in temporal order.

    A syllable that is not the last of its word ends with a hyphen.

    Args:
        tracks: The tracks of the file.
        decode: Decodes the texts of the file.
    """
    voices = [[m for m in track.metas if m.kind == midi_bytes.LYRIC] for track in tracks]
    if not any(voices):
        words = [track for track in tracks if name(track, decode).lower() == "words"]
        voices = [[m for m in t.metas if m.kind == midi_bytes.TEXT and not m.data.startswith(b"@")] for t in words]
    sung = [
        (meta.tick, syllable)
        for metas in voices
        for meta, syllable in zip(metas, _syllables([decode(meta.data) for meta in metas]))
    ]
    return sorted(((tick, syllable) for tick, syllable in sung if syllable), key=lambda lyric: lyric[0])


def _syllables(texts: Sequence[str]) -> list[str]:
    """Returns the syllable of each text of a voice, with hyphens inside words; empty if a text has no syllable."""
    bare = [_TAG.sub("", text) if "{" in text else text for text in texts]
    # Line breaks alone do not show that spaces separate words.
    lines = [text.strip(_BREAKS) for text in bare]
    has_spaces = any(line != stripped and stripped for line, stripped in zip(lines, map(str.strip, lines)))
    spaced = [text.translate(_SPACES) for text in bare]
    out = []
    for text, following in zip(spaced, [*spaced[1:], " "]):
        syllable = " ".join(text.split())
        goes_on = has_spaces and not (syllable.endswith("-") or text[-1:].isspace() or following[:1].isspace())
        out.append(f"{syllable}-" if syllable and goes_on else syllable)
    return out
