"""Alignment of the lyrics of ABC (`w:` lines) with the notes of a line of music."""

import re
from collections.abc import Iterator, Sequence

from musejax.music import abc_losses, abc_text
from musejax.music.abc_voices import Group
from musejax.music.loss_counts import Losses

# A syllable with its hyphen, or a sign that skips notes.
_WORD = re.compile(r"((?:\\.|[^\s\-_*|\\])+)(-?)|([-_*|])")
# An escaped sign, and the sign for a space.
_LITERAL = re.compile(r"\\([-_*|])|(?<!\\)~")


def align(words: str, groups: Sequence[Group], verse: int, losses: Losses) -> None:
    """Assigns the syllables of a verse to the notes of a line; a syllable that continues a word ends with a hyphen.

    Args:
        words: The line of lyrics.
        groups: The notes and chords of the line of music; a chord has one syllable.
        verse: The number of the verse, from 1.
        losses: Counts syllables that have no note.
    """
    at = 0
    for syllable in _syllables(words):
        if syllable == "|":
            if 0 < at < len(groups):
                bar = groups[at - 1].bar
                at = next((i for i in range(at, len(groups)) if groups[i].bar > bar), len(groups))
            continue
        if at < len(groups):
            if syllable:
                _sing(groups[at], verse, syllable, losses)
        elif syllable:
            losses[abc_losses.SYLLABLES] += 1
        at += 1


def _sing(group: Group, verse: int, syllable: str, losses: Losses) -> None:
    """Assigns a syllable to a note or chord, unless a tie to it makes it part of the note before."""
    if not group.notes or group.notes[0].stops_tie:
        losses[abc_losses.SYLLABLES] += 1
        return
    note = group.notes[0]
    note.lyrics = {} if note.lyrics is None else note.lyrics
    note.lyrics[verse] = syllable


def _syllables(words: str) -> Iterator[str]:
    """Yields the syllable of each note, empty for a note without one, and `|` to continue in the next bar."""
    for match in _WORD.finditer(words):
        text, hyphen, sign = match.groups()
        if sign == "|":
            yield "|"
        elif sign is not None:
            yield ""
        else:
            yield abc_text.resolve_escapes(_LITERAL.sub(lambda literal: literal[1] or " ", text)) + hyphen
