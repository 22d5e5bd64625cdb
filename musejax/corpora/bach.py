"""`bach-chorales`: the chorales inside music21's wheel, settings of one melody in one split.

Its test split is fixed (`bach_test`): groups whose tune appears in neither the training nor the validation split of
`jsb16`, so that models trained on either corpus can be compared on it.
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
# Changed whenever chorales are read differently.
_READ = "losses counted"


class Read(NamedTuple):
    """A chorale that was read.

    Attributes:
        name: Its name.
        melody: Its soprano, int32[N, 2].
        data: Its NoteSequence, packed.
        losses: What of the score could not be held.
    """

    name: str
    melody: np.ndarray
    data: bytes
    losses: loss_counts.Losses


def soprano(sequence: "NoteSequence") -> np.ndarray:
    """The soprano as a melody: the part of that name, else the first part.

    Args:
        sequence: A chorale of four parts, or with four named voices among instruments.

    Raises:
        errors.UserError: It is neither.
    """
    names = [info.name.lower() for info in sequence.part_infos]
    named = [next((i for i, name in enumerate(names) if voice in name), None) for voice in VOICES]
    if None in named and len(names) != 4:
        raise errors.UserError("neither four parts nor four named voices")
    part = named[0] if named[0] is not None else 0
    return melody_groups.of_sequence(sequence, lambda note: note.part == part)


def read(path: Path) -> Read:
    """Reads one chorale as it is written, so that a repeated section counts once; a worker's task."""
    losses = loss_counts.Losses()
    sequence = musicxml_reading.musicxml_to_sequence(path, repeats=False, losses=losses)
    return Read(f"bach/{path.stem}", soprano(sequence), cache.pack(sequence), losses)


def groups(chorales: Sequence[Read]) -> list[str]:
    """The melody group of each chorale, named by the smallest fingerprint in it: settings of one tune (`tunes`)."""
    sopranos = [chorale.melody for chorale in chorales]
    marks: list[set[tuple[int, int]]] = [set() for _ in sopranos]
    for pair in tunes.same(sopranos, sopranos):
        for i in pair:
            marks[i].add(pair)
    return melody_groups.group(marks, [melody_groups.fingerprint(soprano) for soprano in sopranos])


def read_all() -> tuple[list[Read], corpus.Report]:
    """Reads all chorales over processes."""
    found, report = parallel.sift(parallel.read_all(read, sorted(wheel.folder("bach").glob("*.mxl"))))
    report.losses = loss_counts.tally(chorale.losses for chorale in found)
    return found, report


def load(name: str, terms: str) -> corpus.Collection:
    """The corpus, read the first time (ten seconds on two cores) and from the cache after that.

    Args:
        name: The corpus's name.
        terms: Its source and licence.
    """
    wanted = cache.stamp(name, _READ)
    cached = cache.load(name, wanted)
    if cached is None:
        found, report = read_all()
        entries = [cache.Entry(c.name, g, c.data) for c, g in zip(found, groups(found), strict=True)]
        cache.store(name, wanted, entries, report)
    else:
        entries, report = cached
    return corpus.Collection(name, None, [e.piece(_split(e)) for e in entries], report, terms)


def _split(entry: cache.Entry) -> str:
    if entry.name in bach_test.PIECES:
        return "test"
    return splits.split_of(entry.group, valid=_VALID, test=0.0)
