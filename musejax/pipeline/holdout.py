"""A validation split for few pieces: some of them, whole, out of training."""

import dataclasses
import hashlib

from musejax.pipeline import dataset


def of(data: dataset.Dataset, least: int) -> dataset.Dataset:
    """A data set whose validation split has at least so many melody groups, where training can spare them.

    Groups are taken whole from the training split in the order of a hash of their names, so that the choice does not
    depend on what else is there; half of them at least stay. The pieces that were taken are listed in the report as
    `held_out`. A data set with enough to validate on is returned as it is.

    Args:
        data: With its splits as its corpus has them.
        least: Groups of pieces; 0 takes none.
    """
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


def tell(data: dataset.Dataset) -> list[str]:
    """What was taken, in a line; none where nothing was."""
    names = data.report.get("held_out", ())
    return [f"held out of training to validate on: {', '.join(names)}"] if names else []
