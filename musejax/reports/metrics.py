"""`musejax metrics`: music statistics of generated pieces beside those of held-out real ones."""

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

# Share of the generated pieces that are at least as long as the cuts compared.
LONG_ENOUGH = 0.9
# The fewest pieces whose distances among themselves say anything.
FEWEST = 2
SIDES = ("generated", "reference")

Statistics = dict[str, np.ndarray]


def read(
    source: str, codec: str | None, grid: int, say: Callable[[str], None], report: corpus.Report | None = None
) -> list[Piece]:
    """The pieces of a folder of music files, or of a split of a corpus.

    Args:
        source: A folder, or CORPUS:SPLIT.
        codec: The codec through which a corpus is read, so that it has what generated music can have; None for the one
            that is usual for the corpus.
        grid: Frames in a quarter note.
        say: Is told of files that were passed over, and of long work.
        report: Takes the files of a folder that were passed over, with the reason of each.

    Raises:
        errors.UserError: There is no such source, or nothing in it can be used.
    """
    name, _, split = source.rpartition(":")
    if registry.is_known("corpus", name):
        return _of_corpus(name, split, codec, grid, say)
    if registry.is_known("corpus", source):
        raise errors.UserError(f"{source}: name a split too, such as {source}:test")
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
        pieces = preparation.of_split(corpora.load(name), split)
        sequences = (piece.sequence() for piece in pieces if piece.sequence is not None)
    found = []
    for sequence in sequences:
        try:
            found.append(on_grid(sequence, grid))
        except errors.DiscardError:
            continue
    if not found:
        raise errors.UserError(f"{name}:{split} holds no piece with notes")
    return found


def _of_folder(where: Path, grid: int, say: Callable[[str], None], report: corpus.Report) -> list[Piece]:
    paths: dict[Path, Path] = {}
    for path in folder.paths(where):
        # A piece that lies there in several formats is one piece; MIDI says most.
        if path.with_suffix("") not in paths or path.suffix.lower() in files.MIDI:
            paths[path.with_suffix("")] = path
    found: list[Piece] = []
    losses = []
    for path in paths.values():
        name = file_names.shown(path.relative_to(where).as_posix())
        losses.append(loss_counts.Losses())
        try:
            found += [on_grid(sequence, grid) for sequence in files.read(path, say, losses=losses[-1])]
        except errors.UserError as error:
            report.discard(name, files.reason(error, path))
        except errors.DiscardError as error:
            report.discard(name, str(error))
        except Exception as error:  # a fault that one file shows does not cost the others
            report.discard(name, errors.failure("could not be read", error))
    report.used = len(found)
    report.losses = loss_counts.tally(losses)
    if not paths:
        raise errors.UserError(f"{where}: it holds no file ending in {', '.join(files.SUFFIXES)}")
    if not found:
        raise errors.UserError(f"{where}: {parallel.none_of(len(paths), report)}")
    told = report.to_json()
    for line in corpus.passed_over(str(where), told, len(paths)) + corpus.lost(str(where), told):
        say(line)
    return found


def aligned(pieces: Sequence[Piece], like: Piece) -> list[Piece]:
    """Pieces whose tracks are numbered as those of the same names, so that a silent track does not move the others.

    A piece that has other names, or drums under one of pitches, or none, is numbered as it is.
    """
    numbers = {(name, drum): k for k, (name, drum) in enumerate(zip(like.names, like.drums))}
    out = []
    for p in pieces:
        found = [numbers.get(key) for key in zip(p.names, p.drums)]
        if len(found) == len(p.drums) and None not in found:
            moved = [n._replace(track=found[n.track]) for n in p.notes]
            p = p._replace(notes=moved, drums=list(like.drums), names=like.names)
        out.append(p)
    return out


def batch(pieces: Sequence[Piece], drums: Sequence[bool], grid: int) -> note_rolls.Rolls:
    """Pieces as rolls with the given tracks; tracks beyond them are left out."""
    return note_rolls.from_notes(
        [[n for n in p.notes if n.track < len(drums)] for p in pieces],
        tracks=len(drums),
        beat=grid,
        bar=[p.bar for p in pieces],
        frames=[p.frames for p in pieces],
        drums=np.flatnonzero(drums).tolist(),
    )


