"""The page on a latent space and its pictures, from the raw answers that benchmarks/latent_space.py keeps."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import latent_measures as measured
from benchmarks import ngram, pictures, results
from musejax import codecs
from musejax.reports import tables

SEED = 0
PAIRS, STEPS = 500, 11
SAMPLES = 1000
# Windows moved along directions, and those of training from which directions come.
MOVED, KNOWN = 500, 5000
BY = (-1.0, -0.5, 0.5, 1.0)
PICTURED = 9
# Bars of these lengths are scored apart.
BARS = {16: "4/4 and 2/2", 12: "3/4 and 6/8"}
ACCURACIES = {
    "accuracy_teacher_forced": "teacher forced",
    "accuracy_sampled": "drawn from the vector",
    "accuracy_onsets": "drawn, where a note begins",
    "accuracy_without_z": "drawn from another tune's vector",
    "accuracy_all_hold": "a hold everywhere",
}
COLOURS = {"vectors, drawn": "#0072B2", "vectors, likeliest": "#009E73", "frames mixed": "#D55E00"}


def value(found: Mapping[str, Any]) -> str:
    """A mean with its interval."""
    return tables.number(found["mean"], found["interval"])


def reconstruction_page(raw: Mapping[str, Any]) -> str:
    """A table with a column for each bar length."""
    found = {int(frames): r for frames, r in raw.get("reconstruction", {}).items()}
    if not found:
        return ""
    rows = [["", *(f"bars of {BARS[frames]}" for frames in found)]]
    rows.append(["windows (tunes)", *(f"{r['windows']:,} ({r['pieces']})" for r in found.values())])
    for name, what in ACCURACIES.items():
        cells = [tables.number(r[name], r["accuracy_intervals"].get(name)) for r in found.values()]
        rows.append([f"right cells, {what}", *cells])
    rows.append(["ELBO, nats a frame", *(tables.number(r["elbo_per_frame"]) for r in found.values())])
    samples = next(iter(found.values()))["samples"]
    bounds = [tables.number(r["iwae_per_frame"], r["interval"]) for r in found.values()]
    rows.append([f"importance-weighted, {samples} samples, nats a frame", *bounds])
    used = [f"{r['active_dimensions']} of {r['dimensions']}" for r in found.values()]
    rows.append(["dimensions in use", *used])
    return results.markdown_table(rows)


# How runs were made that do not ship and stand beside others.
_FLAT = "musejax train melody-vae-16bar --model.conductor 0"
_RECURRENT = "--model.places 0 --model.free-bits 256 --training.batch-size 128 --training.steps 1500"
TRAINED = {
    "melody-vae-16bar-flat": f"`{_FLAT} --training.steps 1000`",
    "recurrent-flat": f"`{_FLAT} {_RECURRENT} --model.encoder-layers 1 --model.encoder-hidden 384 --model.hidden 384 "
    "--optimizer.learning-rate 0.002`, stopped at step 639 and best at 500",
    "recurrent-hierarchical": "the same with `--model.conductor 384 --model.segment 16`, stopped at step 750 and best "
    "at 250, after which its loss rose: on an NVIDIA H100 shared with other trainings there was time for no more, and "
    "these two say little of what they would become",
}


def beside_page(raw: Mapping[str, Any]) -> str:
    """A table with a row for each of the other runs, after the page's own."""
    found = raw.get("beside")
    if not found:
        return ""
    rows = [["run", "parameters", "frames in training", *ACCURACIES.values(), "ELBO, nats a frame"]]
    for one in found:
        r = one["found"]
        cells = [tables.number(r[name], r["accuracy_intervals"].get(name)) for name in ACCURACIES]
        size, seen = f"{one['parameters'] / 1e6:.1f} M", f"{one['frames'] / 1e6:.1f} M"
        rows.append([f"`{one['run']}`", size, seen, *cells, tables.number(r["elbo_per_frame"])])
    made = [f"`{name}` is of {command}." for name, command in TRAINED.items() if name in {one["run"] for one in found}]
    head = " ".join(["Side by side on bars of 4/4 and 2/2 (`--beside RUN ...`).", *made])
    return f"{head}\n\n{results.markdown_table(rows)}"


