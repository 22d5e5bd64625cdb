"""The page docs/results/transfer.md and its picture, from the curves that benchmarks/transfer.py stores."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import results

COLOURS = {"scratch": "#7F7F7F", "fine-tuned": "#D55E00", "adapters": "#0072B2"}
# Number of tunes of the runs whose curves are drawn by step.
SHOWN = 20

Curve = list[tuple[int, float]]


def save(raw: Mapping[str, Any], file: Path) -> None:
    """Writes the curves to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(raw) + "\n")


def select_curves(raw: Mapping[str, Any], target: str, method: str, pieces: int) -> dict[int, Curve]:
    """Returns the curves of one target, method and number of tunes by seed."""
    curves = {}
    for name, run in raw["runs"].items():
        of, how, number, seed = name.split("/")
        if (of, how, int(number)) == (target, method, pieces):
            curves[int(seed)] = [(int(step), float(loss)) for step, loss in run["curve"]]
    return curves


def tune_counts(raw: Mapping[str, Any], target: str) -> list[int]:
    """Returns the numbers of tunes that were measured."""
    return sorted({int(name.split("/")[2]) for name in raw["runs"] if name.startswith(f"{target}/")})


def find_best(curve: Curve) -> tuple[int, float]:
    """Returns the step and the loss of the lowest point."""
    return min(curve, key=lambda point: point[1])


def first_step_below(curve: Curve, loss: float) -> int | None:
    """Returns the first step at which a curve is at most `loss`, or None."""
    return next((step for step, value in curve if value <= loss), None)


def format_best(curves: Mapping[int, Curve]) -> str:
    """Formats the best losses: their mean over seeds, the lowest and highest, and the median step."""
    if not curves:
        return ""
    points = [find_best(curve) for curve in curves.values()]
    losses = [loss for _, loss in points]
    text = f"{statistics.mean(losses):.3f}"
    text += f" ({min(losses):.3f} to {max(losses):.3f})" if len(losses) > 1 else ""
    return f"{text} at {statistics.median(step for step, _ in points):.0f}"


def format_crossing(scratch: Mapping[int, Curve], tuned: Mapping[int, Curve]) -> str:
    """Formats the step at which fine-tuning equals the best of training from scratch, and the step of that best."""
    pairs = [(find_best(curve), tuned[seed]) for seed, curve in scratch.items() if seed in tuned]
    crossings = [(first_step_below(curve, loss), step) for (step, loss), curve in pairs]
    if not crossings:
        return ""
    if any(step is None for step, _ in crossings):
        return f"only in {sum(step is not None for step, _ in crossings)} of {len(crossings)} seeds"
    steps = statistics.median(step for step, _ in crossings if step is not None)
    return f"{steps:.0f} of {statistics.median(end for _, end in crossings):.0f}"


def results_table(raw: Mapping[str, Any]) -> str:
    """Returns a table with a row for each target and number of tunes."""
    rows = [["target", "tunes", "not tuned", "from scratch", "fine-tuned", "adapters", "equals scratch at step"]]
    for target in raw["bases"]:
        for pieces in tune_counts(raw, target):
            scratch, tuned, adapters = (select_curves(raw, target, method, pieces) for method in COLOURS)
            before = next(iter(tuned.values()))[0][1] if tuned else None
            rows.append(
                [f"`{target}`", str(pieces), "" if before is None else f"{before:.3f}"]
                + [format_best(scratch), format_best(tuned), format_best(adapters), format_crossing(scratch, tuned)]
            )
    return results.markdown_table(rows)


def _draw_band(axes: Any, at: list[int], columns: list[list[float]], colour: str, label: str) -> None:
    """Draws a line of means with the range of the seeds."""
    means = [statistics.mean(column) for column in columns]
    axes.plot(at, means, color=colour, linewidth=1.5, marker="o", markersize=3, label=label)
    axes.fill_between(at, [min(c) for c in columns], [max(c) for c in columns], color=colour, alpha=0.15, linewidth=0)


def picture(raw: Mapping[str, Any], out: Path) -> None:
    """Draws for each target the best losses by number of tunes, and the losses by step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    targets = list(raw["bases"])
    figure = Figure(figsize=(12, 4.4 * len(targets)), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(targets), 2, squeeze=False)
    for (left, right), target in zip(panels, targets, strict=True):
        numbers = tune_counts(raw, target)
        shown = SHOWN if SHOWN in numbers else numbers[-1]
        for method, colour in COLOURS.items():
            curves = {pieces: select_curves(raw, target, method, pieces) for pieces in numbers}
            measured = [pieces for pieces in numbers if curves[pieces]]
            lowest = [[find_best(curve)[1] for curve in curves[pieces].values()] for pieces in measured]
            _draw_band(left, measured, lowest, colour, method)
            by_step = list(curves[shown].values()) if shown in measured else []
            if by_step:
                steps = [step for step, _ in by_step[0]]
                columns = [[curve[i][1] for curve in by_step] for i in range(len(steps))]
                _draw_band(right, steps, columns, colour, method)
        left.set_xscale("log")
        left.set_xticks(numbers, [str(n) for n in numbers])
        left.set_title(f"{target}: best, by number of tunes", fontsize=10, loc="left")
        right.set_title(f"{target}: {shown} tunes, by step", fontsize=10, loc="left")
        left.set_xlabel("tunes", fontsize=9)
        right.set_xlabel("step", fontsize=9)
        for axes in (left, right):
            axes.set_ylabel("test, nats per token", fontsize=9)
            axes.legend(fontsize=8, frameon=False)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, format="png", metadata={"Software": None})


TEXT = """# What starting from a trained model is worth

How much does pre-training help if there are only a few tunes of a new collection to learn from?

With up to 20 tunes, the pre-trained network is better than training from scratch even before it is tuned. With 100
tunes, fine-tuning is better than training from scratch in no more than 20 steps, and adapters are nearly as good. How
many tunes tuning itself needs depends on the collection: five taught it something about `essenFolksong`, 20 nothing
about `oneills1850`.

    python -m benchmarks.transfer --workdir runs/transfer

A network (LSTM, 1 x 128, codec `melody-basic`) is pre-trained for {base_steps} steps on all collections of `folk-tunes`
but one, the target. A few tunes of the target are then learnt for {steps} steps of 8 windows of 128 tokens: *from
scratch* (random weights), *fine-tuned* (from the pre-trained weights), or by *adapters* of rank 4 next to them. Test
tunes of the target are scored every 20 steps.

The table has the lowest cost of each curve in nats per token: the mean over {seeds} seeds (each with other tunes and
other weights), in parentheses the lowest and highest, and the median step. *Not tuned* is the pre-trained network. The
last column gives the step at which fine-tuning is as good as the best of training from scratch, and the step of that
best.

{table}

![Test cost by number of tunes, and by step](../images/transfer.png)

{bases} Everything together took {minutes:.0f} minutes of processor time.
"""


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes the page and its picture."""
    (root / "docs/results").mkdir(parents=True, exist_ok=True)
    seeds = len({name.split("/")[3] for name in raw["runs"]})
    bases = " ".join(
        f"Pre-training without `{target}` used {base['pieces']:,} tunes and {base['seconds'] / 60:.1f} minutes of "
        "processor time."
        for target, base in raw["bases"].items()
    )
    every = [*raw["bases"].values(), *raw["runs"].values()]
    minutes = sum(run["seconds"] for run in every) / 60
    text = TEXT.format(**raw["settings"], seeds=seeds, table=results_table(raw), bases=bases, minutes=minutes)
    (root / "docs/results/transfer.md").write_text(text)
    picture(raw, root / "docs" / "images" / "transfer.png")