def common_bars(pieces: Sequence[Piece]) -> int:
    """Whole bars that nine pieces in ten have: the length to which both sides are cut."""
    bars = sorted(p.frames // p.bar for p in pieces)
    return max(1, bars[int(len(bars) * (1 - LONG_ENOUGH) + 1e-9)])


def _lines(pieces: Sequence[Piece]) -> list[list[np.ndarray]]:
    return [copying.lines_of_notes(p.notes, p.drums) for p in pieces]


def _means(values: Mapping[str, np.ndarray]) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
    """Means over the pieces in which a statistic is defined, and their bootstrap intervals."""
    means: dict[str, float | None] = {}
    intervals = {}
    for name, each in values.items():
        each = each[~np.isnan(each)]
        means[name] = round(float(each.mean()), 5) if len(each) else None
        if len(each):
            intervals[name] = likelihood.interval(each, np.ones(len(each)))
    return means, intervals


def _own(side: note_rolls.Rolls) -> Statistics:
    """Returns the statistics of plugins.

    Raises:
        errors.UserError: One of them fails, or does not give one number for each piece.
    """
    out = {}
    for metric in registry.user_records("metric"):
        where = f"metric {metric.name} of {registry.origin('metric', metric.name) or 'this process'}"
        try:
            values = np.asarray(metric.measure(side), float)
        except Exception as error:
            raise errors.UserError(f"{where} fails: {type(error).__name__}: {error}") from error
        if values.shape != (len(side),):
            raise errors.UserError(f"{where} gives an array of shape {values.shape}; it must be ({len(side)},)")
        out[metric.name] = values
    return out


def _rates(side: note_rolls.Rolls) -> tuple[dict[str, float | None], dict[str, tuple[float, float]]]:
    rates: dict[str, float | None] = {}
    intervals = {}
    for rule, (broken, cases) in voice_leading.counts(side).items():
        rates[rule] = round(broken.sum() / cases.sum(), 5) if cases.sum() else None
        if (cases > 0).sum() > 1:
            kept = cases > 0
            intervals[rule] = likelihood.interval(broken[kept].astype(float), cases[kept].astype(float))
    return rates, intervals


def plain(values: Any) -> Any:
    """Arrays as lists, floats rounded, NaN as None: what JSON can say."""
    if isinstance(values, Mapping):
        return {name: plain(value) for name, value in values.items()}
    if isinstance(values, (list, tuple, np.ndarray)):
        return [plain(value) for value in values]
    return None if np.isnan(values) else round(float(values), 5)


def _runs(lines: list[list[np.ndarray]], training: list[list[np.ndarray]]) -> dict[str, float]:
    runs = copying.longest_runs(lines, training)
    return {"median": float(np.median(runs)), "max": int(runs.max())}


def _chorales(side: note_rolls.Rolls) -> bool:
    """Whether the pieces are in four parts of which hardly any sounds two notes at once."""
    several = (side.sounding.sum(-1) > 1).mean()
    return side.sounding.shape[1] == voice_leading.VOICES and not side.drums.any() and several < 0.01


def compare(
    generated: Sequence[Piece], reference: Sequence[Piece], training: Sequence[Piece] | None, grid: int = GRID
) -> dict[str, Any]:
    """Every statistic of generated pieces beside that of real ones.

    Statistics, distances and rates are of stretches of `reference_bars` bars, into which both sides are cut on their
    bar lines; the copy check and distinct runs are of whole pieces.

    Args:
        generated: The pieces in question.
        reference: Real pieces that no model in question has seen.
        training: What the model was trained on, for the copy check; None leaves it out.
        grid: Frames in a quarter note of all of them.

    Returns:
        Plain data; docs/results/results.md says what each entry means.

    Raises:
        errors.UserError: A side has too few pieces.
    """
    bars = common_bars(generated)
    largest = max([*generated, *reference], key=lambda p: len(p.drums))
    generated, reference = (aligned(side, largest) for side in (generated, reference))
    drums = largest.drums
    cuts = [note_rolls.cut(batch(side, drums, grid), bars) for side in (generated, reference)]
    for name, side in zip(SIDES, cuts, strict=True):
        if len(side) < FEWEST:
            raise errors.UserError(f"the {name} side has {len(side)} stretches of {bars} bars; {FEWEST} are needed")
    out: dict[str, Any] = {"reference_bars": bars, "grid": grid}
    out["pieces"] = {"generated": len(generated), "reference": len(reference)}
    out["stretches"] = {"generated": len(cuts[0]), "reference": len(cuts[1])}
    tracks: dict[str, Any] = {}
    leading: dict[str, Any] = {}
    for name, side in zip(SIDES, cuts, strict=True):
        out[name], out[f"{name}_interval"] = _means(muspy.statistics(side) | musdr.statistics(side) | _own(side))
        tracks[name] = plain(musegan_statistics.statistics(side))
        if all(_chorales(s) for s in cuts):
            leading[name], leading[f"{name}_interval"] = _rates(side)
    out["musegan"] = tracks
    if leading:
        out["voice_leading"] = leading
    features = [mgeval.features(side) for side in cuts]
    out |= plain(mgeval.summary(features[0], features[1]))
    lines = [_lines(side) for side in (generated, reference)]
    # The share falls with the size of a set, so it is taken of equally many pieces.
    fewest = min(map(len, lines))
    alike = [[side[i] for i in np.linspace(0, len(side) - 1, fewest).astype(int)] for side in lines]
    out["distinct_4grams"] = plain(dict(zip(SIDES, map(copying.distinct_ngrams, alike), strict=True)))
    if training is not None:
        known = _lines(training)
        out["copy"] = {"generated": _runs(lines[0], known), "held_out": _runs(lines[1], known)}
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
    """`compare` for a folder and a reference by name.

    Args:
        where: A folder of generated music, or CORPUS:SPLIT.
        reference: A folder, or CORPUS:SPLIT.
        codec: As in `read`.
        training: A folder, or CORPUS:SPLIT; by default the training split of a reference that is another split.
        grid: Frames in a quarter note.
        say: Is told what is being done.

    Raises:
        errors.UserError: A source cannot be read.
    """
    name, _, split = reference.rpartition(":")
    if training is None and registry.is_known("corpus", name) and split != "train":
        training = f"{name}:train"
    reports = {side: corpus.Report() for side in (*SIDES, "training")}
    sides = [read(s, codec, grid, say, reports[side]) for side, s in zip(SIDES, (where, reference))]
    known = None if training is None else read(training, codec, grid, say, reports["training"])
    return {
        "folder": where,
        "reference_set": reference,
        "training_set": training,
        "passed_over": {side: r.to_json() for side, r in reports.items() if r.discarded},
        "losses": {side: r.to_json()["losses"] for side, r in reports.items() if r.losses},
        **compare(sides[0], sides[1], known, grid),
    }
