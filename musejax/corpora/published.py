"""Sets of MIDI files whose archive has a table of them with the splits that their authors publish.

A set is read from its folder in MUSEJAX_DATA as unpacked from the published archive, or from that archive, in
MUSEJAX_DATA or downloaded.
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
        title: What its metadata are called in a message.
        folder: What the archive unpacks into.
        file: The archive.
        tables: Names of the table within the folder, the first that is there is read; a `.json` has columns.
        path: The column of a file's path.
        group: The columns that say which files belong together (one composition, one session).
    """

    title: str
    folder: str
    file: download.Entry
    tables: Sequence[str]
    path: str
    group: Sequence[str]


class Listed(NamedTuple):
    """A line of the table: the file's path, its split (ours) and what groups it."""

    path: str
    split: str
    group: str


def listed(published: Set, table: str, is_json: bool) -> list[Listed]:
    """The files of a table, in its order.

    Args:
        published: The set.
        table: The text.
        is_json: Whether it is JSON with a column a field; else CSV.

    Raises:
        errors.UserError: A column is missing or a split has an unknown name; the message is the reason.
    """
    fields = (*published.group, "split", published.path)
    try:
        if is_json:
            columns = json.loads(table)
            rows = [{f: columns[f][key] for f in fields} for key in columns[published.path]]
        else:
            rows = [{f: row[f] for f in fields} for row in csv.DictReader(io.StringIO(table))]
        found = []
        for row in rows:
            together = "/".join(row[field] for field in published.group)
            group = hashlib.sha256(together.encode()).hexdigest()[:16]
            found.append(Listed(row[published.path], _SPLITS[row["split"]], group))
    except (KeyError, ValueError, TypeError, AttributeError) as e:
        raise errors.UserError(f"no metadata of {published.title} (columns {', '.join(fields)}): {e}") from e
    return found


def read(task: tuple[str, str, Callable[[], bytes]]) -> cache.Entry:
    """Reads one file (name, group, its bytes when called); a worker's task."""
    name, group, content = task
    try:
        data = content()
    except (OSError, KeyError) as e:
        raise errors.UserError("the file is missing") from e
    sequence = midi_reading.midi_to_sequence(data)
    if not sequence.notes:
        raise errors.UserError("it holds no notes")
    sequence.filename = Path(name).name
    return cache.Entry(name, group, cache.pack(sequence))


def load(published: Set, name: str, terms: str) -> corpus.Collection:
    """The corpus, read the first time and from the cache after that.

    Args:
        published: The set.
        name: The corpus's name.
        terms: Its source and licence.

    Raises:
        errors.UserError: The set is not here and cannot be downloaded, or nothing in it can be read.
    """
    folder, file = published.folder, published.file
    given = os.environ.get("MUSEJAX_DATA")
    root = Path(given).expanduser() / folder if given else None
    if root is not None and root.is_dir():
        used = next((t for t in published.tables if (root / t).is_file()), None)
        if used is None:
            raise errors.UserError(f"{root}: holds neither {' nor '.join(published.tables)}; unpack {file.url} there")
        table, where = (root / used).read_text(encoding="utf-8"), root
        mark = f"{root.resolve()} {hashlib.sha256(table.encode()).hexdigest()}"
    else:
        where, used, mark = download.fetch(file), published.tables[0], file.sha256
        table = _member(where, folder, used).decode("utf-8")
    try:
        found = listed(published, table, used.endswith(".json"))
    except errors.UserError as e:
        raise errors.UserError(f"{where}: {e}") from e
    wanted = cache.stamp(name, mark)
    cached = cache.load(name, wanted)
    if cached is None:
        in_folder = root is not None and where == root
        content = functools.partial(_file, where) if in_folder else functools.partial(_member, where, folder)
        tasks = [(f"{name}/{f.path}", f.group, functools.partial(content, f.path)) for f in found]
        entries, report = parallel.usable(parallel.read_all(read, tasks), where, f"unpack {file.url}")
        cache.store(name, wanted, entries, report)
    else:
        entries, report = cached
    fixed = {f"{name}/{f.path}": f.split for f in found}
    return corpus.Collection(name, None, [e.piece(fixed[e.name]) for e in entries], report, terms)


def _file(root: Path, path: str) -> bytes:
    return (root / path).read_bytes()


def _member(archive: Path, folder: str, path: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(f"{folder}/{path}")
