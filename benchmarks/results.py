"""Evaluates every shipped run and writes the page of results, docs/results/results.md.

    python -m benchmarks.results
    python -m benchmarks.results --only melody-lstm        one run anew, the others as they were

Everything comes from the weights as shipped, by the functions behind `musejax evaluate`, `sample` and `metrics`; the
raw answers are kept in benchmarks/results/quality.json.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import musejax
from benchmarks import published
from musejax import commands, runs, zoo
from musejax.reports import evaluate as scoring
from musejax.reports import metrics, tables

ROOT = Path(__file__).parent.parent
RAW = ROOT / "benchmarks" / "results" / "quality.json"
PAGE = ROOT / "docs/results/results.md"
SPLITS = ("test", "valid")
# Runs that make music for people: pieces, width, reference, codec through which the reference is read.
MUSIC = {
    "chorale-lstm": (96, 32, "bach-chorales:test", None),
    "chorale-transformer": (96, 32, "bach-chorales:test", None),
    "deep-bach": (96, 32, "bach-chorales:test", None),
    "coconet": (96, 32, "bach-chorales:test", None),
    "melody-lstm": (128, 64, "folk-tunes:test", "melody-basic"),
    "melody-transformer": (128, 64, "folk-tunes:test", "melody-basic"),
}


# Draws a piece, where a likelihood is estimated.
SAMPLES = {"coconet": 16}


def evaluate(name: str) -> dict[str, Any]:
    """The likelihood of a run on the validation and test split of its own corpus."""
    out: dict[str, Any] = {}
    for split in SPLITS:
        out[split] = scoring.evaluate(zoo.load(name), None, split, commands.say, samples=SAMPLES.get(name, 64))
    return out


def heard(name: str) -> dict[str, Any]:
    """The music of a run of `MUSIC` beside real music."""
    num, width, reference, codec = MUSIC[name]
    with tempfile.TemporaryDirectory() as folder:
        for index, piece in enumerate(musejax.sample(name, num, 0, how=musejax.Sampling(width=width))):
            if piece.sequence.notes:
                piece.write(Path(folder) / f"{index:04d}.mid")
        # Where it lay means nothing.
        return metrics.metrics(folder, reference, codec=codec, say=commands.say) | {"folder": name}


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table, the first its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def figure(result: dict[str, Any], name: str) -> str:
    """A figure with the interval, where it is the figure's own."""
    low, high = result["interval"]
    spread = f" ({low:.3f} to {high:.3f})" if result["interval_of"] == name else ""
    return f"{result[name]:.3f}{spread}"


def jsb16(raw: dict[str, Any]) -> str:
    """The table of protocol `jsb16`."""
    rows = [["model", "nats a note, test", "validation", "nats a frame, test", "remark"]]
    rows += [[f.model, *f.values, "", f.remark] for f in published.JSB16]
    for name, run in raw.items():
        if run["test"]["protocol"] == "jsb16" and run["test"]["kind"] == "exact":
            test, valid = run["test"], run["valid"]
            values = [figure(test, "nll_per_note"), f"{valid['nll_per_note']:.3f}", f"{test['nll_per_frame']:.3f}"]
            rows.append([f"**`{name}`**", *values, "exact; training split transposed by up to 6 semitones"])
    return markdown(rows)


def orderless(raw: dict[str, Any]) -> str:
    """The table of orderless likelihoods on `jsb16`, where there is any."""
    if not any(run["test"]["kind"] == "orderless" for run in raw.values()):
        return ""
    rows = [["model", "nats a note, test", "standard error", "validation", "remark"]]
    rows += [[f.model, f.values[0], "", f.values[1], f.remark] for f in published.ORDERLESS]
    for name, run in raw.items():
        test, valid = run["test"], run["valid"]
        if test["kind"] == "orderless":
            unit = "orderless_nll_per_note"
            error, sets = f"{test['standard_error']:.4f}", f"{test['samples']} draws of 4 sets of cells a piece"
            rows.append([f"**`{name}`**", figure(test, unit), error, f"{valid[unit]:.3f}", sets])
    return (
        "\n\nIn any order, of models that learn all orders at once: the mean over all orders of the chain rule,\n"
        "estimated without bias from random sets of hidden cells. Not comparable with one order's cost above.\n\n"
        + markdown(rows)
    )


def bl(raw: dict[str, Any], group: str, others: Sequence[published.Figure]) -> str:
    """The table of one class of protocol `bl`."""
    rows = [["model", *(s.removeprefix("bl-") for s in published.SETS)]]
    rows += [[f.model + (f", {f.remark}" if f.remark else ""), *f.values] for f in others]
    kinds = list(dict.fromkeys(n.rpartition("-")[2] for n, run in raw.items() if run["test"].get("class") == group))
    for kind in kinds:
        runs = [raw.get(f"{s}-{kind}") for s in published.SETS]
        parts = [
            ("", "test", "nll_per_frame"),
            (", without first frames", "test", "nll_per_frame_without_first"),
            (", validation", "valid", "nll_per_frame"),
        ]
        for what, split, key in parts:
            cells = ["" if r is None else figure(r[split], key) if not what else f"{r[split][key]:.3f}" for r in runs]
            rows.append([f"**`bl-*-{kind}`**{what}", *cells])
    return markdown(rows)


