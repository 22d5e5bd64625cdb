"""Measures the information in latent vectors: the accuracy of pieces decoded from their own and from other vectors.

Accuracies are shares of all cells of all pieces. A binary frame is one cell, which is correct if all its values are.
The vectors are posterior means.

- `accuracy_teacher_forced`: The likeliest value is correct, given the vector and the true previous frames.
- `accuracy_sampled`: Accuracy of samples at temperature 1, given only the vector.
- `accuracy_without_z`: The same with the vector of a piece of another melody group. It measures what the decoder knows
  about music in general, without information about this piece. A sample of the prior would not do: if the posteriors do
  not match the prior, the result would be worse than without any information.
- `accuracy_onsets`: `accuracy_sampled` for cells in which a note begins in the true piece.
- `accuracy_all_hold`: Accuracy of a constant guess: a hold in each cell, or silence in a vocabulary without holds.
- `active_dimensions`: Number of dimensions whose posterior mean has a variance over pieces of more than 0.01 (Burda et
  al., 2016).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.base import Model, Request
from musejax.evaluation import likelihood
from musejax.pipeline import batches, dataset

# A dimension is active if the variance of its posterior mean is larger than this.
ACTIVE = 0.01
# Event types that mean that nothing changes, and all event types that do not begin a note.
_IDLE = ("hold", "melody_hold", "bass_hold")
_BEGINS_NONE = (*_IDLE, "rest", "note_off", "melody_off", "bass_off", "end")


class Rebuilt(NamedTuple):
    """Numbers of cells of each piece, float64[N] each.

    Attributes:
        cells: All cells.
        teacher_forced: Correct cells, given the vector and the true previous frames.
        sampled: Correct cells of samples from the vector.
        without_z: Correct cells of samples from the vector of another melody group.
        idle: Correct cells of the constant guess.
        onsets: Cells in which a note begins.
        onsets_sampled: Those of them that are correct in samples from the vector.
        means: Latent vectors, float32[N, Z].
    """

    cells: np.ndarray
    teacher_forced: np.ndarray
    sampled: np.ndarray
    without_z: np.ndarray
    idle: np.ndarray
    onsets: np.ndarray
    onsets_sampled: np.ndarray
    means: np.ndarray


def idle_values(vocabulary: vocabularies.Vocabulary) -> np.ndarray | None:
    """Returns the values of a frame in which nothing changes, int32[S], or None if there are no such values."""
    if vocabulary.kind == "bits":
        return np.zeros(1, np.int32)
    if vocabulary.own:
        return np.array([vocabulary.start(types[0]) for types in vocabulary.own], np.int32)
    for type in ("hold", "drums"):
        if vocabulary.has(type):
            return np.full(vocabulary.streams, vocabulary.start(type), np.int32)
    return None


def find_onsets(vocabulary: vocabularies.Vocabulary, cells: np.ndarray) -> np.ndarray | None:
    """Returns True for cells in which a note begins, or None if values do not distinguish new from held notes.

    Args:
        vocabulary: Vocabulary of the cells.
        cells: Tokens int[..., S], or binary frames int[..., V], for which the result is [..., 1].
    """
    if vocabulary.kind == "bits":
        return np.asarray(cells.any(-1, keepdims=True)) if vocabulary.has("drum") else None
    if idle_values(vocabulary) is None:
        return None
    begins = np.ones(vocabulary.size, bool)
    for r in vocabulary.ranges:
        first = vocabulary.start(r.type)
        if r.type in _BEGINS_NONE:
            begins[first : first + r.size] = False
        if r.type == "drums":
            begins[first] = False  # the empty set of drums
    return begins[cells]


def choose_other_pieces(groups: Sequence[str], seed: int) -> np.ndarray | None:
    """Chooses for each piece a different piece of another melody group, by a permutation.

    Args:
        groups: Melody group of each piece.
        seed: Seed of the order of groups.

    Returns:
        Indices of the chosen pieces, int64[N], or None if a group has more than half of the pieces.
    """
    names, group = np.unique(np.array(groups), return_inverse=True)
    largest = int(np.bincount(group).max())
    if 2 * largest > len(group):
        return None
    order = np.argsort(np.random.default_rng(seed).permutation(len(names))[group], kind="stable")
    out = np.empty(len(group), np.int64)
    # A rotation by the size of the largest group leads from each group to another.
    out[order] = np.roll(order, -largest)
    return out


def encode(model: Model, variables: dict[str, Any], items: Sequence[dataset.Item], batch_size: int = 256) -> np.ndarray:
    """Returns the posterior means of pieces, float32[N, Z]."""
    assert model.latent is not None and model.latent.encode is not None
    run, out = jax.jit(model.latent.encode), np.zeros((len(items), model.latent.size), np.float32)
    for indices, batch in batches.whole(items, batch_size):
        out[indices] = np.asarray(run(variables["params"], variables["state"], batch)[0])[: len(indices)]
    return out


def rebuild(
    model: Model,
    variables: dict[str, Any],
    vocabulary: vocabularies.Vocabulary,
    items: Sequence[dataset.Item],
    *,
    batch_size: int = 256,
    seed: int = 0,
) -> Rebuilt:
    """Decodes each piece from its latent vector, and from that of another piece, and counts the correct cells.

    Args:
        model: Model record with latent vectors and `costs`.
        variables: Its `params` and `state`.
        vocabulary: Its vocabulary.
        items: Pieces in its codec.
        batch_size: Number of pieces in a batch.
        seed: Seed for sampling.
    """
    assert model.latent is not None and model.latent.costs is not None
    params, state = variables["params"], variables["state"]
    costs, decode = jax.jit(model.latent.costs), jax.jit(model.latent.decode)
    means, key, first = encode(model, variables, items, batch_size), jax.random.key(seed), 0
    other, idle = choose_other_pieces([item.group for item in items], seed), idle_values(vocabulary)
    counts = {name: np.full(len(items), np.nan) for name in Rebuilt._fields if name != "means"}

    for indices, batch in batches.whole(items, batch_size):
        rows = np.resize(indices, batch_size)
        field = "frames" if vocabulary.kind == "bits" else "tokens"
        truth, mask = _cells(vocabulary, batch[field]), batch["pad_mask"][..., None] > 0
        request = Request(
            num=batch_size,
            length=truth.shape[1],
            first=jnp.asarray(first),  # type: ignore[arg-type]
            conditions={name: jnp.asarray(batch[name]) for name, _ in vocabulary.conditions},
        )
        first += len(indices)

        correct = np.asarray(costs(params, state, batch, jnp.asarray(means[rows]))[1]) > 0
        hits = {"cells": np.ones_like(correct), "teacher_forced": correct}
        vectors = {"sampled": means[rows], **({} if other is None else {"without_z": means[other[rows]]})}
        for name, z in vectors.items():
            values = np.asarray(decode(params, state, key, jnp.asarray(z), request)[field])
            hits[name] = _equal(vocabulary, _cells(vocabulary, values), truth)
        if idle is not None:
            hits["idle"] = _equal(vocabulary, np.broadcast_to(idle, truth.shape), truth)
        begins = find_onsets(vocabulary, truth)
        if begins is not None:
            hits |= {"onsets": begins, "onsets_sampled": begins & hits["sampled"]}
        for name, cells in hits.items():
            counts[name][indices] = (cells & mask).sum((1, 2))[: len(indices)]
    return Rebuilt(**counts, means=means)


def _cells(vocabulary: vocabularies.Vocabulary, values: np.ndarray) -> np.ndarray:
    """Returns tokens as [B, T, S], or binary frames as [B, T, V]."""
    values = np.asarray(values)
    return values if vocabulary.kind == "bits" or vocabulary.streams > 1 else values[..., None]


def _equal(vocabulary: vocabularies.Vocabulary, values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Returns True for correct cells, bool[B, T, S], where S is 1 for binary frames."""
    correct = values == truth
    return correct.all(-1, keepdims=True) if vocabulary.kind == "bits" else correct


