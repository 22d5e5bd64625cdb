"""Chord symbols of a MusicXML score (`<harmony>`) as the figures that note-seq's chord library reads."""

import functools
import re
import xml.etree.ElementTree as ET

from musejax.music import musicxml_losses, musicxml_numbers, noteseq

_NO_CHORD = "N.C."
# The steps in the order of the line of fifths, from F on.
_LINE = "FCGDAEB"
# Figures of the kinds of the MusicXML specification, and of others that programs write.
_KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7", "major-seventh": "maj7",
    "minor-seventh": "m7", "diminished-seventh": "dim7", "augmented-seventh": "aug7", "half-diminished": "m7b5",
    "major-minor": "m(maj7)", "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11", "dominant-13th": "13",
    "major-13th": "maj13", "minor-13th": "m13", "suspended-second": "sus2", "suspended-fourth": "sus",
    "pedal": "ped", "power": "5", "none": _NO_CHORD,
    "dominant-seventh": "7", "augmented-ninth": "aug9", "minor-major": "m(maj7)", "": "", "min": "m", "aug": "aug",
    "dim": "dim", "7": "7", "maj7": "maj7", "min7": "m7", "dim7": "dim7", "m7b5": "m7b5", "minMaj7": "m(maj7)",
    "6": "6", "min6": "m6", "maj69": "6/9", "9": "9", "maj9": "maj9", "min9": "m9", "sus47": "sus7",
}  # fmt: skip


def read_chord(harmony: ET.Element, transposition: int, losses: musicxml_losses.Losses) -> str | None:
    """Reads a chord symbol.

    Args:
        harmony: The `<harmony>` element; of several chords in it the first is read.
        transposition: Semitones from written to sounding pitch.
        losses: Is told of a symbol that is left out.

    Returns:
        The figure, such as `Bbm7(b5)/Db` or `N.C.`, or None for a symbol that is left out.
    """
    parts: dict[str, ET.Element] = {}
    degrees = []
    for child in harmony:
        if child.tag == "degree":
            degrees.append(child)
        elif child.tag in parts:
            break
        else:
            parts[child.tag] = child
    kind_element = parts.get("kind")
    kind_name = "" if kind_element is None else (kind_element.text or "").strip()
    kind = _KINDS.get(kind_name)
    if kind == _NO_CHORD:
        return _NO_CHORD
    root = _pitch_class(parts.get("root"), "root", transposition)
    if root is None:
        losses[musicxml_losses.ROOT] += 1
        return None
    if kind is None:
        kind = "" if kind_element is None else re.sub(r"\s", "", kind_element.get("text", ""))
        if not kind or not _is_readable(root + kind):
            losses[musicxml_losses.CHORD] += 1
            return None
    bass = _pitch_class(parts.get("bass"), "bass", transposition)
    end = "" if bass is None or bass == root else f"/{bass}"
    figure = root + kind + "".join(map(_degree, degrees)) + end
    if _is_readable(figure):
        return figure
    losses[musicxml_losses.DEGREES] += 1
    return root + kind + end


def _pitch_class(element: ET.Element | None, name: str, transposition: int) -> str | None:
    """Returns the name of a root or bass at concert pitch, or None where there is none."""
    step = "" if element is None else (element.findtext(f"{name}-step") or "").strip().upper()
    if element is None or len(step) != 1 or step not in _LINE:
        return None
    alter = musicxml_numbers.whole(element.findtext(f"{name}-alter")) or 0
    place = _LINE.index(step) + 7 * max(-2, min(alter, 2)) + (7 * transposition + 6) % 12 - 6
    return _LINE[place % 7] + ("#" * (place // 7) if place > 0 else "b" * -(place // 7))


def _degree(element: ET.Element) -> str:
    """Returns a degree that is added, altered or left out, in brackets."""
    value = (element.findtext("degree-value") or "").strip()
    alter = musicxml_numbers.whole(element.findtext("degree-alter")) or 0
    sign = "#" * alter if alter > 0 else "b" * -alter
    kind = (element.findtext("degree-type") or "").strip()
    if kind == "subtract":
        return f"(no{value})"
    if kind == "alter" and not alter:
        return ""
    return f"({sign or 'add'}{value})"


@functools.lru_cache(4096)
def _is_readable(figure: str) -> bool:
    """Returns whether note-seq's chord library reads a figure."""
    chord_symbols = noteseq.load().chord_symbols_lib
    try:
        chord_symbols.chord_symbol_pitches(figure)
        chord_symbols.chord_symbol_root(figure)
    except chord_symbols.ChordSymbolError:
        return False
    return True
