"""Sets of MIDI files that are published as an archive with a table of files and splits.

A set is read from its unpacked folder in MUSEJAX_DATA, or else from the archive in MUSEJAX_DATA, in the cache, or by
download.
"""

import csv
import functools
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from musejax import errors
from musejax.corpora import cache, corpus, download, parallel
from musejax.music import midi_reading

_SPLITS = {"train": "train", "validation": "valid", "test": "test"}


class Set(NamedTuple):
    """A published set.

    Attributes:
        title: Name of the set in error messages.
        folder: Name of the folder into which the archive unpacks.
        file: The archive.
        tables: Possible names of the table in the folder; the first one that exists is read. A `.json` table has one
            object per column.
        path: Column with the path of a file.
        group: Columns that identify the group of a file (one composition, one session).
    """

    title: str
    folder: str
    file: download.Entry
    tables: Sequence[str]
    path: str
    group: Sequence[str]


class Listed(NamedTuple):
    """A row of the table: path of the file, split (`train`, `valid` or `test`) and group."""

    path: str
    split: str
    group: str


def listed(published: Set, table: str, is_json: bool) -> list[Listed]:
    """Returns the files of a table, in its order.

    Args:
        published: The set.
        table: Text of the table.
        is_json: Whether the table is JSON, with one object per column; otherwise it is CSV.

    Raises:
        errors.UserError: A column is missing or a split has an unknown name.
    """
    fields = (*published.group, "split", published.path)
    try:
        if is_json:
            columns = json.loads(table)
            rows = [{f: columns[f][key] for f in fields} for key in columns[published.path]]
        else:
            rows = [{f: row[f] for f in fields} for row in csv.DictReader(io.StringIO(table))]
        files = []
        for row in rows:
            identity = "/".join(row[field] for field in published.group)
            group = hashlib.sha256(identity.encode()).hexdigest()[:16]
            files.append(Listed(row[published.path], _SPLITS[row["split"]], group))
    except (KeyError, ValueError, TypeError, AttributeError) as e:
        raise errors.UserError(f"not a table of {published.title} (columns {', '.join(fields)}): {e}") from e
    return files


def read(task: tuple[str, str, Callable[[], bytes]]) -> cache.Entry:
    """Reads one file in a worker.

    Args:
        task: Name, group, and a function that returns the bytes of the file.
    """
    name, group, content = task
    try:
        data = content()
    except (OSError, KeyError) as e:
        raise errors.UserError("the file is missing") from e
    sequence = midi_reading.midi_to_sequence(data)
    if not sequence.notes:
        raise errors.UserError("it has no notes")
    sequence.filename = Path(name).name
    return cache.Entry(name, group, cache.pack(sequence))


def load(published: Set, name: str, terms: str) -> corpus.Collection:
    """Returns the corpus. The first call reads it, later ones load it from the cache.

    Args:
        published: The set.
        name: Name of the corpus.
        terms: Source and licence.

    Raises:
        errors.UserError: The set is missing and cannot be downloaded, or nothing in it can be read.
    """
    folder, file = published.folder, published.file
    data_folder = os.environ.get("MUSEJAX_DATA")
    root = Path(data_folder).expanduser() / folder if data_folder else None
    if root is not None and root.is_dir():
        used = next((t for t in published.tables if (root / t).is_file()), None)
        if used is None:
            raise errors.UserError(f"{root}: has no {' or '.join(published.tables)}; unpack {file.url} there")
        table, where = (root / used).read_text(encoding="utf-8"), root
        mark = f"{root.resolve()} {hashlib.sha256(table.encode()).hexdigest()}"
    else:
        where, used, mark = download.fetch(file), published.tables[0], file.sha256
        table = _member(where, folder, used).decode("utf-8")
    try:
        files = listed(published, table, used.endswith(".json"))
    except errors.UserError as e:
        raise errors.UserError(f"{where}: {e}") from e
    stamp = cache.stamp(name, mark)
    cached = cache.load(name, stamp)
    if cached is None:
        in_folder = root is not None and where == root
        content = functools.partial(_file, where) if in_folder else functools.partial(_member, where, folder)
        tasks = [(f"{name}/{f.path}", f.group, functools.partial(content, f.path)) for f in files]
        entries, report = parallel.usable(parallel.read_all(read, tasks), where, f"unpack {file.url}")
        cache.store(name, stamp, entries, report)
    else:
        entries, report = cached
    fixed = {f"{name}/{f.path}": f.split for f in files}
    return corpus.Collection(name, None, [e.piece(fixed[e.name]) for e in entries], report, terms)


def _file(root: Path, path: str) -> bytes:
    return (root / path).read_bytes()


def _member(archive: Path, folder: str, path: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(f"{folder}/{path}")
