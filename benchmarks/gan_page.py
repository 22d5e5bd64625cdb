"""The page docs/results/gan.md and its pictures, from the raw answers that benchmarks/gan_report.py keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import gan_measures as measured
from benchmarks import gan_pictures as drawn
from benchmarks import published, results
from musejax.reports import tables

SEED = 0
SAMPLES = 1000
PAIRS, STEPS = 256, 7
# How runs were made that do not ship.
_REFINED = "--model.binarise deterministic --model.refine-alone --optimizer.learning-rate 0.0005"
MADE = {
    "hybrid": "`musejax train chorale-gan --model.form hybrid`, stopped at step 1,960",
    "jamming": "`musejax train chorale-gan --model.form jamming`",
    "composer-deterministic": f"`--init-from runs/chorale-gan {_REFINED}`, 250 steps",
    "composer-stochastic": "the same with `--model.binarise stochastic`, stopped at step 77",
    "jamming-deterministic": f"`--init-from runs/jamming {_REFINED}`, stopped at step 411",
    "jamming-stochastic": "the same with `--model.binarise stochastic`, stopped at step 403",
    "led-by-the-soprano": "`musejax train chorale-gan --model.form hybrid --model.given soprano`, stopped at 1,831",
}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _by_set(raw: Mapping[str, Any]) -> dict[str, list[str]]:
    """The runs of each set of windows."""
    out: dict[str, list[str]] = {}
    for name, about in raw["about"].items():
        out.setdefault(about["of"], []).append(name)
    return out


def distance_page(raw: Mapping[str, Any]) -> str:
    """How far from real music each run is, beside the published nets."""
    found = raw.get("statistics")
    if not found:
        return ""
    rows = [["", "all statistics, as coded", "corrected", "EB, UPC, QN and DP as coded"]]
    for of, runs in _by_set(raw).items():
        sides = {f"training windows of {of}": found["training"][of]} | {f"**{n}**": found["runs"][n] for n in runs}
        for name, side in sides.items():
            kinds = ("distance_as_coded", "distance_corrected", "distance")
            rows.append([name, *(_percent(side[kind]) for kind in kinds)])
    for model in published.MUSEGAN:
        rows.append([f"MuseGAN, {model.model}", "", "", _percent(measured.published_distance(model))])
    return results.markdown_table(rows)


def _named(values: Sequence[Any], tracks: Sequence[str]) -> dict[str, float | None]:
    """A statistic by the name of the track, or of the pair of tracks."""
    if not isinstance(values[0], list):
        return dict(zip(tracks, values, strict=True))
    return {f"{tracks[i]} and {tracks[j]}": values[i][j] for j in range(len(tracks)) for i in range(j)}


def statistics_page(raw: Mapping[str, Any]) -> str:
    """A table for each set of windows: a row a statistic and track."""
    found, parts = raw.get("statistics"), []
    if not found:
        return ""
    for of, runs in _by_set(raw).items():
        sides = {"held-out windows": found["real"][of], "training windows": found["training"][of]}
        sides |= {name: found["runs"][name] for name in runs}
        values = [side["values"] for side in sides.values()]
        rows = [["", *sides], ["pieces", *(f"{side['pieces']:,}" for side in sides.values())]]
        for kind in values[0]:
            columns = [_named(side[kind], found["real"][of]["tracks"]) for side in values]
            kept = [track for track in columns[0] if any(c[track] is not None for c in columns)]
            rows += [[f"{kind}, {track}", *(tables.number(c[track]) for c in columns)] for track in kept]
        parts += [f"### {of}", results.markdown_table(rows)]
    return "\n\n".join(parts)


def published_page() -> str:
    """MuseGAN's table."""
    head = ["", *(f"EB, {t}" for t in ("bass", "drums", "guitar", "piano", "strings"))]
    head += [f"{kind}, {t}" for kind in ("UPC", "QN") for t in ("bass", "guitar", "piano", "strings")]
    rows = [[*head, "DP"]]
    for model in (published.MUSEGAN_DATA, *published.MUSEGAN):
        rows.append([model.model, *(f"{x:g}" for x in (*model.eb, *model.upc, *model.qn, model.dp))])
    return results.markdown_table(rows)


