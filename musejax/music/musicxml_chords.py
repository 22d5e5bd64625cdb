"""Conversion between chord symbols of MusicXML (`<harmony>`) and the figures of note-seq's chord library."""

import functools
import re
import xml.etree.ElementTree as ET

from musejax.music import loss_counts, musicxml_losses, musicxml_numbers, noteseq

_NO_CHORD = "N.C."
# The steps in the order of the line of fifths, beginning with F.
_LINE = "FCGDAEB"
# Figures of the kinds in the MusicXML specification, and of other kinds that programs write.
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
# The kind of each figure; kinds of the specification, which come first above, take precedence.
_KIND_NAMES = {figure: name for name, figure in reversed(_KINDS.items())}
# Root, kind, degrees in brackets, and bass.
_FIGURE = re.compile(
    r"([A-G])(#{0,2}|b{0,2})((?:\(maj7\)|[^/()]|/9)*?)((?:\((?:[#b]+|add|no)\d+\))*)(?:/([A-G])(#{0,2}|b{0,2}))?"
)
_DEGREE = re.compile(r"\(([#b]*)(add|no|)(\d+)\)")


def read_chord(harmony: ET.Element, transposition: int, losses: loss_counts.Losses) -> str | None:
    """Reads a chord symbol.

    Args:
        harmony: The `<harmony>` element; only its first chord is read.
        transposition: Semitones from written to sounding pitch.
        losses: Counts a symbol that is left out.

    Returns:
        The figure, such as `Bbm7(b5)/Db` or `N.C.`, or None if the symbol is left out.
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
        if not kind or not is_readable(root + kind):
            losses[musicxml_losses.CHORD] += 1
            return None
    bass = _pitch_class(parts.get("bass"), "bass", transposition)
    end = "" if bass is None or bass == root else f"/{bass}"
    figure = root + kind + "".join(map(_degree, degrees)) + end
    if is_readable(figure):
        return figure
    losses[musicxml_losses.DEGREES] += 1
    return root + kind + end


def _pitch_class(element: ET.Element | None, name: str, transposition: int) -> str | None:
    """Returns the name of a root or bass at concert pitch, or None if there is none."""
    step = "" if element is None else (element.findtext(f"{name}-step") or "").strip().upper()
    if element is None or len(step) != 1 or step not in _LINE:
        return None
    alter = musicxml_numbers.whole(element.findtext(f"{name}-alter")) or 0
    return concert_name(step, max(-2, min(alter, 2)), transposition)


def concert_name(step: str, alter: int, transposition: int) -> str:
    """Returns the name of a written pitch class at concert pitch.

    Args:
        step: The letter, C..B.
        alter: The accidental in semitones, -2..2.
        transposition: Semitones from written to sounding pitch.
    """
    place = _LINE.index(step) + 7 * alter + (7 * transposition + 6) % 12 - 6
    return _LINE[place % 7] + ("#" * (place // 7) if place > 0 else "b" * -(place // 7))


def _degree(element: ET.Element) -> str:
    """Returns an added, altered or omitted degree, in brackets."""
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
def is_readable(figure: str) -> bool:
    """Returns whether note-seq's chord library reads a figure."""
    chord_symbols = noteseq.load().chord_symbols_lib
    try:
        chord_symbols.chord_symbol_pitches(figure)
        chord_symbols.chord_symbol_root(figure)
    except chord_symbols.ChordSymbolError:
        return False
    return True


def harmony(figure: str) -> ET.Element:
    """Returns a `<harmony>` element that `read_chord` reads as the given figure.

    Args:
        figure: The figure; text that is not a chord becomes a `<direction>` with words.
    """
    match = _FIGURE.fullmatch(figure.strip())
    if figure.strip() == _NO_CHORD:
        element = ET.Element("harmony")
        ET.SubElement(ET.SubElement(element, "root"), "root-step", text="").text = "C"
        ET.SubElement(element, "kind", text=_NO_CHORD).text = "none"
        return element
    if match is None:
        direction = ET.Element("direction", placement="above")
        words = ET.SubElement(ET.SubElement(direction, "direction-type"), "words")
        words.text = "".join(c if c.isprintable() else " " for c in figure)
        return direction
    step, sign, kind, degrees, bass, bass_sign = match.groups("")
    element = ET.Element("harmony")
    _add_pitch_class(element, "root", step, sign)
    ET.SubElement(element, "kind", text=kind).text = _KIND_NAMES.get(kind, "other")
    if bass:
        _add_pitch_class(element, "bass", bass, bass_sign)
    for sign, word, value in _DEGREE.findall(degrees):
        degree = ET.SubElement(element, "degree")
        ET.SubElement(degree, "degree-value").text = value
        ET.SubElement(degree, "degree-alter").text = str(len(sign) if "#" in sign else -len(sign))
        is_altered = bool(sign) and value in ("3", "5", "7")
        ET.SubElement(degree, "degree-type").text = "subtract" if word == "no" else "alter" if is_altered else "add"
    return element


def _add_pitch_class(harmony: ET.Element, name: str, step: str, sign: str) -> None:
    element = ET.SubElement(harmony, name)
    ET.SubElement(element, f"{name}-step").text = step
    if sign:
        ET.SubElement(element, f"{name}-alter").text = str(len(sign) if "#" in sign else -len(sign))
