"""The notes of one part of a score in the order of playing, with tied notes joined."""

import dataclasses
from collections.abc import Iterable, Mapping
from fractions import Fraction

from musejax.music.musicxml_notes import WrittenNote

# Largest gap in quarters between two tied notes that is due to rounding of tuplets.
_TOUCHING = Fraction(1, 24)


@dataclasses.dataclass(slots=True)
class Note:
    """A note as it is played.

    Attributes:
        written: The written note, the first one of a tie.
        start: Onset in quarters from the beginning of the piece.
        end: End in quarters.
        fermata: Whether it or a note tied to it has a fermata.
        syllable: The syllable; empty if there is none.
    """

    written: WrittenNote
    start: Fraction
    end: Fraction
    fermata: bool
    syllable: str


def played_notes(measures: Iterable[tuple[Fraction, int, list[WrittenNote]]]) -> list[Note]:
    """Joins tied notes; a tie without a continuation ends with its note.

    A note continues the tied note of its pitch that ends where it begins, preferably one of its voice.

    Args:
        measures: Start in quarters, number of the verse and notes of each measure, in the order of playing.
    """
    out: list[Note] = []
    held: dict[int, list[Note]] = {}
    for start, verse, notes in measures:
        for written in notes:
            onset = start + written.start
            end = onset + written.length
            note = _continued(held, written, onset) if written.stops_tie else None
            if note is None:
                note = Note(written, onset, end, written.fermata, _syllable(written.lyrics, verse))
                out.append(note)
            else:
                note.end = end
                note.fermata = note.fermata or written.fermata
            if written.starts_tie:
                held.setdefault(written.pitch, []).append(note)
    return out


def close_ties(measures: Iterable[tuple[Fraction, list[WrittenNote]]]) -> None:
    """Ends the ties of a part that have no end in the file, as Sibelius writes some across bar lines.

    The next note of the same pitch and voice ends such a tie if it follows immediately and has no syllable.

    Args:
        measures: Length in quarters and notes of each measure, in the order of the score.
    """
    before = Fraction(0)
    open_ties: dict[tuple[int, int], Fraction] = {}
    for length, notes in measures:
        if open_ties or any(note.starts_tie for note in notes):
            ends = {(note.pitch, note.start) for note in notes if note.stops_tie}
            for note in notes:
                key = note.pitch, note.voice
                follows = open_ties.pop(key, None) == before + note.start
                if follows and not note.lyrics and (note.pitch, note.start) not in ends:
                    note.stops_tie = True
                if note.starts_tie:
                    open_ties[key] = before + note.start + note.length
        before += length


def _continued(held: Mapping[int, list[Note]], written: WrittenNote, onset: Fraction) -> Note | None:
    """Removes the note that a tied note continues from the held notes and returns it, or returns None."""
    waiting = held.get(written.pitch)
    if not waiting:
        return None
    # Notes that ended earlier can no longer be continued.
    waiting[:] = [note for note in waiting if note.end > onset - _TOUCHING]
    near = [note for note in waiting if abs(note.end - onset) < _TOUCHING]
    if not near:
        return None
    note = next((note for note in near if note.written.voice == written.voice), near[0])
    # Compare by identity, because another note may be equal.
    waiting[:] = [other for other in waiting if other is not note]
    return note


def _syllable(lyrics: Mapping[int, str] | None, verse: int) -> str:
    """Returns the syllable of a verse, or of the first verse if this one has none."""
    if not lyrics:
        return ""
    return lyrics.get(verse) or lyrics[min(lyrics)]
