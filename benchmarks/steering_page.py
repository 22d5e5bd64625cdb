"""The page docs/results/steering.md and its pictures, from the raw answers that benchmarks/steering.py keeps."""

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
# Section -> run -> the corpus on whose test split it is measured.
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
# Gaps: what is missing -> frames, voices.
GAPS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "two bars of all voices": (2 * tasks.BAR, (0, 1, 2, 3)),
    "one bar of all voices": (tasks.BAR, (0, 1, 2, 3)),
    "two bars of the alto": (2 * tasks.BAR, (tasks.ALTO,)),
}
DISTRACTORS = 99
WAYS = {
    "rest": "the gap given the rest, exact",
    "whole": "from the gap to the end, left to right",
    "past": "the gap alone, left to right",
}
# Long pieces: how many, their bars, and how many bars stand for the beginning and for the end.
PIECES, BARS, EDGE = 32, 64, 16
# Pieces and their bars for each attribute that is asked for.
ASKED, ASKED_BARS = 8, 8
MEDIANS = {
    "onsets": "onsets a bar",
    "silent": "share of silent cells",
    "pitches": "different pitches",
    "entropy": "pitch-class entropy, bits",
    "scale": "scale consistency",
    "nll": "nats a cell",
}
MEANS = {
    "silent": "share of silent cells, mean",
    "still": "share of bars without an onset",
    "again": "share of bars that sound as the one before",
}
# Of these half the bars or more are alike, so that pictures show means too.
DOTTED = ("silent", "scale")
COLOURS = ("#0072B2", "#D55E00")


