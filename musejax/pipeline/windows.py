"""Windows of whole bars, without duplicates in any split or key.

Windows that are equal up to transposition are duplicates, because training transposes. Only the first of several
duplicates within a split is kept. Windows of `test` that occur in `train`, and windows of `valid` that occur in `train`
or `test`, are left out. Thus no held-out window was seen in training in any key, and the training windows do not depend
on the held-out pieces.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from musejax import errors
from musejax import vocabulary as vocabularies
from musejax.pipeline import augment, dataset
from musejax.theory.sixteenths import BAR

# Splits by priority: windows that occur in an earlier split are left out of later ones.
ORDER = ("train", "test", "valid")
# Reasons for leaving out a window, see `cut`.
LEFT_OUT = ("silent", "repeated", "in_train", "in_test")
# The suffix that the name of a window, or of a part of a piece, has in addition to the name of the piece.
_OF_PIECE = re.compile(r"(#\d+)?(@\d+)*$")


def check(vocabulary: vocabularies.Vocabulary, bars: int, window: int) -> None:
    """Checks, before any music is read, that training on windows of whole bars is possible.

    Args:
        vocabulary: Vocabulary of the codec.
        bars: Number of bars in a window, `training.bars`.
        window: Number of frames in a window, `training.window`.

    Raises:
        errors.UserError: The codec has no bar lines, or the window does not have the length of the bars in 4/4.
    """
    _check_beat(vocabulary)
    if window != bars * vocabulary.bar:
        count = f"{bars} bar has" if bars == 1 else f"{bars} bars have"
        raise errors.UserError(
            f"--training.window {window} with --training.bars {bars}: {count} {bars * vocabulary.bar} frames; "
            f"give --training.window {bars * vocabulary.bar}"
        )


def cut_windows(data: dataset.Dataset, bars: int, frames_per_bar: int | None = None) -> dataset.Dataset:
    """Cuts the pieces of a data set into windows by `cut`, and adds the counts to its report as `windows`.

    Args:
        data: Data set of whole pieces.
        bars: Number of bars in a window; 0 returns the data set unchanged.
        frames_per_bar: Length of a bar in frames; by default that of 4/4.

    Raises:
        errors.UserError: The codec has no bar lines, or no window is left.
    """
    if not bars:
        return data
    _check_beat(data.vocabulary)
    frames_per_bar = frames_per_bar or data.vocabulary.bar
    splits, counts = cut(data.splits, data.vocabulary, bars, frames_per_bar)
    if not any(splits.values()):
        window = "bar" if bars == 1 else f"{bars} successive bars"
        raise errors.UserError(
            f"{data.source} as {data.vocabulary.name} has no {window} of {frames_per_bar} frames with a note; "
            "give fewer or shorter bars"
        )
    report = {"bars": bars, "frames_per_bar": frames_per_bar, "splits": counts}
    return dataclasses.replace(data, splits=splits, report={**data.report, "windows": report})


def tell(data: dataset.Dataset) -> list[str]:
    """Describes the windows in the report, one line per split; returns no lines if pieces are not cut."""
    out = []
    for split, counts in data.report.get("windows", {}).get("splits", {}).items():
        left_out = [f"{n} {reason.replace('_', ' ')}" for reason, n in counts.items() if reason in LEFT_OUT and n]
        out.append(
            f"{split}: {counts['kept']} of {counts['windows']} windows of {counts['pieces']} pieces"
            + (f"; left out {', '.join(left_out)}" if left_out else "")
        )
    return out


def pieces(items: Sequence[dataset.Item]) -> np.ndarray:
    """Returns the number of the piece to which each window belongs, int64[N], with pieces numbered from 0.

    Parts of the same piece, which result from changes of the time signature, have the same number.
    """
    return np.unique([_OF_PIECE.sub("", item.name) for item in items], return_inverse=True)[1]


def unseen(
    items: Sequence[dataset.Item], training: Sequence[dataset.Item], vocabulary: vocabularies.Vocabulary
) -> list[dataset.Item]:
    """Returns the windows that differ from all training windows, up to transposition."""
    training_prints = {fingerprint(item.arrays, vocabulary) for item in training}
    return [item for item in items if fingerprint(item.arrays, vocabulary) not in training_prints]


def _check_beat(vocabulary: vocabularies.Vocabulary) -> None:
    if "beat" not in dict(vocabulary.conditions):
        raise errors.UserError(
            f"codec {vocabulary.name} has no bar lines; give a codec with the condition beat, such as melody-90"
        )


def cut(
    splits: Mapping[str, Sequence[dataset.Item]],
    vocabulary: vocabularies.Vocabulary,
    bars: int,
    frames_per_bar: int = BAR,
) -> tuple[dict[str, list[dataset.Item]], dict[str, dict[str, int]]]:
    """Cuts pieces into windows of whole bars, one from each bar line.

    Args:
        splits: Pieces by split, with an array `beat`.
        vocabulary: Their vocabulary.
        bars: Number of bars in a window, each of exactly `frames_per_bar` frames.
        frames_per_bar: Length of a bar in frames.

    Returns:
        A tuple (windows, counts), both by split. The name of a window consists of the name of its piece and the number
        of its first bar, such as `tune@3`; its group is that of the piece. The counts are the numbers of `pieces` with
        windows and of all `windows`, and how many of these are `silent` (no note begins), `repeated` within the split,
        `in_train`, `in_test`, and `kept`.
    """
    out: dict[str, list[dataset.Item]] = {name: [] for name in splits}
    counts: dict[str, dict[str, int]] = {name: {} for name in splits}
    seen: dict[str, set[bytes]] = {}
    for name in sorted(splits, key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER)):
        count = {"pieces": 0, "windows": 0, "silent": 0, "repeated": 0, **{f"in_{other}": 0 for other in seen}}
        own: set[bytes] = set()
        for item in splits[name]:
            windows = _windows(item, vocabulary, bars, frames_per_bar)
            count["pieces"] += bool(windows)
            count["windows"] += len(windows)
            for window in windows:
                mark = fingerprint(window.arrays, vocabulary)
                earlier = next((other for other, marks in seen.items() if mark in marks), None)
                if mark is None:
                    count["silent"] += 1
                elif earlier is not None:
                    count[f"in_{earlier}"] += 1
                elif mark in own:
                    count["repeated"] += 1
                else:
                    own.add(mark)
                    out[name].append(window)
        counts[name] = {**count, "kept": len(out[name])}
        seen[name] = own
    return out, counts


def fingerprint(arrays: Mapping[str, np.ndarray], vocabulary: vocabularies.Vocabulary) -> bytes | None:
    """Returns bytes that are equal for arrays with the same notes up to transposition, or None if no note begins.

    Conditions are ignored.
    """
    moves = augment.pitched(vocabulary)
    if vocabulary.kind != "tokens":
        frames = arrays["frames"]
        used = np.asarray(frames.any(axis=0))
        if not used.any():
            return None
        # In the normalised key, the lowest key above the bottom of its range is at the bottom.
        lowest = min((int(used[a:b].argmax()) for a, b in augment.spans(vocabulary) if used[a:b].any()), default=0)
        return augment.rolled(frames, vocabulary, -lowest).tobytes()
    tokens = arrays["tokens"]
    notes = moves[tokens]
    if not moves.any():
        return tokens.tobytes()
    if not notes.any():
        return None
    return np.where(notes, tokens - tokens[notes].min() + vocabulary.size, tokens).astype(np.int32).tobytes()


def _windows(
    item: dataset.Item, vocabulary: vocabularies.Vocabulary, bars: int, frames_per_bar: int
) -> list[dataset.Item]:
    """Returns all windows of a piece, including silent ones."""
    beat = item.arrays["beat"]
    lines = np.flatnonzero(beat == 0)
    whole = np.diff(lines, append=len(beat)) == frames_per_bar
    # An interrupted bar may have the right length by chance.
    whole &= np.array([bool((np.diff(beat[i : i + frames_per_bar]) == 1).all()) for i in lines], bool)
    out = []
    for bar in range(len(lines) - bars + 1):
        if whole[bar : bar + bars].all():
            start, end = lines[bar], lines[bar] + bars * frames_per_bar
            arrays = {name: array[start:end] for name, array in item.arrays.items()}
            out.append(item._replace(name=f"{item.name}@{bar + 1}", arrays=_begin(arrays, vocabulary)))
    return out


def _begin(arrays: dict[str, np.ndarray], vocabulary: vocabularies.Vocabulary) -> dict[str, np.ndarray]:
    """Removes the end of a note that began before the window, by replacing note-offs before the first note by holds."""
    if vocabulary.kind != "tokens" or vocabulary.streams > 1 or not vocabulary.has("note_off"):
        return arrays
    tokens = arrays["tokens"]
    hold, off = vocabulary.id("hold"), vocabulary.id("note_off")
    before = np.logical_and.accumulate((tokens == hold) | (tokens == off))
    return {**arrays, "tokens": np.where(before, hold, tokens).astype(tokens.dtype)}
