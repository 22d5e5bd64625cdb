"""Likelihood of whole pieces, with bootstrap intervals over pieces.

Protocols: `jsb16` (four voices on a grid of 16ths, all cells scored by the chain rule; nats per note and per frame),
`bl` (binary frames of 88 keys; nats per frame, with and without the first frame of each piece; class A1 if keys are
independent given the past, A2 if they are scored given each other, A3 for bounds), and `corpus` (data of the model's
own codec; nats per token). Figures are micro averages, over all cells of all pieces.

Only exact likelihoods are named `nll_per_...`. A model with latent variables has `elbo_per_...` and, from several
samples, the tighter `iwae_per_...` (Burda et al., 2016), which are upper bounds of the negative log-likelihood. An
orderless model has `orderless_nll_per_...`, and a pseudo-likelihood is `pseudo_nll_per_...`; both are estimates with a
standard error.

If some voices are given, the likelihood of the others is exact for a model that reads the given voices in advance. For
a model that is conditioned only on the past it is `causal_nll_per_...`, the cost of the free cells in the usual order.
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
    """Sums over each piece, float64[pieces] each.

    Attributes:
        nll: Negative log-likelihood in nats: exact, or the mean of the estimates.
        cells: Number of scored cells.
        frames: Number of frames.
        first: Negative log-likelihood of the first frame in nats, if the likelihood is exact.
        draws: Estimates from each sample in nats, float64[samples, pieces], if the likelihood is estimated.
        causal: Whether voices were given to a model that does not read them in advance.
    """

    nll: np.ndarray
    cells: np.ndarray
    frames: np.ndarray
    first: np.ndarray | None = None
    draws: np.ndarray | None = None
    causal: bool = False


def protocol(source: str) -> str:
    """Returns the protocol under which a corpus is scored."""
    if source == "jsb16":
        return "jsb16"
    return "bl" if source.startswith("bl-") else "corpus"


def bl_class(score: Likelihood) -> str:
    """Returns the class of protocol `bl` within which a likelihood is comparable."""
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
    """Scores each piece as a whole, from its start; padding is not counted.

    Args:
        model: Model record with a likelihood.
        variables: Its `params` and `state`.
        items: Pieces in its codec.
        batch_size: Number of pieces in a batch.
        samples: Number of samples per piece, if the likelihood is estimated.
        seed: Seed for sampling.
        given: Streams that are given; the others are scored.

    Raises:
        errors.UserError: The model has no likelihood, or streams are given and it has no exact one.
    """
    if model.likelihood is None:
        raise errors.UserError("this model has no likelihood to evaluate")
    if given and (model.likelihood.nll is None or model.decoder is None):
        raise errors.UserError("only left-to-right models have a likelihood of some voices given others")
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
        for sample in range(samples):
            nats = np.asarray(estimate(params, state, jax.random.fold_in(key, sample), batch), np.float64)
            draws[sample, indices] = nats[: len(indices)]
    return PieceScores(draws.mean(0), cells, frames, draws=draws)


def _cells(item: dataset.Item) -> tuple[int, ...]:
    """Returns the shape of the cells of a piece, which are tokens or binary frames."""
    return item.arrays["tokens"].shape if "tokens" in item.arrays else (item.length,)


def _keys(seed: int) -> Iterator[jax.Array]:
    root, index = jax.random.key(seed), 0
    while True:
        yield jax.random.fold_in(root, index)
        index += 1


def importance_weighted(draws: np.ndarray) -> np.ndarray:
    """Returns the importance-weighted bound of each piece in nats: float64[samples, pieces] -> float64[pieces]."""
    low = draws.min(0)
    return low - np.log(np.exp(low - draws).mean(0))


def interval(totals: np.ndarray, weights: np.ndarray, together: np.ndarray | None = None) -> tuple[float, float]:
    """Returns the 95 % bootstrap interval of sum(totals) / sum(weights).

    Args:
        totals: Numerators, float64[N].
        weights: Denominators, float64[N].
        together: Group of each row, int64[N]; rows of a group are resampled together, such as overlapping windows of a
            piece. None to resample rows independently.
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
    """Returns the figures of a protocol, with units in their names.

    Args:
        scores: Scores of pieces.
        vocabulary: Vocabulary of the model.
        source: Name of the corpus.
        score: Likelihood of the model, for its kind and class.
        together: Groups of pieces, as in `interval`.
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
        # With a single stream, a frame is a token. Bounds are also given per frame, to compare VAEs over any codec.
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
