"""Ablations of the Transformer over frames on protocol `jsb16`: what each choice is worth on the validation split.

    python benchmarks/ablations.py --workdir runs/ablations
    python benchmarks/ablations.py --workdir runs/ablations --only order,beat

Each variant differs from the first in one thing and is trained alike, for fewer steps than the shipped run. A variant
whose run directory is there goes on where it stopped. Prints one JSON object; `--json FILE` also writes it.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from musejax import experiments
from musejax.models import transformer
from musejax.training.config import Optimizer, Training

BASE = experiments.Experiment(
    name="ablation",
    data="jsb16",
    codec="chorale-pitches",
    model=dataclasses.replace(transformer.VOICES, num_layers=3, width=160, feed_forward=320, dropout=0.3),
    optimizer=Optimizer(learning_rate=1e-3, warmup_steps=100, weight_decay=0.1, ema_decay=0.995, final_fraction=0.02),
    training=Training(
        steps=750, batch_size=6, window=192, context=16, transpose=6, eval_every=125, save_every=250, log_every=25
    ),
)
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


def train(name: str, workdir: Path, steps: int) -> dict[str, Any]:
    """Trains one variant and reads its curve on the validation split."""
    what, model, training = VARIANTS[name]
    experiment = dataclasses.replace(
        BASE,
        name=name,
        model=dataclasses.replace(BASE.model, **model),
        training=dataclasses.replace(BASE.training, steps=steps, **training),
    )
    result = experiments.run(experiment, workdir / name, lambda text: print(text, file=sys.stderr))
    if result.stopped.startswith("SIG"):
        raise SystemExit(f"{name} was stopped at step {result.step}; the same command goes on from there")
    lines = [json.loads(line) for line in (workdir / name / "metrics.jsonl").read_text().splitlines()]
    curve = [(line["step"], round(line["loss"], 4)) for line in lines if line["part"] == "valid"]
    train_loss = [line["loss"] for line in lines if line["part"] == "train"][-4:]
    return {
        "what": what,
        "valid": curve[-1][1],
        "best": min(loss for _, loss in curve),
        "train": round(sum(train_loss) / len(train_loss), 4),
        "curve": curve,
    }


def main() -> None:
    """Trains the variants that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True, help="where the run directories go")
    parser.add_argument("--only", default=",".join(VARIANTS), help="variants, with commas")
    parser.add_argument("--steps", type=int, default=BASE.training.steps)
    parser.add_argument("--json", type=Path, help="also write the result there")
    args = parser.parse_args()
    result = {}
    for name in args.only.split(","):
        result[name] = train(name, args.workdir, args.steps)
        text = json.dumps({"steps": args.steps, "variants": result}, indent=1)
        if args.json:
            args.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
