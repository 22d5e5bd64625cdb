"""Measures for benchmarks/steering.py: harmonisations of sopranos, and ranks of the true cells of gaps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax import zoo
from musejax.base import Request
from musejax.decoding import gibbs
from musejax.decoding import given_notes as givens
from musejax.evaluation import likelihood, note_rolls, voice_leading
from musejax.pipeline import batches, dataset

SOPRANO, ALTO = 0, 1
BAR = 16
# Pieces sampled or scored at a time, and candidates of a gap.
ROWS, CANDIDATES = 16, 50
# Frames around a gap that are scored, and frames on either side of it to which the key of a distractor is fitted.
WINDOW, CONTEXT = 256, 16
SHIFTS = range(-6, 6)

Items = Sequence[dataset.Item]


class Sound(NamedTuple):
    """The sounding pitches, int64[T, S], -1 for silence, and where a note begins, bool[T, S]."""

    pitch: np.ndarray
    onset: np.ndarray


def to_sound(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> Sound:
    """Converts tokens int[T, S] or [T] to sound; in codecs without holds, a note lasts while its pitch is the same."""
    cells = np.asarray(tokens).reshape(len(tokens), -1)
    values = vocabulary.values("pitch").astype(np.int64)
    if not vocabulary.has("hold"):
        pitch = values[cells]
        before = np.concatenate([np.full_like(pitch[:1], -1), pitch[:-1]])
        return Sound(pitch, (pitch >= 0) & (pitch != before))
    place = np.arange(len(cells))[:, None]
    begun = np.maximum.accumulate(np.where(cells == vocabulary.id("hold"), -1, place), axis=0)
    last = np.take_along_axis(cells, np.maximum(begun, 0), axis=0)
    return Sound(np.where(begun < 0, -1, values[last]), values[cells] >= 0)


def as_rolls(sounds: Sequence[Sound]) -> note_rolls.Rolls:
    """Returns sounds as a batch, padded with silence."""
    frames = np.array([len(sound.pitch) for sound in sounds])
    padding = [[(0, int(frames.max()) - size), (0, 0)] for size in frames]
    pitch = np.stack([np.pad(s.pitch, p, constant_values=-1) for s, p in zip(sounds, padding, strict=True)])
    onset = np.stack([np.pad(s.onset, p) for s, p in zip(sounds, padding, strict=True)])
    sounding = (pitch[..., None] == np.arange(note_rolls.PITCHES)).swapaxes(1, 2)
    begins = sounding & onset.swapaxes(1, 2)[..., None]
    return note_rolls.Rolls(sounding, begins, frames, np.full(len(frames), BAR), 4, np.zeros(pitch.shape[2], bool))


def harmonies(loaded: zoo.Loaded, items: Items, seed: int, sampling: gibbs.Sampling | None = None) -> list[np.ndarray]:
    """Samples the lower voices of each piece given its soprano and conditions, at temperature 1: int32[T, 4] each.

    Pieces are sampled in batches of one padded length. Cells after the end of a piece are free: a left-to-right model
    has not reached them, and a model that reads given cells does not see free ones, so padding changes nothing. If the
    codec has END, it is given. A model that samples cells in any order receives the end of each piece, and samples as
    `sampling` says.
    """
    vocabulary, variables = loaded.codec.vocabulary, loaded.variables
    sample, out, sampled = jax.jit(loaded.model.sample), {}, 0
    names = [name for name, _ in vocabulary.conditions] + (["pad_mask"] if loaded.model.info.samplers else [])
    for indices, batch in batches.whole(items, ROWS):
        free = np.ones_like(batch["tokens"])
        free[..., SOPRANO] = 0
        # All pieces share one constraint, because no voice is given in part: the first frame may not be a hold.
        constraint = givens.attacks(vocabulary, np.zeros_like(free[0]), free[0])
        if vocabulary.has("end"):
            free[batch["tokens"] == vocabulary.id("end")] = 0
        free[batch["pad_mask"] == 0] = 1
        request = Request(
            num=ROWS,
            length=free.shape[1],
            first=sampled,
            given=jnp.asarray(batch["tokens"]),
            infill_mask=jnp.asarray(free),
            conditions={name: jnp.asarray(batch[name]) for name in names},
            constraint=constraint,
            sampling=sampling,
        )
        tokens = np.asarray(sample(variables["params"], variables["state"], jax.random.key(seed), request)["tokens"])
        out.update({index: tokens[row, : items[index].length] for row, index in enumerate(indices)})
        sampled += len(indices)
    return [out[index] for index in range(len(items))]


def count_changed(before: Sound, after: Sound, voice: int = SOPRANO) -> int:
    """Counts the notes of a voice that changed in any frame, including the rest that follows them."""
    differs = (before.pitch != after.pitch) | (before.onset != after.onset)
    return len(np.unique(before.onset[:, voice].cumsum()[differs[:, voice]]))


def harmony(
    vocabulary: vocabularies.Vocabulary, real: Sequence[np.ndarray], drawn: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Counts changed soprano notes, and measures voice-leading rates of both sides in the keys of the real pieces."""
    sides = [[to_sound(vocabulary, tokens) for tokens in side] for side in (real, drawn)]
    both = [as_rolls(side) for side in sides]
    keys = voice_leading.estimate_keys(both[0])
    return {
        "pieces": len(real),
        "notes": sum(int(sound.onset[:, SOPRANO].sum()) for sound in sides[0]),
        "changed": sum(count_changed(a, b) for a, b in zip(*sides, strict=True)),
        "rates": {name: _rates(side, keys) for name, side in zip(("real", "drawn"), both, strict=True)},
    }


