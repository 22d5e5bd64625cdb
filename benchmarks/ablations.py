"""Trains ablations of the Transformer over frames on protocol `jsb16`, and writes the page docs/results/ablations.md.

    python -m benchmarks.ablations --workdir runs/ablations
    python -m benchmarks.ablations --workdir runs/ablations --only order,beat       measure these again, keep the others
    python -m benchmarks.ablations --only "" --curves jsb16-transformer=runs/jsb16-transformer   curves of other runs

Each variant differs from the first in one choice, and is trained for fewer steps than the shipped run. A variant whose
run directory exists continues where it stopped. The curves are stored in benchmarks/results/ablations.json.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import results
from musejax.experiments import experiment as experiments
from musejax.models import transformer
from musejax.training.settings import Optimizer, Training

BASE = experiments.Experiment(
    name="ablation",
    data="jsb16",
    codec="chorale-pitches",
    model=dataclasses.replace(transformer.VOICES, width=160, feed_forward=320, dropout=0.3, reader_layers=0),
    optimizer=Optimizer(learning_rate=1e-3, warmup_steps=100, weight_decay=0.1, ema_decay=0.995, final_fraction=0.02),
    training=Training(
        steps=750, batch_size=6, window=192, context=16, transpose=6, eval_every=125, save_every=250, log_every=25
    ),
)
PIECES = 229  # in the training split
# Name -> (description, fields of the model, fields of training).
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "base": ("rotary, soprano-bass-tenor-alto, beat, 3 layers of 160, dropout .3, transposed", {}, {}),
    "relative": ("Music Transformer's relative positions", {"positions": "relative"}, {}),
    "sinusoidal": ("sinusoidal positions", {"positions": "sinusoidal"}, {}),
    "order": ("voices from soprano to bass", {"order": (0, 1, 2, 3)}, {}),
    "bass-up": ("voices from bass to soprano", {"order": (3, 2, 1, 0)}, {}),
    "beat": ("no beat", {"conditions": ()}, {}),
    "small": ("3 layers of 80", {"width": 80, "feed_forward": 160}, {}),
    "large": ("5 layers of 256", {"num_layers": 5, "width": 256, "feed_forward": 512}, {}),
    "no-dropout": ("no dropout", {"dropout": 0.0, "input_dropout": 0.0, "head_dropout": 0.0}, {}),
    "more-dropout": ("dropout .5 in the stack", {"dropout": 0.5}, {}),
    "untransposed": ("no transposition", {}, {"transpose": 0}),
    "reader": ("also trained to fill gaps (two layers that read given cells)", {"reader_layers": 2}, {}),
}


ROOT = Path(__file__).parent.parent
RAW = ROOT / "benchmarks" / "results" / "ablations.json"


def read_curves(run: Path) -> dict[str, Any]:
    """Returns the logged training losses and the validation losses of a run directory, as (step, loss)."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        part: [(line["step"], round(line["loss"], 4)) for line in lines if line["part"] == part and "loss" in line]
        for part in ("train", "valid")
    }


def train(name: str, workdir: Path, steps: int) -> dict[str, Any]:
    """Trains one variant and returns its curves."""
    _, model, training = VARIANTS[name]
    assert BASE.model is not None
    experiment = dataclasses.replace(
        BASE,
        name=name,
        model=dataclasses.replace(BASE.model, **model),
        training=dataclasses.replace(BASE.training, steps=steps, **training),
    )
    result = experiments.run(experiment, workdir / name, lambda text: print(text, file=sys.stderr))
    if result.stopped.startswith("SIG"):
        raise SystemExit(f"{name} was stopped at step {result.step}; run the same command again to continue")
    return read_curves(workdir / name)


def average_end(curve: list[Any], share: float = 0.1) -> float:
    """Returns the mean of the last part of a noisy curve."""
    last = [loss for step, loss in curve if step > (1 - share) * curve[-1][0]]
    return sum(last) / len(last)


def variants_table(variants: dict[str, Any]) -> str:
    """Returns a table with a row for each variant."""
    rows = [["variant", "what differs", "validation", "difference from `base`", "training"]]
    for name, curves in variants.items():
        end, base = curves["valid"][-1][1], variants["base"]["valid"][-1][1]
        ahead = "" if name == "base" else f"{end - base:+.4f}"
        rows.append([f"`{name}`", VARIANTS[name][0], f"{end:.4f}", ahead, f"{average_end(curves['train']):.3f}"])
    return results.markdown_table(rows)


def runs_table(runs: dict[str, Any]) -> str:
    """Returns a table with a row for each whole run."""
    rows = [["run", "steps", "best validation", "at step", "validation at the end", "training at the end"]]
    for name, curves in runs.items():
        at, best = min(curves["valid"], key=lambda point: point[1])
        end = curves["valid"][-1][1]
        rows.append(
            [f"`{name}`", f"{curves['valid'][-1][0]:,}", f"{best:.4f}", f"{at:,}", f"{end:.4f}"]
            + [f"{average_end(curves['train']):.3f}"]
        )
    return results.markdown_table(rows) if len(rows) > 1 else "No run has been measured yet."


