"""The page docs/results/transfer.md and its picture, from the curves that benchmarks/transfer.py keeps."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import results

COLOURS = {"scratch": "#7F7F7F", "fine-tuned": "#D55E00", "adapters": "#0072B2"}
# The number of tunes whose curves are shown by step.
SHOWN = 20

Curve = list[tuple[int, float]]


def keep(raw: Mapping[str, Any], file: Path) -> None:
    """Writes the curves."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(raw) + "\n")


def curves(raw: Mapping[str, Any], target: str, method: str, pieces: int) -> dict[int, Curve]:
    """The curves of a cell by seed."""
    found = {}
    for name, run in raw["runs"].items():
        of, how, number, seed = name.split("/")
        if (of, how, int(number)) == (target, method, pieces):
            found[int(seed)] = [(int(step), float(loss)) for step, loss in run["curve"]]
    return found


def sizes(raw: Mapping[str, Any], target: str) -> list[int]:
    """The numbers of tunes that there are."""
    return sorted({int(name.split("/")[2]) for name in raw["runs"] if name.startswith(f"{target}/")})


def best(curve: Curve) -> tuple[int, float]:
    """The lowest point: its step and its loss."""
    return min(curve, key=lambda point: point[1])


def reached(curve: Curve, loss: float) -> int | None:
    """The first step at which a curve is as low as that."""
    return next((step for step, found in curve if found <= loss), None)


def cell(found: Mapping[int, Curve]) -> str:
    """The mean of the best over seeds, with the least and the largest, and the median step."""
    if not found:
        return ""
    points = [best(curve) for curve in found.values()]
    losses = [loss for _, loss in points]
    text = f"{statistics.mean(losses):.3f}"
    text += f" ({min(losses):.3f} to {max(losses):.3f})" if len(losses) > 1 else ""
    return f"{text} at {statistics.median(step for step, _ in points):.0f}"


def overtaken(scratch: Mapping[int, Curve], tuned: Mapping[int, Curve]) -> str:
    """In how many steps fine-tuning is as good as scratch's best, seed by seed."""
    found = [(reached(tuned[seed], best(curve)[1]), best(curve)[0]) for seed, curve in scratch.items() if seed in tuned]
    if not found:
        return ""
    if any(step is None for step, _ in found):
        return f"in {sum(step is not None for step, _ in found)} of {len(found)} seeds only"
    steps = statistics.median(step for step, _ in found if step is not None)
    return f"{steps:.0f} of {statistics.median(end for _, end in found):.0f}"


def table(raw: Mapping[str, Any]) -> str:
    """A row for each target and number of tunes."""
    rows = [["target", "tunes", "as it was", "from scratch", "fine-tuned", "adapters", "as good as scratch after"]]
    for target in raw["bases"]:
        for pieces in sizes(raw, target):
            scratch, tuned, adapters = (curves(raw, target, method, pieces) for method in COLOURS)
            before = next(iter(tuned.values()))[0][1] if tuned else None
            rows.append(
                [f"`{target}`", str(pieces), "" if before is None else f"{before:.3f}"]
                + [cell(scratch), cell(tuned), cell(adapters), overtaken(scratch, tuned)]
            )
    return results.markdown_table(rows)


def _band(axes: Any, at: list[int], columns: list[list[float]], colour: str, label: str) -> None:
    """A line of means with the span of the seeds."""
    means = [statistics.mean(column) for column in columns]
    axes.plot(at, means, color=colour, linewidth=1.5, marker="o", markersize=3, label=label)
    axes.fill_between(at, [min(c) for c in columns], [max(c) for c in columns], color=colour, alpha=0.15, linewidth=0)


def picture(raw: Mapping[str, Any], out: Path) -> None:
    """For each target: the best by number of tunes, and the way there by step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    targets = list(raw["bases"])
    drawn = Figure(figsize=(12, 4.4 * len(targets)), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(drawn)
    panels = drawn.subplots(len(targets), 2, squeeze=False)
    for (left, right), target in zip(panels, targets, strict=True):
        numbers = sizes(raw, target)
        shown = SHOWN if SHOWN in numbers else numbers[-1]
        for method, colour in COLOURS.items():
            found = {pieces: curves(raw, target, method, pieces) for pieces in numbers}
            there = [pieces for pieces in numbers if found[pieces]]
            _band(left, there, [[best(c)[1] for c in found[p].values()] for p in there], colour, method)
            by_step = list(found[shown].values()) if shown in there else []
            if by_step:
                steps = [step for step, _ in by_step[0]]
                columns = [[curve[i][1] for curve in by_step] for i in range(len(steps))]
                _band(right, steps, columns, colour, method)
        left.set_xscale("log")
        left.set_xticks(numbers, [str(n) for n in numbers])
        left.set_title(f"{target}: best, by number of tunes", fontsize=10, loc="left")
        right.set_title(f"{target}: {shown} tunes, by step", fontsize=10, loc="left")
        left.set_xlabel("tunes", fontsize=9)
        right.set_xlabel("step", fontsize=9)
        for axes in (left, right):
            axes.set_ylabel("test, nats a token", fontsize=9)
            axes.legend(fontsize=8, frameon=False)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(out, format="png", metadata={"Software": None})


TEXT = """# What starting from a trained net is worth

Written by `python -m benchmarks.transfer --workdir runs/transfer`. A net (LSTM, 1 x 128, codec `melody-basic`) is
trained for {base_steps} steps on the collections of `folk-tunes` but one; a few tunes of that one are then learnt for
{steps} steps of 8 windows of 128 tokens: from random weights, from the trained ones, or by adapters of rank 4 beside
them. Test tunes of the same collection are scored every 20 steps: nats a token, the lowest point of each curve, its
mean over {seeds} seeds (each with other tunes and other weights) with the least and the largest, and its step, the
median. *As it was* is the trained net before any tuning; the last column says after how many steps fine-tuning was as
good as training from scratch ever became, and at which step that was.

{table}

![Test likelihood by number of tunes, and by step](../images/transfer.png)

{bases}

All of it took {minutes:.0f} minutes of processor time.
"""


def write(raw: Mapping[str, Any], root: Path) -> None:
    """The page and its picture."""
    (root / "docs/results").mkdir(parents=True, exist_ok=True)
    seeds = len({name.split("/")[3] for name in raw["runs"]})
    bases = " ".join(
        f"Pre-training without `{target}` heard {base['pieces']:,} tunes and took {base['seconds'] / 60:.1f} minutes "
        "of processor time."
        for target, base in raw["bases"].items()
    )
    every = [*raw["bases"].values(), *raw["runs"].values()]
    minutes = sum(run["seconds"] for run in every) / 60
    text = TEXT.format(**raw["settings"], seeds=seeds, table=table(raw), bases=bases, minutes=minutes)
    (root / "docs/results/transfer.md").write_text(text)
    picture(raw, root / "docs" / "images" / "transfer.png")
