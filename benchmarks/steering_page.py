"""The page docs/results/steering.md and its pictures, from the raw results that benchmarks/steering.py stores."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import results
from benchmarks import steering_tasks as tasks
from musejax.evaluation import likelihood
from musejax.nn.features.voice_history import MIDDLE
from musejax.reports import tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEED = 0
# Section -> run -> corpus on whose test split the run is measured.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "harmonize": {
        **dict.fromkeys(("jsb16-lstm", "jsb16-causal", "jsb16-transformer"), "jsb16"),
        **dict.fromkeys(("chorale-lstm", "chorale-transformer"), "bach-chorales"),
    },
    "infill": dict.fromkeys(("jsb16-lstm", "jsb16-causal", "jsb16-transformer"), "jsb16"),
    "long": {
        **dict.fromkeys(("chorale-lstm", "chorale-transformer"), "bach-chorales"),
        **dict.fromkeys(("melody-lstm", "melody-transformer"), "folk-tunes"),
    },
    "attributes": {"pop-transformer": "pop909"},
}
MODELS = tuple(dict.fromkeys(name for runs in SECTIONS.values() for name in runs))
# Gaps: name -> frames, voices.
GAPS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "two bars of all voices": (2 * tasks.BAR, (0, 1, 2, 3)),
    "one bar of all voices": (tasks.BAR, (0, 1, 2, 3)),
    "two bars of the alto": (2 * tasks.BAR, (tasks.ALTO,)),
}
DISTRACTORS = 99
WAYS = {
    "rest": "gap given both sides, exact",
    "whole": "gap and everything after it, left to right",
    "past": "gap alone, left to right",
}
# Long pieces: number of pieces, bars of each, and bars that count as its beginning and as its end.
PIECES, BARS, EDGE = 32, 64, 16
# Pieces per requested attribute, and bars of each.
REQUESTED, REQUESTED_BARS = 8, 8
MEDIANS = {
    "onsets": "onsets per bar",
    "silent": "share of silent cells",
    "pitches": "different pitches",
    "entropy": "pitch-class entropy, bits",
    "scale": "scale consistency",
    "nll": "nats per cell",
}
MEANS = {
    "silent": "share of silent cells, mean",
    "still": "share of bars without an onset",
    "again": "share of bars that repeat the one before",
}
# Half of the bars or more have the same value of these, so the pictures show means, too.
DOTTED = ("silent", "scale")
COLOURS = ("#0072B2", "#D55E00")


def group_by_source(raw: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Returns corpus -> run -> result of a section, without corpora that have no result."""
    out: dict[str, dict[str, Any]] = {}
    for name, source in SECTIONS[section].items():
        if name in raw.get(section, {}):
            out.setdefault(source, {})[name] = raw[section][name]
    return out


def harmonies_section(raw: Mapping[str, Any]) -> str:
    """Returns two tables per corpus: the given sopranos with the likelihoods, and the voice-leading rules."""
    parts = []
    for source, by_run in group_by_source(raw, "harmonize").items():
        first = next(iter(by_run.values()))
        unit = first["likelihood"]["interval_of"].rpartition("_")[2]
        rows = [["run", "sopranos", "given notes", "notes changed", f"Bach's lower voices, nats per {unit}", "kind"]]
        for name, r in by_run.items():
            result = r["likelihood"]
            counts = [f"{r[key]:,}" for key in ("pieces", "notes", "changed")]
            value = tables.number(result[result["interval_of"]], result["interval"])
            rows.append([f"`{name}`", *counts, value, result["kind"]])
        sides = [first["rates"]["real"], *(r["rates"]["drawn"] for r in by_run.values())]
        rates = [["rule", "Bach", *(f"`{name}`" for name in by_run)]]
        rates += [[rule, *(tables.number(*side[rule]) for side in sides)] for rule in sides[0]]
        parts += [f"On `{source}:test`:", results.markdown_table(rows), results.markdown_table(rates)]
    return "\n\n".join(parts)


def gaps_section(raw: Mapping[str, Any]) -> str:
    """Returns a table for each kind of gap, and how far a model that reads both sides is ahead, gap by gap."""
    by_run, parts = group_by_source(raw, "infill").get("jsb16", {}), []
    for kind in GAPS if by_run else ():
        first = next(iter(by_run.values()))[kind]
        rows, differences = [["run", "score", "mean reciprocal rank", "ranked first", "ranked in the first ten"]], []
        for name, r in ((name, r[kind]) for name, r in by_run.items()):
            for way in (way for way in WAYS if way in r["figures"]):
                rows.append([f"`{name}`", WAYS[way], *(tables.number(*v) for v in r["figures"][way].values())])
            for other in dict.fromkeys((next(iter(by_run)), name)) if "rest" in r["ranks"] else ():
                if by_run[other][kind]["gaps"] == r["gaps"]:
                    each = 1 / np.array(r["ranks"]["rest"]) - 1 / np.array(by_run[other][kind]["ranks"]["whole"])
                    value = tables.number(float(each.mean()), likelihood.interval(each, np.ones(len(each))))
                    differences.append(
                        f"- Reciprocal rank of `{name}` ({WAYS['rest']}) minus that of `{other}` ({WAYS['whole']}), "
                        f"mean over gaps: {value}."
                    )
        n, count = first["candidates"], len(first["gaps"])
        chance = (sum(1 / k for k in range(1, n + 1)) / n, 1 / n, min(1, 10 / n))
        rows.append(["chance", "", *map(tables.number, chance)])
        head = f"**{kind.capitalize()}**: {count} gaps, {count * n:,} candidates, {first['cropped']} gaps in a piece"
        parts += [f"{head} longer than the window.", results.markdown_table(rows)]
        parts += ["\n".join(differences)] if differences else []
    return "\n\n".join(parts)


