"""What each command does. JSON goes to standard output, everything else to standard error."""

import argparse
import contextlib
import dataclasses
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musejax import errors, zoo

if TYPE_CHECKING:
    from musejax import experiments
    from musejax.base import Constraint

TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
FORMATS = ("mid", "musicxml", "wav", "png")


def say(text: str) -> None:
    """One line to standard error."""
    print(text, file=sys.stderr, flush=True)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))


def _compile_cache() -> None:
    """Keeps compiled programs between calls, where only this user can write."""
    from musejax.corpora import cache

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        jax.config.update("jax_compilation_cache_dir", str(cache.directory() / "compiled"))


def _formats(text: str) -> list[str]:
    chosen = [f.strip().lower() for f in text.split(",") if f.strip()]
    for f in chosen:
        if f not in FORMATS:
            raise errors.UserError(f"format {f!r} is unknown; the formats are {', '.join(FORMATS)}")
    if not chosen:
        raise errors.UserError(f"no format given; the formats are {', '.join(FORMATS)}")
    return chosen


def list_(args: argparse.Namespace, rest: list[str]) -> int:
    """Presets and shipped runs."""
    if args.json:
        _print_json([e._asdict() for e in zoo.ENTRIES])
        return 0
    width = max(len(e.name) for e in zoo.ENTRIES)
    codec = max(len(e.codec) for e in zoo.ENTRIES)
    print(f"{'name':{width}}  {'family':10}  {'codec':{codec}}  {'parameters':>10}  shipped")
    for e in zoo.ENTRIES:
        shipped = "yes" if e.shipped else ""
        print(f"{e.name:{width}}  {e.family:10}  {e.codec:{codec}}  {e.parameters:>10,}  {shipped}".rstrip())
    return 0


def _override(experiment: "experiments.Experiment", options: list[str]) -> "experiments.Experiment":
    """An experiment with fields replaced by command-line options.

    Raises:
        errors.UserError: An option names no field, or its value does not fit; one line.
    """
    import tyro

    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught), contextlib.redirect_stdout(caught):
            return tyro.cli(type(experiment), default=experiment, args=options)
    except SystemExit:
        raise errors.UserError(f"{_flat(caught.getvalue())}; `--fields` lists what can be set") from None


