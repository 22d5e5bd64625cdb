"""Chord symbols of ABC, converted to the figures that note-seq's chord library reads."""

import re

from musejax.music import musicxml_chords, musicxml_losses
from musejax.music.loss_counts import Losses

_CHORD = re.compile(r"([A-Ga-g])([#b♯♭=]?)(.*?)(?:/([A-Ga-g])([#b♯♭]?))?")
_ALTERATIONS = {"#": 1, "♯": 1, "b": -1, "♭": -1}
_ANNOTATION = ("^", "_", "<", ">", "@")
_NO_CHORD = re.compile(r"\s*(?:N\.?\s*C\.?|no chord)\s*", re.IGNORECASE)
# Kinds that note-seq's library does not read, and how it writes them.
_KINDS = {
    "mi": "m", "mi7": "m7", "°": "dim", "°7": "dim7", "ø": "m7b5", "ø7": "m7b5", "h7": "m7b5", "^7": "maj7",
    "^": "maj7", "7sus4": "7sus", "9sus4": "9sus", "m/maj7": "m(maj7)", "min(maj7)": "m(maj7)", "dom7": "7",
    "7+": "aug7", "69": "6/9", "2": "add9", "4": "sus",
}  # fmt: skip


def read_chord(text: str, transposition: int, losses: Losses) -> str | None:
    """Reads the quoted text above a note.

    Args:
        text: The text between the quotation marks.
        transposition: Semitones from written to sounding pitch.
        losses: Counts a symbol that is left out.

    Returns:
        The figure, such as `Bbm7/Db` or `N.C.`; None for an annotation, and for a symbol that is left out.
    """
    text = text.strip()
    if not text or text.startswith(_ANNOTATION):
        return None
    if _NO_CHORD.fullmatch(text):
        return "N.C."
    match = _CHORD.fullmatch(re.sub(r"\s", "", text))
    if match is None:
        losses[musicxml_losses.CHORD] += 1
        return None
    step, sign, kind, bass, bass_sign = match.groups()
    root = _name(step, sign, transposition)
    end = f"/{_name(bass, bass_sign, transposition)}" if bass else ""
    for spelling in (kind, _KINDS.get(kind, kind)):
        if musicxml_chords.is_readable(root + spelling + end):
            return root + spelling + end
    losses[musicxml_losses.CHORD] += 1
    return None


def _name(step: str, sign: str, transposition: int) -> str:
    """Returns the name of a root or bass at concert pitch."""
    return musicxml_chords.concert_name(step.upper(), _ALTERATIONS.get(sign, 0), transposition)
