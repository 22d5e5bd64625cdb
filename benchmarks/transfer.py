"""Compares fine-tuning, adapters and training from scratch on a few tunes of a collection left out of pre-training.

    python -m benchmarks.transfer --workdir runs/transfer
    python -m benchmarks.transfer --workdir runs/transfer --targets oneills1850 --pieces 20 --seeds 1

For each target collection of `folk-tunes`, a network is trained on all other collections. It then learns a number of
tunes of the target's training split in three ways, while test tunes of the target are scored. All variants of a tune
are in one split, whatever their collection, so no scored tune was used in training in any form. All ways are scored at
the same steps. The best point of a curve is its lowest, which favours the way that overfits first, training from
scratch.

Writes the page docs/results/transfer.md with its picture. The curves are stored in benchmarks/results/transfer.json;
those that it has are not trained again.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import transfer_page
from musejax.corpora import preparation
from musejax.experiments import experiment as experiments
from musejax.models import recurrent
from musejax.pipeline import dataset
from musejax.training import adapters as lora
from musejax.training.settings import Optimizer, Training

CORPUS, CODEC = "folk-tunes", "melody-basic"
TARGETS = ("oneills1850", "essenFolksong")
SCORED = 100  # number of test tunes of a target

ROOT = Path(__file__).parent.parent
RAW = "benchmarks/results/transfer.json"

BASE = experiments.Experiment(
    name="base",
    data=CORPUS,
    codec=CODEC,
    model=recurrent.Config(num_layers=1, hidden=128, dropout=0.1),
    optimizer=Optimizer(learning_rate=5e-3, warmup_steps=50, ema_decay=0.99),
    training=Training(
        steps=1500, batch_size=32, window=128, eval_every=250, eval_batch_size=64, save_every=250, log_every=50
    ),
)
SMALL = dataclasses.replace(
    BASE,
    optimizer=Optimizer(warmup_steps=10, schedule="constant", ema_decay=0.9),
    training=Training(
        steps=500, batch_size=8, window=128, eval_every=20, eval_first=True, eval_batch_size=50, save_every=500,
        log_every=100,
    ),
)  # fmt: skip
# Name -> learning rate, adapters.
METHODS: dict[str, tuple[float, lora.Config]] = {
    "scratch": (3e-3, lora.Config()),
    "fine-tuned": (1e-3, lora.Config()),
    "adapters": (3e-3, lora.Config(rank=4)),
}


def say(text: str) -> None:
    """Prints a line to standard error."""
    print(text, file=sys.stderr, flush=True)


def collection_of(item: dataset.Item) -> str:
    """Returns the collection of a tune."""
    return item.name.split("/")[0]


def leave_out(data: dataset.Dataset, target: str) -> dataset.Dataset:
    """Returns the training and validation tunes of all collections but one."""
    splits = {split: [i for i in data.splits[split] if collection_of(i) != target] for split in ("train", "valid")}
    return dataclasses.replace(data, splits={**splits, "test": []})


def select_tunes(data: dataset.Dataset, target: str, pieces: int, seed: int) -> dataset.Dataset:
    """Returns `pieces` training tunes of a collection, and its test tunes to score.

    For one seed, a larger number of tunes includes the tunes of a smaller one.
    """
    own = {
        split: [i for i in data.splits[split] if collection_of(i) == target and "#" not in i.name]
        for split in ("train", "test")
    }
    order = np.random.default_rng(seed).permutation(len(own["train"]))[:pieces]
    splits = {"train": [own["train"][i] for i in order], "valid": own["test"][:SCORED], "test": []}
    return dataclasses.replace(data, splits=splits)


def train(experiment: experiments.Experiment, workdir: Path) -> list[tuple[int, float]]:
    """Trains an experiment and returns the losses on the scored tunes as (step, loss)."""
    import jax

    result = experiments.run(experiment, workdir, say)
    if result.stopped.startswith("SIG"):
        raise SystemExit(f"stopped at step {result.step}; run the same command again to continue")
    jax.clear_caches()
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], round(line["loss"], 5)) for line in lines if line["part"] == "valid"]


def pretrain(data: dataset.Dataset, target: str, workdir: Path, steps: int) -> dict[str, Any]:
    """Trains the base of a target; returns its curve, number of training tunes and seconds of processor time."""
    rest = leave_out(data, target)
    rest.save(workdir / f"{target}-rest.npz")
    experiment = dataclasses.replace(
        BASE,
        name=f"base-{target}",
        data=str(workdir / f"{target}-rest.npz"),
        training=dataclasses.replace(BASE.training, steps=steps),
    )
    start = time.process_time()
    curve = train(experiment, workdir / f"base-{target}")
    return {"curve": curve, "pieces": len(rest.splits["train"]), "seconds": round(time.process_time() - start, 1)}


def tune(
    data: dataset.Dataset, target: str, method: str, pieces: int, seed: int, steps: int, workdir: Path
) -> dict[str, Any]:
    """Trains one run; returns its curve on the test tunes and seconds of processor time."""
    name = f"{target}-{pieces}-{seed}"
    select_tunes(data, target, pieces, seed).save(workdir / f"{name}.npz")
    rate, adapters = METHODS[method]
    experiment = dataclasses.replace(
        SMALL,
        name=f"{name}-{method}",
        data=str(workdir / f"{name}.npz"),
        optimizer=dataclasses.replace(SMALL.optimizer, learning_rate=rate),
        training=dataclasses.replace(SMALL.training, steps=steps, save_every=steps, seed=seed),
        init_from="" if method == "scratch" else str(workdir / f"base-{target}"),
        adapters=adapters,
    )
    start = time.process_time()
    curve = train(experiment, workdir / experiment.name)
    return {"curve": curve, "seconds": round(time.process_time() - start, 1)}


def parse_numbers(text: str) -> list[int]:
    """Parses numbers separated by commas."""
    return [int(n) for n in text.split(",")]


def main() -> None:
    """Trains the requested runs that are not stored yet."""
    from musejax import commands

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True, help="folder for the run directories")
    parser.add_argument("--targets", default=",".join(TARGETS), help="collections, separated by commas")
    parser.add_argument(
        "--pieces", type=parse_numbers, default=[1, 5, 20, 100], help="numbers of tunes, separated by commas"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--steps", type=int, default=SMALL.training.steps, help="steps of each tuning")
    parser.add_argument("--base-steps", type=int, default=BASE.training.steps, help="steps of pre-training")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder to write to")
    args = parser.parse_args()
    commands.begin()
    args.workdir.mkdir(parents=True, exist_ok=True)
    data = preparation.prepare(CORPUS, CODEC, say)
    targets = args.targets.split(",")
    collections = sorted({collection_of(item) for item in data.splits["train"]})
    if set(targets) - set(collections):
        parser.error(f"--targets {args.targets}: the collections are {', '.join(collections)}")
    file, settings = args.out / RAW, {"steps": args.steps, "base_steps": args.base_steps}
    raw: dict[str, Any] = {"settings": settings, "bases": {}, "runs": {}}
    if file.exists():
        raw = json.loads(file.read_text())
        if raw["settings"] != settings:
            parser.error(f"{file} has runs with {raw['settings']}; use these settings or another --out")
    for target in targets:
        if target not in raw["bases"]:
            raw["bases"][target] = pretrain(data, target, args.workdir, args.base_steps)
        for seed in range(args.seeds):
            for pieces in args.pieces:
                for method in METHODS:
                    name = f"{target}/{method}/{pieces}/{seed}"
                    if name not in raw["runs"]:
                        say(f"== {name}")
                        raw["runs"][name] = tune(data, target, method, pieces, seed, args.steps, args.workdir)
                        transfer_page.save(raw, file)
    transfer_page.write(raw, args.out)


if __name__ == "__main__":
    main()
