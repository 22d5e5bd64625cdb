"""Measures GANs over rolls, and writes the page docs/results/gan.md with its pictures.

    python -m benchmarks.gan_report runs/chorale-gan runs/chorale-gan-2 runs/pop-gan
    python -m benchmarks.gan_report runs/chorale-gan --only variety        this anew, the rest as it was
    python -m benchmarks.gan_report runs/chorale-gan runs/new --keep       what was measured before stays
    python -m benchmarks.gan_report runs/chorale-gan --num 20 --out trial  a small trial, written elsewhere

A run is a run directory or a shipped run's name; the page calls it by the last part of that. Runs that are given a
track are also measured as accompanists. The raw answers are kept in benchmarks/results/gan.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import gan_latents as changed
from benchmarks import gan_measures as measured
from benchmarks import gan_page as pages
from benchmarks import gan_pictures as drawn
from benchmarks import latent_space, sections
from musejax import commands, errors, zoo
from musejax.evaluation import gan_likeness, musegan_statistics


class Run(NamedTuple):
    """A run that is measured.

    Attributes:
        name: What the page calls it.
        path: Its directory.
        loaded: Its model.
        data: What it is measured on.
        of: The name of that.
    """

    name: str
    path: Path
    loaded: zoo.Loaded
    data: measured.Music
    of: str

    @property
    def led(self) -> bool:
        """Whether it is given a track."""
        return bool(self.loaded.model.info.given_track)


def sets(runs: Sequence[Run]) -> dict[str, measured.Music]:
    """The music of all runs, by name."""
    return {run.of: run.data for run in runs}


def statistics(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """MuseGAN's statistics of samples, of training windows, and of the held-out windows that both are compared with."""
    num, out = num or pages.SAMPLES, {"real": {}, "training": {}, "runs": {}}
    known = {}
    for name, data in sets(runs).items():
        known[name] = musegan_statistics.statistics(gan_likeness.batch(data.vocabulary, data.held_out))
        out["real"][name] = measured.statistics(data, data.held_out, None) | {"tracks": data.vocabulary.tracks}
        training = gan_likeness.choose_pieces(data.training, num, pages.SEED)
        out["training"][name] = measured.statistics(data, training, known[name])
    for run in runs:
        rolls = measured.samples(run.loaded, run.data, num, pages.SEED)
        out["runs"][run.name] = measured.statistics(run.data, rolls, known[run.of])
    return out


