"""Likelihood of whole pieces, summed by piece, with a bootstrap interval over pieces.

Protocols: `jsb16` (four voices on the 16th grid, every cell scored by the chain rule; nats a note and a frame),
`bl` (88-key binary frames; nats a frame, with and without each piece's first frame; class A1 where keys are independent
given the past, A2 where they are scored given each other, A3 for bounds), and `corpus` (a model on the data of its own
codec; nats a token). Figures are micro averages: over all cells of all pieces.

What is not an exact likelihood has another name. A model with latent variables gives `elbo_per_...` and, from several
draws, the tighter `iwae_per_...` (Burda et al., 2016), both upper bounds of the cost; an orderless model gives
`orderless_nll_per_...` and a pseudo-likelihood `pseudo_nll_per_...`, estimates with a standard error.

Where some voices are given, the likelihood of the others is exact for a model that reads the given ones ahead; from
one that knows only what lies before it is `causal_nll_per_...`, the cost of the free cells in its usual order.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from musejax import errors
from musejax import vocabulary as vocabularies
from musejax.base import Likelihood, Model
from musejax.pipeline import batches, dataset

RESAMPLES = 2000


class PieceScores(NamedTuple):
    """Sums by piece, float64[pieces] each.

    Attributes:
        nll: Nats of the piece: exact, or the mean of the draws.
        cells: Cells scored.
        frames: Frames.
        first: Nats of its first frame, where the likelihood is exact.
        draws: Nats of every draw, float64[samples, pieces], where it is estimated.
        causal: Whether voices were given to a model that does not read them ahead.
    """

    nll: np.ndarray
    cells: np.ndarray
    frames: np.ndarray
    first: np.ndarray | None = None
    draws: np.ndarray | None = None
    causal: bool = False


def protocol(source: str) -> str:
    """The protocol under which a corpus is scored."""
    if source == "jsb16":
        return "jsb16"
    return "bl" if source.startswith("bl-") else "corpus"


def bl_class(score: Likelihood) -> str:
    """The class of protocol `bl` in which a likelihood may be compared."""
    if score.kind == "bound":
        return "A3"
    return "A2" if score.joint else "A1"


def score_pieces(
    model: Model,
    variables: dict[str, Any],
    items: Sequence[dataset.Item],
    *,
    batch_size: int = 16,
    samples: int = 64,
    seed: int = 0,
    given: Sequence[int] = (),
) -> PieceScores:
    """Scores every piece whole, from the start state; padding is not counted.

    Args:
        model: A model with a `score`.
        variables: Its `params` and `state`.
        items: Pieces in its codec.
        batch_size: Pieces scored at a time.
        samples: Draws a piece, where the likelihood is estimated.
        seed: Of the draws.
        given: Streams that are given; the others are scored.

    Raises:
        errors.UserError: The model has no likelihood, or no exact one where streams are given.
    """
    if model.likelihood is None:
        raise errors.UserError("this model has no likelihood to evaluate")
    if given and (model.likelihood.nll is None or model.decoder is None):
        raise errors.UserError("the likelihood of voices given others is there for left-to-right models alone")
    params, state = variables["params"], variables["state"]
    cells = np.array([np.prod(_cells(item)) for item in items], np.float64)
    frames = np.array([item.length for item in items], np.float64)
    if model.likelihood.nll is not None:
        nll = jax.jit(model.likelihood.nll)
        totals = np.zeros((2, len(items)))
        for indices, batch in batches.whole(items, batch_size):
            if given:
                free = np.ones_like(batch["tokens"])
                free[..., list(given)] = 0
                costs = np.asarray(nll(params, state, {**batch, "infill_mask": free}), np.float64) * free
            else:
                costs = np.asarray(nll(params, state, batch), np.float64)
            per_frame = costs.reshape(*costs.shape[:2], -1).sum(-1) * batch["pad_mask"]
            totals[:, indices] = per_frame.sum(1)[: len(indices)], per_frame[: len(indices), 0]
        if given:
            cells = frames * (items[0].arrays["tokens"].shape[1] - len(given))
        causal = bool(given) and model.decoder is not None and model.decoder.read is None
        return PieceScores(totals[0], cells, frames, first=totals[1], causal=causal)
    assert model.likelihood.estimate is not None
    estimate = jax.jit(model.likelihood.estimate)
    draws = np.zeros((samples, len(items)))
    for (indices, batch), key in zip(batches.whole(items, batch_size), _keys(seed)):
        for at in range(samples):
            nats = np.asarray(estimate(params, state, jax.random.fold_in(key, at), batch), np.float64)
            draws[at, indices] = nats[: len(indices)]
    return PieceScores(draws.mean(0), cells, frames, draws=draws)


def _cells(item: dataset.Item) -> tuple[int, ...]:
    """The shape of a piece's cells: frames of bits are cells, tokens each are."""
    return item.arrays["tokens"].shape if "tokens" in item.arrays else (item.length,)


