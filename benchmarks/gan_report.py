"""Measures GANs over piano-rolls, and writes the page docs/results/gan.md with its pictures.

    python -m benchmarks.gan_report runs/chorale-gan runs/chorale-gan-2 runs/pop-gan
    python -m benchmarks.gan_report runs/chorale-gan --only variety        measure one section again, keep the others
    python -m benchmarks.gan_report runs/chorale-gan runs/new --keep       measure only runs with new weights
    python -m benchmarks.gan_report runs/chorale-gan --num 20 --out trial  a small trial, written elsewhere

A run is a run directory or the name of a shipped run; on the page it has the last part of that path. Runs that receive
a track are also measured as accompanists. The raw results are stored in benchmarks/results/gan.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import gan_latents, gan_measures, gan_pictures, latent_space, sections
from benchmarks import gan_page as pages
from musejax import commands, errors, zoo
from musejax.evaluation import gan_likeness, musegan_statistics


class Run(NamedTuple):
    """A run to measure.

    Attributes:
        name: Name on the page.
        path: Run directory.
        loaded: The loaded model.
        data: The windows on which it is measured.
        of: Name of these windows.
    """

    name: str
    path: Path
    loaded: zoo.Loaded
    data: gan_measures.Music
    of: str

    @property
    def is_accompanist(self) -> bool:
        """Returns whether the model receives a track."""
        return bool(self.loaded.model.info.given_track)


def sets_of_windows(runs: Sequence[Run]) -> dict[str, gan_measures.Music]:
    """Returns the windows of all runs, by name."""
    return {run.of: run.data for run in runs}


def statistics(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Measures MuseGAN's statistics of samples and training windows, compared with held-out windows."""
    num, out = num or pages.SAMPLES, {"real": {}, "training": {}, "runs": {}}
    real = {}
    for name, data in sets_of_windows(runs).items():
        real[name] = musegan_statistics.statistics(gan_likeness.batch(data.vocabulary, data.held_out))
        out["real"][name] = gan_measures.statistics(data, data.held_out, None) | {"tracks": data.vocabulary.tracks}
        training = gan_likeness.choose_pieces(data.training, num, pages.SEED)
        out["training"][name] = gan_measures.statistics(data, training, real[name])
    for run in runs:
        rolls = gan_measures.samples(run.loaded, run.data, num, pages.SEED)
        out["runs"][run.name] = gan_measures.statistics(run.data, rolls, real[run.of])
    return out