def areas_page(raw: Mapping[str, Any]) -> str:
    """A row a feature."""
    found, parts = raw.get("areas"), []
    if not found:
        return ""
    for of, runs in _by_set(raw).items():
        sides = {"training windows": found["training"][of]} | {name: found["runs"][name] for name in runs}
        rows = [["feature", *sides]]
        rows += [[name, *(tables.number(side[name]) for side in sides.values())] for name in found["training"][of]]
        parts += [f"### {of}", results.markdown_table(rows)]
    return "\n\n".join(parts)


def variety_page(raw: Mapping[str, Any]) -> str:
    """Counts of different pieces, and distances to the nearest."""
    found = raw.get("variety")
    if not found:
        return ""
    head = [
        "",
        "pieces",
        "different",
        "in any key",
        "silent",
        "a training window",
        "nearest of their own",
        "of training",
    ]
    rows = [head]
    for of, runs in _by_set(raw).items():
        sides = {f"held-out windows of {of}": found["real"][of]} | {f"**{n}**": found["runs"][n] for n in runs}
        for name, side in sides.items():
            counts = [side[k] for k in ("pieces", "distinct", "distinct_in_any_key", "silent", "in_training")]
            far = [f"{side[k]['median']:.3f} ({side[k]['tenth']:.3f})" for k in ("among", "training")]
            rows.append([name, *(f"{count:,}" for count in counts), *far])
    return results.markdown_table(rows)


def latents_page(raw: Mapping[str, Any]) -> str:
    """A table and a picture for each run."""
    parts = []
    for name, found in raw.get("latents", {}).items():
        rows = [["what moves", "pitch classes", "rhythm", *found["tracks"]]]
        for vector, side in found["vectors"].items():
            cells = (side["pitch_classes"], side["rhythm"], *side["tracks"])
            rows.append([f"{drawn.role(vector)} (`{vector}`)", *(tables.number(x) for x in cells)])
        parts += [f"### {name}", f"{found['pairs']} pairs of draws.", results.markdown_table(rows)]
        parts.append(f"![Latent vectors of {name} by name](../images/gan-latents-{name}.png)")
    return "\n\n".join(parts)


def accompaniment_page(raw: Mapping[str, Any]) -> str:
    """Tonal distances of the given track from the others."""
    found = raw.get("accompaniment")
    if not found:
        return ""
    rows = [["run", "given, kept in all cells", "distance from", "held-out music", "drawn for it", "drawn for another"]]
    for name, side in found.items():
        for k, other in enumerate(side["others"]):
            told = [name, f"{side['given']}, {_percent(side['kept'])}"] if not k else ["", ""]
            rows.append([*told, other, *(tables.number(side[s]["td"][k]) for s in ("real", "drawn", "another"))])
    return results.markdown_table(rows)


def curves_page(raw: Mapping[str, Any]) -> str:
    """The picture, and the least loss of each run."""
    found = raw.get("curves")
    if not found:
        return ""
    rows, ends = [["run", "steps", "least energy distance", "at step", "at the end"]], {}
    for name, curve in found.items():
        at, (form, _, seed) = int(np.argmin(curve["loss"])), name.partition("-seed-")
        cells = [f"{curve['loss'][at]:.4f}", f"{curve['steps'][at]:,}", f"{curve['loss'][-1]:.4f}"]
        rows.append([name, f"{curve['steps'][-1]:,}", *cells])
        if seed:
            ends.setdefault(form, []).append(curve["loss"][-1])
    bands = [
        f"{len(losses)} seeds of {form} end between {min(losses):.3f} and {max(losses):.3f}."
        for form, losses in ends.items()
    ]
    return "\n\n".join(
        ["![Learning curves](../images/gan-curves.png)", results.markdown_table(rows), " ".join(bands)]
    ).strip()