def figures(rebuilt: Rebuilt, together: np.ndarray) -> dict[str, Any]:
    """Returns accuracies with their intervals, and the number of active dimensions.

    Args:
        rebuilt: Counts of each piece.
        together: Groups of pieces, as in `likelihood.interval`.

    Returns:
        Figures by name; those that are undefined are None.
    """
    shares = {
        "accuracy_teacher_forced": (rebuilt.teacher_forced, rebuilt.cells),
        "accuracy_sampled": (rebuilt.sampled, rebuilt.cells),
        "accuracy_without_z": (rebuilt.without_z, rebuilt.cells),
        "accuracy_onsets": (rebuilt.onsets_sampled, rebuilt.onsets),
        "accuracy_all_hold": (rebuilt.idle, rebuilt.cells),
    }
    out: dict[str, Any] = {}
    intervals = {}
    for name, (correct, cells) in shares.items():
        defined = not np.isnan(correct).any() and cells.sum() > 0
        out[name] = round(float(correct.sum() / cells.sum()), 5) if defined else None
        if defined:
            intervals[name] = likelihood.interval(correct, cells, together)
    out["accuracy_intervals"] = intervals
    out["active_dimensions"] = int((rebuilt.means.var(0) > ACTIVE).sum())
    out["dimensions"] = rebuilt.means.shape[1]
    return out
