"""Preparation of data sets: encodes a corpus with a codec, and caches the result."""

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musejax import codecs, corpora, errors, registry
from musejax.corpora import cache, splits
from musejax.corpora import corpus as base
from musejax.pipeline import dataset

# Must increase when a codec encodes the same piece differently, or a corpus has different music under the same name.
VERSION = 3


def prepare(source: str, codec: str, say: Callable[[str], None]) -> dataset.Dataset:
    """Returns the data set of a corpus, a folder of files, or a prepared file.

    Args:
        source: Name of a corpus, a folder, or an .npz file from `musejax prepare` or `Dataset.save`.
        codec: Name of the codec. For an .npz file, the name of its vocabulary, which need not have a codec.
        say: Called with a message before work that takes long.

    Raises:
        errors.UserError: The source is unknown or contains nothing that the codec can encode.
    """
    if source.endswith(".npz"):
        data = dataset.load(Path(source))
        name = data.vocabulary.name
        if name != codec:
            raise errors.UserError(f"{source} was prepared for codec {name}, not {codec}; give --codec {name}")
        try:
            codecs.for_vocabulary(data.vocabulary)
        except errors.UserError as error:
            raise errors.UserError(f"{source}: {error}; make it again with `musejax prepare`") from None
        return data
    coder = codecs.get(codec)
    if not registry.is_known("corpus", source) or registry.origin("corpus", source):
        return encode(corpora.load(source), codec, coder, say)
    corpus = corpora.load(source)
    path = cache.directory() / "prepared" / f"{source}-{codec}-{_key(corpus, coder)}.npz"
    if path.exists():
        try:
            return dataset.load(path)
        except errors.UserError:
            path.unlink()
    data = encode(corpus, codec, coder, say)
    data.save(path)
    return data


def _key(corpus: base.Collection, coder: codecs.Codec) -> str:
    """Returns a hash of the pieces, their splits, and the versions of the code that reads and encodes them."""
    versions = [importlib.metadata.version(p) for p in ("note-seq", "music21", "symusic")]
    pieces = [(p.name, p.group, p.split) for p in corpus.pieces]
    everything = (VERSION, cache.VERSION, coder.vocabulary, versions, pieces)
    return hashlib.sha256(repr(everything).encode()).hexdigest()[:12]


def of_split(corpus: base.Collection, split: str) -> list[base.Piece]:
    """Returns the pieces of a split."""
    return [piece for piece in corpus.pieces if (piece.split or splits.split_of(piece.group)) == split]


def encode(corpus: base.Collection, codec: str, coder: codecs.Codec, say: Callable[[str], None]) -> dataset.Dataset:
    """Encodes every piece of a corpus, and training pieces in all their variants.

    Args:
        corpus: The corpus.
        codec: Name of the codec.
        coder: The codec.
        say: Called with a message before work that takes long.

    Raises:
        errors.UserError: The corpus consists of arrays of another codec, or nothing could be encoded.
    """
    if corpus.codec not in (None, codec):
        raise errors.UserError(f"{corpus.name} exists only as {corpus.codec}; it cannot be read as {codec}")
    items: dict[str, list[dataset.Item]] = {s: [] for s in base.SPLITS}
    report = dataclasses.replace(
        corpus.report, used=0, discarded=corpus.report.discarded.copy(), files=list(corpus.report.files)
    )
    if len(corpus.pieces) > 500:
        say(f"encoding {len(corpus.pieces)} pieces of {corpus.name} as {codec}")
    for piece in corpus.pieces:
        split = piece.split or splits.split_of(piece.group)
        try:
            parts = _parts(piece, coder, split)
        except errors.DiscardError as reason:
            report.discard(piece.name, str(reason))
            continue
        except Exception as error:  # a bug affects only the piece that triggers it
            report.discard(piece.name, errors.failure(f"could not be read as {codec}", error))
            continue
        report.used += 1
        items[split] += [
            dataset.Item(
                piece.name if len(parts) == 1 else f"{piece.name}#{i}",
                piece.group,
                {field: dataset.widened(field, np.asarray(array)) for field, array in arrays.items()},
            )
            for i, arrays in enumerate(parts)
        ]
    if not report.used:
        reasons = "; ".join(f"{n} {r}" for r, n in report.discarded.most_common(5)) or "it is empty"
        raise errors.UserError(f"nothing in {corpus.name} can be read as {codec}: {reasons}")
    return dataset.Dataset(corpus.name, coder.vocabulary, items, report.to_json())


def passed_over(source: str, data: dataset.Dataset) -> list[str]:
    """Returns lines that count and list the unused files of a folder; empty for a corpus or a prepared file."""
    return base.passed_over(source, data.report) if source not in corpora.CORPORA and Path(source).is_dir() else []


def losses(data: dataset.Dataset) -> list[str]:
    """Returns a line for each kind of content that was left out of the files of a data set."""
    return base.lost(data.source, data.report)


def _parts(piece: base.Piece, coder: codecs.Codec, split: str) -> list[dict[str, Any]]:
    if piece.arrays is not None:
        return [piece.arrays]
    assert piece.sequence is not None
    sequence = piece.sequence()
    variants = coder.variants(sequence) if split == "train" else [sequence]
    return [arrays for variant in variants for arrays in coder.encode(variant)]