def images(raw: Mapping[str, Any]) -> dict[str, bytes]:
    """The pictures of the page by their file names."""
    out = {f"gan-latents-{name}.png": drawn.latents(found) for name, found in raw.get("latents", {}).items()}
    if raw.get("curves"):
        out["gan-curves.png"] = drawn.curves(raw["curves"])
    return out


TEXT = f"""# GANs over rolls

Written by `python -m benchmarks.gan_report {{runs}}`. Held-out windows are those of the corpus's test split that
training has in no key. {{samples}} samples of each run, with seed {SEED}, as the generator's last layer gives them; of
a run that is given a track, around those of held-out windows. Samples are as long as the windows, so both sides have
one length. {{weights}}

## Statistics by track

    python -m benchmarks.gan_report {{runs}} --only statistics

MuseGAN's, "as coded" as its published program computes them and "corrected" as its papers define them
(`musejax/evaluation/musegan_statistics.py`). How far a run is from held-out windows: of each statistic and track the
difference as a share of the real value (the difference itself where that is below .01), on average. On a grid of
16ths every note is qualified, so QN is left out there. The last column is of the kinds of statistics that MuseGAN's
table has; its nets and its data are on another corpus and grid, and each net is compared with its own data.

{{distances}}

{{statistics}}

MuseGAN's table (Dong et al., 2018; EB, QN and DP in per cent):

{{published}}

## Overlapped area

    python -m benchmarks.gan_report {{runs}} --only areas

MGEval's features of samples and held-out windows: distances between the two sets against those among the samples.

{{areas}}

## Variety

    python -m benchmarks.gan_report {{runs}} --only variety

Nearest: the Jaccard distance of rolls (of cells lit in either, the share lit in one alone) to the nearest other piece,
the median and the lowest tenth. Training windows (at most 4,000, drawn at random) are compared in every key that
training has.

{{variety}}

## One latent vector by name

    python -m benchmarks.gan_report {{runs}} --only latents

One vector goes from a draw to another, the others stay. Pitch classes: half the sum of absolute differences of the two
ends' histograms. Rhythm: of frames with an onset at either end, the share with one at one end alone. By track: of cells
lit at either end, the share lit at one alone. A picture has {STEPS} steps.

{{latents}}

## Accompaniment

    python -m benchmarks.gan_report {{runs}} --only accompaniment

The given track of held-out windows, and its tonal distance from each other track: in the windows as they are, with what
was drawn for it, and with what was drawn for another window.

{{accompaniment}}

## Learning

    python -m benchmarks.gan_report {{runs}} --only curves --curves RUN-seed-0 ...

The energy distance between MuseGAN's statistics of samples and of validation windows, piece by piece; 0 on average
where both are of one distribution. Seeds of the composer are of the preset `musegan-chorale`, `musejax train
chorale-gan --model.width 64 --model.critic-width 16 --training.batch-size 160 --training.steps 1000 --training.seed N`,
seven minutes or more each on one core of an Intel Xeon; those of the hybrid have the shipped run's sizes, on an NVIDIA
H100. Binary neurons behind residual units are learnt after the generator (`--init-from`, `--model.refine-alone`), its
weights as they are; `hybrid-stochastic` went on from a run of 120 steps.

{{curves}}
"""


def page(raw: Mapping[str, Any]) -> str:
    """The page; sections that were not measured are empty."""
    told = ", ".join(
        f"{name}: step {about['step']}, weights {about['weights']}" for name, about in raw["about"].items()
    )
    made = [f"`{name}` is of {how}." for name, how in MADE.items() if name in raw["about"]]
    pieces = {side["pieces"] for side in raw.get("statistics", {}).get("runs", {}).values()} or {SAMPLES}
    return TEXT.format(
        samples=f"{max(pieces):,}",
        runs=" ".join(raw["about"]),
        weights=f"Measured ({told})." + ("\n\n" + " ".join(made) if made else ""),
        distances=distance_page(raw),
        statistics=statistics_page(raw),
        published=published_page(),
        areas=areas_page(raw),
        variety=variety_page(raw),
        latents=latents_page(raw),
        accompaniment=accompaniment_page(raw),
        curves=curves_page(raw),
    )
