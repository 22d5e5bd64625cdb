"""The page docs/results/gan.md and its pictures, from the raw results that benchmarks/gan_report.py stores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import gan_measures, gan_pictures, published, results
from musejax.reports import tables

SEED = 0
SAMPLES = 1000
PAIRS, STEPS = 256, 7
# How the runs that do not ship were trained.
_REFINED = "--model.binarise deterministic --model.refine-alone --optimizer.learning-rate 0.0005"
TRAINED = {
    "hybrid": "`musejax train chorale-gan --model.form hybrid`, stopped at step 1,960",
    "jamming": "`musejax train chorale-gan --model.form jamming`",
    "composer-deterministic": f"`--init-from runs/chorale-gan {_REFINED}`, 250 steps",
    "composer-stochastic": "the same with `--model.binarise stochastic`, stopped at step 77",
    "hybrid-deterministic": "deterministic binary neurons, trained after `hybrid`",
    "hybrid-stochastic": "stochastic binary neurons, trained after `hybrid`; continued from a run of 120 steps",
    "jamming-deterministic": f"`--init-from runs/jamming {_REFINED}`, stopped at step 411",
    "jamming-stochastic": "the same with `--model.binarise stochastic`, stopped at step 403",
    "led-by-the-soprano": "`musejax train chorale-gan --model.form hybrid --model.given soprano`, stopped at 1,831",
}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _by_set(raw: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the names of the runs of each set of windows."""
    out: dict[str, list[str]] = {}
    for name, about in raw["about"].items():
        out.setdefault(about["of"], []).append(name)
    return out


def runs_table(raw: Mapping[str, Any]) -> str:
    """Returns a table of the measured runs: how each was trained, and which weights were measured."""
    rows = [["run", "how it was trained", "step", "weights"]]
    for name, about in raw["about"].items():
        rows.append([f"`{name}`", TRAINED.get(name, ""), f"{about['step']:,}", f"`{about['weights']}`"])
    return results.markdown_table(rows)


def distances_table(raw: Mapping[str, Any]) -> str:
    """Returns a table of how far each run is from real music, with the published networks."""
    section = raw.get("statistics")
    if not section:
        return ""
    rows = [["", "all statistics, as coded", "all statistics, corrected", "EB, UPC, QN and DP, as coded"]]
    for of, runs in _by_set(raw).items():
        sides = {f"training windows of {of}": section["training"][of]} | {f"**{n}**": section["runs"][n] for n in runs}
        for name, side in sides.items():
            kinds = ("distance_as_coded", "distance_corrected", "distance")
            rows.append([name, *(_percent(side[kind]) for kind in kinds)])
    for model in published.MUSEGAN:
        rows.append([f"MuseGAN, {model.model}", "", "", _percent(gan_measures.published_distance(model))])
    return results.markdown_table(rows)


def _named(values: Sequence[Any], tracks: Sequence[str]) -> dict[str, float | None]:
    """Returns the values of a statistic by track, or by pair of tracks."""
    if not isinstance(values[0], list):
        return dict(zip(tracks, values, strict=True))
    return {f"{tracks[i]} and {tracks[j]}": values[i][j] for j in range(len(tracks)) for i in range(j)}


def statistics_tables(raw: Mapping[str, Any]) -> str:
    """Returns a table for each set of windows, with a row for each statistic and track that is not 1 everywhere."""
    section, parts = raw.get("statistics"), []
    if not section:
        return ""
    for of, runs in _by_set(raw).items():
        sides = {"held-out windows": section["real"][of], "training windows": section["training"][of]}
        sides |= {name: section["runs"][name] for name in runs}
        values = [side["values"] for side in sides.values()]
        rows = [["", *sides], ["pieces", *(f"{side['pieces']:,}" for side in sides.values())]]
        for kind in values[0]:
            columns = [_named(side[kind], section["real"][of]["tracks"]) for side in values]
            shown = [track for track in columns[0] if {c[track] for c in columns} not in ({None}, {1.0})]
            rows += [[f"{kind}, {track}", *(tables.number(c[track]) for c in columns)] for track in shown]
        parts += [f"### Statistics of {of}", results.markdown_table(rows)]
    return "\n\n".join(parts)


def published_table() -> str:
    """Returns MuseGAN's table."""
    head = ["", *(f"EB, {t}" for t in ("bass", "drums", "guitar", "piano", "strings"))]
    head += [f"{kind}, {t}" for kind in ("UPC", "QN") for t in ("bass", "guitar", "piano", "strings")]
    rows = [[*head, "DP"]]
    for model in (published.MUSEGAN_DATA, *published.MUSEGAN):
        rows.append([model.model, *(f"{x:g}" for x in (*model.eb, *model.upc, *model.qn, model.dp))])
    return results.markdown_table(rows)


