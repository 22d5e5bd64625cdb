"""Lyrics of ABC (`w:` lines), put under the notes of a line of music."""

import re
from collections.abc import Iterator, Sequence

from musejax.music import abc_losses, abc_text
from musejax.music.abc_voices import Group
from musejax.music.loss_counts import Losses

# A syllable with the hyphen behind it, or a sign that passes over notes.
_WORD = re.compile(r"((?:\\.|[^\s\-_*|\\])+)(-?)|([-_*|])")
# A sign that stands for itself, and what stands for a space.
_LITERAL = re.compile(r"\\([-_*|])|(?<!\\)~")


def align(words: str, groups: Sequence[Group], verse: int, losses: Losses) -> None:
    """Gives each note of a line its syllable of a verse; a hyphen at its end says that the word goes on.

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
    """Puts a syllable on a note or chord; the note on which a tie begins is sung."""
    if not group.notes or group.notes[0].stops_tie:
        losses[abc_losses.SYLLABLES] += 1
        return
    note = group.notes[0]
    note.lyrics = {} if note.lyrics is None else note.lyrics
    note.lyrics[verse] = syllable


def _syllables(words: str) -> Iterator[str]:
    """Yields the syllable of each note, empty for a note without one, and `|` where the words wait for the next bar."""
    for match in _WORD.finditer(words):
        text, hyphen, sign = match.groups()
        if sign == "|":
            yield "|"
        elif sign is not None:
            yield ""
        else:
            yield abc_text.resolve_escapes(_LITERAL.sub(lambda literal: literal[1] or " ", text)) + hyphen