def areas(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Overlapped areas with held-out windows, of training windows too."""
    num, out = num or pages.SAMPLES, {"training": {}, "runs": {}}
    for name, data in sets(runs).items():
        training = gan_likeness.choose_pieces(data.training, num, pages.SEED)
        out["training"][name] = measured.areas(data, training)
    for run in runs:
        rolls = measured.samples(run.loaded, run.data, num, pages.SEED)
        out["runs"][run.name] = measured.areas(run.data, rolls)
    return out


def variety(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Distinct pieces and nearest neighbours, of held-out windows too."""
    num, out = num or pages.SAMPLES, {"real": {}, "runs": {}}
    for name, data in sets(runs).items():
        out["real"][name] = measured.variety(data, gan_likeness.choose_pieces(data.held_out, num, pages.SEED))
    for run in runs:
        rolls = measured.samples(run.loaded, run.data, num, pages.SEED)
        out["runs"][run.name] = measured.variety(run.data, rolls)
    return out


def latents(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """What each latent vector changes, and a path of each kind for the picture."""
    out: dict[str, Any] = {}
    for run in [r for r in runs if not r.led]:
        latent = run.loaded.model.latent
        assert latent is not None
        out[run.name] = changed.latent(run.loaded, num or pages.PAIRS, pages.STEPS, pages.SEED)
        out[run.name] |= changed.path(run.loaded, pages.STEPS, drawn.pictured(list(latent.parts)), pages.SEED)
        out[run.name]["tracks"] = list(run.data.vocabulary.tracks)
    return out


def accompaniment(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Given tracks with what is drawn around them."""
    given = [run for run in runs if run.led]
    return {r.name: changed.accompaniment(r.loaded, r.data, num or pages.SAMPLES, pages.SEED) for r in given}


def curves(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Validation by step, of runs that have their metrics."""
    return learnt({run.name: run.path for run in runs})


def learnt(paths: Mapping[str, Path]) -> dict[str, Any]:
    """Validation by step, of run directories that have their metrics."""
    out = {}
    for name, path in paths.items():
        file = path / "metrics.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        found = {line["step"]: line["loss"] for line in lines if line["part"] == "valid"}
        if found:
            out[name] = {"steps": list(found), "loss": list(found.values())}
    return out


SECTIONS: Mapping[str, Callable[[Sequence[Run], int | None], Mapping[str, Any]]] = {
    "statistics": statistics,
    "areas": areas,
    "variety": variety,
    "latents": latents,
    "accompaniment": accompaniment,
    "curves": curves,
}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes raw answers, page and pictures."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/results/gan.json").write_text(json.dumps(raw) + "\n")
    (root / "docs/results/gan.md").write_text(pages.page(raw))
    for name, data in pages.images(raw).items():
        (root / "docs/images" / name).write_bytes(data)


def joined(
    before: Mapping[str, Any], found: Mapping[str, Any], kept: Sequence[str], runs: Sequence[str]
) -> dict[str, Any]:
    """A section's answers for the runs that were measured now, with those of the kept ones, in the order of `runs`."""
    if "runs" in found:  # beside them stands what is of whole sets
        both = {name: {**before.get(name, {}), **found[name]} for name in found}
        return both | {"runs": joined(before.get("runs", {}), found["runs"], kept, runs)}
    both = {name: before[name] for name in kept if name in before} | dict(found)
    return {name: both[name] for name in runs if name in both}


def find(names: Sequence[str]) -> list[Run]:
    """The runs of the command line, each corpus read once.

    Raises:
        errors.UserError: One is no GAN over rolls, or two have one name.
    """
    found: list[Run] = []
    known: dict[str, measured.Music] = {}
    for given in names:
        path = zoo.find(given)
        loaded = zoo.load(path, commands.say)
        name, bars = Path(given).name, loaded.config["training"].get("bars", 0)
        if name in [run.name for run in found]:
            raise errors.UserError(f"two runs are called {name}; rename one")
        of = f"{loaded.config['data']['source']} as {loaded.codec.vocabulary.name}, windows of {bars} bars"
        if of not in known:
            known[of] = measured.music(loaded, commands.say)
        found.append(Run(name, path, loaded, known[of], of))
    return found


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="shipped runs' names, or run directories")
    parser.add_argument(
        "--curves", nargs="*", default=[], metavar="RUN", help="run directories whose learning curves are shown besides"
    )
    parser.add_argument("--keep", action="store_true", help="runs whose weights were measured before stay as they were")
    args = sections.parse(parser, SECTIONS, "samples and pairs")
    if args.keep and args.only is not None:
        parser.error("--keep is of all sections; leave --only out")
    commands.begin()
    try:
        runs = find(args.runs)
    except errors.UserError as error:
        parser.error(str(error))
    file = args.out / "benchmarks/results/gan.json"
    before = json.loads(file.read_text()) if file.exists() and (args.keep or args.only is not None) else {}
    about = {r.name: {"of": r.of, "weights": latent_space.digest(r.loaded), "step": _step(r)} for r in runs}
    if before and not args.keep and before["about"] != about:
        parser.error(f"{file} is of other runs or weights than these; measure all sections of these")
    raw = {name: before[name] for name in SECTIONS if name in before} | {"about": about}
    kept = [name for name in about if args.keep and before.get("about", {}).get(name) == about[name]]
    for section in SECTIONS if args.only is None else args.only:
        begin = time.perf_counter()
        if section == "curves":
            raw[section] = curves(runs, args.num) | learnt({Path(run).name: Path(run) for run in args.curves})
        else:
            found = SECTIONS[section]([run for run in runs if run.name not in kept], args.num)
            raw[section] = joined(raw.get(section, {}), found, kept, list(about))
        commands.say(f"{section}: {time.perf_counter() - begin:.0f} s")
        if not args.keep:
            write(raw, args.out)
    if args.keep:  # a page of the old runs and the new ones needs all sections
        write(raw, args.out)
    return 0


def _step(run: Run) -> int:
    """The step of the checkpoint that is measured."""
    kinds = [[int(p.name) for p in run.path.glob(f"checkpoints/{kind}/[0-9]*")] for kind in ("best", "last")]
    return max(kinds[0] or kinds[1])


if __name__ == "__main__":
    sys.exit(main())
