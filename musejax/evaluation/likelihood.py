"""Negative log-likelihood of whole pieces, summed by piece, with a bootstrap interval over pieces.

Protocols: `jsb16` (four voices on the 16th grid, every cell scored by the chain rule; nats a note and a frame),
`bl` (88-key binary frames; nats a frame, with and without each piece's first frame), and `corpus` (a model on the data
of its own codec; nats a token). Figures are micro averages: over all cells of all pieces.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from musejax import errors
from musejax import vocabulary as vocabularies
from musejax.base import Model
from musejax.pipeline import batches, dataset

RESAMPLES = 2000


class PieceScores(NamedTuple):
    """Sums by piece, float64[pieces] each.

    Attributes:
        nll: Nats of the piece.
        first: Nats of its first frame.
        cells: Cells scored.
        frames: Frames.
    """

    nll: np.ndarray
    first: np.ndarray
    cells: np.ndarray
    frames: np.ndarray


def protocol(source: str) -> str:
    """The protocol under which a corpus is scored."""
    if source == "jsb16":
        return "jsb16"
    return "bl" if source.startswith("bl-") else "corpus"


def score_pieces(
    model: Model, variables: dict[str, Any], items: Sequence[dataset.Item], *, batch_size: int = 16
) -> PieceScores:
    """Scores every piece whole, from the start state; padding is not counted.

    Args:
        model: A model with a `score`.
        variables: Its `params` and `state`.
        items: Pieces in its codec.
        batch_size: Pieces scored at a time.

    Raises:
        errors.UserError: The model has no likelihood.
    """
    if model.score is None:
        raise errors.UserError("this model has no likelihood to evaluate")
    nll = jax.jit(model.score.nll)
    out = np.zeros((4, len(items)))
    for indices, batch in batches.whole(items, batch_size):
        cells = np.asarray(nll(variables["params"], variables["state"], batch), np.float64)
        per_frame = cells.reshape(*cells.shape[:2], -1)
        mask = batch["pad_mask"][..., None].astype(np.float64)
        for row, index in enumerate(indices):
            total = (per_frame[row] * mask[row]).sum()
            frames = mask[row].sum()
            out[:, index] = total, per_frame[row, 0].sum(), frames * per_frame.shape[-1], frames
    return PieceScores(*out)


def interval(totals: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval over pieces of sum(totals) / sum(weights)."""
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(totals), (RESAMPLES, len(totals)))
    low, high = np.quantile(totals[chosen].sum(1) / weights[chosen].sum(1), (0.025, 0.975))
    return round(float(low), 5), round(float(high), 5)


def figures(scores: PieceScores, vocabulary: vocabularies.Vocabulary, source: str, kind: str) -> dict[str, Any]:
    """The figures of a protocol with their units in their names.

    Args:
        scores: By piece.
        vocabulary: The model's table.
        source: The corpus.
        kind: The likelihood's kind.
    """
    rule = protocol(source)
    total, cells, frames = scores.nll.sum(), scores.cells.sum(), scores.frames.sum()
    out: dict[str, Any] = {"protocol": rule, "kind": kind, "pieces": len(scores.nll), "frames": int(frames)}
    if rule == "jsb16":
        out |= {"notes": int(cells), "nll_per_note": total / cells, "nll_per_frame": total / frames}
        out["interval"] = interval(scores.nll, scores.cells)
        out["interval_of"] = "nll_per_note"
    elif rule == "bl":
        rest = frames - len(scores.frames)
        out["nll_per_frame"] = total / frames
        out["nll_per_frame_without_first"] = (total - scores.first.sum()) / rest
        out["interval"] = interval(scores.nll, scores.frames)
        out["interval_of"] = "nll_per_frame"
    else:
        out |= {"tokens": int(cells), "nll_per_token": total / cells}
        if vocabulary.streams > 1:
            out["nll_per_frame"] = total / frames
        out["interval"] = interval(scores.nll, scores.cells)
        out["interval_of"] = "nll_per_token"
    return {k: round(float(v), 5) if isinstance(v, float) else v for k, v in out.items()}
