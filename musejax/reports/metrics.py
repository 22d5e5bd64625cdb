"""The report of `musejax metrics`: music statistics of generated pieces and of held-out real pieces."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musejax import codecs, corpora, errors, registry
from musejax.corpora import corpus, folder, parallel, preparation
from musejax.evaluation import copying, likelihood, mgeval, musdr, musegan_statistics, muspy, note_rolls, voice_leading
from musejax.music import files, loss_counts, timing
from musejax.reports.gridded import GRID, Piece, on_grid
from musejax.runs import file_names

# Share of the generated pieces that must be at least as long as the excerpts into which pieces are cut.
LONG_ENOUGH = 0.9
# Smallest number of excerpts between which distances can be computed.
MIN_EXCERPTS = 2
SIDES = ("generated", "reference")

Statistics = dict[str, np.ndarray]


def read(
    source: str, codec: str | None, grid: int, say: Callable[[str], None], report: corpus.Report | None = None
) -> list[Piece]:
    """Reads the pieces of a folder of music files, or of a split of a corpus.

    Args:
        source: A folder, or CORPUS:SPLIT.
        codec: Codec by which a corpus is encoded and decoded, so that it has only what generated music can have; None
            for the usual codec of the corpus.
        grid: Frames in a quarter note.
        say: Receives messages about skipped files and about progress.
        report: Collects the skipped files of a folder, with reasons.

    Raises:
        errors.UserError: The source does not exist, or has no usable pieces.
    """
    name, _, split = source.rpartition(":")
    if registry.is_known("corpus", name):
        return _of_corpus(name, split, codec, grid, say)
    if registry.is_known("corpus", source):
        raise errors.UserError(f"{source} has no split; give one, such as {source}:test")
    if not Path(source).is_dir():
        raise errors.UserError(f"{source!r} is neither a folder nor CORPUS:SPLIT, such as bach-chorales:test")
    return _of_folder(Path(source), grid, say, corpus.Report() if report is None else report)


def _of_corpus(name: str, split: str, codec: str | None, grid: int, say: Callable[[str], None]) -> list[Piece]:
    codec = codec or registry.get("corpus", name).codec or registry.get("corpus", name).reading
    if codec is not None:
        decode = codecs.get(codec).decode
        items = preparation.prepare(name, codec, say).split(split)
        sequences = (decode(item.arrays, timing.DEFAULT_QPM) for item in items)
    else:
        if split not in corpus.SPLITS:
            raise errors.UserError(f"split {split!r} is unknown; {name} has {', '.join(corpus.SPLITS)}")
        entries = preparation.of_split(corpora.load(name), split)
        sequences = (entry.sequence() for entry in entries if entry.sequence is not None)
    pieces = []
    for sequence in sequences:
        try:
            pieces.append(on_grid(sequence, grid))
        except errors.DiscardError:
            continue
    if not pieces:
        raise errors.UserError(f"{name}:{split} has no piece with notes")
    return pieces


def _of_folder(where: Path, grid: int, say: Callable[[str], None], report: corpus.Report) -> list[Piece]:
    paths: dict[Path, Path] = {}
    for path in folder.paths(where):
        # A piece in several formats is read once, from MIDI if possible, which has the most information.
        if path.with_suffix("") not in paths or path.suffix.lower() in files.MIDI:
            paths[path.with_suffix("")] = path
    pieces: list[Piece] = []
    losses = []
    for path in paths.values():
        name = file_names.shown(path.relative_to(where).as_posix())
        losses.append(loss_counts.Losses())
        try:
            pieces += [on_grid(sequence, grid) for sequence in files.read(path, say, losses=losses[-1])]
        except errors.UserError as error:
            report.discard(name, files.reason(error, path))
        except errors.DiscardError as error:
            report.discard(name, str(error))
        except Exception as error:  # a file that causes an unexpected error is skipped, like the others
            report.discard(name, errors.failure("could not be read", error))
    report.used = len(pieces)
    report.losses = loss_counts.tally(losses)
    if not paths:
        raise errors.UserError(f"{where}: it has no file ending in {', '.join(files.SUFFIXES)}")
    if not pieces:
        raise errors.UserError(f"{where}: {parallel.none_of(len(paths), report)}")
    data = report.to_json()
    for line in corpus.passed_over(str(where), data, len(paths)) + corpus.lost(str(where), data):
        say(line)
    return pieces


def align_tracks(pieces: Sequence[Piece], like: Piece) -> list[Piece]:
    """Renumbers tracks by name as in the piece `like`, so that a silent track does not shift the others.

    Pieces without track names, or with other names or kinds of tracks, are unchanged.
    """
    numbers = {(name, drum): k for k, (name, drum) in enumerate(zip(like.names, like.drums))}
    out = []
    for p in pieces:
        tracks = [numbers.get(key) for key in zip(p.names, p.drums)]
        if len(tracks) == len(p.drums) and None not in tracks:
            notes = [n._replace(track=tracks[n.track]) for n in p.notes]
            p = p._replace(notes=notes, drums=list(like.drums), names=like.names)
        out.append(p)
    return out


def batch(pieces: Sequence[Piece], drums: Sequence[bool], grid: int) -> note_rolls.Rolls:
    """Converts pieces to rolls with `len(drums)` tracks; further tracks are left out."""
    return note_rolls.from_notes(
        [[n for n in p.notes if n.track < len(drums)] for p in pieces],
        tracks=len(drums),
        beat=grid,
        bar=[p.bar for p in pieces],
        frames=[p.frames for p in pieces],
        drums=np.flatnonzero(drums).tolist(),
    )


def common_bars(pieces: Sequence[Piece]) -> int:
    """Returns the number of whole bars that 90 % of the pieces have, which is the length of excerpts."""
    bars = sorted(p.frames // p.bar for p in pieces)
    return max(1, bars[int(len(bars) * (1 - LONG_ENOUGH) + 1e-9)])


def _lines(pieces: Sequence[Piece]) -> list[list[np.ndarray]]:
    return [copying.lines_of_notes(p.notes, p.drums) for p in pieces]


def _means(values: Mapping[str, np.ndarray]) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
    """Returns means over the pieces for which a statistic is defined, and their bootstrap intervals."""
    means: dict[str, float | None] = {}
    intervals = {}
    for name, array in values.items():
        defined = array[~np.isnan(array)]
        means[name] = round(float(defined.mean()), 5) if len(defined) else None
        if len(defined):
            intervals[name] = likelihood.interval(defined, np.ones(len(defined)))
    return means, intervals


def _plugin_statistics(side: note_rolls.Rolls) -> Statistics:
    """Computes the statistics of plugins.

    Raises:
        errors.UserError: One of them fails, or does not return one number for each piece.
    """
    out = {}
    for metric in registry.user_records("metric"):
        where = f"metric {metric.name} of {registry.origin('metric', metric.name) or 'this process'}"
        try:
            values = np.asarray(metric.measure(side), float)
        except Exception as error:
            raise errors.UserError(f"{where} fails: {type(error).__name__}: {error}") from error
        if values.shape != (len(side),):
            raise errors.UserError(f"{where} returns an array of shape {values.shape}; it must be ({len(side)},)")
        out[metric.name] = values
    return out


def _rates(side: note_rolls.Rolls) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
    """Returns the rates of violations of voice-leading rules, and their bootstrap intervals."""
    rates: dict[str, float | None] = {}
    intervals = {}
    for rule, (broken, cases) in voice_leading.counts(side).items():
        rates[rule] = round(broken.sum() / cases.sum(), 5) if cases.sum() else None
        if (cases > 0).sum() > 1:
            applies = cases > 0
            intervals[rule] = likelihood.interval(broken[applies].astype(float), cases[applies].astype(float))
    return rates, intervals


def plain(values: Any) -> Any:
    """Converts values for JSON: arrays to lists, NaN to None, and rounds floats."""
    if isinstance(values, Mapping):
        return {name: plain(value) for name, value in values.items()}
    if isinstance(values, (list, tuple, np.ndarray)):
        return [plain(value) for value in values]
    return None if np.isnan(values) else round(float(values), 5)


def _runs(lines: list[list[np.ndarray]], training: list[list[np.ndarray]]) -> dict[str, float]:
    runs = copying.longest_runs(lines, training)
    return {"median": float(np.median(runs)), "max": int(runs.max())}


def _are_chorales(side: note_rolls.Rolls) -> bool:
    """Returns whether pieces have four pitched tracks that are nearly monophonic."""
    polyphonic = (side.sounding.sum(-1) > 1).mean()
    return side.sounding.shape[1] == voice_leading.VOICES and not side.drums.any() and polyphonic < 0.01


def compare(
    generated: Sequence[Piece], reference: Sequence[Piece], training: Sequence[Piece] | None, grid: int = GRID
) -> dict[str, Any]:
    """Computes all statistics of generated pieces and of real pieces.

    Statistics, distances and rates are computed over excerpts of `reference_bars` bars, into which both sides are cut
    at bar lines. The copy check and `distinct_4grams` use whole pieces.

    Args:
        generated: Generated pieces.
        reference: Real pieces that the model was not trained on.
        training: Training pieces of the model, for the copy check; None to omit it.
        grid: Frames in a quarter note of all pieces.

    Returns:
        Results as data for JSON; docs/results/results.md explains the entries.

    Raises:
        errors.UserError: A side has too few excerpts.
    """
    bars = common_bars(generated)
    largest = max([*generated, *reference], key=lambda p: len(p.drums))
    generated, reference = (align_tracks(side, largest) for side in (generated, reference))
    drums = largest.drums
    cuts = [note_rolls.cut(batch(side, drums, grid), bars) for side in (generated, reference)]
    for name, side in zip(SIDES, cuts, strict=True):
        if len(side) < MIN_EXCERPTS:
            excerpts = "excerpt" if len(side) == 1 else "excerpts"
            length = "1 bar" if bars == 1 else f"{bars} bars"
            raise errors.UserError(
                f"the {name} pieces have {len(side)} {excerpts} of {length}; at least {MIN_EXCERPTS} are needed"
            )
    out: dict[str, Any] = {"reference_bars": bars, "grid": grid}
    out["pieces"] = {"generated": len(generated), "reference": len(reference)}
    out["stretches"] = {"generated": len(cuts[0]), "reference": len(cuts[1])}
    tracks: dict[str, Any] = {}
    leading: dict[str, Any] = {}
    for name, side in zip(SIDES, cuts, strict=True):
        values = muspy.statistics(side) | musdr.statistics(side) | _plugin_statistics(side)
        out[name], out[f"{name}_interval"] = _means(values)
        tracks[name] = plain(musegan_statistics.statistics(side))
        if all(_are_chorales(s) for s in cuts):
            leading[name], leading[f"{name}_interval"] = _rates(side)
    out["musegan"] = tracks
    if leading:
        out["voice_leading"] = leading
    features = [mgeval.features(side) for side in cuts]
    out |= plain(mgeval.summary(features[0], features[1]))
    lines = [_lines(side) for side in (generated, reference)]
    # The share falls with the size of a set, so it is computed over equal numbers of pieces.
    num = min(map(len, lines))
    equal = [[side[i] for i in np.linspace(0, len(side) - 1, num).astype(int)] for side in lines]
    out["distinct_4grams"] = plain(dict(zip(SIDES, map(copying.distinct_ngrams, equal), strict=True)))
    if training is not None:
        training_lines = _lines(training)
        out["copy"] = {"generated": _runs(lines[0], training_lines), "held_out": _runs(lines[1], training_lines)}
    return out


def metrics(
    where: str,
    reference: str,
    *,
    codec: str | None = None,
    training: str | None = None,
    grid: int = GRID,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Reads the pieces of a folder and a reference, and compares them by `compare`.

    Args:
        where: A folder of generated music, or CORPUS:SPLIT.
        reference: A folder, or CORPUS:SPLIT.
        codec: Codec by which a corpus is read, as in `read`.
        training: A folder, or CORPUS:SPLIT; by default the training split of the corpus if the reference is another
            split of it.
        grid: Frames in a quarter note.
        say: Receives messages about progress.

    Raises:
        errors.UserError: A source cannot be read.
    """
    name, _, split = reference.rpartition(":")
    if training is None and registry.is_known("corpus", name) and split != "train":
        training = f"{name}:train"
    reports = {side: corpus.Report() for side in (*SIDES, "training")}
    sides = [read(s, codec, grid, say, reports[side]) for side, s in zip(SIDES, (where, reference))]
    training_pieces = None if training is None else read(training, codec, grid, say, reports["training"])
    return {
        "folder": where,
        "reference_set": reference,
        "training_set": training,
        "passed_over": {side: r.to_json() for side, r in reports.items() if r.discarded},
        "losses": {side: r.to_json()["losses"] for side, r in reports.items() if r.losses},
        **compare(sides[0], sides[1], training_pieces, grid),
    }
