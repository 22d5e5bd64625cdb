"""Evaluates every shipped run and writes the page docs/results/results.md.

    python -m benchmarks.results
    python -m benchmarks.results --only melody-lstm        evaluate one run and keep the results of the others

Everything is computed from the shipped weights by the functions behind `musejax evaluate`, `sample` and `metrics`. The
raw results are stored in benchmarks/results/quality.json.
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
# Runs whose music is measured: number of pieces, width, reference, codec that reads the reference.
MUSIC = {
    "chorale-lstm": (96, 32, "bach-chorales:test", None),
    "chorale-transformer": (96, 32, "bach-chorales:test", None),
    "deep-bach": (96, 32, "bach-chorales:test", None),
    "coconet": (96, 32, "bach-chorales:test", None),
    "melody-lstm": (128, 64, "folk-tunes:test", "melody-basic"),
    "melody-transformer": (128, 64, "folk-tunes:test", "melody-basic"),
}

# Samples per piece where a likelihood is estimated.
SAMPLES = {"coconet": 16}

# Explains the voice-leading columns; the pages that have them share this text.
RULES = """\
- `parallel_fifths`, `parallel_octaves`: share of the moves of two voices at once that go, in the same direction, from a
  fifth to a fifth, or from an octave or unison to another.
- `voice_crossing`: share of the frames in which a voice lies below the next lower one.
- `spacing`: share of the frames in which two neighbouring upper voices are more than an octave apart.
- `range`: share of the sounding cells (one voice in one frame) outside the voice's range.
- `unresolved_leading_tone`: share of the leading tones over a dominant-tonic bass that do not resolve."""


def evaluate(name: str) -> dict[str, Any]:
    """Returns the likelihood of a run on the validation and test split of its own corpus."""
    out: dict[str, Any] = {}
    for split in SPLITS:
        out[split] = scoring.evaluate(zoo.load(name), None, split, commands.say, samples=SAMPLES.get(name, 64))
    return out


def measure_music(name: str) -> dict[str, Any]:
    """Samples music from a run of `MUSIC` and compares it with real music."""
    num, width, reference, codec = MUSIC[name]
    with tempfile.TemporaryDirectory() as folder:
        for index, piece in enumerate(musejax.sample(name, num, 0, how=musejax.Sampling(width=width))):
            if piece.sequence.notes:
                piece.write(Path(folder) / f"{index:04d}.mid")
        # The temporary folder's path is of no interest.
        return metrics.metrics(folder, reference, codec=codec, say=commands.say) | {"folder": name}


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Formats rows as a Markdown table; the first row is the header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def format_figure(result: dict[str, Any], name: str) -> str:
    """Formats a figure, with the interval if the interval belongs to this figure."""
    low, high = result["interval"]
    spread = f" ({low:.3f} to {high:.3f})" if result["interval_of"] == name else ""
    return f"{result[name]:.3f}{spread}"


def jsb16_table(raw: dict[str, Any]) -> str:
    """Returns the table of protocol `jsb16`."""
    rows = [["model", "nats per note, test", "validation", "nats per frame, test", "remark"]]
    rows += [[f.model, *f.values, "", f.remark] for f in published.JSB16]
    for name, run in raw.items():
        if run["test"]["protocol"] == "jsb16" and run["test"]["kind"] == "exact":
            test, valid = run["test"], run["valid"]
            values = [format_figure(test, "nll_per_note"), f"{valid['nll_per_note']:.3f}"]
            values.append(f"{test['nll_per_frame']:.3f}")
            rows.append([f"**`{name}`**", *values, "exact; training split transposed by up to 6 semitones"])
    return markdown_table(rows)


def orderless_section(raw: dict[str, Any]) -> str:
    """Returns the section on orderless likelihoods on `jsb16`, or nothing if no run has one."""
    if not any(run["test"]["kind"] == "orderless" for run in raw.values()):
        return ""
    rows = [["model", "nats per note, test", "standard error", "validation", "remark"]]
    rows += [[f.model, f.values[0], "", f.values[1], f.remark] for f in published.ORDERLESS]
    for name, run in raw.items():
        test, valid = run["test"], run["valid"]
        if test["kind"] == "orderless":
            unit = "orderless_nll_per_note"
            error, sets = f"{test['standard_error']:.4f}", f"{test['samples']} samples of 4 sets of cells per piece"
            rows.append([f"**`{name}`**", format_figure(test, unit), error, f"{valid[unit]:.3f}", sets])
    return (
        "\n\nModels such as Coconet learn all orders of the cells at once. Their cost is the mean over all orders of\n"
        "the chain rule, estimated without bias from random sets of hidden cells. It is not comparable with the cost\n"
        "of a single order above.\n\n" + markdown_table(rows)
    )


def bl_table(raw: dict[str, Any], group: str, others: Sequence[published.Figure]) -> str:
    """Returns the table of one class of protocol `bl`, with the published figures first."""
    rows = [["model", *(s.removeprefix("bl-") for s in published.SETS)]]
    rows += [[f.model + (f", {f.remark}" if f.remark else ""), *f.values] for f in others]
    kinds = list(dict.fromkeys(n.rpartition("-")[2] for n, run in raw.items() if run["test"].get("class") == group))
    for kind in kinds:
        same_kind = [raw.get(f"{s}-{kind}") for s in published.SETS]
        parts = [
            ("", "test", "nll_per_frame"),
            (", without first frames", "test", "nll_per_frame_without_first"),
            (", validation", "valid", "nll_per_frame"),
        ]
        for suffix, split, key in parts:
            cells = [
                "" if r is None else f"{r[split][key]:.3f}" if suffix else format_figure(r[split], key)
                for r in same_kind
            ]
            rows.append([f"**`bl-*-{kind}`**{suffix}", *cells])
    return markdown_table(rows)


def corpus_section(raw: dict[str, Any]) -> str:
    """Returns the table of the runs that are scored on their own corpus, and a note on older figures."""
    rows = [["run", "data", "test pieces", "nats per token, test", "validation"]]
    older = set()
    for name, run in raw.items():
        test, valid = run["test"], run["valid"]
        if test["protocol"] == "corpus":
            unit = test["interval_of"]
            bound = f", upper bound ({test['samples']} importance samples)" if test["kind"] == "bound" else ""
            bound = ", each cell given all others (pseudo-likelihood)" if test["kind"] == "pseudo" else bound
            version = f" (version {valid['version']})" if "version" in valid else ""
            older |= {valid["version"]} if "version" in valid else set()
            values = [format_figure(test, unit) + bound, f"{valid[unit]:.3f}{version}"]
            rows.append([f"`{name}`", f"`{test['data']}`", str(test["pieces"]), *values])
    note = "".join(
        f"\n\nFigures marked (version {version}) were measured with that version of musejax, which read\n"
        "some notes of the corpus differently. They have not been measured again."
        for version in sorted(older)
    )
    return markdown_table(rows) + note


def music_section(name: str, result: dict[str, Any]) -> str:
    """Returns the section on one run's music."""
    num, width, reference, codec = MUSIC[name]
    option = f" --codec {codec}" if codec else ""
    statistics = [["", "generated", "held-out real music"], *tables.sides(result)]
    rules = [["rule", "generated", "held-out real music"], *tables.sides(result.get("voice_leading", {}))]
    shown = ("eb", "upc", "td")  # the others are 0 or 1 on a grid of 16ths with one note at a time
    tracks = [row for row in tables.tracks(result["musegan"]) if row[0].split(",")[0] in shown]
    areas = [["feature", "overlapped area", "KL", "area by the reference's distances"], *tables.areas(result)]
    copies = [["", "generated", "held-out real music"], *tables.copies(result)]
    parts = [
        f"### `{name}`",
        f"    musejax sample {name} --num {num} --width {width} --out music/{name}\n"
        f"    musejax metrics music/{name} --reference {reference}{option}",
        tables.lengths(result) + (f" (version {result['version']})." if "version" in result else "."),
        markdown_table(statistics + tracks),
        *([markdown_table(rules)] if len(rules) > 1 else []),
        markdown_table(areas),
        markdown_table(copies),
    ]
    return "\n\n".join(parts)