def corpus(raw: dict[str, Any]) -> str:
    """The table of runs on a corpus of their own."""
    rows = [["run", "data", "test pieces", "nats a token, test", "validation"]]
    for name, run in raw.items():
        test = run["test"]
        if test["protocol"] == "corpus":
            unit = test["interval_of"]
            bound = f", at most ({test['samples']} importance samples)" if test["kind"] == "bound" else ""
            bound = ", each given all others (pseudo-likelihood)" if test["kind"] == "pseudo" else bound
            values = [figure(test, unit) + bound, f"{run['valid'][unit]:.3f}"]
            rows.append([f"`{name}`", f"`{test['data']}`", str(test["pieces"]), *values])
    return markdown(rows)


def music(name: str, result: dict[str, Any]) -> str:
    """The section of one run's music."""
    num, width, reference, codec = MUSIC[name]
    through = f" --codec {codec}" if codec else ""
    statistics = [["", "generated", "held-out real music"], *tables.sides(result)]
    rules = [["rule", "generated", "held-out real music"], *tables.sides(result.get("voice_leading", {}))]
    kept = ("eb", "upc", "td")  # the others are 0 or 1 on a grid of 16ths with one note at a time
    tracks = [row for row in tables.tracks(result["musegan"]) if row[0].split(",")[0] in kept]
    areas = [["feature", "overlapped area", "KL", "area by the reference's distances"], *tables.areas(result)]
    copies = [["", "generated", "held-out real music"], *tables.copies(result)]
    parts = [
        f"### `{name}`",
        f"    musejax sample {name} --num {num} --width {width} --out music/{name}\n"
        f"    musejax metrics music/{name} --reference {reference}{through}",
        tables.lengths(result) + ".",
        markdown(statistics + tracks),
        *([markdown(rules)] if len(rules) > 1 else []),
        markdown(areas),
        markdown(copies),
    ]
    return "\n\n".join(parts)


TEXT = """# Results

Written by `python -m benchmarks.results` from the weights as shipped. Every figure of likelihood is
`musejax evaluate RUN --split SPLIT --json` away; its intervals are 95 % bootstrap intervals over pieces. (m) marks a
published figure that could not be confirmed in a source.

## Four voices: protocol `jsb16`

The chain rule over every voice of every frame of czhuang/JSB-Chorales-dataset on the 16th grid, without side
information of the same frame; trained on its training split alone. Test: 77 pieces, 18,900 frames, 75,600 notes.

{jsb16}{orderless}

## Binary frames: protocol `bl`

Nats a frame of 88 keys over all frames of all test pieces, each piece whole from its start state. Compare within a
class only. The runs here read more of a piece's past than the published nets did: lags, ages of keys, and what
followed the same passage earlier in the piece ([models.md](../explanation/models.md)).

Class A1, keys independent of each other given the past:

{a1}

Class A2, keys of a frame given each other, exact:

{a2}

Class A3, models with latent variables; these figures are bounds, and none of ours is among them yet:

{a3}

## On a corpus of their own

{corpus}

## Music

Generated pieces beside real ones that no model has seen. Both sides are cut on bar lines into stretches of equal
length; the copy check and distinct runs of four notes are of whole pieces, the latter of equally many on both sides.
Statistics are means over stretches; their 95 % intervals are bootstrapped over stretches, several of which may be of
one piece, so they are somewhat narrow. Nearer to real music is better.

- MusPy's and MusDr's statistics by their papers' definitions (`musejax/evaluation/muspy.py`, `musdr.py`).
- `eb`, `upc`, `td`: MuseGAN's empty bars, pitch classes used in a bar, and tonal distance of two tracks.
- Voice-leading: how often a rule is broken where it could be.
- Overlapped area (MGEval): the distances between generated and real pieces against those among the generated, so that a
  collapsed set scores 0; real music against real music scores about .9.
- Longest copied run: notes in a row that also stand in the training set, in any transposition and any rhythm.

{music}
"""


def page(raw: dict[str, Any]) -> str:
    """The page of results."""
    return TEXT.format(
        jsb16=jsb16(raw),
        orderless=orderless(raw),
        a1=bl(raw, "A1", published.INDEPENDENT),
        a2=bl(raw, "A2", published.JOINT),
        a3=bl(raw, "A3", published.BOUNDS),
        corpus=corpus(raw),
        music="\n\n".join(music(name, raw[name]["music"]) for name in MUSIC if name in raw),
    )


def main() -> int:
    """The command line; returns the exit status."""
    # What rewards have tuned is measured by benchmarks/rl.py.
    shipped = [e.name for e in zoo.select(shipped=True) if "tuning" not in runs.read_description(zoo.find(e.name))]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=shipped, metavar="RUN", help="runs to evaluate (default: all)")
    parser.add_argument("--music", action="store_true", help="with --only: the music anew, the rest as it was")
    args = parser.parse_args()
    known = json.loads(RAW.read_text()) if args.only and RAW.exists() else {}
    for name in args.only or shipped:
        begin = time.perf_counter()
        if not args.music or name not in known:
            known[name] = evaluate(name)
        if name in MUSIC:
            known[name]["music"] = heard(name)
        commands.say(f"{name}: {time.perf_counter() - begin:.0f} s")
        RAW.write_text(json.dumps({n: known[n] for n in shipped if n in known}, indent=1) + "\n")
    PAGE.write_text(page({n: known[n] for n in shipped if n in known}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
