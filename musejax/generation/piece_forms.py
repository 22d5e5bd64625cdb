"""What a piece is like before its notes: how long it is, its beat, its fermatas.

A model that draws cells in any order is told all of this. For a free sample it is that of a piece of the training data,
drawn at random, of which a run keeps a list; or what the user asks for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from musejax import codecs, errors, zoo
from musejax.music import bar_numbers, grid
from musejax.pipeline import batches, dataset
from musejax.theory.sixteenths import BAR, QUARTER

# Of how many training pieces whose length is nearest to what is asked for one is taken.
NEAREST = 8
# Longer training pieces are no forms of free samples: 48 bars.
LONGEST = 48 * BAR
# (bar, beat): the quarter over which a fermata stands. The bar is a number of `bar_numbers`, and the first beat is 1.
Mark = tuple[bar_numbers.Bar, int]


class Form(NamedTuple):
    """A piece without its notes.

    Attributes:
        length: Frames, T, that of END among them.
        conditions: int32[T] each, of `beat` and `fermata`.
    """

    length: int
    conditions: dict[str, np.ndarray]


def form_lines(items: Sequence[dataset.Item]) -> list[str]:
    """The forms of pieces as a run keeps them, a line each.

    Such as `321 16 0:12,64:0 28-32,60-68`: frames; those of a bar; where the beat does not go on from the frame before,
    and its position there; stretches of fermatas (`-` for none).
    """
    out = []
    for item in items:
        if item.length > LONGEST:
            continue
        beat = np.asarray(item.arrays.get("beat", np.arange(item.length) % BAR))
        bar = int(beat.max()) + 1
        breaks = [0, *(np.flatnonzero(beat[1:] != (beat[:-1] + 1) % bar) + 1).tolist()]
        fermata = item.arrays.get("fermata", np.zeros(item.length, int))
        stretches = [f"{first}-{last}" for first, last in grid.runs(fermata) if fermata[first]]
        begun = ",".join(f"{at}:{beat[at]}" for at in breaks)
        out.append(f"{item.length} {bar} {begun} {','.join(stretches) or '-'}")
    return out


def _read(line: str) -> Form:
    length, bar, breaks, stretches = line.split()
    frames = int(length)
    beat, fermata = np.zeros(frames, np.int32), np.zeros(frames, np.int32)
    for part in breaks.split(","):
        at, value = map(int, part.split(":"))
        beat[at:] = (value + np.arange(frames - at)) % int(bar)
    for part in stretches.split(",") if stretches != "-" else ():
        first, last = map(int, part.split("-"))
        fermata[first:last] = 1
    return Form(frames, {"beat": beat, "fermata": fermata})


def _fitted(form: Form, length: int) -> Form:
    """A form cut or prolonged at its beginning, so that it ends as it did."""
    away = form.length - length
    if away >= 0:
        return Form(length, {name: x[away:] for name, x in form.conditions.items()})
    beat = (int(form.conditions["beat"][0]) + np.arange(away, 0)) % BAR
    longer = {"beat": np.concatenate([beat, form.conditions["beat"]])}
    longer["fermata"] = np.pad(form.conditions["fermata"], (-away, 0))
    return Form(length, {name: x.astype(np.int32) for name, x in longer.items()})


def marked(beat: np.ndarray, marks: Sequence[Mark], numbers: bar_numbers.BarNumbers | None = None) -> np.ndarray:
    """Where fermatas stand: int32[T].

    Args:
        beat: int32[T], positions in the bar in 16ths.
        marks: The quarters over which they stand.
        numbers: The number of each frame's bar; by default bars are counted.

    Raises:
        errors.UserError: There is no such bar or beat.
    """
    numbers = bar_numbers.count(beat) if numbers is None else numbers
    out = np.zeros(len(beat), np.int32)
    for number, quarter in marks:
        here = numbers.inside(number, number) & (beat // QUARTER == quarter - 1)
        if not here.any():
            raise errors.UserError(f"fermata {number}.{quarter}: the piece has {numbers}, and no such beat")
        out[here] = 1
    return out


def _plain(loaded: zoo.Loaded, length: int, marks: Sequence[Mark]) -> Form:
    """A form in 4/4 with fermatas where they are asked for."""
    told = codecs.free_conditions(loaded.codec.vocabulary, 1, length)
    beat = told.get("beat", np.arange(length)[None] % BAR)[0]
    return Form(length, {"beat": beat, "fermata": marked(beat, marks)})


def draw_forms(
    loaded: zoo.Loaded,
    seed: int,
    indices: Sequence[int],
    *,
    length: int | None = None,
    bars: int | None = None,
    fermatas: Sequence[Mark] | None = None,
) -> tuple[int, dict[str, np.ndarray]]:
    """What pieces with these numbers are told of their forms; that of a number depends on it alone.

    Args:
        loaded: A model that draws cells in any order.
        seed: Of the sample.
        indices: Numbers of the pieces, N.
        length: Frames of each; None as in the training data.
        bars: Whole bars of 4/4 of each, in its place.
        fermatas: Where they stand, in 4/4 behind a pick-up of a quarter where the codec has one; None as in the
            training data.

    Returns:
        T, the frames of the longest in a size that few programs have, and `pad_mask`, `beat` and `fermata`, int32[N, T]
        each, as far as the model's vocabulary has them.

    Raises:
        errors.UserError: What is asked for does not fit.
    """
    vocabulary = loaded.codec.vocabulary
    conditions, kept = dict(vocabulary.conditions), loaded.config["data"].get("forms") or []
    if fermatas and "fermata" not in loaded.model.info.conditions:
        raise errors.UserError(f"fermatas: {loaded.name} does not read them")
    if length is None and bars is not None:
        length = bars * BAR
    if length is None and fermatas:
        length = (max(bar_numbers.number(bar).value for bar, _ in fermatas) + 1) * BAR
    end = int(vocabulary.has("end"))
    found = []
    for index in indices:
        rng = np.random.default_rng([seed % 2**63, index, 1])
        if fermatas is not None or not kept:
            found.append(_plain(loaded, (length or 16 * BAR) + end, fermatas or ()))
        elif length is None:
            found.append(_read(kept[rng.integers(len(kept))]))
        else:
            near = sorted(kept, key=lambda line: abs(int(line.split()[0]) - length - end))[:NEAREST]
            found.append(_fitted(_read(near[rng.integers(len(near))]), length + end))
    total = batches.bucket(max(form.length for form in found)) if length is None else length + end
    rows: Mapping[str, list[np.ndarray]] = {
        "pad_mask": [np.ones(form.length, np.int32) for form in found],
        **{name: [form.conditions[name] for form in found] for name in ("beat", "fermata") if name in conditions},
    }
    return total, {
        name: np.stack([np.pad(row, (0, total - len(row))) for row in each]) % conditions.get(name, 2)
        for name, each in rows.items()
    }
