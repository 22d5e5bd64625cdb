"""The page on a latent space and its pictures, from the raw results that benchmarks/latent_space.py stores."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import latent_measures, ngram, pictures, results
from musejax import codecs
from musejax.reports import tables

SEED = 0
PAIRS, STEPS = 500, 11
SAMPLES = 1000
# Held-out windows that are moved along directions, and training windows from which directions are computed.
MOVED, TRAINING = 500, 5000
BY = (-1.0, -0.5, 0.5, 1.0)
PICTURED = 9
# Frames per bar -> time signatures; the two are scored separately.
BARS = {16: "4/4 and 2/2", 12: "3/4 and 6/8"}
ACCURACIES = {
    "accuracy_teacher_forced": "teacher forced",
    "accuracy_sampled": "sampled from the vector",
    "accuracy_onsets": "sampled, where a note begins",
    "accuracy_without_z": "sampled from another tune's vector",
    "accuracy_all_hold": "a hold everywhere",
}
# Name in the raw results -> label and colour.
WAYS = {
    "vectors, drawn": ("vectors, sampled", "#0072B2"),
    "vectors, likeliest": ("vectors, likeliest tokens", "#009E73"),
    "frames mixed": ("frames mixed", "#D55E00"),
}


def format_mean(figure: Mapping[str, Any]) -> str:
    """Formats a mean and its interval."""
    return tables.number(figure["mean"], figure["interval"])


def summary(raw: Mapping[str, Any]) -> str:
    """Returns the short answer: what a vector keeps, paths between vectors, and free samples."""
    parts = []
    if section := raw.get("reconstruction", {}).get("16"):
        kept, other = (tables.number(section[name]) for name in ("accuracy_sampled", "accuracy_without_z"))
        parts.append(f"- **Reconstruction.** Sampled from the vector of a held-out window in 4/4 or 2/2, {kept} of its "
                     f"cells are right; from another tune's vector, {other}.")  # fmt: skip
    if section := raw.get("interpolation"):
        middle = len(section["alphas"]) // 2
        vectors, mixed = (
            tables.number(section["ways"][name][middle]["nats"]["mean"]) for name in ("vectors, drawn", "frames mixed")
        )
        parts.append(f"- **Interpolation.** Halfway between two windows, samples cost {vectors} nats per frame under "
                     f"an independent model, a mixture of the windows {mixed}, and real windows "
                     f"{tables.number(section['real']['mean'])}.")  # fmt: skip
    if section := raw.get("prior"):
        area = tables.number(section["music"]["overlapped_area"]["mean"])
        parts.append(f"- **Free samples** reach an overlapped area of {area} with held-out windows, and "
                     f"{section['copies']['generated']['in_training']} of them are training windows.")  # fmt: skip
    return "\n".join(parts)


def reconstruction_table(raw: Mapping[str, Any]) -> str:
    """Returns a table with a column for each bar length."""
    section = {int(frames): r for frames, r in raw.get("reconstruction", {}).items()}
    if not section:
        return ""
    rows = [["", *(f"bars of {BARS[frames]}" for frames in section)]]
    rows.append(["windows (tunes)", *(f"{r['windows']:,} ({r['pieces']})" for r in section.values())])
    for name, label in ACCURACIES.items():
        cells = [tables.number(r[name], r["accuracy_intervals"].get(name)) for r in section.values()]
        rows.append([f"accuracy, {label}", *cells])
    rows.append(["ELBO, nats per frame", *(tables.number(r["elbo_per_frame"]) for r in section.values())])
    samples = next(iter(section.values()))["samples"]
    bounds = (tables.number(r["iwae_per_frame"], r["interval"]) for r in section.values())
    rows.append([f"importance-weighted bound, {samples} samples, nats per frame", *bounds])
    rows.append(["active dimensions", *(f"{r['active_dimensions']} of {r['dimensions']}" for r in section.values())])
    return results.markdown_table(rows)


# How the runs that do not ship were trained.
_FLAT = "musejax train melody-vae-16bar --model.conductor 0"
_RECURRENT = "--model.places 0 --model.free-bits 256 --training.batch-size 128 --training.steps 1500"
TRAINED = {
    "melody-vae-16bar-flat": f"`{_FLAT} --training.steps 1000`",
    "recurrent-flat": f"`{_FLAT} {_RECURRENT} --model.encoder-layers 1 --model.encoder-hidden 384 --model.hidden 384 "
    "--optimizer.learning-rate 0.002`, stopped at step 639, best at step 500",
    "recurrent-hierarchical": "the same with `--model.conductor 384 --model.segment 16`, stopped at step 750, best at "
    "step 250. The two recurrent runs shared an NVIDIA H100 with other trainings and were stopped early, so they say "
    "little about what longer training would reach",
}


def others_section(raw: Mapping[str, Any]) -> str:
    """Returns a table with a row for each of the other runs, and how these were trained."""
    section = raw.get("beside")
    if not section:
        return ""
    rows = [["run", "parameters", "training frames", *ACCURACIES.values(), "ELBO, nats per frame"]]
    for one in section:
        r = one["found"]
        cells = [tables.number(r[name], r["accuracy_intervals"].get(name)) for name in ACCURACIES]
        size, frames = f"{one['parameters'] / 1e6:.1f} M", f"{one['frames'] / 1e6:.1f} M"
        rows.append([f"`{one['run']}`", size, frames, *cells, tables.number(r["elbo_per_frame"])])
    trained = [f"- `{one['run']}`: {TRAINED[one['run']]}." for one in section if one["run"] in TRAINED]
    head = "Other runs on bars of 4/4 and 2/2 (`--beside RUN ...`); all columns but the first three are as above."
    return "\n\n".join([head, results.markdown_table(rows), *(["\n".join(trained)] if trained else [])])


def interpolation_section(raw: Mapping[str, Any], page: str) -> str:
    """Returns the picture, and a table of the ends and the middle of each way."""
    section = raw.get("interpolation")
    if not section:
        return ""
    middle = len(section["alphas"]) // 2
    head = ["way", "differs from A at the start", "from A halfway", "from B halfway", "from B at the end"]
    rows = [[*head, "nats per frame at the ends", "nats per frame halfway"]]
    for name, steps in section["ways"].items():
        ends = (steps[0]["nats"]["mean"] + steps[-1]["nats"]["mean"]) / 2
        cells = [format_mean(steps[at]["to_a"]) for at in (0, middle)]
        cells += [format_mean(steps[at]["to_b"]) for at in (middle, -1)]
        rows.append([WAYS[name][0], *cells, tables.number(ends), format_mean(steps[middle]["nats"])])
    head = f"{section['pairs']} pairs, which differ in {format_mean(section['apart'])} of their frames. All "
    real = section["real"]
    head += f"{real['windows']:,} held-out windows cost {tables.number(real['mean'])} nats per frame."
    picture = f"![Interpolation through vectors and by mixing frames](../images/{page}-interpolation.png)"
    return "\n\n".join([head, picture, results.markdown_table(rows)])


def prior_section(raw: Mapping[str, Any]) -> str:
    """Returns the tables of copies, music statistics and overlapped areas."""
    section = raw.get("prior")
    if not section:
        return ""
    music, sides = section["music"], [section["copies"][side] for side in ("generated", "held_out")]
    head = ["", "generated", "held-out windows"]
    rows = [
        head,
        ["windows with a note", *(f"{s['windows']:,}" for s in sides)],
        ["notes per window", *(f"{s['notes']:.2f}" for s in sides)],
        ["different up to transposition", *(f"{s['distinct']:,}" for s in sides)],
        ["equal to a training window, up to transposition", *(f"{s['in_training']:,}" for s in sides)],
        ["longest copied run of notes, median", *(f"{s['runs']['median']:g}" for s in sides)],
        ["longest copied run of notes, max", *(f"{s['runs']['max']}" for s in sides)],
        ["windows that a training tune has whole", *(f"{s['whole']:,}" for s in sides)],
    ]
    areas = [["feature", "overlapped area", "KL", "area by the reference's distances"], *tables.areas(music)]
    text = f"{section['silent']} of {section['silent'] + sides[0]['windows']:,} samples are silent and left out."
    if "standard_normal" in section:
        plain, (own, real) = section["standard_normal"], (music[side] for side in ("generated", "reference"))
        text += (
            f" The fitted prior gives an overlapped area of {music['overlapped_area']['mean']:.3f}, the standard normal"
            f" {plain['overlapped_area']['mean']:.3f}; scale consistency is {own['scale_consistency']:.3f} and "
            f"{plain['generated']['scale_consistency']:.3f} (held-out windows: {real['scale_consistency']:.3f})."
        )
    return "\n\n".join([text, *map(results.markdown_table, (rows, [head, *tables.sides(music)], areas))])


def directions_section(raw: Mapping[str, Any]) -> str:
    """Returns a table with a row for each direction and step."""
    section = raw.get("directions")
    if not section:
        return ""
    rows = [["direction (its length)", "step", *(names := latent_measures.ATTRIBUTES), "frames changed"]]
    rows.append(["none", "", *(format_mean(section["before"][name]) for name in names), ""])
    for name, moved in section["moved"].items():
        for step, by in zip(section["steps"], moved["by"], strict=True):
            cells = [format_mean(by[column]) for column in (*names, "changed")]
            rows.append([f"{name} ({moved['length']:.2f})", f"{step:+g}", *cells])
    head = (
        f"{section['windows']} held-out windows; directions from {section['known']:,} training windows. The first row"
    )
    return f"{head} has the values of the windows, the others the changes.\n\n" + results.markdown_table(rows)


def example_section(raw: Mapping[str, Any], page: str) -> str:
    """Returns the picture of one path, and the names of its ends."""
    section = raw.get("example")
    if not section:
        return ""
    one, other = (name.rpartition("@") for name in section["names"])
    return (
        f"From A (`{one[0]}`, from bar {one[2]}) to B (`{other[0]}`, from bar {other[2]}): the likeliest tokens of "
        f"{len(section['steps'])} vectors on the path. The first and the last are the reconstructions of A and B."
        f"\n\n![An interpolation as piano-rolls](../images/{page}-path.png)"
    )


def interpolation_picture(section: Mapping[str, Any]) -> bytes:
    """Draws a PNG of the distances to both ends, and of the nats per frame, along each way."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), dpi=120, facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, steps in section["ways"].items():
        label, colour = WAYS[name]
        for axes, key, style in ((left, "to_a", "solid"), (left, "to_b", "dashed"), (right, "nats", "solid")):
            middle = [step[key]["mean"] for step in steps]
            low, high = np.array([step[key]["interval"] for step in steps]).T
            axes.fill_between(section["alphas"], low, high, color=colour, alpha=0.18, linewidth=0)
            shown = label if style == "solid" else None
            axes.plot(section["alphas"], middle, color=colour, linewidth=1.4, linestyle=style, label=shown)
    right.axhline(section["real"]["mean"], color="#8A9099", linewidth=1, linestyle="dotted", label="held-out windows")
    left.set_title("frames that differ from A (solid) and from B (dashed)", fontsize=10, loc="left")
    right.set_title(f"nats per frame under a {ngram.ORDER}-gram", fontsize=10, loc="left")
    for axes in (left, right):
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of B", fontsize=9)
        pictures.plain(axes)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return pictures.png(figure)