def areas_tables(raw: Mapping[str, Any]) -> str:
    """Returns a table of overlapped areas for each set of windows, with a row for each feature."""
    section, parts = raw.get("areas"), []
    if not section:
        return ""
    for of, runs in _by_set(raw).items():
        sides = {"training windows": section["training"][of]} | {name: section["runs"][name] for name in runs}
        rows = [["feature", *sides]]
        rows += [[name, *(tables.number(side[name]) for side in sides.values())] for name in section["training"][of]]
        parts += [f"### Areas of {of}", results.markdown_table(rows)]
    return "\n\n".join(parts)


def variety_table(raw: Mapping[str, Any]) -> str:
    """Returns a table of the numbers of different pieces, and of distances to the nearest."""
    section = raw.get("variety")
    if not section:
        return ""
    head = ["", "pieces", "different", "different in any key", "silent", "equal to a training window"]
    rows = [[*head, "nearest in the set", "nearest in training"]]
    for of, runs in _by_set(raw).items():
        sides = {f"held-out windows of {of}": section["real"][of]} | {f"**{n}**": section["runs"][n] for n in runs}
        for name, side in sides.items():
            counts = [side[k] for k in ("pieces", "distinct", "distinct_in_any_key", "silent", "in_training")]
            nearest = [f"{side[k]['median']:.3f} ({side[k]['tenth']:.3f})" for k in ("among", "training")]
            rows.append([name, *(f"{count:,}" for count in counts), *nearest])
    return results.markdown_table(rows)


def latents_section(raw: Mapping[str, Any]) -> str:
    """Returns a table and a picture for each run."""
    parts = []
    for name, section in raw.get("latents", {}).items():
        rows = [["vector that moves", "pitch classes", "rhythm", *section["tracks"]]]
        for vector, side in section["vectors"].items():
            cells = (side["pitch_classes"], side["rhythm"], *side["tracks"])
            rows.append([f"{gan_pictures.role(vector)} (`{vector}`)", *(tables.number(x) for x in cells)])
        parts += [f"### Vectors of {name}", f"Means over {section['pairs']} pairs.", results.markdown_table(rows)]
        parts.append(f"![Paths of each latent vector of {name}](../images/gan-latents-{name}.png)")
    return "\n\n".join(parts)


def accompaniment_table(raw: Mapping[str, Any]) -> str:
    """Returns a table of the tonal distances of the given track from the others."""
    section = raw.get("accompaniment")
    if not section:
        return ""
    head = ["run", "given track, pieces that keep it", "distance from", "in held-out music", "sampled for it"]
    rows = [[*head, "sampled for another window"]]
    for name, side in section.items():
        for k, other in enumerate(side["others"]):
            first = [name, f"{side['given']}, {_percent(side['kept'])}"] if not k else ["", ""]
            rows.append([*first, other, *(tables.number(side[s]["td"][k]) for s in ("real", "drawn", "another"))])
    return results.markdown_table(rows)


def curves_section(raw: Mapping[str, Any]) -> str:
    """Returns the picture of the learning curves, and a table of the lowest loss of each run."""
    section = raw.get("curves")
    if not section:
        return ""
    rows, ends = [["run", "steps", "lowest energy distance", "at step", "at the end"]], {}
    for name, curve in section.items():
        lowest, (form, _, seed) = int(np.argmin(curve["loss"])), name.partition("-seed-")
        cells = [f"{curve['loss'][lowest]:.4f}", f"{curve['steps'][lowest]:,}", f"{curve['loss'][-1]:.4f}"]
        rows.append([name, f"{curve['steps'][-1]:,}", *cells])
        if seed:
            ends.setdefault(form, []).append(curve["loss"][-1])
    bands = [
        f"{len(losses)} seeds of {form} end between {min(losses):.3f} and {max(losses):.3f}."
        for form, losses in ends.items()
    ]
    picture = "![Learning curves](../images/gan-curves.png)"
    return "\n\n".join([picture, results.markdown_table(rows), " ".join(bands)]).strip()


