"""Measures steering and long pieces, and writes the page docs/results/steering.md with its pictures.

    python -m benchmarks.steering
    python -m benchmarks.steering --only infill --models jsb16-lstm        measure these again and keep the others
    python -m benchmarks.steering --runs jsb16-causal=runs/jsb16-causal    add a run that does not ship
    python -m benchmarks.steering --num 4 --out trial                      a small trial, written to another folder

Everything is sampled with seed 0 at temperature 1. The raw results are stored in benchmarks/results/steering.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import attribute_hits, long_pieces
from benchmarks import steering_page as pages
from benchmarks import steering_tasks as tasks
from musejax import commands, errors, zoo
from musejax.corpora import preparation
from musejax.pipeline import dataset
from musejax.reports import evaluate


def load_test_pieces(source: str, codec: str, num: int | None) -> list[dataset.Item]:
    """Loads the test pieces of a corpus, or `num` of them at equal distances."""
    items = preparation.prepare(source, codec, commands.say).split("test")
    return items[:: max(1, len(items) // num)][:num] if num else items


def harmonize(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """Harmonises the test sopranos, and measures the likelihood of Bach's own lower voices given them."""
    vocabulary = loaded.codec.vocabulary
    items = load_test_pieces(source, vocabulary.name, num)
    samples = tasks.harmonies(loaded, items, pages.SEED)
    out = tasks.harmony(vocabulary, [item.arrays["tokens"] for item in items], samples)
    return out | {"likelihood": evaluate.evaluate(zoo.load(path), None, "test", commands.say, given=("soprano",))}


def infill(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """Ranks the true cells of gaps among distractors, for each kind of gap; every run has the same gaps."""
    items = load_test_pieces(source, loaded.codec.vocabulary.name, None)
    return {
        kind: tasks.infill(loaded, items, frames, voices, num, pages.DISTRACTORS, [pages.SEED, index])
        for index, (kind, (frames, voices)) in enumerate(pages.GAPS.items())
    }


def long(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """Measures statistics by bar of long pieces and of real ones."""
    vocabulary = loaded.codec.vocabulary
    real = load_test_pieces(source, vocabulary.name, num and 8 * num)
    samples = long_pieces.sample_long(loaded, min(pages.PIECES, num or pages.PIECES), pages.BARS, pages.SEED)
    sides = [long_pieces.by_bar(vocabulary, items, long_pieces.costs(loaded, items)) for items in (samples, real)]
    return {
        "pieces": len(samples),
        "real_pieces": len(real),
        "real_bars": sum(map(len, sides[1]["nll"])),
        "window": loaded.config["training"]["window"],
        "statistics": {
            s: long_pieces.summary(sides[0][s], sides[1][s], pages.EDGE) for s in (*pages.MEDIANS, *pages.MEANS)
        },
    }


def attributes(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """Measures how often bars have the requested density, polyphony and duration."""
    return attribute_hits.hits(loaded, num or pages.REQUESTED, pages.REQUESTED_BARS, pages.SEED)


MEASURES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "harmonize": harmonize,
    "infill": infill,
    "long": long,
    "attributes": attributes,
}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes the raw results, the page and the pictures."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/results/steering.json").write_text(json.dumps(raw) + "\n")
    (root / "docs/results/steering.md").write_text(pages.page(raw))
    for source, by_run in pages.group_by_source(raw, "long").items():
        (root / f"docs/images/long-{source}.png").write_bytes(pages.picture(source, by_run))


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="SECTION", help="sections to measure (default: all)")
    parser.add_argument("--models", nargs="*", metavar="RUN", help="runs to measure (default: all)")
    parser.add_argument("--runs", default="", metavar="NAME=PATH,...", help="run directories that replace shipped runs")
    parser.add_argument("--num", type=int, help="largest number of sopranos, gaps and long pieces, for a trial")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="folder to write to")
    args = parser.parse_args()
    paths = dict(each.partition("=")[::2] for each in args.runs.split(",") if each)
    for option, names, choices in (
        ("--only", args.only, pages.SECTIONS),
        ("--models", args.models, pages.MODELS),
        ("--runs", paths, pages.MODELS),
    ):
        for name in names or ():
            if name not in choices:
                parser.error(f"{option} {name}: the choices are {', '.join(choices)}")
    if args.num is not None and args.num < 1:
        parser.error(f"--num is {args.num}; it must be at least 1")
    commands.begin()
    file = args.out / "benchmarks/results/steering.json"
    partial = args.only is not None or args.models is not None
    raw = json.loads(file.read_text()) if file.exists() and partial else {}
    for section in pages.SECTIONS if args.only is None else args.only:
        measured = raw.setdefault(section, {})
        for name, source in pages.SECTIONS[section].items():
            if args.models is not None and name not in args.models:
                continue
            begin = time.perf_counter()
            try:
                path = zoo.find(paths.get(name, name))
                loaded = zoo.load(path, commands.say)
            except errors.UserError as error:
                commands.say(f"{section}, {name}: left out ({error})")
                continue
            measured[name] = MEASURES[section](loaded, name, path, source, args.num)
            commands.say(f"{section}, {name}: {time.perf_counter() - begin:.0f} s")
            write(raw, args.out)
    write(raw, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