TEXT = """# Results

How well do the shipped models predict music that they have not seen, and how close is the music that they write to real
music?

- **Chorales.** `jsb16-lstm` and `jsb16-transformer` cost about 0.35 nats per note, half of what a Markov chain costs.
  Published models lie between 0.32 and 0.48, under protocols that differ. `coconet` is a small Coconet, and worse than
  the published one.
- **Binary frames.** On all four data sets the `bl-*-lstm` and `bl-*-nade` runs cost less than every published model
  of their class. They also read more of a piece's past than those models did.
- **Music.** Generated chorales are close to Bach's in scale consistency, polyphony and rhythm. They use a wider pitch
  range, and 0.8 to 2.5 % of their moves are parallel fifths, against 0.2 % or less in Bach. No model copies longer runs
  of notes from its training data than held-out pieces share with it.

`python -m benchmarks.results` measures all of it from the shipped weights and writes this page. A single likelihood is
`musejax evaluate RUN --split SPLIT --json`. Costs are negative log-likelihoods in nats, so lower is better. Numbers in
parentheses are 95 % bootstrap intervals over pieces. (m) marks a published figure that could not be confirmed in a
source.

## Four voices: protocol `jsb16`

The chain rule over every voice of every frame of czhuang/JSB-Chorales-dataset on the 16th grid, without side
information about the same frame. The runs were trained on its training split alone. The test split has 77 pieces,
18,900 frames and 75,600 notes.

{jsb16}{orderless}

## Binary frames: protocol `bl`

Nats per frame of 88 keys over all frames of all test pieces, each piece scored as a whole from its start state. Compare
figures within a class only. The runs here read more of a piece's past than the published networks did: lags, how
long each key has sounded, and what followed the same passage earlier in the piece
([models.md](../explanation/models.md)).

Class A1, in which keys are independent of each other given the past:

{a1}

Class A2, in which the keys of a frame depend on each other; exact:

{a2}

Class A3, models with latent variables. These figures are bounds. musejax has no such model for this protocol yet:

{a3}

## Models on their own corpora

{corpus}

## Generated music

Generated pieces are compared with held-out real pieces. Both sides are cut at bar lines into stretches of equal length.
Statistics are means over stretches with 95 % bootstrap intervals, which are somewhat narrow because several stretches
can come from one piece. Distinct 4-grams and the copy check use whole pieces, the former the same number on both sides.
A model is better the closer it is to real music.

- `pitch_range` to `groove_consistency`: MusPy's statistics (`musejax/evaluation/muspy.py`). `h1`, `h4` and `gs`:
  MusDr's pitch-class entropy of one bar and of four bars, and similarity of rhythm between bars
  (`musejax/evaluation/musdr.py`).
- `eb`, `upc`, `td`: MuseGAN's share of empty bars, pitch classes per bar, and tonal distance between two tracks.
- `rule`: how often a voice-leading rule is broken, as a share of the places where it could be
  ([definitions](gibbs.md#compared-with-bach)).
- `overlapped area` (MGEval): overlap of two distributions of distances, those between generated and real pieces and
  those among the generated pieces, so a collapsed set scores 0. Real music against real music scores about 0.9. `KL` is
  the divergence between the two; the last column uses the distances among the real pieces instead.
- `distinct_4grams`: number of different runs of four notes, as a share of all such runs.
- `longest copied run`: number of consecutive notes that also occur in the training set, in any transposition and any
  rhythm.

{music}
"""