def interpolation_page(raw: Mapping[str, Any], page: str) -> str:
    """The picture, and a table of the ends and the middle of each way."""
    found = raw.get("interpolation")
    if not found:
        return ""
    middle = len(found["alphas"]) // 2
    rows = [["way", "to A at 0", "to A halfway", "to B halfway", "to B at 1", "nats a frame at the ends", "halfway"]]
    for name, steps in found["ways"].items():
        ends = (steps[0]["nats"]["mean"] + steps[-1]["nats"]["mean"]) / 2
        cells = [value(steps[at][what]) for at, what in ((0, "to_a"), (middle, "to_a"), (middle, "to_b"), (-1, "to_b"))]
        rows.append([name, *cells, tables.number(ends), value(steps[middle]["nats"])])
    head = f"{found['pairs']} pairs, of whose frames {value(found['apart'])} differ. All {found['real']['windows']:,} "
    head += f"held-out windows cost {tables.number(found['real']['mean'])} nats a frame under the {ngram.ORDER}-gram."
    picture = f"![Interpolation through vectors and by mixing frames](../images/{page}-interpolation.png)"
    return "\n\n".join([head, picture, results.markdown_table(rows)])


def prior_page(raw: Mapping[str, Any]) -> str:
    """Music statistics, overlapped areas and copies."""
    found = raw.get("prior")
    if not found:
        return ""
    music, sides = found["music"], [found["copies"][side] for side in ("generated", "held_out")]
    head = ["", "generated", "held-out windows"]
    rows = [
        head,
        ["windows with a note", *(f"{s['windows']:,}" for s in sides)],
        ["notes a window", *(f"{s['notes']:.2f}" for s in sides)],
        ["different up to transposition", *(f"{s['distinct']:,}" for s in sides)],
        ["a training window, up to transposition", *(f"{s['in_training']:,}" for s in sides)],
        ["longest copied run, median", *(f"{s['runs']['median']:g}" for s in sides)],
        ["longest copied run, max", *(f"{s['runs']['max']}" for s in sides)],
        ["all notes in a row in a training tune", *(f"{s['whole']:,}" for s in sides)],
    ]
    areas = [["feature", "overlapped area", "KL", "area by the reference's distances"], *tables.areas(music)]
    silent = f"{found['silent']} of {found['silent'] + sides[0]['windows']:,} samples are silent and left out."
    statistics = results.markdown_table([head, *tables.sides(music)])
    if "standard_normal" in found:
        plain, (own, real) = found["standard_normal"], (music[side] for side in ("generated", "reference"))
        silent += (
            f" Vectors of the standard normal would give an overlapped area of {plain['overlapped_area']['mean']:.3f}, "
            f"the fitted prior gives {music['overlapped_area']['mean']:.3f}; scale consistency "
            f"{plain['generated']['scale_consistency']:.3f} against {own['scale_consistency']:.3f} "
            f"(held-out windows {real['scale_consistency']:.3f})."
        )
    return "\n\n".join([silent, results.markdown_table(rows), statistics, results.markdown_table(areas)])


def directions_page(raw: Mapping[str, Any]) -> str:
    """A row for each direction and step."""
    found = raw.get("directions")
    if not found:
        return ""
    rows = [["direction (its length)", "step", *measured.ATTRIBUTES, "frames changed"]]
    rows.append(["none", "", *(value(found["before"][name]) for name in measured.ATTRIBUTES), ""])
    for name, moved in found["moved"].items():
        for step, by in zip(found["steps"], moved["by"], strict=True):
            cells = [value(by[what]) for what in (*measured.ATTRIBUTES, "changed")]
            rows.append([f"{name} ({moved['length']:.2f})", f"{step:+g}", *cells])
    head = f"{found['windows']} held-out windows; directions from {found['known']:,} training windows."
    return head + "\n\n" + results.markdown_table(rows)


def example_page(raw: Mapping[str, Any], page: str) -> str:
    """The picture and what it is of."""
    found = raw.get("example")
    if not found:
        return ""
    one, other = (name.rpartition("@") for name in found["names"])
    return (
        f"From `{one[0]}`, bar {one[2]} on, to `{other[0]}`, bar {other[2]} on: the likeliest tokens of "
        f"{len(found['steps'])} vectors on the way, both ends rebuilt.\n\n"
        f"![An interpolation as piano rolls](../images/{page}-path.png)"
    )


