"""A corpus of the MIDI, MusicXML and ABC files in any folder and its subfolders."""

import os
from pathlib import Path
from typing import NamedTuple

from musejax import errors
from musejax.corpora import cache, corpus, melody_groups, parallel, splits
from musejax.music import files, loss_counts
from musejax.runs import file_names


class Task(NamedTuple):
    """A file to read: its path and its name within the folder."""

    path: Path
    name: str


def paths(folder: Path) -> list[Path]:
    """Returns the music files in a folder and its subfolders, in a fixed order and without hidden ones."""
    out = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        out += [Path(parent) / n for n in sorted(names) if not n.startswith(".")]
    return [p for p in out if p.suffix.lower() in files.SUFFIXES]


class Reading(NamedTuple):
    """The contents of one file.

    Attributes:
        entries: The pieces.
        lost: A line for each tune that cannot be read.
        losses: Contents of the pieces that a NoteSequence cannot represent.
    """

    entries: list[cache.Entry]
    lost: list[str]
    losses: loss_counts.Losses


def read(task: Task) -> Reading:
    """Reads one file in a worker. The group of each piece is a hash of its melody that is the same in every key."""
    entries: list[cache.Entry] = []
    lost: list[str] = []
    losses = loss_counts.Losses()
    try:
        sequences = files.read(task.path, lost.append, losses=losses)
    except errors.UserError as e:
        raise errors.UserError(files.reason(e, task.path)) from e
    for i, sequence in enumerate(sequences, 1):
        name = task.name if len(sequences) == 1 else f"{task.name}#{i}"
        melody = melody_groups.from_sequence(sequence)
        if not len(melody):  # only drums
            melody = melody_groups.from_sequence(sequence, lambda note: True)
        entries.append(cache.Entry(name, melody_groups.fingerprint(melody), cache.pack(sequence)))
    return Reading(entries, [line.removeprefix(f"{file_names.shown(task.path)}: ") for line in lost], losses)


def load(folder: Path, processes: int | None = None) -> corpus.Collection:
    """Returns the pieces of a folder. A hash of the melody determines the split, so equal melodies stay together.

    Args:
        folder: An existing folder. It is not cached.
        processes: Number of worker processes; by default one per processor.

    Raises:
        errors.UserError: Nothing in the folder could be read; the message counts the reasons.
    """
    tasks = [Task(path, file_names.shown(path.relative_to(folder).as_posix())) for path in paths(folder)]
    if not tasks:
        raise errors.UserError(f"{folder}: holds no file ending in {', '.join(files.SUFFIXES)}; give a folder of music")
    results = parallel.read_all(read, tasks, processes)
    readings, report = parallel.sift(results)
    report.files = [(task.name, result) for task, result in zip(tasks, results) if isinstance(result, str)]
    report.losses = loss_counts.tally(reading.losses for reading in readings)
    entries = [entry for reading in readings for entry in reading.entries]
    for task, result in zip(tasks, results):
        for line in () if isinstance(result, str) else result.lost:
            tune, _, reason = line.partition(" is left out: ")
            report.discard(f"{task.name}, {tune}", reason)
    report.used = len(entries)
    if not entries:
        raise errors.UserError(f"{folder}: {parallel.none_of(len(tasks), report)}; give files that can be read")
    pieces = [e.piece(splits.split_of(e.group)) for e in entries]
    return corpus.Collection(str(folder), None, pieces, report, "your own folder")
