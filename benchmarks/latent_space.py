"""Measures the latent space of a VAE over windows of a melody, and writes the page docs/results/latents.md.

    python -m benchmarks.latent_space melody-vae-2bar
    python -m benchmarks.latent_space runs/melody-vae-2bar --only interpolation     measure one section, keep the others
    python -m benchmarks.latent_space runs/melody-vae-2bar --num 20 --out trial     a small trial, written elsewhere
    python -m benchmarks.latent_space melody-vae-16bar --page latents-16bar         write another page

The raw results are stored in benchmarks/results/PAGE.json.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import latent_measures as measures
from benchmarks import latent_page as pages
from benchmarks import sections
from musejax import commands, errors, zoo
from musejax import runs as run_directories
from musejax.reports import evaluate


def reconstruction(loaded: zoo.Loaded, data: measures.Music, path: Path, num: int | None) -> dict[str, Any]:
    """Measures reconstruction as `musejax evaluate` does, for bars of each length."""
    options: dict[str, Any] = {} if num is None else {"samples": min(num, 64)}
    return {
        str(frames): evaluate.evaluate(loaded, None, "test", commands.say, frames_per_bar=frames, **options)
        for frames in pages.BARS
    }


def interpolation(loaded: zoo.Loaded, data: measures.Music, path: Path, num: int | None) -> dict[str, Any]:
    """Measures the ways from one held-out window to another."""
    return measures.interpolation(loaded, data, num or pages.PAIRS, np.linspace(0, 1, pages.STEPS), pages.SEED)


def prior(loaded: zoo.Loaded, data: measures.Music, path: Path, num: int | None) -> dict[str, Any]:
    """Compares free samples with held-out windows."""
    return measures.prior(loaded, data, num or pages.SAMPLES, pages.SEED)


def directions(loaded: zoo.Loaded, data: measures.Music, path: Path, num: int | None) -> dict[str, Any]:
    """Measures steps along the vectors of attributes."""
    num_training = 10 * num if num else pages.TRAINING
    return measures.directions(loaded, data, num or pages.MOVED, num_training, pages.BY, pages.SEED)


def example(loaded: zoo.Loaded, data: measures.Music, path: Path, num: int | None) -> Mapping[str, Any]:
    """Decodes one path between two windows."""
    return measures.example(loaded, data, pages.PICTURED, pages.SEED)


def digest(loaded: zoo.Loaded) -> str:
    """Returns a short hash of the weights."""
    out = hashlib.sha256()
    for leaf in jax.tree.leaves(loaded.variables["params"]):
        out.update(np.asarray(leaf).tobytes())
    return out.hexdigest()[:12]


SECTIONS: Mapping[str, Callable[..., Mapping[str, Any]]] = {
    "reconstruction": reconstruction,
    "interpolation": interpolation,
    "example": example,
    "prior": prior,
    "directions": directions,
}


def measure_others(runs: list[str]) -> list[dict[str, Any]]:
    """Measures the reconstruction, size and amount of training of other runs."""
    out = []
    for run in runs:
        path = zoo.find(run)
        loaded = zoo.load(path, commands.say)
        training = loaded.config["training"]
        # The table has no importance-weighted bound, which takes most of the time.
        result = evaluate.evaluate(loaded, None, "test", commands.say, samples=1)
        size = sum(leaf.size for leaf in jax.tree.leaves(loaded.variables["params"]))
        frames = run_directories.load(path, commands.say).step * training["batch_size"] * training["window"]
        out.append({"run": path.name, "parameters": size, "frames": frames, "found": result})
    return out


def write(raw: Mapping[str, Any], root: Path, codec: str, page: str) -> None:
    """Writes the raw results, the page and the pictures."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / f"benchmarks/results/{page}.json").write_text(json.dumps(raw) + "\n")
    (root / f"docs/results/{page}.md").write_text(pages.page(raw, page))
    images = root / "docs/images"
    if "interpolation" in raw:
        (images / f"{page}-interpolation.png").write_bytes(pages.interpolation_picture(raw["interpolation"]))
    if "example" in raw:
        (images / f"{page}-path.png").write_bytes(pages.path_picture(raw["example"], codec))


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a shipped run's name, or a run directory")
    parser.add_argument("--beside", nargs="*", metavar="RUN", help="other runs to add to the page")
    parser.add_argument("--page", default="latents", metavar="NAME", help="name of the page (default: latents)")
    args = sections.parse(parser, SECTIONS, "pairs, samples and windows")
    commands.begin()
    try:
        path = zoo.find(args.run)
        loaded = zoo.load(path, commands.say)
        data = measures.music(loaded, commands.say)
    except errors.UserError as error:
        parser.error(str(error))
    file = args.out / f"benchmarks/results/{args.page}.json"
    raw = json.loads(file.read_text()) if file.exists() and args.only is not None else {}
    about = {"run": loaded.name, "source": loaded.config["data"]["source"], "weights": digest(loaded)}
    if raw and raw["weights"] != about["weights"]:
        parser.error(f"{file} was measured with other weights than those of {args.run}; leave --only out")
    raw |= about
    if args.beside is not None:
        raw["beside"] = measure_others(args.beside)
        write(raw, args.out, data.vocabulary.name, args.page)
    for section in SECTIONS if args.only is None else args.only:
        begin = time.perf_counter()
        raw[section] = SECTIONS[section](loaded, data, path, args.num)
        commands.say(f"{section}: {time.perf_counter() - begin:.0f} s")
        write(raw, args.out, data.vocabulary.name, args.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
