"""What the Gibbs families write: by steps of sampling, beside Bach, and by voice. Writes docs/results/gibbs.md.

    python -m benchmarks.gibbs_quality
    python -m benchmarks.gibbs_quality --only sweeps --runs coconet=runs/coconet --num 8
    python -m benchmarks.gibbs_quality --only voices --runs deep-bach-notes=runs/deep-bach-notes
    python -m benchmarks.gibbs_quality --num 4 --steps 8,32 --out trial                a small trial, written elsewhere

Everything is drawn with seed 0 at temperature 1. The raw answers are kept in benchmarks/results/gibbs.json; what is not
measured anew stays as it was.
"""

import argparse
import functools
import io
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import results
from benchmarks import steering_tasks as tasks
from musejax import commands, errors, zoo
from musejax.corpora import preparation
from musejax.decoding import gibbs
from musejax.evaluation import voice_leading
from musejax.generation import sampling
from musejax.pipeline import batches, dataset

ROOT = Path(__file__).parent.parent
SEED, NUM, BARS, WIDTH = 0, 100, 16, 8
STEPS = (8, 16, 32, 64, 128, 256)
# Free samples and harmonies are compared with pieces that no chorale model has seen in any setting.
TEST = "bach-chorales"
SWEPT = ("deep-bach", "coconet")
COMPARED = ("deep-bach", "coconet", "chorale-transformer", "chorale-lstm")
BY_VOICE = ("deep-bach", "deep-bach-notes")
RAW = "benchmarks/results/gibbs.json"
VOICES = ("soprano", "alto", "tenor", "bass")
SECTIONS = {"sweeps": SWEPT, "rates": COMPARED, "voices": BY_VOICE}


def rates(vocabulary: Any, pieces: Sequence[np.ndarray]) -> dict[str, float]:
    """Each voice-leading rule's rate over pieces of tokens [T, S], in keys estimated from them."""
    found = voice_leading.statistics(tasks.as_rolls([tasks.heard(vocabulary, tokens) for tokens in pieces]))
    return {rule: round(rate, 5) for rule, rate in found.items() if rate == rate}


def sweeps(loaded: zoo.Loaded, num: int, steps: Sequence[int]) -> dict[str, Any]:
    """Free samples of 16 bars by steps of sampling: cost under the model itself, rates, and how long one takes."""
    out, table = {}, loaded.codec.vocabulary
    for count in steps:
        sampling.draw_pieces(loaded, 1, SEED, bars=BARS, steps=count, width=WIDTH)  # compiles
        begin = time.perf_counter()
        pieces = sampling.draw_pieces(loaded, num, SEED, bars=BARS, steps=count, width=WIDTH)
        seconds = (time.perf_counter() - begin) / num
        cells = sum(piece.arrays["tokens"].size for piece in pieces)
        nats = -sum(piece.log_prob or 0.0 for piece in pieces) / cells
        found = rates(table, [piece.arrays["tokens"] for piece in pieces])
        out[str(count)] = {"nats_per_cell": round(nats, 4), "seconds": round(seconds, 3), "rates": found}
    return {"kind": loaded.model.likelihood.kind if loaded.model.likelihood else None, "pieces": num, "by_steps": out}


def compared(loaded: zoo.Loaded, items: Sequence[dataset.Item], num: int) -> dict[str, Any]:
    """Rates of free samples, and of the test sopranos as the model harmonises them, beside those of the real ones."""
    table = loaded.codec.vocabulary
    free = sampling.draw_pieces(loaded, num, SEED, width=WIDTH)
    some = items[: max(1, min(num, len(items)))]
    own = None
    if loaded.model.info.samplers:
        own = gibbs.Sampling(loaded.model.info.samplers[0], loaded.model.info.sampling_steps)  # type: ignore[arg-type]
    drawn = tasks.harmonies(loaded, some, SEED, own)
    harmony = tasks.harmony(table, [item.arrays["tokens"] for item in some], drawn)
    return {
        "free": rates(table, [piece.arrays["tokens"] for piece in free]),
        "pieces": len(free),
        "harmonised": {rule: rate for rule, (rate, _) in harmony["rates"]["drawn"].items()},
        "sopranos": len(some),
        "steps": None if own is None else own.steps,
        "changed": harmony["changed"],
        "bach": rates(table, [item.arrays["tokens"] for item in some]),
    }


