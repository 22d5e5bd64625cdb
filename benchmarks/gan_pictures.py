"""Pictures for the page on GANs: paths of latent vectors, and learning curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import pictures

# MuseGAN's names of its latent vectors.
ROLES = {"shared": "style", "shared-bars": "chord"}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def role(name: str) -> str:
    """Returns MuseGAN's name of a latent vector: a track's own is its groove, or its melody if it changes by bar."""
    if name in ROLES or name == "all":
        return ROLES.get(name, "all vectors")
    track = name.removesuffix("-bars")
    return f"{'groove' if track == name else 'melody'} of {track}"


def pictured(names: Sequence[str]) -> list[str]:
    """Returns the vectors to draw: the shared ones and those of the first track."""
    own = [n for n in names if n not in ROLES]
    first = own[0].removesuffix("-bars") if own else ""
    return [n for n in names if n in ROLES or n.removesuffix("-bars") == first]


def latents(section: Mapping[str, Any]) -> bytes:
    """Draws a PNG of piano-rolls: a row for each latent vector, a column for each step, a colour for each track."""
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    frames, tracks, pitches = section["shape"]
    rows, columns = len(section["paths"]), len(next(iter(section["paths"].values())))
    figure = Figure(figsize=(2 * columns, 1.6 * rows), dpi=110, facecolor="white", layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    lit = np.array([c for steps in section["paths"].values() for cells in steps for c in cells], int).reshape(-1, 3)
    low, high = (lit[:, 2].min(), lit[:, 2].max() + 1) if len(lit) else (0, pitches)
    for axes, (name, steps) in zip(grid, section["paths"].items(), strict=True):
        axes[0].set_ylabel(role(name), fontsize=9)
        for place, cells in zip(axes, steps, strict=True):
            image = np.ones((pitches, frames, 3))
            for frame, track, pitch in cells:
                image[pitch, frame] = to_rgb(COLOURS[track % len(COLOURS)])
            place.imshow(image[low:high], origin="lower", aspect="auto", interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
    handles = [_patch(COLOURS[k % len(COLOURS)], section["tracks"][k]) for k in range(tracks)]
    figure.legend(handles=handles, loc="outside lower center", ncols=tracks, frameon=False, fontsize=9)
    return pictures.png(figure)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


def curves(section: Mapping[str, Any]) -> bytes:
    """Draws a PNG of the validation energy distance by step; runs of one form (NAME-seed-N) share a colour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.5), dpi=120, facecolor="white", layout="constrained")
    axes = figure.subplots()
    forms = list(dict.fromkeys(name.partition("-seed-")[0] + " seeds" * ("-seed-" in name) for name in section))
    labelled = set()
    for name, curve in section.items():
        form = name.partition("-seed-")[0] + " seeds" * ("-seed-" in name)
        k, label = forms.index(form), None if form in labelled else form
        labelled.add(form)
        look = {"linestyle": ("solid", "dashed", "dotted")[k // len(COLOURS) % 3], "linewidth": 1.3}
        axes.plot(curve["steps"], curve["loss"], COLOURS[k % len(COLOURS)], label=label, **look)
    axes.set_xlabel("step", fontsize=9)
    axes.set_ylabel("energy distance, validation", fontsize=9)
    if all(x > 0 for curve in section.values() for x in curve["loss"]):
        axes.set_yscale("log")
    pictures.plain(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return pictures.png(figure)
