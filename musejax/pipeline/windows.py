"""Windows of whole bars, each heard once and in one split, whatever the key.

What a window shares with another is judged up to transposition, for training transposes. Of windows that are alike
within a split the first stays. Training keeps all of its own; a window of `test` that is in `train`, and one of
`valid` that is in `train` or in `test`, is left out. So no held-out window was seen in training in any key, and
training does not depend on what is held out.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from musejax import errors
from musejax import vocabulary as vocabularies
from musejax.pipeline import augment, dataset
from musejax.theory.sixteenths import BAR

# The splits from the one that keeps all of its windows to the one that yields to both others.
ORDER = ("train", "test", "valid")
# Why a window is left out, see `cut`.
LEFT_OUT = ("silent", "repeated", "in_train", "in_test")
# What the name of a window, or of a part of a piece, has behind the piece's own.
_OF_PIECE = re.compile(r"(#\d+)?(@\d+)*$")


def check(vocabulary: vocabularies.Vocabulary, bars: int, window: int) -> None:
    """Checks that training on windows of so many bars is possible, before any music is read.

    Args:
        vocabulary: The codec's.
        bars: `training.bars`.
        window: `training.window`.

    Raises:
        errors.UserError: The codec does not tell bars, or the window is not so many bars in 4/4.
    """
    _check_beat(vocabulary)
    if window != bars * vocabulary.bar:
        raise errors.UserError(
            f"--training.window {window} with --training.bars {bars}: so many bars have {bars * vocabulary.bar} "
            f"frames; give --training.window {bars * vocabulary.bar}"
        )


def cut_windows(data: dataset.Dataset, bars: int, frames_per_bar: int | None = None) -> dataset.Dataset:
    """A data set cut by `cut`, what it counted in the report as `windows`; as it is where `bars` is 0.

    Args:
        data: Whole pieces.
        bars: Bars of a window.
        frames_per_bar: The bar's length; that of 4/4 by default.

    Raises:
        errors.UserError: The codec does not tell bars, or nothing is left.
    """
    if not bars:
        return data
    _check_beat(data.vocabulary)
    frames_per_bar = frames_per_bar or data.vocabulary.bar
    splits, counts = cut(data.splits, data.vocabulary, bars, frames_per_bar)
    if not any(splits.values()):
        raise errors.UserError(
            f"{data.source} as {data.vocabulary.name} has nowhere {bars} whole bars of {frames_per_bar} frames with a "
            "note in them; give fewer bars"
        )
    told = {"bars": bars, "frames_per_bar": frames_per_bar, "splits": counts}
    return dataclasses.replace(data, splits=splits, report={**data.report, "windows": told})


def tell(data: dataset.Dataset) -> list[str]:
    """What the report says of the windows, a line a split; none where pieces are whole."""
    out = []
    for split, counts in data.report.get("windows", {}).get("splits", {}).items():
        left_out = [f"{n} {reason.replace('_', ' ')}" for reason, n in counts.items() if reason in LEFT_OUT and n]
        out.append(
            f"{split}: {counts['kept']} of {counts['windows']} windows of {counts['pieces']} pieces"
            + (f"; left out {', '.join(left_out)}" if left_out else "")
        )
    return out


def pieces(items: Sequence[dataset.Item]) -> np.ndarray:
    """Of which piece of the corpus each window is, int64[N], pieces numbered from 0 on.

    The parts of a piece, as where its metre changes, are of one piece.
    """
    return np.unique([_OF_PIECE.sub("", item.name) for item in items], return_inverse=True)[1]


def unseen(
    items: Sequence[dataset.Item], training: Sequence[dataset.Item], vocabulary: vocabularies.Vocabulary
) -> list[dataset.Item]:
    """The windows that are not alike with any training window."""
    known = {fingerprint(item.arrays, vocabulary) for item in training}
    return [item for item in items if fingerprint(item.arrays, vocabulary) not in known]


def _check_beat(vocabulary: vocabularies.Vocabulary) -> None:
    if "beat" not in dict(vocabulary.conditions):
        raise errors.UserError(
            f"codec {vocabulary.name} does not tell where bars begin; one with the condition beat does, such as "
            "melody-90"
        )


def cut(
    splits: Mapping[str, Sequence[dataset.Item]],
    vocabulary: vocabularies.Vocabulary,
    bars: int,
    frames_per_bar: int = BAR,
) -> tuple[dict[str, list[dataset.Item]], dict[str, dict[str, int]]]:
    """Cuts pieces into windows of whole bars that begin at each bar line.

    Args:
        splits: Pieces whose arrays carry `beat`.
        vocabulary: Their table.
        bars: Bars of a window; each must have exactly `frames_per_bar` frames.
        frames_per_bar: The bar's length.

    Returns:
        The windows of each split. Each is named by its piece and the bar in it where it begins, from 1, as in
        `tune@3`, and has its piece's group. And counts by split: `pieces` that gave a window, `windows` found, and how
        many of these were `silent` (no note begins), `repeated` (in the split), `in_train`, `in_test`, or are `kept`.
    """
    out: dict[str, list[dataset.Item]] = {name: [] for name in splits}
    counts: dict[str, dict[str, int]] = {name: {} for name in splits}
    seen: dict[str, set[bytes]] = {}
    for name in sorted(splits, key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER)):
        found = {"pieces": 0, "windows": 0, "silent": 0, "repeated": 0, **{f"in_{other}": 0 for other in seen}}
        own: set[bytes] = set()
        for item in splits[name]:
            windows = _windows(item, vocabulary, bars, frames_per_bar)
            found["pieces"] += bool(windows)
            found["windows"] += len(windows)
            for window in windows:
                mark = fingerprint(window.arrays, vocabulary)
                known = next((other for other, marks in seen.items() if mark in marks), None)
                if mark is None:
                    found["silent"] += 1
                elif known is not None:
                    found[f"in_{known}"] += 1
                elif mark in own:
                    found["repeated"] += 1
                else:
                    own.add(mark)
                    out[name].append(window)
        counts[name] = {**found, "kept": len(out[name])}
        seen[name] = own
    return out, counts


def fingerprint(arrays: Mapping[str, np.ndarray], vocabulary: vocabularies.Vocabulary) -> bytes | None:
    """The same for arrays that are alike up to transposition; None where no note begins.

    Only what is heard counts, not the conditions.
    """
    moves = augment.pitched(vocabulary)
    if vocabulary.kind != "tokens":
        frames = arrays["frames"]
        used = np.asarray(frames.any(axis=0))
        if not used.any():
            return None
        # The least height above the bottom of a range is 0 then, in whatever key.
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
    """Every window of a piece, silent ones included."""
    beat = item.arrays["beat"]
    lines = np.flatnonzero(beat == 0)
    whole = np.diff(lines, append=len(beat)) == frames_per_bar
    # A bar that breaks off inside has its length by chance.
    whole &= np.array([bool((np.diff(beat[at : at + frames_per_bar]) == 1).all()) for at in lines], bool)
    out = []
    for bar in range(len(lines) - bars + 1):
        if whole[bar : bar + bars].all():
            at, end = lines[bar], lines[bar] + bars * frames_per_bar
            arrays = {name: array[at:end] for name, array in item.arrays.items()}
            out.append(item._replace(name=f"{item.name}@{bar + 1}", arrays=_begin(arrays, vocabulary)))
    return out


def _begin(arrays: dict[str, np.ndarray], vocabulary: vocabularies.Vocabulary) -> dict[str, np.ndarray]:
    """A window in which no note ends that did not begin in it: holds before the first note are silence."""
    if vocabulary.kind != "tokens" or vocabulary.streams > 1 or not vocabulary.has("note_off"):
        return arrays
    tokens = arrays["tokens"]
    hold, off = vocabulary.id("hold"), vocabulary.id("note_off")
    before = np.logical_and.accumulate((tokens == hold) | (tokens == off))
    return {**arrays, "tokens": np.where(before, hold, tokens).astype(tokens.dtype)}
