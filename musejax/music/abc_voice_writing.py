"""ABC text for a voice: bars of notes in layers, with marks between them and lyrics below."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.music import abc_layout, abc_symbols, abc_text
from musejax.music.musicxml_attributes import Metre

_BARS_IN_LINE = 4


class Key(NamedTuple):
    """A key.

    Attributes:
        name: The name in the `K:` field.
        sharps: Sharps of the key signature; negative for flats.
        spelled: Sharps of the key signature by which notes are spelled.
        is_minor: Whether notes are spelled as in minor.
    """

    name: str
    sharps: int
    spelled: int
    is_minor: bool


class Chord(NamedTuple):
    """Notes with the same onset and length.

    Attributes:
        start: Onset in quarters from the start of the piece.
        end: End in quarters.
        pitches: MIDI pitches in ascending order.
    """

    start: Fraction
    end: Fraction
    pitches: tuple[int, ...]


class Marks(NamedTuple):
    """Marks between the notes, by place in quarters from the start of the piece.

    Attributes:
        keys: Changes of key, the first at 0.
        tempos: Changes of tempo, in quarter notes per minute.
        chords: Chord symbols.
        fermatas: Places of fermatas.
    """

    keys: dict[Fraction, Key]
    tempos: dict[Fraction, float]
    chords: dict[Fraction, list[str]]
    fermatas: frozenset[Fraction]


_NOTHING = Marks({}, {}, {}, frozenset())


def write_voice(
    lanes: Sequence[Sequence[Chord]],
    bars: Sequence[abc_layout.Bar],
    piece: Marks,
    syllables: dict[Fraction, str],
    *,
    is_first: bool,
) -> list[str]:
    """Returns the lines of a voice: music, and lyrics below it.

    Args:
        lanes: Chords of each layer, by onset and without overlaps.
        bars: The bars of the piece.
        piece: The marks of the piece.
        syllables: The syllables of the first layer, by place.
        is_first: Whether this is the first voice, which has the tempos and chord symbols.
    """
    accidentals = abc_symbols.Accidentals()
    accidentals.set_key(piece.keys[Fraction(0)].sharps)
    out: list[str] = []
    voice_marks = piece if is_first else piece._replace(tempos={}, chords={})
    metre = bars[0].metre
    nexts = [0] * len(lanes)
    for first in range(0, len(bars), _BARS_IN_LINE):
        texts: list[str] = []
        words: list[str] = []
        for bar in bars[first : first + _BARS_IN_LINE]:
            layers: list[str] = []
            inside = [_inside(lane, bar, nexts, number) for number, lane in enumerate(lanes)]
            while len(inside) > 1 and not inside[-1]:
                inside.pop()
            for number, chords in enumerate(inside):
                marks = _NOTHING if number else voice_marks
                segments = _segments(chords, bar, piece, syllables if not number else {}, marks)
                text, sung = _write_layer(segments, bar, accidentals, piece, is_hidden=number > 0)
                layers.append(text)
                words += sung if not number else []
            field = f"[M:{metre_text(bar.metre)}]" if bar.metre != metre else ""
            metre = bar.metre
            texts.append(field + " & ".join(layers))
            accidentals.end_bar()
        is_end = first + _BARS_IN_LINE >= len(bars)
        out.append(" | ".join(texts) + (" |]" if is_end else " |"))
        while words and words[-1] in ("", "_"):
            words.pop()
        if words:
            out.append("w: " + " ".join(word or "*" for word in words))
    return out


def _write_layer(
    segments: Sequence[abc_symbols.Segment],
    bar: abc_layout.Bar,
    accidentals: abc_symbols.Accidentals,
    piece: Marks,
    *,
    is_hidden: bool,
) -> tuple[str, list[str]]:
    """Returns a layer of a bar, and the syllable of each note in it."""
    if len(segments) == 1 and not segments[0].pitches and not is_hidden and bar.metre.quarters == bar.length:
        _change_key(bar.start, accidentals, piece)
        return segments[0].prefix + "Z", []
    texts: list[str] = []
    syllables: list[str] = []
    changes = [place for place in piece.keys if bar.start < place < bar.start + bar.length]
    for first, last in itertools.pairwise([bar.start, *sorted(changes), bar.start + bar.length]):
        run = [segment for segment in segments if first <= bar.start + segment.start < last]
        key = _change_key(first, accidentals, piece) if not is_hidden else _key_at(first, piece)
        text, sung = abc_symbols.write_segments(
            run, accidentals, (key.spelled, key.is_minor), is_hidden=is_hidden, beat=_beat(bar.metre)
        )
        texts.append(text)
        syllables += sung
    return " ".join(texts), syllables


def _key_at(place: Fraction, piece: Marks) -> Key:
    """Returns the key in effect at a place."""
    return piece.keys[max(other for other in piece.keys if other <= place)]


def _change_key(place: Fraction, accidentals: abc_symbols.Accidentals, piece: Marks) -> Key:
    """Returns the key at a place, and resets the accidentals if the key begins there."""
    key = _key_at(place, piece)
    if place in piece.keys:
        accidentals.set_key(key.sharps)
    return key


def _beat(metre: Metre) -> Fraction:
    """Returns the length of a beat in quarters."""
    unit = Fraction(4, metre.denominator)
    return 3 * unit if metre.denominator >= 8 and metre.numerator % 3 == 0 and metre.numerator else unit


def _inside(lane: Sequence[Chord], bar: abc_layout.Bar, nexts: list[int], number: int) -> list[Chord]:
    """Returns the chords of a layer that sound in a bar, and advances `nexts` to the first one of the next bar."""
    out: list[Chord] = []
    stop = bar.start + bar.length
    while nexts[number] < len(lane) and lane[nexts[number]].start < stop:
        chord = lane[nexts[number]]
        out.append(chord)
        if chord.end > stop:
            break
        nexts[number] += 1
    return out


def _segments(
    chords: Sequence[Chord], bar: abc_layout.Bar, piece: Marks, syllables: dict[Fraction, str], marks: Marks
) -> list[abc_symbols.Segment]:
    """Returns the segments that fill a layer of a bar: notes and rests, cut where there is a mark.

    Args:
        chords: The chords that sound in the layer.
        bar: The bar.
        piece: All marks of the piece; fermatas are written in any layer.
        syllables: The syllables of the layer, by place.
        marks: The marks that this layer writes.
    """
    stop = bar.start + bar.length
    spans: list[tuple[Fraction, Fraction, Chord | None]] = []
    at = bar.start
    for chord in chords:
        if chord.start > at:
            spans.append((at, chord.start, None))
        at = min(chord.end, stop)
        spans.append((max(chord.start, bar.start), at, chord))
    if at < stop:
        spans.append((at, stop, None))
    places = sorted(place for place in {*marks.keys, *marks.tempos, *marks.chords} if bar.start < place < stop)
    out: list[abc_symbols.Segment] = []
    for start, end, chord in spans:
        cuts = [start, *(place for place in places if start < place < end), end]
        for a, b in itertools.pairwise(cuts):
            prefix = _prefix(a, marks)
            syllable = ""
            if chord is not None:
                is_onset = a == chord.start
                prefix += "!fermata!" if is_onset and a in piece.fermatas else ""
                sung = syllables.get(chord.start, "")
                syllable = _syllable(sung) if is_onset else "_" if sung else ""
            pitches, holds = ((), False) if chord is None else (chord.pitches, b < chord.end)
            out.append(abc_symbols.Segment(a - bar.start, b - a, pitches, holds, prefix, syllable))
    return out


def _prefix(place: Fraction, marks: Marks) -> str:
    """Returns the fields and chord symbols at a place, without those of the header."""
    out = ""
    if place and place in marks.keys:
        out += f"[K:{marks.keys[place].name}]"
    if place and place in marks.tempos:
        out += f"[Q:{tempo_text(marks.tempos[place])}]"
    return out + "".join(f'"{quoted(text)}"' for text in marks.chords.get(place, ()))


def metre_text(metre: Metre) -> str:
    """Returns the text of a time signature field."""
    return f"{metre.numerator}/{metre.denominator}" if metre.numerator else "none"


def tempo_text(qpm: float) -> str:
    """Returns the text of a tempo field for a tempo in quarter notes per minute."""
    return "1/4=" + f"{qpm:.12f}".rstrip("0").rstrip(".")


def quoted(text: str) -> str:
    """Returns text with escapes for a place between quotation marks."""
    return abc_text.escape(text).replace('"', "\\u0022")


def _syllable(text: str) -> str:
    """Returns a syllable with escapes for a line of lyrics; a hyphen at its end continues the word."""
    hyphen = "-" if text.endswith("-") and text != "-" else ""
    text = abc_text.escape(text.removesuffix(hyphen)).replace("~", "\\u007e").replace(" ", "~")
    for sign in "-_*|":
        text = text.replace(sign, f"\\{sign}")
    return text + hyphen
