"""Tunes a trained model by music rules in several ways, and writes the page docs/results/reinforcement.md.

    python -m benchmarks.rl                          train what is missing in runs/, then measure everything
    python -m benchmarks.rl --only speed             measure one section again and keep the others
    python -m benchmarks.rl --num 50 --steps 2 --runs trial/runs --out trial     a small trial, written elsewhere

The raw results are stored in benchmarks/results/rl.json.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import rl_measures
from benchmarks import rl_page as pages
from musejax import commands, errors, runs, zoo
from musejax.corpora import preparation
from musejax.experiments import experiment as experiments
from musejax.experiments import reinforcement
from musejax.reports import evaluate
from musejax.tuning import rules


class Setting(NamedTuple):
    """The options of the command line.

    Attributes:
        experiment: Experiment of the policy gradient; every other run differs from it in a few fields.
        runs: Folder of the run directories.
        num: Number of melodies in each table, or None for the usual number.
        steps: Steps of each training, or None for the usual number.
    """

    experiment: experiments.Experiment
    runs: Path
    num: int | None
    steps: int | None


def replace_fields(setting: Setting, fields: Mapping[str, Any]) -> experiments.Experiment:
    """Returns the experiment with other fields, named as on the command line: `training.steps`."""
    changed: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        part, _, field = name.partition(".")
        changed.setdefault(part, {})[field] = value
    if setting.steps is not None:
        limits = {"steps": setting.steps, "eval_every": setting.steps, "save_every": setting.steps}
        changed["training"] = {**changed.get("training", {}), **limits}
    experiment = setting.experiment
    parts = {part: dataclasses.replace(getattr(experiment, part), **new) for part, new in changed.items()}
    return dataclasses.replace(experiment, **parts)


def train(setting: Setting, name: str, fields: Mapping[str, Any]) -> runs.Run:
    """Loads a run, and trains it first if it is missing or not finished."""
    shipped = zoo.SHIPPED / name / "run.json"
    if setting.steps is None and not fields and shipped.is_file() and not (setting.runs / name).exists():
        return runs.load(shipped.parent, commands.say)
    workdir = setting.runs / name
    experiments.run(replace_fields(setting, fields), workdir, commands.say)
    return runs.load(workdir, commands.say)


def load_prior(setting: Setting) -> runs.Run:
    """Loads the prior."""
    assert setting.experiment.tuning is not None
    return runs.load(zoo.find(setting.experiment.tuning.base), commands.say)


def table(setting: Setting) -> dict[str, Any]:
    """Measures RL Tuner's table: the prior, its three methods and the policy gradient."""
    prior, num = load_prior(setting), setting.num or pages.TABLE
    tuned = {name: train(setting, name, fields) for name, fields in pages.METHODS.items()}
    amounts = rules.Rules()
    result = evaluate.evaluate(zoo.load(prior.path), None, "test", commands.say)
    rows = {prior.name: rl_measures.measure_melodies(prior, prior, num, pages.SEED, amounts)}
    rows |= {name: rl_measures.measure_melodies(run, prior, num, pages.SEED, amounts) for name, run in tuned.items()}
    prior_figures = {"nll_per_token": result["nll_per_token"], "interval": result["interval"]}
    return {"num": num, "prior": prior.name, "test": prior_figures, "rows": rows}


def leash(setting: Setting) -> dict[str, Any]:
    """Measures the policy gradient over a range of leashes."""
    prior, num = load_prior(setting), setting.num or pages.CURVE
    amounts = setting.experiment.tuning.rules  # type: ignore[union-attr]
    points = []
    for length in pages.LEASHES:
        fields = {**pages.CURVE_FIELDS, "tuning.leash": length}
        run = train(setting, f"{setting.experiment.name}-leash-{length:g}", fields)
        points.append({"leash": length, **rl_measures.measure_melodies(run, prior, num, pages.SEED, amounts)})
    start = rl_measures.measure_melodies(prior, prior, num, pages.SEED, amounts)
    shipped = setting.experiment.tuning.leash  # type: ignore[union-attr]
    return {"num": num, "prior": start, "points": points, "shipped": shipped}


def copies(setting: Setting) -> dict[str, Any]:
    """Measures the longest copied runs of notes in tuned melodies, in those of the prior and in held-out tunes."""
    prior, num = load_prior(setting), setting.num or pages.COPIES
    data = preparation.prepare(prior.config["data"]["source"], prior.vocabulary.name, commands.say)
    tunes = {prior.name: reinforcement.sample_melodies(prior, num, pages.SEED)}
    for name, fields in pages.METHODS.items():
        tunes[name] = reinforcement.sample_melodies(train(setting, name, fields), num, pages.SEED)
    tunes["held-out tunes"] = rl_measures.windows(data.split("test"), num, pages.SEED)
    training = rl_measures.lines_of(prior.vocabulary, data.split("train"))
    return {name: rl_measures.check_copies(prior.vocabulary, rows, training) for name, rows in tunes.items()}


def speed(setting: Setting) -> dict[str, Any]:
    """Times one compiled call and the same work in a Python loop."""
    turns = pages.TURNS if setting.num is None else 1
    batches = pages.BATCHES if setting.num is None else (4,)
    return rl_measures.speed(replace_fields(setting, {}), load_prior(setting), batches, turns)


SECTIONS: Mapping[str, Callable[[Setting], Mapping[str, Any]]] = {
    "table": table,
    "leash": leash,
    "copies": copies,
    "speed": speed,
}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes the raw results, the page and the picture."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/results/rl.json").write_text(json.dumps(raw) + "\n")
    (root / "docs/results/reinforcement.md").write_text(pages.page(raw))
    if "leash" in raw:
        (root / "docs/images/reinforcement-leash.png").write_bytes(pages.picture(raw["leash"]))


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="melody-rl", help="experiment of the policy gradient (default: melody-rl)")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, metavar="SECTION", help="what to measure (default: all)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the run directories (default: runs)")
    parser.add_argument("--num", type=int, help="number of melodies, for a trial")
    parser.add_argument("--steps", type=int, help="steps of each training, for a trial")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="folder to write to")
    args = parser.parse_args()
    for name in ("num", "steps"):
        if getattr(args, name) is not None and getattr(args, name) < 2:
            parser.error(f"--{name} is {getattr(args, name)}; it must be at least 2")
    commands.begin()
    file = args.out / "benchmarks/results/rl.json"
    raw = json.loads(file.read_text()) if file.exists() and args.only is not None else {}
    try:
        experiment = experiments.read(args.config)
        if experiment.tuning is None:
            parser.error(f"--config {args.config} has no field tuning; name an experiment such as melody-rl")
        setting = Setting(experiment, args.runs, args.num, args.steps)
        for section in SECTIONS if args.only is None else args.only:
            begin = time.perf_counter()
            raw[section] = SECTIONS[section](setting)
            commands.say(f"{section}: {time.perf_counter() - begin:.0f} s")
            raw["rewards"] = {"name": experiment.name, **dataclasses.asdict(experiment.tuning)}
            write(raw, args.out)
    except errors.UserError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
