"""`bach-chorales`: the chorales inside music21's wheel. All settings of a melody are in the same split.

The test split is fixed (`bach_test`): its tunes are in neither the training nor the validation split of `jsb16`, so
that models trained on either corpus can be compared on it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.corpora import bach_test, cache, corpus, melody_groups, parallel, splits, tunes, wheel
from musejax.music import loss_counts, musicxml_reading

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

VOICES = ("soprano", "alto", "tenor", "bass")
_VALID = 0.08
# Part of the cache's stamp; must change whenever chorales are read differently.
_READ = "losses counted"


class Read(NamedTuple):
    """A chorale as it was read.

    Attributes:
        name: Name of the chorale.
        melody: The soprano, int32[N, 2] (see `melody_groups`).
        data: The packed NoteSequence.
        losses: Parts of the score that a NoteSequence cannot represent.
    """

    name: str
    melody: np.ndarray
    data: bytes
    losses: loss_counts.Losses


def soprano(sequence: "NoteSequence") -> np.ndarray:
    """Returns the melody of the soprano: the part of that name, or else the first part.

    Args:
        sequence: A chorale with four parts, or with four named voices among other parts.

    Raises:
        errors.UserError: The sequence has neither.
    """
    names = [info.name.lower() for info in sequence.part_infos]
    named = [next((i for i, name in enumerate(names) if voice in name), None) for voice in VOICES]
    if None in named and len(names) != 4:
        raise errors.UserError("neither four parts nor four named voices")
    part = named[0] if named[0] is not None else 0
    return melody_groups.from_sequence(sequence, lambda note: note.part == part)


def read(path: Path) -> Read:
    """Reads one chorale in a worker; repeats are not played, so that a repeated section counts once."""
    losses = loss_counts.Losses()
    sequence = musicxml_reading.musicxml_to_sequence(path, repeats=False, losses=losses)
    return Read(f"bach/{path.stem}", soprano(sequence), cache.pack(sequence), losses)


def groups(chorales: Sequence[Read]) -> list[str]:
    """Returns the melody group of each chorale: settings of one tune (`tunes`) share the smallest fingerprint."""
    sopranos = [chorale.melody for chorale in chorales]
    marks: list[set[tuple[int, int]]] = [set() for _ in sopranos]
    for pair in tunes.matching_pairs(sopranos, sopranos):
        for i in pair:
            marks[i].add(pair)
    return melody_groups.group(marks, [melody_groups.fingerprint(soprano) for soprano in sopranos])


def read_all() -> tuple[list[Read], corpus.Report]:
    """Reads all chorales in worker processes."""
    chorales, report = parallel.sift(parallel.read_all(read, sorted(wheel.folder("bach").glob("*.mxl"))))
    report.losses = loss_counts.tally(chorale.losses for chorale in chorales)
    return chorales, report


def load(name: str, terms: str) -> corpus.Collection:
    """Returns the corpus. The first call reads it (ten seconds on two cores), later ones load it from the cache.

    Args:
        name: Name of the corpus.
        terms: Source and licence.
    """
    stamp = cache.stamp(name, _READ)
    cached = cache.load(name, stamp)
    if cached is None:
        chorales, report = read_all()
        entries = [cache.Entry(c.name, g, c.data) for c, g in zip(chorales, groups(chorales), strict=True)]
        cache.store(name, stamp, entries, report)
    else:
        entries, report = cached
    return corpus.Collection(name, None, [e.piece(_split(e)) for e in entries], report, terms)


def _split(entry: cache.Entry) -> str:
    if entry.name in bach_test.PIECES:
        return "test"
    return splits.split_of(entry.group, valid=_VALID, test=0.0)
