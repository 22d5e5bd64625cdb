"""Moves whole pieces of a small corpus from the training split to the validation split."""

import dataclasses
import hashlib

from musejax.pipeline import dataset

# With fewer melody groups than this, a split by hash may leave too few pieces to train on.
FEW = 50


def hold_out(data: dataset.Dataset, least: int) -> dataset.Dataset:
    """Returns a data set whose validation split has at least `least` melody groups, if the training split allows it.

    Whole groups are moved from the training split in the order of a hash of their names, so that the choice does not
    depend on the other groups. At least half of them stay in the training split. The moved pieces are listed in the
    report as `held_out`.

    In a corpus with fewer than `FEW` groups, at least two thirds of them should be available for training and
    validation. Otherwise the test split is first moved to the training split, and its pieces are listed in the report
    as `from_test`.

    Args:
        data: Data set with the splits of its corpus.
        least: Smallest number of groups in the validation split; 0 returns the data set unchanged.
    """
    if least:
        data = _without_test(data)
    training, valid = list(data.splits.get("train", ())), list(data.splits.get("valid", ()))
    groups = sorted({i.group for i in training}, key=lambda group: hashlib.sha256(group.encode()).digest())
    num = min(least - len({i.group for i in valid}), len(groups) // 2)
    if num <= 0:
        return data
    moved = set(groups[:num])
    held_out = [i for i in training if i.group in moved]
    splits = {**data.splits, "train": [i for i in training if i.group not in moved], "valid": [*valid, *held_out]}
    report = {**data.report, "held_out": [i.name for i in held_out]}
    return dataclasses.replace(data, splits=splits, report=report)


def _without_test(data: dataset.Dataset) -> dataset.Dataset:
    test = list(data.splits.get("test", ()))
    kept = {i.group for split, items in data.splits.items() if split != "test" for i in items}
    total = len(kept | {i.group for i in test})
    if not test or total >= FEW or 3 * len(kept) >= 2 * total:
        return data
    splits = {**data.splits, "train": [*data.splits.get("train", ()), *test], "test": []}
    return dataclasses.replace(data, splits=splits, report={**data.report, "from_test": [i.name for i in test]})


def tell(data: dataset.Dataset) -> list[str]:
    """Describes the pieces that were moved, one line per split; returns no lines if there are none."""
    moved = (
        ("from_test", "moved from the test split to training"),
        ("held_out", "held out of training to validate on"),
    )
    return [f"{what}: {', '.join(data.report[name])}" for name, what in moved if data.report.get(name)]