def interpolation_picture(found: Mapping[str, Any]) -> bytes:
    """A PNG: distances to both ends, and nats a frame, along each way."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(11, 4), dpi=120, facecolor="white", layout="constrained")
    left, right = drawn.subplots(1, 2)
    for name, steps in found["ways"].items():
        for axes, what, style in ((left, "to_a", "solid"), (left, "to_b", "dashed"), (right, "nats", "solid")):
            middle = [step[what]["mean"] for step in steps]
            low, high = np.array([step[what]["interval"] for step in steps]).T
            axes.fill_between(found["alphas"], low, high, color=COLOURS[name], alpha=0.18, linewidth=0)
            label = name if style == "solid" else None
            axes.plot(found["alphas"], middle, color=COLOURS[name], linewidth=1.4, linestyle=style, label=label)
    right.axhline(found["real"]["mean"], color="#8A9099", linewidth=1, linestyle="dotted", label="held-out windows")
    left.set_title("frames that differ from A (solid) and from B (dashed)", fontsize=10, loc="left")
    right.set_title(f"nats a frame under a {ngram.ORDER}-gram", fontsize=10, loc="left")
    for axes in (left, right):
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of B", fontsize=9)
        pictures.plain(axes)
    drawn.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return pictures.png(drawn)


def path_picture(found: Mapping[str, Any], codec: str) -> bytes:
    """A PNG of piano rolls side by side: the two windows as they are, and the steps between their vectors."""
    from matplotlib import image
    from matplotlib.figure import Figure

    from musejax.rendering import picture

    one, other = found["ends"]
    last = len(found["steps"]) - 1
    rolls = {"A": one, **{f"{at} of {last}": row for at, row in enumerate(found["steps"])}, "B": other}
    images = {}
    for title, tokens in rolls.items():
        sequence = codecs.get(codec).decode({"tokens": np.array(tokens, np.int32)}, 100.0)
        if sequence.notes:
            images[title] = image.imread(io.BytesIO(picture.to_bytes(sequence, title)))
    tallest = max(pixels.shape[0] / pixels.shape[1] for pixels in images.values())
    # Long pieces stand one below the other.
    columns, height = (3, 2.2) if tallest > 0.3 else (1, 12 * tallest)
    rows = -(-len(images) // columns)
    drawn = Figure(figsize=(12, height * rows), dpi=120, facecolor="white", layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for axes, pixels in zip(grid.ravel(), images.values()):
        axes.imshow(pixels)
    return pictures.png(drawn)


TEXT = f"""# Latent vectors

Written by `python -m benchmarks.latent_space RUN{{option}}`, RUN being `{{run}}`. Held-out windows are those of
`{{source}}:test` that training has in no key. Everything is drawn with seed {SEED}; intervals are 95 % bootstrap
intervals over whole tunes, over pairs between two windows, and over windows where music is compared.

## What a vector keeps

    musejax evaluate {{run}} --split test --json
    musejax evaluate {{run}} --split test --frames-per-bar 12 --json

Vectors are means of posteriors; draws are at temperature 1, the decoder hearing what it drew. Another tune's vector
says what the decoder knows of tunes in general. Bars of another length than those of training are given apart. A
dimension is in use if its mean varies over the windows by more than .01 (Burda et al., 2016).

{{reconstruction}}

## Between two windows

    python -m benchmarks.latent_space {{run}}{{option}} --only interpolation

Two held-out windows of different tunes, and {STEPS} steps from A to B: spherical steps between their vectors, decoded
at temperature 1 and with the likeliest tokens; and, with no model, each frame of B with the probability of the step and
else of A. This is the measurement of MusicVAE's paper (Roberts et al., 2018): how many frames differ from either end,
and what the result costs under a model that no net had a part in, here a {ngram.ORDER}-gram over intervals (Witten and
Bell's mixing of orders) of the training windows. The VAE's own bound would favour what it drew.

{{interpolation}}

## One way, step by step

    python -m benchmarks.latent_space {{run}}{{option}} --only example

{{example}}

## Free samples

    python -m benchmarks.latent_space {{run}}{{option}} --only prior

Windows from vectors of the prior beside as many held-out ones, as `musejax metrics` compares music. The prior is a
normal distribution along the 64 main axes of the vectors of training windows, fitted at the end of training
(`musejax/training/priors.py`). By the way they are cut, held-out windows are all different and no training windows.
Runs are of notes in a row, in any transposition and any rhythm, and are looked for in whole training tunes.

{{prior}}

## Directions

    python -m benchmarks.latent_space {{run}}{{option}} --only directions

The direction of an attribute is the mean vector of the quarter of training windows that have most of it less that of
the quarter that have least. A step of 1 adds it to the vector of a held-out window, which is then decoded with the same
noise as without; rows say by how much each attribute changes. Notes are counted; range is in semitones; syncopation is
the share of notes that begin on an odd 16th with none on the 16th before, or on an odd eighth with none on the eighth
before, counting from 0.

{{directions}}
"""


def page(raw: Mapping[str, Any], name: str) -> str:
    """The page; pictures beside it begin with its name."""
    parts = {
        "reconstruction": reconstruction_page(raw),
        "interpolation": interpolation_page(raw, name),
        "example": example_page(raw, name),
        "prior": prior_page(raw),
        "directions": directions_page(raw),
    }
    told = {what: part or "Not measured yet." for what, part in parts.items()}
    if others := beside_page(raw):
        told["reconstruction"] += "\n\n" + others
    option = "" if name == "latents" else f" --page {name}"
    return TEXT.format(run=raw["run"], source=raw["source"], option=option, **told)