def attributes_section(raw: Mapping[str, Any]) -> str:
    """Returns a table per run with a row for each attribute of each track: means over bins, and each bin's hits."""
    parts = []
    for name, r in raw.get("attributes", {}).items():
        rows = [["attribute", "hit", "within one bin", "by chance", "hit, by requested bin"]]
        for control, bins in r["controls"].items():
            means = [float(np.mean([each[key] or 0 for each in bins])) for key in ("hit", "near", "free")]
            by_bin = ", ".join(f"{each['bin']}: {each['hit']:.2f}" for each in bins)
            rows.append([control, *map(tables.number, means), by_bin])
        parts += [f"`{name}`, {r['bars']} bars for each bin:", results.markdown_table(rows)]
    return "\n\n".join(parts)


def compare_with_quartiles(value: float | None, band: Sequence[float | None]) -> str:
    """Says whether a value lies below, within or above quartiles."""
    low, _, high = band
    if value is None or low is None or high is None:
        return "undefined"
    return "below" if value < low else "above" if value > high else "within"


def long_section(raw: Mapping[str, Any]) -> str:
    """Returns a picture per corpus, and a table with a summary per run."""
    parts = []
    for source, by_run in group_by_source(raw, "long").items():
        parts.append(f"![Statistics by bar, compared with {source}](../images/long-{source}.png)")
        for name, r in by_run.items():
            sides = ("real", "first", "last")
            rows = [
                ["", "real bars", f"first {EDGE} bars", f"last {EDGE} bars", "last against real", "change of the mean"]
            ]
            outside = []
            for stat, label in MEDIANS.items():
                s = r["statistics"][stat]
                q = s["quartiles"]
                cells = [tables.number(q[side][1], None if q[side][1] is None else q[side][::2]) for side in sides]
                now, before = (compare_with_quartiles(q[side][1], q["real"]) for side in ("last", "first"))
                rows.append([label, *cells, now, tables.number(*s["change"])])
                if now != "within":
                    outside.append(f"{label} ({now}; in the first {EDGE} bars {before})")
            for stat, label in MEANS.items():
                s = r["statistics"][stat]
                rows.append(
                    [label, *(tables.number(s["mean"][side]) for side in sides), "", tables.number(*s["change"])]
                )
            version = f" (as version {r['version']} read them)" if "version" in r else ""
            parts += [
                f"`{name}`, trained on windows of {r['window']} frames: {r['pieces']} pieces, compared with "
                f"{r['real_bars']:,} bars of {r['real_pieces']} pieces of `{source}:test`{version}.",
                results.markdown_table(rows),
                f"Of {len(MEDIANS)} medians of the last {EDGE} bars, {len(MEDIANS) - len(outside)} lie within the "
                f"quartiles of real bars{'; outside: ' if outside else ''}{', '.join(outside)}.",
            ]
    return "\n\n".join(parts)