def by_voice(loaded: zoo.Loaded, items: Sequence[dataset.Item]) -> dict[str, Any]:
    """Cost and accuracy of each voice's cells given all others, and of its notes apart from holds and rests."""
    model, table, variables = (
        loaded.model,
        loaded.codec.vocabulary,
        (loaded.variables["params"], loaded.variables["state"]),
    )
    assert model.likelihood is not None and model.likelihood.nll is not None
    loss, nll = jax.jit(functools.partial(model.loss, step=0, train=False)), jax.jit(model.likelihood.nll)
    sums = {voice: np.zeros(6) for voice in VOICES}
    for item in items:
        (batch,) = (b for _, b in batches.whole([item], 1))
        info = loss(*variables, jax.random.key(0), batch)[1][1]
        tokens = item.arrays["tokens"]
        nats = np.asarray(nll(*variables, batch))[0, : len(tokens)]
        is_note = table.values("pitch")[tokens] >= 0
        for s, voice in enumerate(VOICES):
            cells, notes = (tokens[:, s] != table.id("end")).sum(), is_note[:, s].sum()
            right, of_notes = (float(info[f"{name}_{s}"]) for name in ("accuracy", "accuracy_of_notes"))
            costs = [nats[:, s].sum(), nats[:, s][is_note[:, s]].sum()]
            sums[voice] += [cells, notes, *costs, right * cells, of_notes * notes]
    return {voice: shares(*found) for voice, found in sums.items()}


def shares(
    cells: float, notes: float, cost: float, of_notes: float, right: float, right_notes: float
) -> dict[str, float]:
    """Cost and accuracy of cells, of notes among them, and of the holds and rests."""
    others = cells - notes
    found = {
        "loss": cost / cells,
        "loss_of_notes": of_notes / notes,
        "loss_of_others": (cost - of_notes) / others,
        "accuracy": right / cells,
        "accuracy_of_notes": right_notes / notes,
        "accuracy_of_others": (right - right_notes) / others,
    }
    return {name: round(float(share), 5) for name, share in found.items()}


def of_cells(nats: np.ndarray, right: np.ndarray, is_note: np.ndarray) -> dict[str, float]:
    """The same from what was found of each cell, [N] each."""
    both = (nats.sum(), nats[is_note].sum(), right.sum(), right[is_note].sum())
    return shares(len(nats), is_note.sum(), *(float(x) for x in both))


def voices_page(raw: Mapping[str, Any]) -> str:
    """DeepBach's cells by voice, with metadata, without, and of the original."""
    head = ("## DeepBach by voice\n\nEach cell given all others, on the validation split of `bach-chorales`, which is "
            "apart by pieces. Holds (and rests) are told apart from notes: a mean over all cells is mostly theirs. "
            "`deep-bach-notes` is the same net without fermatas, beat and key (`musejax train deep-bach "
            "--model.conditions`).")  # fmt: skip
    names = ("loss", "loss_of_notes", "loss_of_others", "accuracy", "accuracy_of_notes", "accuracy_of_others")
    found = {f"`{name}`": each for name, each in raw["voices"].items()}
    if raw.get("original"):
        theirs = raw["original"]
        found["the original"] = theirs["voices"]
        head += (f" The original is its own code (`benchmarks/deep_bach_original.py`): {theirs['parameters']:,} "
                 f"parameters a voice, each trained for {theirs['steps']:,} batches of {theirs['batch']} cells with "
                 f"their windows, {theirs['seconds'] / 60:.0f} minutes in all with {theirs['threads']} thread(s); ours "
                 "has seen more. Its code draws initial states at random in evaluation as well.")  # fmt: skip
    rows = [[name, voice, *(f"{x[n]:.3f}" for n in names)] for name, each in found.items() for voice, x in each.items()]
    columns = [f"{what} of {which}" for what in ("nats", "accuracy") for which in ("all", "notes", "holds")]
    return f"{head}\n\n" + results.markdown([["", "voice", *columns], *rows]) + "\n"


