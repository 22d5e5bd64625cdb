"""A validation split for few pieces: some of them, whole, out of training."""

import dataclasses
import hashlib

from musejax.pipeline import dataset

# A set of fewer melody groups is so small that a split by hash may leave next to nothing to train on.
FEW = 50


def hold_out(data: dataset.Dataset, least: int) -> dataset.Dataset:
    """A data set whose validation split has at least so many melody groups, where training can spare them.

    Of fewer than `FEW` groups two thirds at least should be there to train and to validate on; where they are not, the
    test split joins the training split, and the pieces are listed in the report as `from_test`.

    Groups are taken whole from the training split in the order of a hash of their names, so that the choice does not
    depend on what else is there; half of them at least stay. The pieces that were taken are listed in the report as
    `held_out`. A data set with enough to validate on is returned as it is.

    Args:
        data: With its splits as its corpus has them.
        least: Groups of pieces; 0 takes none.
    """
    if least:
        data = _without_test(data)
    training, valid = list(data.splits.get("train", ())), list(data.splits.get("valid", ()))
    groups = sorted({i.group for i in training}, key=lambda group: hashlib.sha256(group.encode()).digest())
    wanted = min(least - len({i.group for i in valid}), len(groups) // 2)
    if wanted <= 0:
        return data
    taken = set(groups[:wanted])
    held_out = [i for i in training if i.group in taken]
    splits = {**data.splits, "train": [i for i in training if i.group not in taken], "valid": [*valid, *held_out]}
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
    """What was moved, a line for each split; none where nothing was."""
    moved = (
        ("from_test", "moved from the test split to training"),
        ("held_out", "held out of training to validate on"),
    )
    return [f"{what}: {', '.join(data.report[name])}" for name, what in moved if data.report.get(name)]