def _rates(side: note_rolls.Rolls, keys: np.ndarray) -> dict[str, tuple[float | None, tuple[float, float] | None]]:
    """Returns the rate of each rule over all pieces, with its interval over pieces."""
    out = {}
    for rule, counts in voice_leading.counts(side, keys).items():
        broken, cases = (count[counts[1] > 0].astype(float) for count in counts)
        rate = round(broken.sum() / cases.sum(), 5) if len(cases) else None
        out[rule] = rate, likelihood.interval(broken, cases) if len(cases) > 1 else None
    return out


class Gap(NamedTuple):
    """A gap: index of the piece, first frame, number of frames, and voices."""

    piece: int
    first: int
    frames: int
    voices: tuple[int, ...]


def choose_gaps(items: Items, frames: int, voices: tuple[int, ...], rng: np.random.Generator) -> list[Gap]:
    """Chooses a gap in each piece at a random multiple of 16 frames with context on both sides; skips short pieces."""
    places = [np.arange(BAR, item.length - frames - CONTEXT + 1, BAR) for item in items]
    return [Gap(piece, int(rng.choice(at)), frames, voices) for piece, at in enumerate(places) if len(at)]


def _histogram(pitch: np.ndarray) -> np.ndarray:
    """Returns the shares of the pitch classes in the sounding cells, or zeros if nothing sounds."""
    counts = np.bincount(pitch[pitch >= 0] % 12, minlength=12)
    return counts / max(1, counts.sum())