def path_picture(section: Mapping[str, Any], codec: str) -> bytes:
    """Draws a PNG of piano-rolls: the two windows as they are, and the steps between their vectors."""
    from matplotlib import image
    from matplotlib.figure import Figure

    from musejax.rendering import picture

    one, other = section["ends"]
    last = len(section["steps"]) - 1
    rolls = {"A": one, **{f"{at} of {last}": row for at, row in enumerate(section["steps"])}, "B": other}
    images = {}
    for title, tokens in rolls.items():
        sequence = codecs.get(codec).decode({"tokens": np.array(tokens, np.int32)}, 100.0)
        if sequence.notes:
            images[title] = image.imread(io.BytesIO(picture.to_bytes(sequence, title)))
    tallest = max(pixels.shape[0] / pixels.shape[1] for pixels in images.values())
    # Long pieces are drawn one below the other.
    columns, height = (3, 2.2) if tallest > 0.3 else (1, 12 * tallest)
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(12, height * rows), dpi=120, facecolor="white", layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for axes, pixels in zip(grid.ravel(), images.values()):
        axes.imshow(pixels)
    return pictures.png(figure)


TEXT = f"""# Latent vectors of `{{run}}`

How much of a window of music does a latent vector keep, and what do the vectors between two others decode to?

{{summary}}

This command measures all of it and writes this page; `--only` measures one of its sections (reconstruction,
interpolation, example, prior, directions):

    python -m benchmarks.latent_space {{run}}{{option}}

Held-out windows are those of `{{source}}:test` that do not occur in training in any key. Everything is sampled with
seed {SEED} at temperature 1, unless the likeliest tokens are named. Numbers in parentheses are 95 % bootstrap
intervals: over tunes, over pairs for paths between two windows, and over windows where music is compared.

## What a vector keeps

    musejax evaluate {{run}} --split test --json
    musejax evaluate {{run}} --split test --frames-per-bar 12 --json

A vector is the mean of the posterior. *Accuracy* is the share of cells that are right. *Teacher forced* means that the
decoder reads the true cells so far, *sampled* that it reads its own samples. Another tune's vector shows what the
decoder knows about tunes in general. Windows whose bars are longer or shorter than in training have their own column. A
dimension is active if its mean varies over the windows by more than 0.01 (Burda et al., 2016).

{{reconstruction}}

## Between two windows

Two held-out windows A and B of different tunes, and {STEPS} steps between them, in three ways: spherical interpolation
of their vectors, decoded by sampling or with the likeliest tokens; and without a model, each frame from B with the
probability of the step, else from A. As in MusicVAE's paper (Roberts et al., 2018), the table shows which share of
frames differs from either end, and what the result costs under a model that is independent of all three ways: a
{ngram.ORDER}-gram over intervals of the training windows (with Witten and Bell's mixture of orders). The VAE's own
bound would favour its own samples.

{{interpolation}}

## One path, step by step

{{example}}

## Free samples

Samples from the prior are compared with the same number of held-out windows, if there are as many, by the
[statistics](results.md#generated-music) of `musejax metrics`. The prior is a normal distribution along the 64 principal
axes of the vectors of training windows, fitted at the end of training (`musejax/training/priors.py`). Held-out windows
are selected to be different from each other and from training windows. Copied runs are consecutive notes that also
occur in whole training tunes, in any transposition and any rhythm.

{{prior}}

## Directions

The direction of an attribute is the mean vector of the quarter of training windows that have most of it, minus that of
the quarter that have least. A step of 1 adds the direction to the vector of a held-out window, which is then decoded
with the same noise as without it. *Notes* is their number, and *range* is in semitones. *Syncopation* is the share of
notes that begin on an odd 16th without a note on the 16th before, or on an odd eighth without a note on the eighth
before, counting from 0.

{{directions}}
"""


def page(raw: Mapping[str, Any], name: str) -> str:
    """Returns the page; the names of its pictures begin with `name`."""
    parts = {
        "reconstruction": reconstruction_table(raw),
        "interpolation": interpolation_section(raw, name),
        "example": example_section(raw, name),
        "prior": prior_section(raw),
        "directions": directions_section(raw),
    }
    sections = {section: part or "Not measured yet." for section, part in parts.items()}
    if others := others_section(raw):
        sections["reconstruction"] += "\n\n" + others
    sections |= {"summary": summary(raw), "option": "" if name == "latents" else f" --page {name}"}
    return TEXT.format(run=raw["run"], source=raw["source"], **sections)
