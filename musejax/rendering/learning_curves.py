"""Pictures of the learning curves of runs: training and validation loss by step."""

import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors
from musejax.music import atomic_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The picture that training leaves in its run directory.
FILE = "learning-curve.png"
SUFFIXES = (".png", ".svg")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#5F5F5F")
_GRID = "#E3E5E8"


class Curves(NamedTuple):
    """The losses of one run as pairs (step, loss), in the order of steps.

    Attributes:
        train: Losses of training batches.
        valid: Losses on the validation split.
    """

    train: list[tuple[int, float]]
    valid: list[tuple[int, float]]


def read(run: str | os.PathLike[str]) -> Curves:
    """Reads the losses of a run directory.

    Args:
        run: The directory that contains `metrics.jsonl`.

    Raises:
        errors.UserError: The file cannot be read, or has no losses.
    """
    path = Path(run) / "metrics.jsonl"
    curves = Curves([], [])
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise errors.UserError(f"{path} cannot be read ({error.strerror or error}); give a run directory") from error
    for line in lines:
        try:
            entry = json.loads(line)
            step, loss = int(entry["step"]), float(entry["loss"])
        except (ValueError, KeyError, TypeError):
            continue  # a line truncated by a kill, or one without a loss
        if math.isfinite(loss) and entry.get("part") in curves._fields:
            getattr(curves, entry["part"]).append((step, loss))
    if not (curves.train or curves.valid):
        raise errors.UserError(f"{path} has no losses yet; wait for the first evaluation")
    return curves


def figure(runs: Mapping[str, Curves]) -> "Figure":
    """Draws the losses of runs: thin lines for training, thick lines with the best step marked for validation.

    Args:
        runs: Curves by name of the run.

    Returns:
        A matplotlib figure that is not attached to a window.
    """
    from matplotlib.figure import Figure

    out = Figure(figsize=(7.2, 4.4), dpi=150, facecolor="white", layout="constrained")
    axes = out.add_subplot()
    for index, (name, curves) in enumerate(runs.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        if curves.train:
            axes.plot(*zip(*curves.train), color=colour, linewidth=0.9, alpha=0.55, label=f"{name}, training")
        if curves.valid:
            best = min(curves.valid, key=lambda point: point[1])
            label = f"{name}, validation (best {best[1]:.4f} at step {best[0]:,})"
            axes.plot(*zip(*curves.valid), color=colour, linewidth=2.0, marker="o", markersize=2.5, label=label)
            axes.plot(*best, color=colour, marker="o", markersize=7, markerfacecolor="white", markeredgewidth=1.8)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return out


def write(runs: Mapping[str, Curves], path: str | os.PathLike[str]) -> None:
    """Writes the picture drawn by `figure`; the file is complete or absent.

    Args:
        runs: Curves by name of the run.
        path: A path with one of the suffixes in `SUFFIXES`.

    Raises:
        errors.UserError: The path has another suffix, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise errors.UserError(f"{path}: learning curves can be written as {' or '.join(SUFFIXES)}")
    import matplotlib

    data = io.BytesIO()
    # No date and no random identifiers, so that the same curves lead to the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "musejax"}):
        is_png = path.suffix.lower() == ".png"
        metadata = {"Software": None} if is_png else {"Date": None}
        figure(runs).savefig(data, format="png" if is_png else "svg", metadata=metadata)
    atomic_files.write_bytes(path, data.getvalue())