def smooth(curve: list[Any], width: int = 9) -> list[float]:
    """Returns the running means of a noisy curve."""
    values = [loss for _, loss in curve]
    return [sum(part) / len(part) for part in (values[max(0, i - width + 1) : i + 1] for i in range(len(values)))]


def picture(raw: dict[str, Any], out: Path) -> None:
    """Draws two panels: the variants, and whole runs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.8), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for at, (name, curves) in enumerate(raw["variants"].items()):
        steps, losses = zip(*curves["valid"], strict=True)
        left.plot(steps, losses, color=f"C{at % 10}", linestyle="-" if at < 10 else "--", linewidth=1.3, label=name)
    for at, (name, curves) in enumerate(raw["runs"].items()):
        steps = [step for step, _ in curves["train"]]
        right.plot(
            steps, smooth(curves["train"]), color=f"C{at}", linestyle=":", linewidth=1.2, label=f"{name}, training"
        )
        steps, losses = zip(*curves["valid"], strict=True)
        right.plot(steps, losses, color=f"C{at}", linewidth=1.5, label=f"{name}, validation")
    for axes, title, low, high in ((left, "Variants, validation", 0.36, 0.5), (right, "Whole runs", 0.25, 0.5)):
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_ylim(low, high)
        axes.set_xlabel("step", fontsize=9)
        axes.set_ylabel("nats per note", fontsize=9)
        axes.legend(fontsize=8, frameon=False, ncols=2 if axes is left else 1)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(out, format="png", metadata={"Software": None})


TEXT = """# What each choice is worth

Which choices matter for the Transformer over frames of four voices, and what limits its training?

The size of the network, the order of the voices and the beat matter most. Differences of a few thousandths of a nat,
such as those between kinds of positions, may be chance. What limits longer training is the small corpus: its {pieces}
training pieces are soon learnt by heart.

    python -m benchmarks.ablations --workdir runs/ablations

## Variants

Each variant differs from `base` in one choice and was trained for {steps} steps of {batch} windows of {window} frames
with one seed. *Validation* is the cost on the validation split of protocol `jsb16` in nats per note. *Training* is the
training loss, averaged over the last tenth of the steps. It includes dropout and, for a network that is trained to fill
gaps, the given cells.

{table}

![Validation loss by step](../images/ablations.png)

## Whole runs

    python -m benchmarks.ablations --only "" --curves NAME=RUN,...

{whole}

Where the validation loss stands still while the training loss keeps falling, the network memorises the training pieces.
This limits the runs, not their size or their number of steps; training to fill gaps delays it. *Larger batches* was
trained in six minutes on an NVIDIA H100:

    musejax train jsb16-transformer --training.batch-size 16 --training.steps 4000 --optimizer.weight-decay 0.5

For variants that were trained on both, losses on the H100 and on a CPU agree to four digits.
"""


def write(raw: dict[str, Any], root: Path) -> None:
    """Writes the raw curves, the page and its picture."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / RAW.relative_to(ROOT)).write_text(json.dumps(raw) + "\n")
    training = BASE.training
    text = TEXT.format(
        window=training.window,
        pieces=PIECES,
        steps=raw["steps"],
        batch=training.batch_size,
        table=variants_table(raw["variants"]),
        whole=runs_table(raw["runs"]),
    )
    (root / "docs/results/ablations.md").write_text(text)
    picture(raw, root / "docs" / "images" / "ablations.png")


def main() -> None:
    """Trains the variants that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, help="folder for the run directories of the variants")
    parser.add_argument("--only", default=",".join(VARIANTS), help="variants, separated by commas (default: all)")
    parser.add_argument("--steps", type=int, default=BASE.training.steps, help="steps of each variant")
    parser.add_argument("--curves", default="", metavar="NAME=RUN,...", help="run directories whose curves to show")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder to write to")
    args = parser.parse_args()
    names = [name for name in args.only.split(",") if name]
    for name in names:
        if name not in VARIANTS:
            parser.error(f"--only {name}: the variants are {', '.join(VARIANTS)}")
    if names and args.workdir is None:
        parser.error("--workdir is missing; name a folder for the run directories, such as runs/ablations")
    file = args.out / RAW.relative_to(ROOT)
    raw = json.loads(file.read_text()) if file.exists() else {"steps": args.steps, "variants": {}, "runs": {}}
    if names and raw["steps"] != args.steps:
        parser.error(f"--steps is {args.steps}, but the stored variants have {raw['steps']} steps")
    for name, _, run in (each.partition("=") for each in args.curves.split(",") if each):
        raw["runs"][name] = read_curves(Path(run))
    for name in names:
        raw["variants"][name] = train(name, args.workdir, args.steps)
        raw["variants"] = {each: raw["variants"][each] for each in VARIANTS if each in raw["variants"]}
        write(raw, args.out)
    write(raw, args.out)


if __name__ == "__main__":
    main()
