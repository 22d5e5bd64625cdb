"""Pictures of GANs over rolls: paths of latent vectors by name, and learning curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import pictures

# What MuseGAN calls its latent vectors.
ROLES = {"shared": "style", "shared-bars": "chord"}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def role(name: str) -> str:
    """A latent vector in MuseGAN's words: a track's own is its groove, and its melody where it changes by bar."""
    if name in ROLES or name == "all":
        return ROLES.get(name, "all vectors")
    track = name.removesuffix("-bars")
    return f"{'groove' if track == name else 'melody'} of {track}"


def pictured(names: Sequence[str]) -> list[str]:
    """The vectors of the picture: the shared ones and those of one track."""
    own = [n for n in names if n not in ROLES]
    first = own[0].removesuffix("-bars") if own else ""
    return [n for n in names if n in ROLES or n.removesuffix("-bars") == first]


def latents(found: Mapping[str, Any]) -> bytes:
    """A PNG of piano rolls: a row for each latent vector, a column a step of its way, tracks in colours."""
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    frames, tracks, pitches = found["shape"]
    rows, columns = len(found["paths"]), len(next(iter(found["paths"].values())))
    drawn = Figure(figsize=(2 * columns, 1.6 * rows), dpi=110, facecolor="white", layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False)
    lit = np.array([c for steps in found["paths"].values() for cells in steps for c in cells], int).reshape(-1, 3)
    low, high = (lit[:, 2].min(), lit[:, 2].max() + 1) if len(lit) else (0, pitches)
    for axes, (name, steps) in zip(grid, found["paths"].items(), strict=True):
        axes[0].set_ylabel(role(name), fontsize=9)
        for place, cells in zip(axes, steps, strict=True):
            image = np.ones((pitches, frames, 3))
            for frame, track, pitch in cells:
                image[pitch, frame] = to_rgb(COLOURS[track % len(COLOURS)])
            place.imshow(image[low:high], origin="lower", aspect="auto", interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
    handles = [_patch(COLOURS[k % len(COLOURS)], found["tracks"][k]) for k in range(tracks)]
    drawn.legend(handles=handles, loc="outside lower center", ncols=tracks, frameon=False, fontsize=9)
    return pictures.png(drawn)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


def curves(found: Mapping[str, Any]) -> bytes:
    """A PNG: the validation's energy distance by step, a line a run; seeds of one form (NAME-seed-N) look alike."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(9.5, 4.5), dpi=120, facecolor="white", layout="constrained")
    axes = drawn.subplots()
    forms = list(dict.fromkeys(name.partition("-seed-")[0] + " seeds" * ("-seed-" in name) for name in found))
    told = set()
    for name, curve in found.items():
        form = name.partition("-seed-")[0] + " seeds" * ("-seed-" in name)
        k, label = forms.index(form), None if form in told else form
        told.add(form)
        look = {"linestyle": ("solid", "dashed", "dotted")[k // len(COLOURS) % 3], "linewidth": 1.3}
        axes.plot(curve["steps"], curve["loss"], COLOURS[k % len(COLOURS)], label=label, **look)
    axes.set_xlabel("step", fontsize=9)
    axes.set_ylabel("energy distance, validation", fontsize=9)
    if all(x > 0 for curve in found.values() for x in curve["loss"]):
        axes.set_yscale("log")
    pictures.plain(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return pictures.png(drawn)
