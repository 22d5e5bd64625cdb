"""`folk-tunes`: the ABC collections inside music21's wheel.

Variants of one tune stay in one split: tunes that share a mark of their melody are one group (`marks`). The groups are
kept beside this file as version 0.1 found them, because shipped runs were trained with them: a better reading of a tune
must not move it from the test split into training, or the other way.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musejax import errors
from musejax.corpora import cache, corpus, melody_groups, parallel, splits, wheel
from musejax.music import abc_reading, files, metre

COLLECTIONS = ("essenFolksong", "oneills1850", "airdsAirs", "ryansMammoth")
# Changed whenever a tune's sequence is; what was cached before is then read anew.
_READ = "by our own reader, in the groups of version 0.1, without signatures of single bars"
# The names of tunes and the groups that they have.
_GROUPS = Path(__file__).with_name("folk_groups.npz")


class Tune(NamedTuple):
    """A tune to read: its name (`collection/file/number`) and its text."""

    name: str
    text: str


class Read(NamedTuple):
    """A tune that was read: its name, its melody int32[N, 2] and its NoteSequence, packed."""

    name: str
    melody: np.ndarray
    data: bytes


def tunes() -> list[Tune]:
    """All tunes of the collections, in the order of their files."""
    found = []
    for collection in COLLECTIONS:
        for path in sorted(wheel.folder(collection).glob("*.abc")):
            texts = abc_reading.abc_tunes(files.decode(path.read_bytes()))
            found += [Tune(f"{collection}/{path.stem}/{i}", text) for i, text in enumerate(texts, 1)]
    return found


def read(tune: Tune) -> Read:
    """Reads one tune; a worker's task."""
    sequence = abc_reading.abc_to_sequence(tune.text)
    if not sequence.notes:
        raise errors.UserError("it holds no notes")
    # Melody codecs begin anew at each time signature. Bar lines are annotated.
    metre.drop_irregular(sequence)
    return Read(tune.name, melody_groups.of_sequence(sequence), cache.pack(sequence))


def marks(melody: np.ndarray) -> set[bytes]:
    """What a tune shares with its variants, in any key.

    Either 16 notes in a row with equal intervals and lengths, or 20 in a row with equal intervals, or the intervals of
    the first 12. Measured on all tunes, each rule stays a little above the length at which a single group of unrelated
    tunes begins to form: of 12 notes with lengths that group holds 1,004 tunes, of 16 the largest holds 11; of 16
    notes without lengths 158, of 20 again 9.

    Args:
        melody: int32[N, 2], see `melodies`.
    """
    found = melody_groups.runs(melody, 16) | melody_groups.contours(melody, 20)
    first = melody_groups.opening(melody, 12)
    # A tune too short for any mark has its twins only.
    return found | {first if first is not None else melody_groups.fingerprint(melody).encode()}


def groups(tunes_read: Sequence[Read]) -> list[str]:
    """The group of each tune, named by the smallest fingerprint in it."""
    names = [melody_groups.fingerprint(tune.melody) for tune in tunes_read]
    return melody_groups.group([marks(tune.melody) for tune in tunes_read], names)


@functools.cache
def published_groups() -> Mapping[str, str]:
    """Returns the groups with which shipped runs were trained, by the name of the tune."""
    with np.load(_GROUPS) as data:
        return {name: f"{group:016x}" for name, group in zip(data["names"].tolist(), data["groups"].tolist())}


def assigned_groups(tunes_read: Sequence[Read]) -> list[str]:
    """Returns the published group of each tune; a tune without one joins its variants, or makes a group of its own."""
    known = published_groups()
    if all(tune.name in known for tune in tunes_read):
        return [known[tune.name] for tune in tunes_read]
    own = groups(tunes_read)
    heirs: dict[str, str] = {}
    for tune, group in zip(tunes_read, own):
        if tune.name in known:
            heirs.setdefault(group, known[tune.name])
    return [known.get(tune.name) or heirs.get(group, group) for tune, group in zip(tunes_read, own)]


def load(name: str, terms: str) -> corpus.Collection:
    """The corpus, read the first time (about a minute on two cores) and from the cache after that.

    Args:
        name: The corpus's name.
        terms: Its source and licence.
    """
    wanted = cache.stamp(name, *COLLECTIONS, _READ)
    cached = cache.load(name, wanted)
    if cached is None:
        found, report = parallel.sift(parallel.read_all(read, tunes()))
        entries = [cache.Entry(t.name, g, t.data) for t, g in zip(found, assigned_groups(found), strict=True)]
        cache.store(name, wanted, entries, report)
    else:
        entries, report = cached
    return corpus.Collection(name, None, [e.piece(splits.split_of(e.group)) for e in entries], report, terms)