def images(raw: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns the pictures of the page by file name."""
    out = {f"gan-latents-{name}.png": gan_pictures.latents(section) for name, section in raw.get("latents", {}).items()}
    if raw.get("curves"):
        out["gan-curves.png"] = gan_pictures.curves(raw["curves"])
    return out


TEXT = f"""# GANs over piano-rolls

How close to real music are the samples of the GANs, and do their form and their binarisation matter?

- **Distance.** `chorale-gan`, which ships, differs from held-out windows by 4.3 % on average over MuseGAN's statistics
  (real training windows: 1.1 %), and `pop-gan` by 15.3 % (2.9 %).
- **Form.** Among the forms that write all voices of a chorale without binary neurons, a *composer* (one generator for
  all tracks) is closest by every measure. A *jamming* model (a generator for each track) and a *hybrid* (both) get
  worse after some hundred steps.
- **Binarisation.** Deterministic binary neurons keep about the same distance; stochastic ones are much worse.
- **Variety.** No sample is repeated, silent, or a copy of a training window.

This command measures all of it and writes this page; `--only SECTION` measures one section:

    python -m benchmarks.gan_report {{runs}}

The command samples {{samples}} pieces from each run with seed {SEED}, as the last layer of the generator gives them. A
run that receives a track gets those of held-out windows. Held-out windows are those of the corpus's test split that do
not occur in training in any key. Samples are as long as the windows.

{{table}}

## Statistics by track

The statistics are MuseGAN's, for each track: empty bars (EB), pitch classes per bar (UPC), qualified notes, which are
not shorter than three 96ths of a bar (QN), polyphony (PP), hits on the drum pattern (DP), and the tonal distance of two
tracks (TD). *As coded* follows its published program, *corrected* the definitions in its papers
(`musejax/evaluation/musegan_statistics.py`).

The distance from held-out windows is the mean, over statistics and tracks, of the difference as a share of the real
value, or of the difference itself if the real value is below 0.01. QN is left out on a grid of 16ths, where every note
is qualified. The last column has the kinds of statistics that MuseGAN's table has. MuseGAN was measured on another
corpus and grid, and each network is compared with its own data.

{{distances}}

{{statistics}}

### MuseGAN as published

From Dong et al. (2018); EB, QN and DP in per cent.

{{published}}

## Overlapped area

MGEval's overlapped area of each [feature](results.md#generated-music): overlap of the distances between samples and
held-out windows with those among the samples. 1 is best.

{{areas}}

## Variety

*Nearest* is the Jaccard distance (of the cells that sound in either roll, the share that sound in only one) to the
nearest other piece: the median, and in parentheses the lowest tenth. Training windows (at most 4,000, chosen at random)
are compared in every key that training has.

{{variety}}

## Single latent vectors

One latent vector moves from one sample of the prior to another while the others stay. *Pitch classes* is half the sum
of absolute differences between the histograms of the two ends. *Rhythm* is, of the frames with an onset at either end,
the share with an onset at only one. The columns of the tracks give, of the cells that sound at either end, the share
that sound at only one. Each picture shows {STEPS} steps.

{{latents}}

## Accompaniment

The tonal distance between the given track of held-out windows and each other track: in the windows as they are, in what
was sampled for this track, and in what was sampled for another window. A smaller distance for its own track than for
another means that the model follows the given track.

{{accompaniment}}

## Learning

    python -m benchmarks.gan_report {{runs}} --only curves --curves RUN-seed-0 ...

The energy distance between MuseGAN's statistics of samples and of validation windows, piece by piece. It is 0 on
average if both have the same distribution. The `composer-seed-*` runs have the preset `musegan-chorale`; each took
seven minutes or more on one core of an Intel Xeon:

    musejax train chorale-gan --model.width 64 --model.critic-width 16 --training.batch-size 160 \\
        --training.steps 1000 --training.seed N

The `hybrid-seed-*` runs have the sizes of the shipped run and were trained on an NVIDIA H100. Binary neurons behind
residual units are trained after the generator, whose weights stay fixed (`--init-from`, `--model.refine-alone`).

{{curves}}
"""


def page(raw: Mapping[str, Any]) -> str:
    """Returns the page; sections that were not measured are empty."""
    pieces = {side["pieces"] for side in raw.get("statistics", {}).get("runs", {}).values()} or {SAMPLES}
    return TEXT.format(
        samples=f"{max(pieces):,}",
        runs=" ".join(raw["about"]),
        table=runs_table(raw),
        distances=distances_table(raw),
        statistics=statistics_tables(raw),
        published=published_table(),
        areas=areas_tables(raw),
        variety=variety_table(raw),
        latents=latents_section(raw),
        accompaniment=accompaniment_table(raw),
        curves=curves_section(raw),
    )