def _keys(seed: int) -> Iterator[jax.Array]:
    root, at = jax.random.key(seed), 0
    while True:
        yield jax.random.fold_in(root, at)
        at += 1


def importance_weighted(draws: np.ndarray) -> np.ndarray:
    """The importance-weighted bound of each piece: nats float64[samples, pieces] -> float64[pieces]."""
    low = draws.min(0)
    return low - np.log(np.exp(low - draws).mean(0))


def interval(totals: np.ndarray, weights: np.ndarray, together: np.ndarray | None = None) -> tuple[float, float]:
    """The 95 % bootstrap interval of sum(totals) / sum(weights).

    Args:
        totals: float64[N].
        weights: float64[N].
        together: int64[N], which rows are resampled together, such as overlapping windows of one piece; None for each
            row by itself.
    """
    if together is not None:
        totals, weights = np.bincount(together, totals), np.bincount(together, weights)
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(totals), (RESAMPLES, len(totals)))
    low, high = np.quantile(totals[chosen].sum(1) / weights[chosen].sum(1), (0.025, 0.975))
    return round(float(low), 5), round(float(high), 5)


def figures(
    scores: PieceScores,
    vocabulary: vocabularies.Vocabulary,
    source: str,
    score: Likelihood,
    together: np.ndarray | None = None,
) -> dict[str, Any]:
    """The figures of a protocol with their units in their names.

    Args:
        scores: By piece.
        vocabulary: The model's table.
        source: The corpus.
        score: The model's likelihood, for its kind and its class.
        together: As in `interval`.
    """
    rule = protocol(source)
    cells, frames = scores.cells.sum(), scores.frames.sum()
    out: dict[str, Any] = {"protocol": rule, "kind": score.kind, "pieces": len(scores.nll), "frames": int(frames)}
    units = {"frame": scores.frames}
    if rule == "jsb16":
        out["notes"] = int(cells)
        units = {"note": scores.cells, **units}
    elif rule == "bl":
        out["class"] = bl_class(score)
    else:
        out["tokens"] = int(cells)
        # Of one stream a frame is a token; bounds are given by frame too, as VAEs over any codec are compared by it.
        framed = vocabulary.streams > 1 or (score.kind == "bound" and vocabulary.frames_per_quarter > 0)
        units = {"token": scores.cells, **(units if framed else {})}
    name = {"exact": "nll", "bound": "elbo", "orderless": "orderless_nll", "pseudo": "pseudo_nll"}[score.kind]
    if scores.causal:
        out["kind"], name = "causal", "causal_nll"
    first = next(iter(units))
    for unit, weights in units.items():
        out[f"{name}_per_{unit}"] = scores.nll.sum() / weights.sum()
    totals, headline = scores.nll, f"{name}_per_{first}"
    if scores.first is not None and rule == "bl":
        out["nll_per_frame_without_first"] = (totals - scores.first).sum() / (frames - len(totals))
        out["interval_without_first"] = interval(totals - scores.first, scores.frames - 1, together)
    if scores.draws is not None:
        out["samples"] = len(scores.draws)
        if score.kind == "bound":
            totals, headline = importance_weighted(scores.draws), f"iwae_per_{first}"
            for unit, weights in units.items():
                out[f"iwae_per_{unit}"] = totals.sum() / weights.sum()
        elif len(scores.draws) > 1:
            spread = np.sqrt(scores.draws.var(0, ddof=1).sum() / len(scores.draws))
            out["standard_error"] = spread / units[first].sum()
    out["interval"] = interval(totals, units[first], together)
    out["interval_of"] = headline
    return {k: round(float(v), 5) if isinstance(v, float) else v for k, v in out.items()}
