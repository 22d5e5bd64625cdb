"""Ablations of the Transformer over frames on protocol `jsb16`: what each choice is worth on the validation split.

    python -m benchmarks.ablations --workdir runs/ablations
    python -m benchmarks.ablations --workdir runs/ablations --only order,beat       these anew, the others as they were
    python -m benchmarks.ablations --only "" --curves jsb16-transformer=runs/jsb16-transformer   curves of whole runs

Each variant differs from the first in one thing and is trained alike, for fewer steps than the shipped run. A variant
whose run directory is there goes on where it stopped. Writes docs/results/ablations.md with its picture; the curves are
kept in benchmarks/results/ablations.json.
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
# name -> (what it is, fields of the model, fields of training)
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
    "reader": ("also trained to fill (two layers that read given cells)", {"reader_layers": 2}, {}),
}


ROOT = Path(__file__).parent.parent
RAW = ROOT / "benchmarks" / "results" / "ablations.json"


def curves(run: Path) -> dict[str, Any]:
    """Loss by step of a run directory: of training, as it was logged, and of the validation split."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        part: [(line["step"], round(line["loss"], 4)) for line in lines if line["part"] == part and "loss" in line]
        for part in ("train", "valid")
    }


def train(name: str, workdir: Path, steps: int) -> dict[str, Any]:
    """Trains one variant; its curves."""
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
        raise SystemExit(f"{name} was stopped at step {result.step}; the same command goes on from there")
    return curves(workdir / name)


def late(curve: list[Any], share: float = 0.1) -> float:
    """Mean of the last part of a noisy curve."""
    last = [loss for step, loss in curve if step > (1 - share) * curve[-1][0]]
    return sum(last) / len(last)


def table(variants: dict[str, Any]) -> str:
    """A row a variant."""
    rows = [["variant", "what differs", "validation", "less the first's", "training"]]
    for name, found in variants.items():
        end, base = found["valid"][-1][1], variants["base"]["valid"][-1][1]
        ahead = "" if name == "base" else f"{end - base:+.4f}"
        rows.append([f"`{name}`", VARIANTS[name][0], f"{end:.4f}", ahead, f"{late(found['train']):.3f}"])
    return results.markdown_table(rows)


def whole(runs: dict[str, Any]) -> str:
    """A row a whole run."""
    rows = [["run", "steps", "best validation", "at step", "validation at the end", "training at the end"]]
    for name, found in runs.items():
        at, best = min(found["valid"], key=lambda point: point[1])
        end = found["valid"][-1][1]
        rows.append(
            [f"`{name}`", f"{found['valid'][-1][0]:,}", f"{best:.4f}", f"{at:,}", f"{end:.4f}"]
            + [f"{late(found['train']):.3f}"]
        )
    return results.markdown_table(rows) if len(rows) > 1 else "None is measured yet."


def smooth(curve: list[Any], width: int = 9) -> list[float]:
    """Running means of a noisy curve."""
    values = [loss for _, loss in curve]
    return [sum(part) / len(part) for part in (values[max(0, i - width + 1) : i + 1] for i in range(len(values)))]


def picture(raw: dict[str, Any], out: Path) -> None:
    """Two panels: the variants, and whole runs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(12, 4.8), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(drawn)
    left, right = drawn.subplots(1, 2)
    for at, (name, found) in enumerate(raw["variants"].items()):
        steps, losses = zip(*found["valid"], strict=True)
        left.plot(steps, losses, color=f"C{at % 10}", linestyle="-" if at < 10 else "--", linewidth=1.3, label=name)
    for at, (name, found) in enumerate(raw["runs"].items()):
        steps = [step for step, _ in found["train"]]
        right.plot(
            steps, smooth(found["train"]), color=f"C{at}", linestyle=":", linewidth=1.2, label=f"{name}, training"
        )
        steps, losses = zip(*found["valid"], strict=True)
        right.plot(steps, losses, color=f"C{at}", linewidth=1.5, label=f"{name}, validation")
    for axes, title, low, high in ((left, "Variants, validation", 0.36, 0.5), (right, "Whole runs", 0.25, 0.5)):
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_ylim(low, high)
        axes.set_xlabel("step", fontsize=9)
        axes.set_ylabel("nats a note", fontsize=9)
        axes.legend(fontsize=8, frameon=False, ncols=2 if axes is left else 1)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    drawn.savefig(out, format="png", metadata={"Software": None})


TEXT = """# What each choice is worth

Written by `python -m benchmarks.ablations --workdir runs/ablations`. The Transformer over frames of four voices, on
protocol `jsb16`: nats a note on the validation split, as training measures them. Each variant differs from `base` in
one thing; {steps} steps of {batch} windows of {window} frames, one seed, so that differences of a few thousandths may
be chance. The loss of training, a mean over its last tenth, counts with dropout and, where a net is trained to fill,
with a part of the cells given.

{table}

![Validation by step](../images/ablations.png)

## Whole runs

    python -m benchmarks.ablations --only "" --curves NAME=RUN,...

{whole}

Where validation stands still while training falls on, the net learns the {pieces} training pieces by heart. That is
what limits these runs, not their size or their steps; being trained to fill puts it off. "Larger batches" is
`musejax train jsb16-transformer --training.batch-size 16 --training.steps 4000 --optimizer.weight-decay 0.5`, six
minutes on an NVIDIA H100; losses on that and on a CPU are the same to four digits where both trained a variant.
"""


def write(raw: dict[str, Any], root: Path) -> None:
    """The raw curves, the page and its picture."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / RAW.relative_to(ROOT)).write_text(json.dumps(raw) + "\n")
    training = BASE.training
    text = TEXT.format(
        window=training.window,
        pieces=PIECES,
        steps=raw["steps"],
        batch=training.batch_size,
        table=table(raw["variants"]),
        whole=whole(raw["runs"]),
    )
    (root / "docs/results/ablations.md").write_text(text)
    picture(raw, root / "docs" / "images" / "ablations.png")


def main() -> None:
    """Trains the variants that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, help="where the run directories of the variants go")
    parser.add_argument("--only", default=",".join(VARIANTS), help="variants, with commas")
    parser.add_argument("--steps", type=int, default=BASE.training.steps)
    parser.add_argument("--curves", default="", metavar="NAME=RUN,...", help="run directories whose curves are shown")
    parser.add_argument("--out", type=Path, default=ROOT, help="root of what is written")
    args = parser.parse_args()
    names = [name for name in args.only.split(",") if name]
    for name in names:
        if name not in VARIANTS:
            parser.error(f"--only {name}: there are {', '.join(VARIANTS)}")
    if names and args.workdir is None:
        parser.error("--workdir is needed")
    file = args.out / RAW.relative_to(ROOT)
    raw = json.loads(file.read_text()) if file.exists() else {"steps": args.steps, "variants": {}, "runs": {}}
    if names and raw["steps"] != args.steps:
        parser.error(f"--steps {args.steps}: the variants that are there had {raw['steps']}")
    for name, _, run in (each.partition("=") for each in args.curves.split(",") if each):
        raw["runs"][name] = curves(Path(run))
    for name in names:
        raw["variants"][name] = train(name, args.workdir, args.steps)
        raw["variants"] = {each: raw["variants"][each] for each in VARIANTS if each in raw["variants"]}
        write(raw, args.out)
    write(raw, args.out)


if __name__ == "__main__":
    main()