def by_source(raw: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Corpus -> run -> its result in a section; corpora without a result are left out."""
    out: dict[str, dict[str, Any]] = {}
    for name, source in SECTIONS[section].items():
        if name in raw.get(section, {}):
            out.setdefault(source, {})[name] = raw[section][name]
    return out


def harmonies_page(raw: Mapping[str, Any]) -> str:
    """Two tables a corpus."""
    parts = []
    for source, found in by_source(raw, "harmonize").items():
        first = next(iter(found.values()))
        unit = first["likelihood"]["interval_of"].rpartition("_")[2]
        rows = [["run", "sopranos", "their notes", "notes changed", f"Bach's own, nats a {unit}", "likelihood"]]
        for name, r in found.items():
            told = r["likelihood"]
            counts = [f"{r[what]:,}" for what in ("pieces", "notes", "changed")]
            value = tables.number(told[told["interval_of"]], told["interval"])
            rows.append([f"`{name}`", *counts, value, told["kind"]])
        sides = [first["rates"]["real"], *(r["rates"]["drawn"] for r in found.values())]
        rates = [["rule", "Bach", *(f"`{name}`" for name in found)]]
        rates += [[rule, *(tables.number(*side[rule]) for side in sides)] for rule in sides[0]]
        parts += [f"On `{source}:test`:", results.markdown(rows), results.markdown(rates)]
    return "\n\n".join(parts)


def gaps_page(raw: Mapping[str, Any]) -> str:
    """For each kind of gap a table, and what a model that fills is ahead of the first run, gap by gap."""
    found, parts = by_source(raw, "infill").get("jsb16", {}), []
    for what in GAPS if found else ():
        first = next(iter(found.values()))[what]
        rows, ahead = [["run", "score", "mean reciprocal rank", "first", "among the first ten"]], []
        for name, r in ((name, r[what]) for name, r in found.items()):
            for way in (way for way in WAYS if way in r["figures"]):
                rows.append([f"`{name}`", WAYS[way], *(tables.number(*v) for v in r["figures"][way].values())])
            for other in dict.fromkeys((next(iter(found)), name)) if "rest" in r["ranks"] else ():
                if found[other][what]["gaps"] == r["gaps"]:
                    each = 1 / np.array(r["ranks"]["rest"]) - 1 / np.array(found[other][what]["ranks"]["whole"])
                    value = tables.number(float(each.mean()), likelihood.interval(each, np.ones(len(each))))
                    ahead.append(
                        f"- Reciprocal rank by `{name}` ({WAYS['rest']}) less that by `{other}` ({WAYS['whole']}), "
                        f"mean over gaps: {value}."
                    )
        n, count = first["candidates"], len(first["gaps"])
        chance = (sum(1 / k for k in range(1, n + 1)) / n, 1 / n, min(1, 10 / n))
        rows.append(["chance", "", *map(tables.number, chance)])
        head = f"**{what.capitalize()}**: {count} gaps, {count * n:,} candidates, {first['cropped']} gaps in a piece"
        parts += [f"{head} longer than the window.", results.markdown(rows), *(["\n".join(ahead)] if ahead else [])]
    return "\n\n".join(parts)


def attributes_page(raw: Mapping[str, Any]) -> str:
    """A row for each track and control: shares over all bins, and of each bin."""
    parts = []
    for name, r in raw.get("attributes", {}).items():
        rows = [["attribute", "hit", "within one bin", "by chance", "hit, by bin asked for"]]
        for control, found in r["controls"].items():
            means = [float(np.mean([each[what] or 0 for each in found])) for what in ("hit", "near", "free")]
            each = ", ".join(f"{one['bin']}: {one['hit']:.2f}" for one in found)
            rows.append([control, *map(tables.number, means), each])
        parts += [f"`{name}`, {r['bars']} bars for each bin:", results.markdown(rows)]
    return "\n\n".join(parts)


def place(value: float | None, band: Sequence[float | None]) -> str:
    """Where a figure lies beside quartiles."""
    low, _, high = band
    if value is None or low is None or high is None:
        return "undefined"
    return "below" if value < low else "above" if value > high else "within"


def long_page(raw: Mapping[str, Any]) -> str:
    """A picture a corpus; a table and a verdict a run."""
    parts = []
    for source, found in by_source(raw, "long").items():
        parts.append(f"![Statistics by bar beside {source}](../images/long-{source}.png)")
        for name, r in found.items():
            sides = ("real", "first", "last")
            rows = [
                ["", "real bars", f"first {EDGE} bars", f"last {EDGE} bars", "last beside real", "change of the mean"]
            ]
            outside = []
            for stat, what in MEDIANS.items():
                s = r["statistics"][stat]
                q = s["quartiles"]
                cells = [tables.number(q[side][1], None if q[side][1] is None else q[side][::2]) for side in sides]
                now, before = (place(q[side][1], q["real"]) for side in ("last", "first"))
                rows.append([what, *cells, now, tables.number(*s["change"])])
                if now != "within":
                    outside.append(f"{what} ({now}; in the first {EDGE} bars {before})")
            for stat, what in MEANS.items():
                s = r["statistics"][stat]
                rows.append(
                    [what, *(tables.number(s["mean"][side]) for side in sides), "", tables.number(*s["change"])]
                )
            parts += [
                f"`{name}`, trained on windows of {r['window']} frames: {r['pieces']} pieces, beside "
                f"{r['real_bars']:,} bars of {r['real_pieces']} pieces of `{source}:test`.",
                results.markdown(rows),
                f"Of {len(MEDIANS)} medians of the last {EDGE} bars {len(MEDIANS) - len(outside)} lie within the "
                f"quartiles of real bars{'; outside: ' if outside else ''}{', '.join(outside)}.",
            ]
    return "\n\n".join(parts)


def panel(axes: "Axes", stat: str, found: Mapping[str, Any]) -> None:
    """One statistic by bar: medians and quartiles of each run, and of real bars (dashed where they are a run's own)."""
    at = np.arange(1, BARS + 1)
    for colour, (name, r) in zip(COLOURS, found.items()):
        s = r["statistics"][stat]
        low, middle, high = np.array(s["by_bar"], float).T
        real = np.array(s["quartiles"]["real"], float)
        axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(at, middle, color=colour, linewidth=1.4, label=name)
        if stat in DOTTED:
            axes.plot(at, np.array(s["mean_by_bar"], float), color=colour, linewidth=1, linestyle="dotted")
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


def picture(source: str, found: Mapping[str, Any]) -> bytes:
    """A PNG with a panel a statistic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(12, 6), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(drawn)
    grid = drawn.subplots(2, 3)
    for axes, stat in zip(grid.ravel(), MEDIANS):
        panel(axes, stat, found)
    grid[1, 1].set_xlabel("bar", fontsize=9)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9)
    out = io.BytesIO()
    drawn.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


TEXT = f"""# Steering

Written by `python -m benchmarks.steering`, section by section; `jsb16-causal` is a run of the config of that name,
which does not ship. All music is drawn with seed {SEED} at temperature 1; intervals are 95 %
bootstrap intervals over pieces, or over gaps.

## Harmonising a soprano

    python -m benchmarks.steering --only harmonize --runs jsb16-causal=runs/jsb16-causal

Each test piece's soprano is given as the piece has it, with the piece's beat (and fermatas and key, where the model
reads them); the other three voices are drawn once. Notes changed counts the soprano notes of the result that are not
the given ones. The likelihood is that of Bach's own lower voices given the whole soprano, which
`musejax evaluate RUN --given soprano --split test --json` gives too: exact for a model that reads given cells ahead of
their turn; causal, each cell given all before it and no more, for a model from left to right.

{{harmonies}}

Rates say how often a rule of part-writing is broken where it could be (`musejax/evaluation/voice_leading.py`), for Bach
and for what was drawn in the key estimated from Bach's own setting.

## Filling gaps

    python -m benchmarks.steering --only infill --num 40 --runs jsb16-causal=runs/jsb16-causal

A gap lies at a random multiple of 16 frames of a test piece of `jsb16`, one gap a piece, at least 16 frames away from
either end. The true cells are ranked by their cost among {DISTRACTORS} distractors: stretches of the same voices of
other test pieces that begin at a multiple of 16 frames too, transposed by -6..5 semitones to where their pitch classes
come nearest to those of the given cells within the gap and 16 frames on either side, each voice within its range in
the test split. Candidates that cost the same as the true cells are counted as better. A window of {tasks.WINDOW}
frames around the gap is scored. The gaps and candidates are the same for all runs. The score is one of these:

- {WAYS["rest"]}: the likelihood of the gap's cells under a model that reads the given cells on both sides;
- {WAYS["whole"]}: the likelihood of all cells from the gap's start, with the candidate in place;
- {WAYS["past"]}: of these the cost of the gap's cells alone, so that what follows the gap counts for nothing.

{{gaps}}

## Long pieces

    python -m benchmarks.steering --only long

Free samples of {BARS} bars of 4/4 ({BARS * tasks.BAR:,} frames): chorales after a pick-up of a quarter, without
fermatas, with END forbidden, in keys drawn as often as they open a piece of the training data. A net of several voices
is told, from bar {MIDDLE[1]} on and while the piece may not end, that it stands in bars {MIDDLE[0]} to
{MIDDLE[1] - 1}, and that what it repeats are short matches (`history.endless`): else it comes to rest as a piece that
ends, and copies its own long notes. Real bars are the whole bars of 4/4 of the test pieces; for melodies, whose codec
tells no metre, bars are stretches of 16 frames on both sides.
Pitch-class entropy and scale consistency are MusPy's, of the notes that sound in a bar; nats a cell are those of the
model itself, for real bars too (dashed in the pictures). Tables have medians with quartiles over bars, and shares as
means. Beside real bars the median of the last {EDGE} bars lies below, within or above their quartiles. The change is
that of the mean from the first {EDGE} bars to the last, with its interval over pieces.

{{long}}

## Attributes of tracks

    python -m benchmarks.steering --only attributes

One attribute of one track is asked for in all of {ASKED_BARS} bars of 4/4, each bin in turn, {ASKED} pieces each; all
else is free. The bin of the notes that came out is compared with the one asked for; a silent bar is a miss. By chance:
how often the bars of free samples in which the track sounds have that bin. Shares are means over bins.

{{attributes}}
"""


def page(raw: Mapping[str, Any]) -> str:
    """The page."""
    parts = {"harmonies": harmonies_page(raw), "gaps": gaps_page(raw), "long": long_page(raw)}
    parts["attributes"] = attributes_page(raw)
    return TEXT.format(**{name: part or "No run is measured yet." for name, part in parts.items()})
