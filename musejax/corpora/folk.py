"""`folk-tunes`: the ABC collections inside music21's wheel.

Variants of a tune stay in one split: tunes whose melodies share a mark form a group (`marks`). The groups of version
0.1 are stored in `folk_groups.npz`, because shipped runs were trained with them: reading a tune better must not move it
between the training and test splits.
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
# Part of the cache's stamp; must change whenever the sequence of a tune does, so that cached tunes are read again.
_READ = "by our own reader, in the groups of version 0.1, without signatures of single bars"
# The names and groups of the tunes.
_GROUPS = Path(__file__).with_name("folk_groups.npz")


class Tune(NamedTuple):
    """A tune to read: its name (`collection/file/number`) and its text."""

    name: str
    text: str


class Read(NamedTuple):
    """A tune as it was read: its name, its melody int32[N, 2] and its packed NoteSequence."""

    name: str
    melody: np.ndarray
    data: bytes


def tunes() -> list[Tune]:
    """Returns all tunes of the collections, in the order of their files."""
    out = []
    for collection in COLLECTIONS:
        for path in sorted(wheel.folder(collection).glob("*.abc")):
            texts = abc_reading.abc_tunes(files.decode(path.read_bytes()))
            out += [Tune(f"{collection}/{path.stem}/{i}", text) for i, text in enumerate(texts, 1)]
    return out


def read(tune: Tune) -> Read:
    """Reads one tune in a worker."""
    sequence = abc_reading.abc_to_sequence(tune.text)
    if not sequence.notes:
        raise errors.UserError("it has no notes")
    # Melody codecs start a new melody at each time signature, but they also follow annotated bar lines.
    metre.drop_irregular(sequence)
    return Read(tune.name, melody_groups.from_sequence(sequence), cache.pack(sequence))


def marks(melody: np.ndarray) -> set[bytes]:
    """Returns the marks of a tune, which it shares with its variants in any key.

    The marks are all runs of 16 notes (intervals and lengths), all runs of 20 notes (intervals only), and the intervals
    of the first 12 notes. The lengths were chosen on all tunes, slightly above those at which unrelated tunes begin to
    form one big group. With lengths, the largest group has 1,004 tunes for runs of 12 notes and 11 for runs of 16.
    Without lengths, it has 158 tunes for runs of 16 notes and 9 for runs of 20.

    Args:
        melody: int32[N, 2], see `melody_groups`.
    """
    out = melody_groups.runs(melody, 16) | melody_groups.contours(melody, 20)
    first = melody_groups.opening(melody, 12)
    # A tune that is too short for any mark is grouped only with identical tunes.
    return out | {first if first is not None else melody_groups.fingerprint(melody).encode()}


def groups(tunes_read: Sequence[Read]) -> list[str]:
    """Returns the group of each tune, named after the smallest fingerprint in it."""
    names = [melody_groups.fingerprint(tune.melody) for tune in tunes_read]
    return melody_groups.group([marks(tune.melody) for tune in tunes_read], names)


@functools.cache
def published_groups() -> Mapping[str, str]:
    """Returns the groups with which shipped runs were trained, by name of the tune."""
    with np.load(_GROUPS) as data:
        return {name: f"{group:016x}" for name, group in zip(data["names"].tolist(), data["groups"].tolist())}


def assigned_groups(tunes_read: Sequence[Read]) -> list[str]:
    """Returns the published group of each tune; a tune without one joins its variants or forms a new group."""
    published = published_groups()
    if all(tune.name in published for tune in tunes_read):
        return [published[tune.name] for tune in tunes_read]
    computed = groups(tunes_read)
    replacements: dict[str, str] = {}
    for tune, group in zip(tunes_read, computed):
        if tune.name in published:
            replacements.setdefault(group, published[tune.name])
    return [published.get(tune.name) or replacements.get(group, group) for tune, group in zip(tunes_read, computed)]


def load(name: str, terms: str) -> corpus.Collection:
    """Returns the corpus. The first call reads it (about a minute on two cores), later ones load it from the cache.

    Args:
        name: Name of the corpus.
        terms: Source and licence.
    """
    stamp = cache.stamp(name, *COLLECTIONS, _READ)
    cached = cache.load(name, stamp)
    if cached is None:
        read_tunes, report = parallel.sift(parallel.read_all(read, tunes()))
        entries = [cache.Entry(t.name, g, t.data) for t, g in zip(read_tunes, assigned_groups(read_tunes), strict=True)]
        cache.store(name, stamp, entries, report)
    else:
        entries, report = cached
    return corpus.Collection(name, None, [e.piece(splits.split_of(e.group)) for e in entries], report, terms)
