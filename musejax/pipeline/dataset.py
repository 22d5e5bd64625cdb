"""A prepared data set: the pieces of each split as arrays of one codec, in memory and as a single file.

Training needs only this file, so it also runs on machines without note-seq or music21.
"""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musejax import errors
from musejax import vocabulary as vocabularies

FORMAT = 1


class Item(NamedTuple):
    """A piece, or an extracted part of a piece.

    Attributes:
        name: Name of the piece in its corpus.
        group: Melody group of the piece; all pieces of a group are in the same split.
        arrays: Arrays from the codec, by field.
    """

    name: str
    group: str
    arrays: dict[str, np.ndarray]

    @property
    def length(self) -> int:
        """Number of frames (or tokens)."""
        return next(iter(self.arrays.values())).shape[0]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Pieces by split.

    Attributes:
        source: Name of the corpus.
        vocabulary: Vocabulary of the codec, with the same name.
        splits: Items of `train`, `valid` and `test`.
        report: Numbers of pieces that were used and discarded, by reason, as a plain dictionary.
    """

    source: str
    vocabulary: vocabularies.Vocabulary
    splits: Mapping[str, list[Item]]
    report: Mapping[str, Any]

    def split(self, name: str) -> list[Item]:
        """Returns the items of a split.

        Raises:
            errors.UserError: The split does not exist or is empty.
        """
        if name not in self.splits:
            raise errors.UserError(f"split {name!r} is unknown; {self.source} has {', '.join(self.splits)}")
        if not self.splits[name]:
            raise errors.UserError(f"{self.source} has no piece in its {name} split for codec {self.vocabulary.name}")
        return self.splits[name]

    def save(self, path: Path) -> None:
        """Writes the data set as one compressed file, atomically."""
        meta = {
            "format": FORMAT,
            "source": self.source,
            "vocabulary": self.vocabulary.to_json(),
            "report": self.report,
            "splits": {s: [[i.name, i.group] for i in items] for s, items in self.splits.items()},
        }
        arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
        for split, items in self.splits.items():
            if items:
                arrays[f"{split}/offsets"] = np.cumsum([0] + [i.length for i in items])
                for field in items[0].arrays:
                    arrays[f"{split}/{field}"] = np.concatenate([_small(i.arrays[field]) for i in items])
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def widened(field: str, array: np.ndarray) -> np.ndarray:
    """Converts a field to its type in memory: float32 for real numbers, bytes for binary frames, otherwise int32."""
    if field == "frames" and array.dtype == np.uint8:
        return array
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32)


def _small(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    return array.astype(np.uint8 if array.max(initial=0) < 256 else np.int32)


def load(path: Path) -> Dataset:
    """Reads a data set written by `Dataset.save`.

    Raises:
        errors.UserError: The file does not exist, is not a data set, is damaged, or has another format version.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = dict(json.loads(arrays["meta"].tobytes()))
    except FileNotFoundError as error:
        raise errors.UserError(f"{path} does not exist; make one with `musejax prepare`") from error
    except Exception as error:  # a damaged archive fails in many ways
        raise errors.UserError(f"{path} is not a prepared data set; make one with `musejax prepare`") from error
    if meta.get("format") != FORMAT:
        raise errors.UserError(
            f"{path} has data set format {meta.get('format')}, this musejax reads format {FORMAT}; "
            "make it again with `musejax prepare`"
        )
    try:
        return _assemble(meta, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise errors.UserError(f"{path} is damaged ({error}); make it again with `musejax prepare`") from error


def _assemble(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> Dataset:
    vocabulary = vocabularies.Vocabulary.from_json(meta["vocabulary"])
    splits = {}
    for split, names in meta["splits"].items():
        fields = [n.split("/")[1] for n in arrays if n.startswith(f"{split}/") and n != f"{split}/offsets"]
        offsets = arrays.get(f"{split}/offsets", np.zeros(1, int))
        sizes = {"tokens": vocabulary.size, "frames": 2, **dict(vocabulary.conditions)}
        for field in fields:
            stored, end = arrays[f"{split}/{field}"], sizes[field]
            if vocabulary.kind == "groove":
                fits = bool((np.abs(stored) <= 1).all())  # also False for NaN
            else:
                fits = 0 <= stored.min(initial=0) <= stored.max(initial=0) < end
            if len(stored) != offsets[-1] or not fits:
                raise ValueError(f"{field} of {split} does not fit the vocabulary")
        splits[split] = [
            Item(name, group, {f: widened(f, arrays[f"{split}/{f}"][a:b]) for f in fields})
            for (name, group), a, b in zip(names, offsets[:-1], offsets[1:], strict=True)
        ]
    return Dataset(meta["source"], vocabulary, splits, meta["report"])