def _flat(text: str) -> str:
    """One line of a framed message of tyro's: what is wrong, and the options that it may have meant."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    parts = [" ".join(p.split()) for p in re.split(r"[-\u2500]{5,}|[\u2500-\u257f]", text) if p.strip()]
    meant = [m for p in parts if p.startswith("Perhaps") for m in re.findall(r"--[\w.-]+", p)]
    message = parts[1] if len(parts) > 1 else " ".join(parts)
    return message.rstrip(".") + (f" (perhaps {' or '.join(meant)})" if meant else "")


def _fields(value: Any, prefix: str = "--") -> list[str]:
    lines = []
    for field in dataclasses.fields(value):
        name, inner = prefix + field.name.replace("_", "-"), getattr(value, field.name)
        lines += _fields(inner, name + ".") if dataclasses.is_dataclass(inner) else [f"{name} {inner}"]
    return lines


def train(args: argparse.Namespace, rest: list[str]) -> int:
    """Trains an experiment."""
    from musejax import experiments

    experiment = experiments.read(args.config)
    if args.fields:
        print("\n".join(_fields(experiment)))
        return 0
    experiment = _override(experiment, rest)
    _compile_cache()
    workdir = Path(args.workdir) if args.workdir else Path("runs") / experiment.name
    result = experiments.run(experiment, workdir, say)
    best = "" if result.best is None else f"; best validation loss {result.best[0]:.4f} at step {result.best[1]}"
    if result.stopped.startswith("SIG"):
        say(f"{result.stopped}: saved at step {result.step}{best}; the same command goes on from there")
        return 130 if result.stopped == "SIGINT" else 143
    say(f"{workdir}: {'stopped early' if result.stopped == 'early' else 'done'} at step {result.step}{best}")
    return 0


def _constraint(args: argparse.Namespace, vocabulary: Any) -> "Constraint | None":
    from musejax.decoding import constraints

    parts = []
    if args.scale:
        tonic, _, name = args.scale.partition(":")
        pitch_class = _tonic(tonic)
        if pitch_class is None or (name or "major") not in constraints.SCALES:
            scales = ", ".join(constraints.SCALES)
            raise errors.UserError(f"--scale {args.scale}: give a tonic and one of {scales}, such as G or Bb:minor")
        parts.append(constraints.scale(vocabulary, pitch_class, name or "major"))
    if args.pitches:
        match = re.fullmatch(r"(\d+)-(\d+)", args.pitches)
        if not match or not 0 <= int(match[1]) <= int(match[2]) <= 127:
            raise errors.UserError(f"--pitches {args.pitches}: give two MIDI pitches within 0-127, such as 48-83")
        parts.append(constraints.pitch_range(vocabulary, [(int(match[1]), int(match[2]))]))
    return constraints.all_of(*parts) if parts else None


def _tonic(text: str) -> int | None:
    """The pitch class of a tonic such as G or Bb; None for what is none."""
    match = re.fullmatch(r"([A-Ga-g])(#|b)?", text)
    return (TONICS[match[1].upper()] + {"#": 1, "b": -1, None: 0}[match[2]]) % 12 if match else None


def _sharps(args: argparse.Namespace) -> int | None:
    """The key signature that is asked for; that of a scale, where no other is."""
    asked = args.key or args.scale
    if not asked:
        return None
    tonic, _, mode = asked.partition(":")
    pitch_class = _tonic(tonic)
    if mode not in ("", "major", "minor"):
        if args.key:
            raise errors.UserError(f"--key {args.key}: the mode is major or minor, as in C:minor")
        return None
    if pitch_class is None:
        raise errors.UserError(f"--key {args.key}: give a tonic, such as G or Bb:minor")
    # The major key with the same signature lies a minor third above a minor key.
    return (7 * (pitch_class + 3 * (mode == "minor")) + 5) % 12 - 5


def _choice(args: argparse.Namespace) -> Any:
    from musejax.base import Choice

    if not 0 < args.temperature < math.inf:
        raise errors.UserError(f"--temperature {args.temperature}: it must be above 0")
    for name in ("top_p", "min_p"):
        value = getattr(args, name)
        if value is not None and not 0 < value <= 1:
            raise errors.UserError(f"--{name.replace('_', '-')} {value}: it must lie in (0, 1]")
    if args.top_k is not None and args.top_k < 1:
        raise errors.UserError(f"--top-k {args.top_k}: it must be 1 or more")
    return Choice(temperature=args.temperature, top_k=args.top_k, top_p=args.top_p, min_p=args.min_p)


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise errors.UserError(f"--seed {seed}: it must lie in 0..{2**32 - 1}")


def sample(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes sampled pieces."""
    formats, choice = _formats(args.formats), _choice(args)
    if not 0 < args.qpm < math.inf:
        raise errors.UserError(f"--qpm {args.qpm}: it must be above 0")
    for name in ("num", "length", "width"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise errors.UserError(f"--{name} {value}: it must be 1 or more")
    _check_seed(args.seed)
    sharps = _sharps(args)
    path = zoo.find(args.model)
    primer = None
    if args.primer:
        from musejax import files

        primer = files.read(Path(args.primer))[0]
    _compile_cache()
    from musejax import generation, rendering

    loaded = zoo.load(path, say)
    if args.key and "key" not in loaded.config["model"].get("conditions", ()):
        name = args.model
        raise errors.UserError(f"--key {args.key}: {name} does not read a key; --scale keeps any model to a scale")
    pieces = generation.draw(
        loaded,
        args.num,
        args.seed,
        length=args.length,
        min_length=args.min_length,
        choice=choice,
        primer=None if primer is None else generation.prime(loaded, primer),
        constraint=_constraint(args, loaded.codec.vocabulary),
        sharps=sharps,
        width=args.width or generation.WIDTH,
        qpm=args.qpm,
    )
    out = Path(args.out)
    written = []
    for index, piece in enumerate(pieces):
        stem = f"{loaded.name}-{args.seed}-{index:03d}"
        paths = [out / f"{stem}.{f}" for f in formats]
        if not piece.sequence.notes:
            say(f"piece {index} is silent: only its MIDI file is written")
            paths = [p for p in paths if p.suffix == ".mid"]
        for p in paths:
            p.parent.mkdir(parents=True, exist_ok=True)
            rendering.write(piece.sequence, p)
        written.append({"files": [str(p) for p in paths], "log_prob": piece.log_prob, "ended": piece.ended})
        if not args.json:
            cut = "" if piece.ended else ", cut at its length"
            say(f"{', '.join(map(str, paths))}: log-likelihood {piece.log_prob:.1f} nats{cut}")
    if args.json:
        _print_json(written)
    return 0


def evaluate(args: argparse.Namespace, rest: list[str]) -> int:
    """Prints a model's likelihood on a split."""
    path = zoo.find(args.model)
    from musejax import scoring

    _compile_cache()
    if args.samples < 1:
        raise errors.UserError(f"--samples {args.samples}: it must be 1 or more")
    _check_seed(args.seed)
    result = scoring.evaluate(path, args.model, args.data, args.split, say, samples=args.samples, seed=args.seed)
    if args.json:
        _print_json(result)
    else:
        for name, value in result.items():
            print(f"{name:28} {value}")
    return 0


def metrics(args: argparse.Namespace, rest: list[str]) -> int:
    """Prints music statistics of generated pieces beside those of real ones."""
    if not 1 <= args.grid <= 96:
        raise errors.UserError(f"--grid {args.grid}: it must lie in 1..96")
    from musejax import measures, tables

    result = measures.metrics(
        args.folder, args.reference, codec=args.codec, training=args.training, grid=args.grid, say=say
    )
    if args.json:
        _print_json(result)
    else:
        print(tables.metrics(result))
    return 0


def prepare(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a data set."""
    from musejax import preparation

    out = Path(args.out)
    if out.suffix != ".npz":
        raise errors.UserError(f"--out {out}: a prepared data set ends in .npz")
    data = preparation.prepare(args.source, args.codec, say)
    data.save(out)
    sizes = {s: len(items) for s, items in data.splits.items()}
    if args.json:
        _print_json({"out": str(out), "codec": args.codec, "pieces": sizes, **data.report})
    else:
        say(f"{out}: " + ", ".join(f"{n} {s}" for s, n in sizes.items()))
        for reason, count in data.report["discarded"].items():
            say(f"discarded {count}: {reason}")
    return 0


def convert(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes each piece of each file in each format."""
    formats = _formats(args.to)
    from musejax import files, rendering

    read = [(Path(f), files.read(Path(f))) for f in args.files]  # everything is read before anything is written
    for path, sequences in read:
        for index, sequence in enumerate(sequences):
            stem = path.stem if len(sequences) == 1 else f"{path.stem}-{index + 1:04d}"
            for f in formats:
                out = Path(args.out) / f"{stem}.{f}"
                if out.exists() and out.samefile(path):
                    raise errors.UserError(f"{out} would overwrite its source; give another --out")
                out.parent.mkdir(parents=True, exist_ok=True)
                rendering.write(sequence, out)
                say(str(out))
    return 0


def pack(args: argparse.Namespace, rest: list[str]) -> int:
    """Copies a run as it is shipped."""
    from musejax import runs

    runs.pack(runs.load(zoo.find(args.model), say), Path(args.out))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, list[str]], int]] = {
    "list": list_,
    "train": train,
    "sample": sample,
    "evaluate": evaluate,
    "metrics": metrics,
    "prepare": prepare,
    "convert": convert,
    "render": convert,
    "pack": pack,
}
