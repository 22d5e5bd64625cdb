"""Measures steering and long pieces, and writes the page docs/results/steering.md with its pictures.

    python -m benchmarks.steering
    python -m benchmarks.steering --only infill --models jsb16-lstm        these anew, the others as they were
    python -m benchmarks.steering --runs jsb16-causal=runs/jsb16-causal    a run that is not shipped
    python -m benchmarks.steering --num 4 --out trial                      a small trial, written elsewhere

Everything is drawn with seed 0 at temperature 1. The raw answers are kept in benchmarks/results/steering.json.
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


def some(source: str, codec: str, num: int | None) -> list[dataset.Item]:
    """The test pieces of a corpus, or so many from all over it."""
    items = preparation.prepare(source, codec, commands.say).split("test")
    return items[:: max(1, len(items) // num)][:num] if num else items


def harmonize(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """Harmonies of the test sopranos, and the likelihood of Bach's own given them."""
    vocabulary = loaded.codec.vocabulary
    items = some(source, vocabulary.name, num)
    drawn = tasks.harmonies(loaded, items, pages.SEED)
    out = tasks.harmony(vocabulary, [item.arrays["tokens"] for item in items], drawn)
    return out | {"likelihood": evaluate.evaluate(zoo.load(path), None, "test", commands.say, given=("soprano",))}


def infill(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """The place of the true cells of gaps among distractors, for each kind of gap; the same gaps for every run."""
    items = some(source, loaded.codec.vocabulary.name, None)
    return {
        what: tasks.infill(loaded, items, frames, voices, num, pages.DISTRACTORS, [pages.SEED, at])
        for at, (what, (frames, voices)) in enumerate(pages.GAPS.items())
    }


def long(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """Statistics by bar of long pieces beside those of real ones."""
    vocabulary = loaded.codec.vocabulary
    real = some(source, vocabulary.name, num and 8 * num)
    drawn = long_pieces.free(loaded, min(pages.PIECES, num or pages.PIECES), pages.BARS, pages.SEED)
    sides = [long_pieces.by_bar(vocabulary, items, long_pieces.costs(loaded, items)) for items in (drawn, real)]
    return {
        "pieces": len(drawn),
        "real_pieces": len(real),
        "real_bars": sum(map(len, sides[1]["nll"])),
        "window": loaded.config["training"]["window"],
        "statistics": {
            s: long_pieces.summary(sides[0][s], sides[1][s], pages.EDGE) for s in (*pages.MEDIANS, *pages.MEANS)
        },
    }


def attributes(loaded: zoo.Loaded, name: str, path: Path, source: str, num: int | None) -> dict[str, Any]:
    """How often bars have the density, polyphony and duration that was asked for."""
    return attribute_hits.hits(loaded, num or pages.ASKED, pages.ASKED_BARS, pages.SEED)


MEASURES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "harmonize": harmonize,
    "infill": infill,
    "long": long,
    "attributes": attributes,
}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes raw answers, page and pictures."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/results/steering.json").write_text(json.dumps(raw) + "\n")
    (root / "docs/results/steering.md").write_text(pages.page(raw))
    for source, found in pages.by_source(raw, "long").items():
        (root / f"docs/images/long-{source}.png").write_bytes(pages.picture(source, found))


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="SECTION", help="sections to measure (default: all)")
    parser.add_argument("--models", nargs="*", metavar="RUN", help="runs to measure (default: all)")
    parser.add_argument("--runs", default="", metavar="NAME=PATH,...", help="run directories in place of shipped runs")
    parser.add_argument("--num", type=int, help="at most so many sopranos, gaps, and long pieces")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="root of what is written")
    args = parser.parse_args()
    paths = dict(each.partition("=")[::2] for each in args.runs.split(",") if each)
    for option, named, there in (
        ("--only", args.only, pages.SECTIONS),
        ("--models", args.models, pages.MODELS),
        ("--runs", paths, pages.MODELS),
    ):
        for name in named or ():
            if name not in there:
                parser.error(f"{option} {name}: there are {', '.join(there)}")
    if args.num is not None and args.num < 1:
        parser.error(f"--num {args.num}: it must be 1 or more")
    commands.begin()
    file = args.out / "benchmarks/results/steering.json"
    anew = args.only is None and args.models is None
    known = json.loads(file.read_text()) if file.exists() and not anew else {}
    for section in pages.SECTIONS if args.only is None else args.only:
        measured = known.setdefault(section, {})
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
            write(known, args.out)
    write(known, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