def transpose_to(pitch: np.ndarray, context: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Transposes a stretch by -6 to 5 semitones so that its pitch classes are closest (L1) to those of a context.

    Args:
        pitch: Pitches of the stretch, int64[F, K], -1 for a rest.
        context: Pitches of any shape, -1 for hidden or silent cells.
        low: Lowest allowed pitch of each voice, int64[K].
        high: Highest allowed pitch of each voice, int64[K].

    Raises:
        ValueError: The voices leave their ranges in every transposition.
    """
    options = []
    for shift in SHIFTS:
        moved = np.where(pitch >= 0, pitch + shift, -1)
        if ((moved < 0) | ((moved >= low) & (moved <= high))).all():
            distance = float(np.abs(_histogram(moved) - _histogram(context)).sum())
            options.append((round(distance, 9), abs(shift), shift, moved))
    if not options:
        raise ValueError("the stretch lies outside the ranges of its voices in every transposition")
    return min(options, key=lambda each: each[:3])[3]


def candidates(pitches: Sequence[np.ndarray], gap: Gap, num: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the true cells and `num` distractors, stretches of other pieces at the same position in the bar.

    Distractors are transposed to the given cells in the gap and on either side of it. Each voice stays within the range
    that it has in all pieces. All candidates are different.

    Args:
        pitches: Pitches of every piece, int64[T, S] each.
        gap: The gap.
        num: Number of distractors.
        rng: Generator that chooses the distractors.

    Returns:
        Pitches, int64[1 + num, F, K].

    Raises:
        ValueError: There are fewer than `num` distractors.
    """
    last, voices = gap.first + gap.frames, list(gap.voices)
    given = pitches[gap.piece].copy()
    given[gap.first : last, voices] = -1
    context = given[max(0, gap.first - CONTEXT) : last + CONTEXT]
    everything = np.concatenate(pitches)[:, voices]
    low, high = np.where(everything < 0, note_rolls.PITCHES, everything).min(0), everything.max(0)
    chosen = [pitches[gap.piece][gap.first : last, voices]]
    starts = [range(gap.first % BAR, len(other) - gap.frames + 1, BAR) for other in pitches]
    places = [(piece, first) for piece, firsts in enumerate(starts) if piece != gap.piece for first in firsts]
    for at in rng.permutation(len(places)):
        piece, first = places[at]
        new = transpose_to(pitches[piece][first : first + gap.frames, voices], context, low, high)
        if not any(np.array_equal(new, old) for old in chosen):
            chosen.append(new)
        if len(chosen) > num:
            return np.stack(chosen)
    raise ValueError(f"there are {len(chosen) - 1} distractors of {gap.frames} frames; {num} are needed")


def rank(costs: np.ndarray) -> int:
    """Returns the rank of the first of several costs, 1 for the lowest; equal costs rank above it."""
    return 1 + int((costs[1:] <= costs[0]).sum())


def ranking(ranks: Sequence[int]) -> dict[str, tuple[float, tuple[float, float]]]:
    """Returns the mean reciprocal rank and the shares of ranks 1 and up to 10, each with its interval over gaps."""
    at = np.asarray(ranks, float)
    values = {"mrr": 1 / at, "top1": (at == 1).astype(float), "top10": (at <= 10).astype(float)}
    return {name: (round(float(v.mean()), 5), likelihood.interval(v, np.ones(len(v)))) for name, v in values.items()}


def scorer(loaded: zoo.Loaded) -> Callable[[dataset.Item, Gap, np.ndarray], dict[str, np.ndarray]]:
    """Returns a function that scores candidates under a model: nats by way, float64[C] each.

    `whole` is the cost of all cells from the start of the gap to the end of the window, from left to right; `past` that
    of the gap's cells only. `rest` is the cost of the gap's cells given all other cells, for a model that reads them.
    """
    assert loaded.model.likelihood is not None and loaded.model.likelihood.nll is not None
    assert loaded.model.decoder is not None
    nll, vocabulary = jax.jit(loaded.model.likelihood.nll), loaded.codec.vocabulary
    ways = ("whole", "past", "rest") if loaded.model.decoder.read else ("whole", "past")
    offset = vocabulary.start("pitch") - vocabulary.range("pitch").min

    def score(item: dataset.Item, gap: Gap, stretches: np.ndarray) -> dict[str, np.ndarray]:
        start = int(np.clip(gap.first + gap.frames // 2 - WINDOW // 2, 0, max(0, item.length - WINDOW)))
        row = batches.pad({k: v[start : start + WINDOW] for k, v in item.arrays.items()}, WINDOW)
        first, last, voices = gap.first - start, gap.first - start + gap.frames, list(gap.voices)
        free = np.zeros_like(row["tokens"])
        free[first:last, voices] = 1
        after = np.broadcast_to((row["pad_mask"] * (np.arange(WINDOW) >= first))[:, None], free.shape)
        cells = np.where(stretches < 0, vocabulary.id("rest"), stretches + offset)
        out: dict[str, list[np.ndarray]] = {way: [] for way in ways}
        for at in range(0, len(cells), CANDIDATES):
            part = cells[at : at + CANDIDATES]
            batch = batches.stack([row] * CANDIDATES)
            batch["tokens"][: len(part), first:last, voices] = part
            with_given = {**batch, "infill_mask": np.repeat(free[None], CANDIDATES, 0)}
            cost = {
                way: np.asarray(nll(loaded.variables["params"], loaded.variables["state"], each), np.float64)
                for way, each in (("past", batch), ("rest", with_given))
                if way in ways
            }
            cost["whole"] = cost["past"]
            for way in ways:
                out[way].append((cost[way] * (after if way == "whole" else free)).sum((1, 2))[: len(part)])
        return {way: np.concatenate(parts) for way, parts in out.items()}

    return score


def infill(
    loaded: zoo.Loaded, items: Items, frames: int, voices: tuple[int, ...], num: int | None, distractors: int, seed: Any
) -> dict[str, Any]:
    """Ranks the true cells of up to `num` gaps of one kind among distractors."""
    score, rng, ranks = scorer(loaded), np.random.default_rng(seed), {}
    pitches = [to_sound(loaded.codec.vocabulary, item.arrays["tokens"]).pitch for item in items]
    chosen = choose_gaps(items, frames, voices, rng)[:num]
    for gap in chosen:
        for way, costs in score(items[gap.piece], gap, candidates(pitches, gap, distractors, rng)).items():
            ranks.setdefault(way, []).append(rank(costs))
    return {
        "gaps": [[gap.piece, gap.first] for gap in chosen],
        "cropped": sum(items[gap.piece].length > WINDOW for gap in chosen),
        "candidates": 1 + distractors,
        "ranks": ranks,
        "figures": {way: ranking(r) for way, r in ranks.items()},
    }
