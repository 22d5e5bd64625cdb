"""Measures the music of the Gibbs-sampling families, and writes the page docs/results/gibbs.md.

    python -m benchmarks.gibbs_quality
    python -m benchmarks.gibbs_quality --only sweeps --runs coconet=runs/coconet --num 8
    python -m benchmarks.gibbs_quality --only voices --runs deep-bach-notes=runs/deep-bach-notes
    python -m benchmarks.gibbs_quality --num 4 --steps 8,32 --out trial      a small trial, written to another folder

Everything is sampled with seed 0 at temperature 1. The raw results are stored in benchmarks/results/gibbs.json; those
that are not measured again are kept.
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
# Free samples and harmonisations are compared with chorales that no model has seen in any setting.
TEST = "bach-chorales"
SWEPT = ("deep-bach", "coconet")
COMPARED = ("deep-bach", "coconet", "chorale-transformer", "chorale-lstm")
BY_VOICE = ("deep-bach", "deep-bach-notes")
RAW = "benchmarks/results/gibbs.json"
VOICES = ("soprano", "alto", "tenor", "bass")
SECTIONS = {"sweeps": SWEPT, "rates": COMPARED, "voices": BY_VOICE}


def rule_rates(vocabulary: Any, pieces: Sequence[np.ndarray]) -> dict[str, float]:
    """Returns the rate of each voice-leading rule over pieces of tokens [T, S], in keys estimated from them."""
    rates = voice_leading.statistics(tasks.as_rolls([tasks.to_sound(vocabulary, tokens) for tokens in pieces]))
    return {rule: round(rate, 5) for rule, rate in rates.items() if rate == rate}


def measure_sweeps(loaded: zoo.Loaded, num: int, steps: Sequence[int]) -> dict[str, Any]:
    """Measures free samples of 16 bars for each number of steps: cost under the model itself, rule rates, seconds."""
    by_steps, vocabulary = {}, loaded.codec.vocabulary
    for count in steps:
        sampling.draw_pieces(loaded, 1, SEED, bars=BARS, steps=count, width=WIDTH)  # compiles
        begin = time.perf_counter()
        pieces = sampling.draw_pieces(loaded, num, SEED, bars=BARS, steps=count, width=WIDTH)
        seconds = (time.perf_counter() - begin) / num
        cells = sum(piece.arrays["tokens"].size for piece in pieces)
        nats = -sum(piece.log_prob or 0.0 for piece in pieces) / cells
        rates = rule_rates(vocabulary, [piece.arrays["tokens"] for piece in pieces])
        by_steps[str(count)] = {"nats_per_cell": round(nats, 4), "seconds": round(seconds, 3), "rates": rates}
    kind = loaded.model.likelihood.kind if loaded.model.likelihood else None
    return {"kind": kind, "pieces": num, "by_steps": by_steps}


def measure_rates(loaded: zoo.Loaded, items: Sequence[dataset.Item], num: int) -> dict[str, Any]:
    """Measures the rule rates of free samples, of harmonisations of the test sopranos, and of the real chorales."""
    vocabulary = loaded.codec.vocabulary
    free = sampling.draw_pieces(loaded, num, SEED, width=WIDTH)
    chosen = items[: max(1, min(num, len(items)))]
    own = None
    if loaded.model.info.samplers:
        own = gibbs.Sampling(loaded.model.info.samplers[0], loaded.model.info.sampling_steps)  # type: ignore[arg-type]
    sampled = tasks.harmonies(loaded, chosen, SEED, own)
    harmony = tasks.harmony(vocabulary, [item.arrays["tokens"] for item in chosen], sampled)
    return {
        "free": rule_rates(vocabulary, [piece.arrays["tokens"] for piece in free]),
        "pieces": len(free),
        "harmonised": {rule: rate for rule, (rate, _) in harmony["rates"]["drawn"].items()},
        "sopranos": len(chosen),
        "steps": None if own is None else own.steps,
        "changed": harmony["changed"],
        "bach": rule_rates(vocabulary, [item.arrays["tokens"] for item in chosen]),
    }


def measure_voices(loaded: zoo.Loaded, items: Sequence[dataset.Item]) -> dict[str, Any]:
    """Measures the cost and accuracy of each voice's cells given all others, with notes apart from holds and rests."""
    model, vocabulary, variables = (
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
        is_note = vocabulary.values("pitch")[tokens] >= 0
        for s, voice in enumerate(VOICES):
            cells, notes = (tokens[:, s] != vocabulary.id("end")).sum(), is_note[:, s].sum()
            right, of_notes = (float(info[f"{name}_{s}"]) for name in ("accuracy", "accuracy_of_notes"))
            costs = [nats[:, s].sum(), nats[:, s][is_note[:, s]].sum()]
            sums[voice] += [cells, notes, *costs, right * cells, of_notes * notes]
    return {voice: average_cells(*total) for voice, total in sums.items()}


def average_cells(
    cells: float, notes: float, cost: float, of_notes: float, right: float, right_notes: float
) -> dict[str, float]:
    """Returns the mean cost and accuracy of all cells, of the notes among them, and of the holds and rests."""
    others = cells - notes
    means = {
        "loss": cost / cells,
        "loss_of_notes": of_notes / notes,
        "loss_of_others": (cost - of_notes) / others,
        "accuracy": right / cells,
        "accuracy_of_notes": right_notes / notes,
        "accuracy_of_others": (right - right_notes) / others,
    }
    return {name: round(float(mean), 5) for name, mean in means.items()}


def average_arrays(nats: np.ndarray, right: np.ndarray, is_note: np.ndarray) -> dict[str, float]:
    """Returns the same means as `average_cells`, from the cost and correctness of each cell, [N] each."""
    both = (nats.sum(), nats[is_note].sum(), right.sum(), right[is_note].sum())
    return average_cells(len(nats), is_note.sum(), *(float(x) for x in both))


def voices_section(raw: Mapping[str, Any]) -> str:
    """Returns the section on DeepBach's cells by voice: with metadata, without, and of the original code."""
    head = """## DeepBach by voice

Each cell is predicted given all others, on the validation split of `bach-chorales`, which shares no piece with the
training split. Notes are shown apart from holds and rests, because most cells are holds, which are easy to predict.
`deep-bach-notes` is the same network without fermatas, beat and key (`musejax train deep-bach --model.conditions`)."""
    names = ("loss", "loss_of_notes", "loss_of_others", "accuracy", "accuracy_of_notes", "accuracy_of_others")
    by_model = {f"`{name}`": by_voice for name, by_voice in raw["voices"].items()}
    if raw.get("original"):
        theirs = raw["original"]
        by_model["the original"] = theirs["voices"]
        threads = f"{theirs['threads']} thread{'' if theirs['threads'] == 1 else 's'}"
        head += f"""
*The original* is DeepBach's own code (`benchmarks/deep_bach_original.py`): {theirs["parameters"]:,} parameters per
voice, each trained for {theirs["steps"]:,} batches of {theirs["batch"]} cells with their windows, in
{theirs["seconds"] / 60:.0f} minutes on {threads}. Our runs saw more data, so this does not compare the two designs. The
original samples its initial states at random in evaluation, too."""
    rows = [
        [name, voice, *(f"{means[n]:.3f}" for n in names)]
        for name, by_voice in by_model.items()
        for voice, means in by_voice.items()
    ]
    columns = ["nats, all cells", "nats, notes", "nats, holds and rests"]
    columns += ["accuracy, all cells", "accuracy, notes", "accuracy, holds and rests"]
    return f"{head}\n\n" + results.markdown_table([["", "voice", *columns], *rows]) + "\n"


def sweeps_section(raw: Mapping[str, Any]) -> str:
    """Returns the section on the number of sampling steps."""
    out = [
        f"""## By number of steps

One step is one network evaluation, after which a share of the cells is sampled again (`--steps`). *Nats per cell* is
the model's own cost of its samples. Seconds per piece are compiled, {WIDTH} pieces at once (`--width {WIDTH}`), on one
core that was shared with other work. The other columns are [voice-leading rules](#compared-with-bach).

![Cost and voice crossings by number of steps](../images/gibbs-steps.png)
"""
    ]
    for name, sweep in raw["sweeps"].items():
        rules = list(next(iter(sweep["by_steps"].values()))["rates"])
        rows = [
            [n, f"{x['nats_per_cell']:.3f}", f"{x['seconds']:.2f}", *(f"{x['rates'].get(r, 0):.3f}" for r in rules)]
            for n, x in sweep["by_steps"].items()
        ]
        kind = {"pseudo": "pseudo-likelihood", "orderless": "orderless likelihood"}.get(sweep["kind"], sweep["kind"])
        out.append(f"`{name}`, {sweep['pieces']} free samples of {BARS} bars, cost by {kind}:\n")
        out.append(results.markdown_table([["steps", "nats per cell", "seconds per piece", *rules], *rows]) + "\n")
    return "\n".join(out)


def rates_section(raw: Mapping[str, Any]) -> str:
    """Returns the section that compares samples and harmonisations with Bach."""
    out = [
        f"""## Compared with Bach

How often a voice-leading rule is broken, as a share of the places where it could be: in free samples, and in
harmonisations of the sopranos of `{TEST}:test`. Free samples take their lengths, keys and fermatas from the training
split. Overlapped areas and the copy check are in [results.md](results.md).

{results.RULES}
"""
    ]
    first = next(iter(raw["rates"].values()))
    rows = [["Bach", *(f"{x:.3f}" for x in first["bach"].values())]]
    for name, result in raw["rates"].items():
        for kind, count in (("free", result["pieces"]), ("harmonised", result["sopranos"])):
            row = [f"{result[kind].get(rule) or 0:.3f}" for rule in first["bach"]]
            steps = f", {result['steps']} steps" if result.get("steps") else ""
            rows.append([f"`{name}`{steps}, {kind} ({count})", *row])
    out.append(results.markdown_table([["", *first["bach"]], *rows]) + "\n")
    if missing := [f"`{name}`" for name in COMPARED if name not in raw["rates"]]:
        out.append(f"Not measured with the weights that ship: {', '.join(missing)}.\n")
    return "\n".join(out)


INTRODUCTION = f"""# Gibbs sampling

How many sampling steps do `deep-bach` and `coconet` need, and do the results follow Bach's rules of voice leading?

More steps give music that is likelier under the model and has fewer crossed voices and unresolved leading tones; up to
256 steps, each doubling still helps. With 256 steps crossings, spacing and ranges are close to Bach's. Parallel fifths
and octaves are not: about 2 % of moves, against 0.1 % in Bach, and more steps do not help. The models that sample from
left to right have fewer parallels.

`python -m benchmarks.gibbs_quality` measures all of it and writes this page. All music is sampled with seed {SEED} at
temperature 1.
"""


def page(raw: Mapping[str, Any]) -> str:
    """Returns docs/results/gibbs.md; sections that were not measured are left out."""
    out = [INTRODUCTION]
    out += [sweeps_section(raw)] if raw.get("sweeps") else []
    out += [rates_section(raw)] if raw.get("rates") else []
    out += [voices_section(raw)] if raw.get("voices") else []
    return "\n".join(out)


def picture(sweeps: Mapping[str, Any]) -> bytes:
    """Draws the cost and the rate of voice crossings over the number of steps, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name, sweep in sweeps.items():
        steps = [int(n) for n in sweep["by_steps"]]
        axes[0].plot(steps, [x["nats_per_cell"] for x in sweep["by_steps"].values()], marker="o", label=name)
        crossings = [x["rates"].get("voice_crossing", 0.0) for x in sweep["by_steps"].values()]
        axes[1].plot(steps, crossings, marker="o", label=name)
    titles = ("nats per cell under the model itself", "share of frames with crossed voices")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(xscale="log", xlabel="steps", title=title)
        axis.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    pyplot.close(figure)
    return data.getvalue()


def read_raw(root: Path) -> dict[str, Any]:
    """Reads the raw results of earlier runs, if there are any."""
    file = root / RAW
    return json.loads(file.read_text()) if file.exists() else {}


def write(raw: Mapping[str, Any], root: Path) -> None:
    """Writes the raw results, the page and the picture."""
    for folder in ("benchmarks/results", "docs/results", "docs/images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / RAW).write_text(json.dumps(raw, indent=1) + "\n")
    (root / "docs/results/gibbs.md").write_text(page(raw))
    if raw.get("sweeps"):
        (root / "docs/images/gibbs-steps.png").write_bytes(picture(raw["sweeps"]))


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, metavar="SECTION", help="what to measure (default: all)")
    parser.add_argument("--runs", default="", metavar="NAME=PATH,...", help="run directories that replace shipped runs")
    parser.add_argument("--num", type=int, default=NUM, help=f"number of samples and of sopranos (default: {NUM})")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)), metavar="N,...", help="numbers of sampling steps")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder to write to")
    args = parser.parse_args()
    paths = dict(each.partition("=")[::2] for each in args.runs.split(",") if each)
    commands.begin()
    raw = read_raw(args.out)
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
                result = measure_sweeps(loaded, args.num, [int(n) for n in args.steps.split(",")])
            elif section == "rates":
                result = measure_rates(loaded, data.split("test"), args.num)  # type: ignore[union-attr]
            else:
                result = measure_voices(loaded, data.split("valid"))  # type: ignore[union-attr]
            raw.setdefault(section, {})[name] = result
            commands.say(f"{section}, {name}: {time.perf_counter() - begin:.0f} s")
            write(raw, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
