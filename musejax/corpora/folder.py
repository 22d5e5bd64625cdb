"""Any folder of MIDI, MusicXML and ABC files, with what is under it, as a corpus."""

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
    """The files under a folder whose suffix is one of ours, in a fixed order; hidden ones are passed over."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        found += [Path(parent) / n for n in sorted(names) if not n.startswith(".")]
    return [p for p in found if p.suffix.lower() in files.SUFFIXES]


class Reading(NamedTuple):
    """What was read of a file.

    Attributes:
        entries: Its pieces.
        lost: A line for each tune of the file that cannot be read.
        losses: What of its pieces could not be held.
    """

    entries: list[cache.Entry]
    lost: list[str]
    losses: loss_counts.Losses


def read(task: Task) -> Reading:
    """Reads one file; a worker's task. The group of each piece is the hash of its content, the same in every key."""
    entries: list[cache.Entry] = []
    lost: list[str] = []
    losses = loss_counts.Losses()
    try:
        found = files.read(task.path, lost.append, losses=losses)
    except errors.UserError as e:
        raise errors.UserError(files.reason(e, task.path)) from e
    for i, sequence in enumerate(found, 1):
        name = task.name if len(found) == 1 else f"{task.name}#{i}"
        melody = melody_groups.of_sequence(sequence)
        if not len(melody):  # Drums alone.
            melody = melody_groups.of_sequence(sequence, lambda note: True)
        entries.append(cache.Entry(name, melody_groups.fingerprint(melody), cache.pack(sequence)))
    return Reading(entries, [line.removeprefix(f"{file_names.shown(task.path)}: ") for line in lost], losses)


def load(folder: Path, processes: int | None = None) -> corpus.Collection:
    """The pieces of a folder, split by a hash of their melody; equal melodies stay in one split.

    Args:
        folder: An existing folder. It is read anew each time.
        processes: Worker processes; by default one a processor.

    Raises:
        errors.UserError: Nothing in it could be read; the message counts the reasons.
    """
    tasks = [Task(path, file_names.shown(path.relative_to(folder).as_posix())) for path in paths(folder)]
    if not tasks:
        raise errors.UserError(f"{folder}: holds no file ending in {', '.join(files.SUFFIXES)}; give a folder of music")
    results = parallel.read_all(read, tasks, processes)
    found, report = parallel.sift(results)
    report.files = [(task.name, result) for task, result in zip(tasks, results) if isinstance(result, str)]
    report.losses = loss_counts.tally(reading.losses for reading in found)
    entries = [entry for reading in found for entry in reading.entries]
    for task, result in zip(tasks, results):
        for line in () if isinstance(result, str) else result.lost:
            tune, _, reason = line.partition(" is left out: ")
            report.discard(f"{task.name}, {tune}", reason)
    report.used = len(entries)
    if not entries:
        raise errors.UserError(f"{folder}: {parallel.none_of(len(tasks), report)}; give sound files")
    pieces = [e.piece(splits.split_of(e.group)) for e in entries]
    return corpus.Collection(str(folder), None, pieces, report, "a folder of your own")