def areas(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Measures the overlapped areas of samples and training windows with held-out windows."""
    num, out = num or pages.SAMPLES, {"training": {}, "runs": {}}
    for name, data in sets_of_windows(runs).items():
        training = gan_likeness.choose_pieces(data.training, num, pages.SEED)
        out["training"][name] = gan_measures.areas(data, training)
    for run in runs:
        rolls = gan_measures.samples(run.loaded, run.data, num, pages.SEED)
        out["runs"][run.name] = gan_measures.areas(run.data, rolls)
    return out


def variety(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Measures distinct pieces and nearest neighbours of samples and held-out windows."""
    num, out = num or pages.SAMPLES, {"real": {}, "runs": {}}
    for name, data in sets_of_windows(runs).items():
        out["real"][name] = gan_measures.variety(data, gan_likeness.choose_pieces(data.held_out, num, pages.SEED))
    for run in runs:
        rolls = gan_measures.samples(run.loaded, run.data, num, pages.SEED)
        out["runs"][run.name] = gan_measures.variety(run.data, rolls)
    return out


def latents(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Measures what each latent vector changes, and decodes paths for the picture."""
    out: dict[str, Any] = {}
    for run in [r for r in runs if not r.is_accompanist]:
        latent = run.loaded.model.latent
        assert latent is not None
        out[run.name] = gan_latents.latent(run.loaded, num or pages.PAIRS, pages.STEPS, pages.SEED)
        out[run.name] |= gan_latents.example_paths(
            run.loaded, pages.STEPS, gan_pictures.pictured(list(latent.parts)), pages.SEED
        )
        out[run.name]["tracks"] = list(run.data.vocabulary.tracks)
    return out


def accompaniment(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Measures how well samples fit the tracks that the models receive."""
    chosen = [run for run in runs if run.is_accompanist]
    return {r.name: gan_latents.accompaniment(r.loaded, r.data, num or pages.SAMPLES, pages.SEED) for r in chosen}


def curves(runs: Sequence[Run], num: int | None) -> dict[str, Any]:
    """Returns the validation losses by step of runs whose metrics exist."""
    return read_curves({run.name: run.path for run in runs})


def read_curves(paths: Mapping[str, Path]) -> dict[str, Any]:
    """Reads the validation losses by step of run directories that have metrics."""
    out = {}
    for name, path in paths.items():
        file = path / "metrics.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        curve = {line["step"]: line["loss"] for line in lines if line["part"] == "valid"}
        if curve:
            out[name] = {"steps": list(curve), "loss": list(curve.values())}
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
    """Writes the raw results, the page and the pictures."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "benchmarks/results/gan.json").write_text(json.dumps(raw) + "\n")
    (root / "docs/results/gan.md").write_text(pages.page(raw))
    for name, data in pages.images(raw).items():
        (root / "docs/images" / name).write_bytes(data)


def join(before: Mapping[str, Any], new: Mapping[str, Any], kept: Sequence[str], runs: Sequence[str]) -> dict[str, Any]:
    """Joins the results of a section that were measured now with those of the kept runs, in the order of `runs`."""
    if "runs" in new:  # the other entries are about sets of windows
        both = {name: {**before.get(name, {}), **new[name]} for name in new}
        return both | {"runs": join(before.get("runs", {}), new["runs"], kept, runs)}
    both = {name: before[name] for name in kept if name in before} | dict(new)
    return {name: both[name] for name in runs if name in both}


def find(names: Sequence[str]) -> list[Run]:
    """Loads the runs of the command line; each corpus is read once.

    Raises:
        errors.UserError: A run is not a GAN over piano-rolls, or two runs have the same name.
    """
    out: list[Run] = []
    music: dict[str, gan_measures.Music] = {}
    for given in names:
        path = zoo.find(given)
        loaded = zoo.load(path, commands.say)
        name, bars = Path(given).name, loaded.config["training"].get("bars", 0)
        if name in [run.name for run in out]:
            raise errors.UserError(f"two runs are called {name}; rename one of the folders")
        of = f"{loaded.config['data']['source']} as {loaded.codec.vocabulary.name}, windows of {bars} bars"
        if of not in music:
            music[of] = gan_measures.music(loaded, commands.say)
        out.append(Run(name, path, loaded, music[of], of))
    return out


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of shipped runs, or run directories")
    parser.add_argument(
        "--curves", nargs="*", default=[], metavar="RUN", help="more run directories whose learning curves to show"
    )
    parser.add_argument("--keep", action="store_true", help="keep the results of runs with the same weights")
    args = sections.parse(parser, SECTIONS, "samples and pairs")
    if args.keep and args.only is not None:
        parser.error("--keep measures all sections; leave --only out")
    commands.begin()
    try:
        runs = find(args.runs)
    except errors.UserError as error:
        parser.error(str(error))
    file = args.out / "benchmarks/results/gan.json"
    before = json.loads(file.read_text()) if file.exists() and (args.keep or args.only is not None) else {}
    about = {r.name: {"of": r.of, "weights": latent_space.digest(r.loaded), "step": _step(r)} for r in runs}
    if before and not args.keep and before["about"] != about:
        parser.error(f"{file} was measured with other runs or weights; leave --only out")
    raw = {name: before[name] for name in SECTIONS if name in before} | {"about": about}
    kept = [name for name in about if args.keep and before.get("about", {}).get(name) == about[name]]
    for section in SECTIONS if args.only is None else args.only:
        begin = time.perf_counter()
        if section == "curves":
            raw[section] = curves(runs, args.num) | read_curves({Path(run).name: Path(run) for run in args.curves})
        else:
            new = SECTIONS[section]([run for run in runs if run.name not in kept], args.num)
            raw[section] = join(raw.get(section, {}), new, kept, list(about))
        commands.say(f"{section}: {time.perf_counter() - begin:.0f} s")
        if not args.keep:
            write(raw, args.out)
    if args.keep:  # a page of old and new runs needs all sections
        write(raw, args.out)
    return 0


def _step(run: Run) -> int:
    """Returns the step of the checkpoint that is measured."""
    kinds = [[int(p.name) for p in run.path.glob(f"checkpoints/{kind}/[0-9]*")] for kind in ("best", "last")]
    return max(kinds[0] or kinds[1])


if __name__ == "__main__":
    sys.exit(main())
