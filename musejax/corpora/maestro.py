"""`maestro`: MAESTRO v3.0.0, piano performances with the splits its authors publish.

Read from a folder `maestro-v3.0.0` in MUSEJAX_DATA as unpacked from the published archive, or from that archive, in
MUSEJAX_DATA or downloaded (57 MB).
"""

import csv
import functools
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from musejax import errors, midi
from musejax.corpora import base, cache, download, parallel

_FOLDER = "maestro-v3.0.0"
_SPLITS = {"train": "train", "validation": "valid", "test": "test"}
_FIELDS = ("canonical_composer", "canonical_title", "split", "midi_filename")
FILE = download.Entry(
    name="maestro-v3.0.0-midi.zip",
    url="https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip",
    sha256="70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c",
)


class Performance(NamedTuple):
    """A line of the metadata: the file's name, its split (ours) and its composition, as a text to group by."""

    path: str
    split: str
    composition: str


def performances(table: str, is_json: bool) -> list[Performance]:
    """The performances that the set's metadata list, in the order of the table.

    Args:
        table: The text of `maestro-v3.0.0.csv`, or of `maestro-v3.0.0.json`.
        is_json: Which of the two.

    Raises:
        errors.UserError: A column is missing or a split has an unknown name; the message is the reason.
    """
    try:
        if is_json:
            columns = json.loads(table)
            rows = [{f: columns[f][key] for f in _FIELDS} for key in columns["midi_filename"]]
        else:
            rows = [{f: row[f] for f in _FIELDS} for row in csv.DictReader(io.StringIO(table))]
        found = []
        for row in rows:
            composition = f"{row['canonical_composer']}/{row['canonical_title']}"
            group = hashlib.sha256(composition.encode()).hexdigest()[:16]
            found.append(Performance(row["midi_filename"], _SPLITS[row["split"]], group))
    except (KeyError, ValueError, TypeError, AttributeError) as e:
        raise errors.UserError(f"no metadata of MAESTRO v3 (columns {', '.join(_FIELDS)}): {e}") from e
    return found


def read(task: tuple[str, str, Callable[[], bytes]]) -> cache.Entry:
    """Reads one performance (name, group, its bytes when called); a worker's task."""
    name, group, content = task
    try:
        data = content()
    except (OSError, KeyError) as e:
        raise errors.UserError("the file is missing") from e
    sequence = midi.midi_to_sequence(data)
    if not sequence.notes:
        raise errors.UserError("it holds no notes")
    sequence.filename = Path(name).name
    return cache.Entry(name, group, cache.pack(sequence))


def load(name: str, terms: str) -> base.Corpus:
    """The corpus, a composition a group, read the first time and from the cache after that.

    Args:
        name: The corpus's name.
        terms: Its source and licence.

    Raises:
        errors.UserError: The set is not here and cannot be downloaded, or nothing in it can be read.
    """
    given = os.environ.get("MUSEJAX_DATA")
    root = Path(given).expanduser() / _FOLDER if given else None
    if root is not None and root.is_dir():
        tables = {suffix: root / f"{_FOLDER}.{suffix}" for suffix in ("csv", "json")}
        suffix = next((s for s, path in tables.items() if path.is_file()), None)
        if suffix is None:
            raise errors.UserError(f"{root}: holds neither {_FOLDER}.csv nor {_FOLDER}.json; unpack {FILE.url} there")
        table, where = tables[suffix].read_text(encoding="utf-8"), root
        mark = f"{root.resolve()} {hashlib.sha256(table.encode()).hexdigest()}"
    else:
        where, suffix, mark = download.fetch(FILE), "csv", FILE.sha256
        table = _member(where, f"{_FOLDER}.csv").decode("utf-8")
    try:
        listed = performances(table, suffix == "json")
    except errors.UserError as e:
        raise errors.UserError(f"{where}: {e}") from e
    wanted = cache.stamp(name, mark)
    cached = cache.load(name, wanted)
    if cached is None:
        content = _file if root is not None and where == root else _member
        tasks = [(f"maestro/{p.path}", p.composition, functools.partial(content, where, p.path)) for p in listed]
        entries, report = parallel.sift(parallel.read_all(read, tasks))
        if not entries:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in report.discarded.most_common(5))
            raise errors.UserError(f"{where}: none of {len(tasks)} files could be used ({reasons}); unpack {FILE.url}")
        cache.store(name, wanted, entries, report)
    else:
        entries, report = cached
    fixed = {f"maestro/{p.path}": p.split for p in listed}
    return base.Corpus(name, None, [e.piece(fixed[e.name]) for e in entries], report, terms)


def _file(root: Path, path: str) -> bytes:
    return (root / path).read_bytes()


def _member(archive: Path, path: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(f"{_FOLDER}/{path}")