def draw_panel(axes: "Axes", stat: str, by_run: Mapping[str, Any]) -> None:
    """Draws one statistic by bar: medians and quartiles of each run, and of real bars (dashed if they depend on it)."""
    bars = np.arange(1, BARS + 1)
    for colour, (name, r) in zip(COLOURS, by_run.items()):
        s = r["statistics"][stat]
        low, middle, high = np.array(s["by_bar"], float).T
        real = np.array(s["quartiles"]["real"], float)
        axes.fill_between(bars, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(bars, middle, color=colour, linewidth=1.4, label=name)
        if stat in DOTTED:
            axes.plot(bars, np.array(s["mean_by_bar"], float), color=colour, linewidth=1, linestyle="dotted")
        if stat == "nll":
            axes.hlines(real, 1, BARS, colors=colour, linestyles="dashed", linewidth=[0.8, 1.2, 0.8])
        elif colour == COLOURS[0]:
            axes.axhspan(real[0], real[2], facecolor="#D9DCE1", linewidth=0, zorder=0, label="real, quartiles")
            axes.axhline(real[1], color="#8A9099", linewidth=1.2, zorder=1, label="real, median")
    axes.set_title(MEDIANS[stat] + (" (dotted: mean)" if stat in DOTTED else ""), fontsize=10, loc="left")
    axes.set_xlim(1, BARS)
    axes.set_xticks([1, 16, 32, 48, 64])
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def picture(source: str, by_run: Mapping[str, Any]) -> bytes:
    """Draws a PNG with a panel for each statistic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, 3)
    for axes, stat in zip(grid.ravel(), MEDIANS):
        draw_panel(axes, stat, by_run)
    grid[1, 1].set_xlabel("bar", fontsize=9)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


TEXT = f"""# Steering

How well do the models harmonise a given melody, fill gaps, keep long pieces alive, and follow requested attributes?

- **Harmonising** never changes a given note. Parallel fifths and octaves are 1 to 2 % of moves, against 0.1 % or less
  in Bach.
- **Filling gaps.** The true bars rank far above chance among {DISTRACTORS} distractors. Reading both sides of a gap
  helps little so far: scoring the gap and everything after it from left to right ranks the true bars higher.
- **Long pieces.** At the end of {BARS} bars, the medians of all six statistics still lie within the quartiles of real
  bars.
- **Attributes of tracks.** A requested bin is hit more than six times as often as by chance for density, two to four
  times as often for polyphony and duration.

`python -m benchmarks.steering` measures all of it and writes this page. All music is sampled at temperature 1
with seed {SEED}. Numbers in parentheses are 95 % bootstrap intervals over pieces or gaps. `jsb16-causal`, a model that
does not read both sides of a gap, does not ship; train it with the config of that name. The commands themselves are
explained in [steering the music](../how-to/steer-music.md).

## Harmonising a soprano

    python -m benchmarks.steering --only harmonize --runs jsb16-causal=runs/jsb16-causal

The soprano of each test piece is given, together with the beat (and with fermatas and key, if the model reads them).
The other three voices are sampled once. *Notes changed* counts given soprano notes that differ in the result. *Bach's
lower voices* is the cost of Bach's own alto, tenor and bass given the whole soprano; `musejax evaluate RUN --given
soprano --split test --json` gives the same figure. Its kind is *exact* for a model that reads all given cells in
advance, and *causal* for a model in which a cell depends only on earlier cells.

{{harmonies}}

The second table gives, for each [voice-leading rule](gibbs.md#compared-with-bach), how often it is broken as a share of
the places where it could be. Keys are estimated from Bach's own setting.

## Filling gaps

    python -m benchmarks.steering --only infill --num 40 --runs jsb16-causal=runs/jsb16-causal

Each gap starts at a random multiple of 16 frames in a test piece of `jsb16`, at least 16 frames from either end, with
one gap per piece. The true cells are ranked by cost among {DISTRACTORS} distractors. A distractor is a stretch of the
same voices from another test piece, also starting at a multiple of 16 frames. It is transposed by -6 to 5 semitones to
match the pitch classes of the given cells in the gap and 16 frames on either side, with each voice within its range in
the test split. A distractor that costs the same as the true cells ranks above them. A window of {tasks.WINDOW} frames
around the gap is scored. All runs have the same gaps and candidates. There are three scores:

- {WAYS["rest"]}: cost of the cells in the gap, for a model that reads the given cells on both sides;
- {WAYS["whole"]}: cost of all cells from the start of the gap, with the candidate in place;
- {WAYS["past"]}: cost of the cells in the gap only, so that what follows does not count.

{{gaps}}

## Long pieces

    python -m benchmarks.steering --only long

Free samples of {BARS} bars of 4/4 ({BARS * tasks.BAR:,} frames). Chorales have a pickup of one quarter and no fermatas,
and their keys are as frequent as the opening keys in the training data. Pieces may not end early (END is forbidden).
From bar {MIDDLE[1]} on, a model of several voices receives the position of bars {MIDDLE[0]} to {MIDDLE[1] - 1} and only
short matches with earlier bars (`history.endless`); without this it comes to rest as if the piece ended, and copies its
own long notes.

Real bars are the whole 4/4 bars of the test pieces. The codec of the melodies has no time signature, so their bars are
stretches of 16 frames on both sides. Pitch-class entropy and scale consistency are MusPy's, over the notes that sound
in a bar. Nats per cell are the model's own cost, of real bars, too (dashed in the pictures).

The first rows give medians with quartiles over bars, the last three give means. *Last against real* says whether the
median of the last {EDGE} bars lies below, within or above the quartiles of real bars. *Change of the mean* is from the
first {EDGE} bars to the last {EDGE}, with an interval over pieces.

{{long}}

## Attributes of tracks

    python -m benchmarks.steering --only attributes

One attribute of one track is requested in all of {REQUESTED_BARS} bars of 4/4, one bin at a time, in {REQUESTED} pieces
each. Everything else is free. A hit is a bar whose notes fall into the requested bin; a silent bar is a miss. *By
chance* is the share of bars of free samples, among those in which the track sounds, that fall into the bin. Shares are
means over bins.

{{attributes}}
"""


def page(raw: Mapping[str, Any]) -> str:
    """Returns the page."""
    parts = {"harmonies": harmonies_section(raw), "gaps": gaps_section(raw), "long": long_section(raw)}
    parts["attributes"] = attributes_section(raw)
    return TEXT.format(**{name: part or "No run has been measured yet." for name, part in parts.items()})
