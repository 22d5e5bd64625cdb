"""Tunes a trained net on music rules in several ways, measures them, and writes the page docs/results/reinforcement.md.

    python -m benchmarks.rl                          trains what is missing in runs/, then measures all
    python -m benchmarks.rl --only speed             this anew, the rest as it was
    python -m benchmarks.rl --num 50 --steps 2 --runs trial/runs --out trial     a small trial, written elsewhere

The raw answers are kept in benchmarks/results/rl.json.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import rl_measures as measured
from benchmarks import rl_page as pages
from musejax import commands, errors, runs, zoo
from musejax.corpora import preparation
from musejax.experiments import experiment as experiments
from musejax.experiments import reinforcement
from musejax.reports import evaluate
from musejax.tuning import rules


class Setting(NamedTuple):
    """What the command line says.

    Attributes:
        experiment: The policy gradient's; every other run differs from it by a few fields.
        runs: Where runs are.
        num: Melodies of each table, or None for the usual number.
        steps: Of each training, or None for the usual number.
    """

    experiment: experiments.Experiment
    runs: Path
    num: int | None
    steps: int | None


def varied(setting: Setting, fields: Mapping[str, Any]) -> experiments.Experiment:
    """The experiment with other fields, named as on the command line: `training.steps`."""
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


def trained(setting: Setting, name: str, fields: Mapping[str, Any]) -> runs.Run:
    """The run of a name, trained where it is missing or not finished."""
    shipped = zoo.SHIPPED / name / "run.json"
    if setting.steps is None and not fields and shipped.is_file() and not (setting.runs / name).exists():
        return runs.load(shipped.parent, commands.say)
    workdir = setting.runs / name
    experiments.run(varied(setting, fields), workdir, commands.say)
    return runs.load(workdir, commands.say)


def base(setting: Setting) -> runs.Run:
    """The prior."""
    assert setting.experiment.tuning is not None
    return runs.load(zoo.find(setting.experiment.tuning.base), commands.say)


def table(setting: Setting) -> dict[str, Any]:
    """RL Tuner's table of the prior, of its three methods and of the policy gradient."""
    prior, num = base(setting), setting.num or pages.TABLE
    tuned = {name: trained(setting, name, fields) for name, fields in pages.METHODS.items()}
    amounts = rules.Rules()
    told = evaluate.evaluate(zoo.load(prior.path), None, "test", commands.say)
    rows = {prior.name: measured.of(prior, prior, num, pages.SEED, amounts)}
    rows |= {name: measured.of(run, prior, num, pages.SEED, amounts) for name, run in tuned.items()}
    prior_figures = {"nll_per_token": told["nll_per_token"], "interval": told["interval"]}
    return {"num": num, "prior": prior.name, "test": prior_figures, "rows": rows}


def leash(setting: Setting) -> dict[str, Any]:
    """The policy gradient at leashes from short to long."""
    prior, num = base(setting), setting.num or pages.CURVE
    amounts = setting.experiment.tuning.rules  # type: ignore[union-attr]
    points = []
    for length in pages.LEASHES:
        fields = {**pages.CURVE_FIELDS, "tuning.leash": length}
        run = trained(setting, f"{setting.experiment.name}-leash-{length:g}", fields)
        points.append({"leash": length, **measured.of(run, prior, num, pages.SEED, amounts)})
    start = measured.of(prior, prior, num, pages.SEED, amounts)
    shipped = setting.experiment.tuning.leash  # type: ignore[union-attr]
    return {"num": num, "prior": start, "points": points, "shipped": shipped}


def copies(setting: Setting) -> dict[str, Any]:
    """How long a run of notes is also found in the training tunes, of tuned melodies, the prior's and held-out ones."""
    prior, num = base(setting), setting.num or pages.COPIES
    data = preparation.prepare(prior.config["data"]["source"], prior.vocabulary.name, commands.say)
    tunes = {prior.name: reinforcement.sample_melodies(prior, num, pages.SEED)}
    for name, fields in pages.METHODS.items():
        tunes[name] = reinforcement.sample_melodies(trained(setting, name, fields), num, pages.SEED)
    tunes["held-out tunes"] = measured.windows(data.split("test"), num, pages.SEED)
    training = measured.lines_of(prior.vocabulary, data.split("train"))
    return {name: measured.copied(prior.vocabulary, rows, training) for name, rows in tunes.items()}


def speed(setting: Setting) -> dict[str, Any]:
    """One compiled call beside the same work in a Python loop."""
    turns = pages.TURNS if setting.num is None else 1
    return measured.speed(varied(setting, {}), base(setting), pages.BATCHES if setting.num is None else (4,), turns)


SECTIONS: Mapping[str, Callable[[Setting], Mapping[str, Any]]] = {
    "table": table,
    "leash": leash,
    "copies": copies,
    "speed": speed,
}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes raw answers, page and picture."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/results/rl.json").write_text(json.dumps(raw) + "\n")
    (root / "docs/results/reinforcement.md").write_text(pages.page(raw))
    if "leash" in raw:
        (root / "docs/images/reinforcement-leash.png").write_bytes(pages.picture(raw["leash"]))


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="melody-rl", help="the policy gradient's experiment (default: melody-rl)")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, metavar="SECTION", help="what to measure (default: all)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are and go (default: runs)")
    parser.add_argument("--num", type=int, help="so many melodies, for a trial")
    parser.add_argument("--steps", type=int, help="so many steps of each training, for a trial")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="root of what is written")
    args = parser.parse_args()
    for name in ("num", "steps"):
        if getattr(args, name) is not None and getattr(args, name) < 2:
            parser.error(f"--{name} {getattr(args, name)}: it must be 2 or more")
    commands.begin()
    file = args.out / "benchmarks/results/rl.json"
    raw = json.loads(file.read_text()) if file.exists() and args.only is not None else {}
    try:
        experiment = experiments.read(args.config)
        if experiment.tuning is None:
            parser.error(f"{args.config} tunes no run")
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
