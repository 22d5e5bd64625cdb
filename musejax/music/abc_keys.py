"""Keys of ABC: `K:` fields with modes, additional accidentals and the properties of a voice."""

import re
from typing import NamedTuple

from musejax.music.abc_fields import Properties, read_properties
from musejax.music.musicxml_attributes import Key
from musejax.theory import pitch_names

# Fifths from the major key of the same tonic.
_MODES = {
    "maj": 0,
    "ion": 0,
    "": 0,
    "mix": -1,
    "dor": -2,
    "m": -3,
    "min": -3,
    "aeo": -3,
    "phr": -4,
    "loc": -5,
    "lyd": 1,
}
_MINOR = ("m", "min", "aeo")
_TONIC = re.compile(r"([A-G])([#b♯♭]?)\s*([A-Za-z]*)")
_ACCIDENTAL = re.compile(r"(\^\^?|__?|=)([A-Ga-g])(?![A-Za-z])")
# Contents of a key field other than the key.
_OTHER = re.compile(
    r"\b(?:clef|octave|transpose|middle|m|name|nm|subname|sname|snm|staff\w*|stem|score|sound|shift|instrument|map|scale)"
    r"\s*=\s*(?:\"[^\"]*\"|\S+)"
    r"|(?:^|(?<=\s))(?:treble|alto|tenor|bass|soprano|mezzosoprano|baritone|perc)\d?(?:[+\-^_](?:8|15))?(?=\s|$)"
)
_ALTERATIONS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
_PIPES = {"F": 1, "C": 1}


class KeyField(NamedTuple):
    """The contents of a `K:` field.

    Attributes:
        accidentals: Semitones by which the key alters each altered step; None if the field does not change the key.
        key: The key as it is written; None if there is no signature, or one that belongs to no key.
        is_unusual: Whether the signature belongs to no key.
        has_unknown_mode: Whether the mode is unknown, so that it is read as major.
        is_unreadable: Whether the field is not empty but names no key.
        properties: Properties of the voice.
    """

    accidentals: dict[str, int] | None
    key: Key | None
    is_unusual: bool = False
    has_unknown_mode: bool = False
    is_unreadable: bool = False
    properties: Properties = Properties()


def read_key(text: str) -> KeyField:
    """Reads a `K:` field."""
    text = text.strip()
    properties = read_properties(text)
    if re.match(r"H[Pp](?![A-Za-z])", text):
        return KeyField(_PIPES, Key(2, False), properties=properties)
    rest = _OTHER.sub(" ", text).strip()
    if not rest or re.match(r"none(?!\w)", rest):
        if rest or not text:
            return KeyField({}, None, properties=properties)
        return KeyField(None, None, properties=properties)
    match = _TONIC.match(rest)
    own = {step.upper(): _ALTERATIONS[sign] for sign, step in _ACCIDENTAL.findall(rest)}
    if match is None:
        is_explicit = bool(own) and not _ACCIDENTAL.sub("", rest).replace("exp", "").strip()
        if not is_explicit:
            return KeyField({}, None, is_unreadable=True, properties=properties)
        return _with_accidentals(own, False, properties)
    step, sign, word = match.groups()
    mode = word.lower()[:3]
    is_explicit = re.search(r"\bexp\b", rest) is not None
    if mode == "exp":
        mode = ""
    fifths = _fifths(step, sign) + _MODES.get(mode, 0)
    is_minor = mode in _MINOR
    if is_explicit:
        return _with_accidentals(own, is_minor, properties)
    accidentals = {name: alter for name in pitch_names.STEPS if (alter := pitch_names.alteration(name, fifths))}
    if own:
        return _with_accidentals(accidentals | own, is_minor, properties)
    return KeyField(accidentals, _key(fifths, is_minor), False, mode not in _MODES, False, properties)


def _with_accidentals(accidentals: dict[str, int], is_minor: bool, properties: Properties) -> KeyField:
    """Returns the key with the given accidentals, if a key signature has them, or else an unusual one."""
    accidentals = {step: alter for step, alter in accidentals.items() if alter}
    for fifths in range(-7, 8):
        if accidentals == {name: a for name in pitch_names.STEPS if (a := pitch_names.alteration(name, fifths))}:
            return KeyField(accidentals, _key(fifths, is_minor), properties=properties)
    return KeyField(accidentals, None, is_unusual=True, properties=properties)


def _key(fifths: int, is_minor: bool) -> Key:
    return Key((7 * fifths + 9 * is_minor) % 12, is_minor)


def _fifths(step: str, sign: str) -> int:
    """Returns the sharps of the major key of a tonic; negative for flats."""
    return "FCGDAEB".index(step) - 1 + 7 * ({"#": 1, "♯": 1, "b": -1, "♭": -1}.get(sign, 0))