def page(raw: dict[str, Any]) -> str:
    """Returns the page of results."""
    return TEXT.format(
        jsb16=jsb16_table(raw),
        orderless=orderless_section(raw),
        a1=bl_table(raw, "A1", published.INDEPENDENT),
        a2=bl_table(raw, "A2", published.JOINT),
        a3=bl_table(raw, "A3", published.BOUNDS),
        corpus=corpus_section(raw),
        music="\n\n".join(music_section(name, raw[name]["music"]) for name in MUSIC if name in raw),
    )


def main() -> int:
    """Runs the command line and returns the exit status."""
    # Runs tuned by rewards are measured by benchmarks/rl.py.
    shipped = [e.name for e in zoo.select(shipped=True) if "tuning" not in runs.read_description(zoo.find(e.name))]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=shipped, metavar="RUN", help="runs to evaluate (default: all)")
    parser.add_argument("--music", action="store_true", help="with --only: measure only the music of these runs again")
    args = parser.parse_args()
    raw = json.loads(RAW.read_text()) if args.only and RAW.exists() else {}
    for name in args.only or shipped:
        begin = time.perf_counter()
        if not args.music or name not in raw:
            raw[name] = evaluate(name)
        if name in MUSIC:
            raw[name]["music"] = measure_music(name)
        commands.say(f"{name}: {time.perf_counter() - begin:.0f} s")
        RAW.write_text(json.dumps({n: raw[n] for n in shipped if n in raw}, indent=1) + "\n")
    PAGE.write_text(page({n: raw[n] for n in shipped if n in raw}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
