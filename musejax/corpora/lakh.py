"""`lakh-5`: the Lakh Pianoroll Dataset in five tracks, LPD-5-cleansed (Dong et al., 2018).

It must be downloaded by hand, because its address does not admit programs and no checksum is published. Unpack it so
that the folder in MUSEJAX_DATA contains `lpd_5/lpd_5_cleansed`. Each file is checked separately; damaged files are left
out and counted.

A file is a compressed NumPy archive of the package pypianoroll. It contains a sparse matrix in column format (one
column per pitch) for each track, the tempo and downbeat of each frame, and `info.json`. Consecutive frames of a pitch
are one note, as in the data set itself. Songs are in 4/4 from the first frame, with 24 frames per quarter. All songs
encoded with the codec `rolls-band` take tens of gigabytes; use part of the folder or `rolls-band-12` to save memory.
"""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.corpora import cache, corpus, melody_groups, parallel, splits
from musejax.music import noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

FOLDER = "lpd_5/lpd_5_cleansed"
ADDRESS = "https://salu133445.github.io/lakh-pianoroll-dataset/dataset"
# Velocity of the notes of a roll without velocities.
VELOCITY = 80


class Task(NamedTuple):
    """A file to read: its path and its name within the folder."""

    path: Path
    name: str


def to_sequence(data: bytes) -> "NoteSequence":
    """Converts a pypianoroll archive to a NoteSequence with one instrument per track.

    Raises:
        errors.UserError: The data are not such an archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = json.loads(archive.read("info.json"))
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _sequence(info, {name: arrays[name] for name in arrays.files if name != "info.json"})
    except (KeyError, ValueError, TypeError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise errors.UserError("not a pypianoroll archive") from error


def _sequence(info: dict, arrays: dict[str, np.ndarray]) -> "NoteSequence":
    grid = int(info.get("beat_resolution") or info["resolution"])
    tracks = sorted((key for key in info if key.isdigit()), key=int)
    length = max((int(info[key]["shape"][0]) for key in tracks), default=0)
    tempo = np.asarray(arrays["tempo"], np.float64).ravel()
    if grid < 1 or not len(tempo) or not (np.isfinite(tempo) & (tempo > 0)).all():
        raise ValueError("no valid tempo or resolution")
    tempo = np.concatenate([tempo, np.full(max(0, length + 1 - len(tempo)), tempo[-1])])[: length + 1]
    seconds = np.concatenate([[0.0], np.cumsum(60.0 / tempo / grid)])
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=480, total_time=seconds[length])
    for frame in np.flatnonzero(np.diff(tempo, prepend=0.0)).tolist():
        sequence.tempos.add(time=seconds[frame], qpm=tempo[frame])
    sequence.time_signatures.add(numerator=4, denominator=4)
    for instrument, key in enumerate(tracks):
        track = info[key]
        sequence.instrument_infos.add(instrument=instrument, name=str(track.get("name", "")))
        values, frames, columns = (arrays[f"pianoroll_{key}_csc_{part}"] for part in ("data", "indices", "indptr"))
        for pitch, first, last, velocity in _notes(values, frames, columns, int(track["shape"][0])):
            sequence.notes.add(
                start_time=seconds[first],
                end_time=seconds[last],
                pitch=pitch,
                velocity=velocity,
                instrument=instrument,
                program=int(track["program"]),
                is_drum=bool(track["is_drum"]),
            )
    return sequence


def _notes(values: np.ndarray, frames: np.ndarray, columns: np.ndarray, length: int) -> list[tuple[int, int, int, int]]:
    """Returns pitch, first frame, end frame and velocity of each note of a sparse matrix in column format."""
    if len(columns) != 129 or len(values) != len(frames) or (len(frames) and not 0 <= frames.max() < length):
        raise ValueError("not a matrix of 128 pitches")
    out = []
    for pitch in range(128):
        part = slice(int(columns[pitch]), int(columns[pitch + 1]))
        order = np.argsort(frames[part], kind="stable")
        active, velocities = frames[part][order].astype(int), values[part][order]
        active, velocities = active[velocities > 0], velocities[velocities > 0]
        begins = np.flatnonzero(np.diff(active, prepend=-2) != 1)
        for first, last in zip(begins.tolist(), [*begins[1:].tolist(), len(active)]):
            velocity = VELOCITY if velocities.dtype == bool else min(max(int(velocities[first]), 1), 127)
            out.append((pitch, int(active[first]), int(active[last - 1]) + 1, velocity))
    return out


def read(task: Task) -> cache.Entry:
    """Reads one song in a worker. Its group is a hash of its melody that is the same in every key."""
    sequence = to_sequence(task.path.read_bytes())
    if not sequence.notes:
        raise errors.UserError("it has no notes")
    melody = melody_groups.from_sequence(sequence)
    if not len(melody):  # only drums
        melody = melody_groups.from_sequence(sequence, lambda note: True)
    return cache.Entry(task.name, melody_groups.fingerprint(melody), cache.pack(sequence))


def load(name: str, terms: str) -> corpus.Collection:
    """Returns the corpus. The first call reads it, later ones load it from the cache.

    Songs with the same melody form a group.

    Args:
        name: Name of the corpus.
        terms: Source and licence.

    Raises:
        errors.UserError: The data set is missing, or nothing in it can be read.
    """
    folder = os.environ.get("MUSEJAX_DATA")
    root = Path(folder).expanduser() / FOLDER if folder else None
    if root is None or not root.is_dir():
        raise errors.UserError(
            f"{name} is not downloaded automatically: get lpd-5-cleansed from {ADDRESS} and unpack it so that the "
            f"folder in MUSEJAX_DATA contains {FOLDER}"
        )
    paths = sorted(root.rglob("*.npz"))
    tasks = [Task(path, f"lakh/{path.relative_to(root).as_posix()}") for path in paths]
    listed = "\n".join(f"{task.name} {task.path.stat().st_size}" for task in tasks)
    stamp = cache.stamp(name, hashlib.sha256(listed.encode()).hexdigest())
    cached = cache.load(name, stamp)
    if cached is None:
        entries, report = parallel.usable(parallel.read_all(read, tasks), root)
        cache.store(name, stamp, entries, report)
    else:
        entries, report = cached
    return corpus.Collection(name, None, [e.piece(splits.split_of(e.group)) for e in entries], report, terms)