def page(raw: Mapping[str, Any]) -> str:
    """docs/results/gibbs.md."""
    out = ["# Gibbs sampling\n", "Written by `python -m benchmarks.gibbs_quality`, section by section. "
           "All music is drawn with seed 0 at temperature 1.\n"]  # fmt: skip
    if raw.get("sweeps"):
        out.append("## By steps of sampling\n\nA step asks the net once and draws a share of the cells anew "
                   f"(`--steps`). Seconds are by the piece, {WIDTH} drawn together (`--width {WIDTH}`), compiled, on "
                   "one core beside other work.\n\n![By steps](../images/gibbs-steps.png)\n")  # fmt: skip
        for name, found in raw["sweeps"].items():
            rules = list(next(iter(found["by_steps"].values()))["rates"])
            rows = [
                [n, f"{x['nats_per_cell']:.3f}", f"{x['seconds']:.2f}", *(f"{x['rates'].get(r, 0):.3f}" for r in rules)]
                for n, x in found["by_steps"].items()
            ]
            out.append(f"`{name}`, {found['pieces']} free samples of {BARS} bars; nats a cell are its own "
                       f"{found['kind']} cost.\n")  # fmt: skip
            out.append(results.markdown([["steps", "nats a cell", "seconds a piece", *rules], *rows]) + "\n")
    if raw.get("rates"):
        out.append("## Beside Bach\n\nRules of part-writing broken where they could be, in free samples and in the "
                   f"sopranos of `{TEST}:test` as each model harmonises them. Lengths, "
                   "keys and fermatas of free samples are drawn from the training split. Overlapped areas and the copy "
                   "check are in [results.md](results.md).\n")  # fmt: skip
        first = next(iter(raw["rates"].values()))
        rows = [["Bach", *(f"{x:.3f}" for x in first["bach"].values())]]
        for name, found in raw["rates"].items():
            for kind, count in (("free", found["pieces"]), ("harmonised", found["sopranos"])):
                row = [f"{found[kind].get(rule) or 0:.3f}" for rule in first["bach"]]
                steps = f", {found['steps']} steps" if found.get("steps") else ""
                rows.append([f"`{name}`{steps}, {kind} ({count})", *row])
        out.append(results.markdown([["", *first["bach"]], *rows]) + "\n")
        if missing := [f"`{name}`" for name in COMPARED if name not in raw["rates"]]:
            out.append(f"Not measured with the weights that ship: {', '.join(missing)}.\n")
    if raw.get("voices"):
        out.append(voices_page(raw))
    return "\n".join(out)


def picture(found: Mapping[str, Any]) -> bytes:
    """Cost and one rate by steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name, one in found.items():
        steps = [int(n) for n in one["by_steps"]]
        axes[0].plot(steps, [x["nats_per_cell"] for x in one["by_steps"].values()], marker="o", label=name)
        crossings = [x["rates"].get("voice_crossing", 0.0) for x in one["by_steps"].values()]
        axes[1].plot(steps, crossings, marker="o", label=name)
    for axis, title in zip(axes, ("nats a cell under the model itself", "frames with voices crossed"), strict=True):
        axis.set(xscale="log", xlabel="steps", title=title)
        axis.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    pyplot.close(figure)
    return data.getvalue()


def kept(root: Path) -> dict[str, Any]:
    """The raw answers that are there."""
    file = root / RAW
    return json.loads(file.read_text()) if file.exists() else {}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes raw answers, page and picture."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / RAW).write_text(json.dumps(raw, indent=1) + "\n")
    (root / "docs/results/gibbs.md").write_text(page(raw))
    if raw.get("sweeps"):
        (root / "docs/images/gibbs-steps.png").write_bytes(picture(raw["sweeps"]))


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, metavar="SECTION", help="default: all")
    parser.add_argument("--runs", default="", metavar="NAME=PATH,...", help="run directories in place of shipped runs")
    parser.add_argument("--num", type=int, default=NUM, help=f"free samples, and sopranos at most (default: {NUM})")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)), metavar="N,...", help="of sampling")
    parser.add_argument("--out", type=Path, default=ROOT, help="root of what is written")
    args = parser.parse_args()
    paths = dict(each.partition("=")[::2] for each in args.runs.split(",") if each)
    commands.begin()
    raw = kept(args.out)
    for section in args.only or SECTIONS:
        for name in SECTIONS[section]:
            try:
                loaded = zoo.load(zoo.find(paths.get(name, name)), commands.say)
            except errors.UserError as error:
                commands.say(f"{section}, {name}: left out ({error})")
                continue
            begin, data = time.perf_counter(), None
            if section != "sweeps":
                data = preparation.prepare(TEST, loaded.codec.vocabulary.name, commands.say)
            if section == "sweeps":
                found = sweeps(loaded, args.num, [int(n) for n in args.steps.split(",")])
            elif section == "rates":
                found = compared(loaded, data.split("test"), args.num)  # type: ignore[union-attr]
            else:
                found = by_voice(loaded, data.split("valid"))  # type: ignore[union-attr]
            raw.setdefault(section, {})[name] = found
            commands.say(f"{section}, {name}: {time.perf_counter() - begin:.0f} s")
            write(raw, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
