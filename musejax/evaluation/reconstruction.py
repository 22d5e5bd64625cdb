"""What a latent vector says of its piece: cells that a decoder gets right with the vector, with another's, with none.

Accuracies are shares of all cells of all pieces (a frame of switches is one cell, right if all of them are). Vectors
are the means of posteriors.

- `accuracy_teacher_forced`: the likeliest value is the true one, given the vector and the true frames before.
- `accuracy_sampled`: drawn at temperature 1 from the vector alone, the decoder hearing what it drew.
- `accuracy_without_z`: the same with the vector of a piece of another melody group, so that what the decoder knows of
  music in general counts and what it was told of this piece does not. The vector of a real piece and not one of the
  prior: a posterior that has left the prior would make the latter look worse than ignorance.
- `accuracy_onsets`: of `accuracy_sampled`, the cells where a note begins in the true piece.
- `accuracy_all_hold`: of a guess that nothing ever happens: a hold in every cell, or silence where there are no holds.
- `active_dimensions`: dimensions of which the mean varies over the pieces by more than .01 (Burda et al., 2016).
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

# Variance of a dimension's posterior mean above which it is in use.
ACTIVE = 0.01
# Types of events that begin no note, and of these the ones that stand where nothing happens.
_IDLE = ("hold", "melody_hold", "bass_hold")
_BEGINS_NONE = (*_IDLE, "rest", "note_off", "melody_off", "bass_off", "end")


class Rebuilt(NamedTuple):
    """Counts by piece, float64[N] each.

    Attributes:
        cells: Cells of the piece.
        teacher_forced: Of these right, given the vector and the true frames before.
        sampled: Right when drawn from the vector.
        without_z: Right when drawn from the vector of another melody group.
        idle: Right of a guess that nothing happens.
        onsets: Cells where a note begins.
        onsets_sampled: Of these right when drawn from the vector.
        means: float32[N, Z], the vectors.
    """

    cells: np.ndarray
    teacher_forced: np.ndarray
    sampled: np.ndarray
    without_z: np.ndarray
    idle: np.ndarray
    onsets: np.ndarray
    onsets_sampled: np.ndarray
    means: np.ndarray


def idle(vocabulary: vocabularies.Vocabulary) -> np.ndarray | None:
    """The value of each cell of a frame in which nothing happens: int32[S]; None where every frame sounds by itself."""
    if vocabulary.kind == "bits":
        return np.zeros(1, np.int32)
    if vocabulary.own:
        return np.array([vocabulary.start(types[0]) for types in vocabulary.own], np.int32)
    for type in ("hold", "drums"):
        if vocabulary.has(type):
            return np.full(vocabulary.streams, vocabulary.start(type), np.int32)
    return None


def onsets(vocabulary: vocabularies.Vocabulary, cells: np.ndarray) -> np.ndarray | None:
    """Where a note begins, bool of the shape of cells; None where values do not tell a new note from one that goes on.

    Args:
        vocabulary: Of the cells.
        cells: Ids int[..., S], or switches int[..., V], which give [..., 1].
    """
    if vocabulary.kind == "bits":
        return np.asarray(cells.any(-1, keepdims=True)) if vocabulary.has("drum") else None
    if idle(vocabulary) is None:
        return None
    begins = np.ones(vocabulary.size, bool)
    for r in vocabulary.ranges:
        first = vocabulary.start(r.type)
        if r.type in _BEGINS_NONE:
            begins[first : first + r.size] = False
        if r.type == "drums":
            begins[first] = False  # the set of no drum
    return begins[cells]


def elsewhere(groups: Sequence[str], seed: int) -> np.ndarray | None:
    """For each piece one of another melody group, each once: int64[N]; None where one group has more than half.

    Args:
        groups: Of the pieces.
        seed: Of the order of groups.
    """
    names, group = np.unique(np.array(groups), return_inverse=True)
    most = int(np.bincount(group).max())
    if 2 * most > len(group):
        return None
    order = np.argsort(np.random.default_rng(seed).permutation(len(names))[group], kind="stable")
    out = np.empty(len(group), np.int64)
    # A turn by the size of the largest group leads out of every group.
    out[order] = np.roll(order, -most)
    return out


def encode(model: Model, variables: dict[str, Any], items: Sequence[dataset.Item], batch_size: int = 256) -> np.ndarray:
    """The means of posteriors, float32[N, Z]."""
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
    """Takes every piece through its vector and back, and through that of another.

    Args:
        model: With latent vectors that give `costs`.
        variables: Its `params` and `state`.
        vocabulary: Its table.
        items: Pieces in its codec.
        batch_size: Pieces at a time.
        seed: Of the draws.
    """
    assert model.latent is not None and model.latent.costs is not None
    params, state = variables["params"], variables["state"]
    costs, decode = jax.jit(model.latent.costs), jax.jit(model.latent.decode)
    means, key, first = encode(model, variables, items, batch_size), jax.random.key(seed), 0
    other, nothing = elsewhere([item.group for item in items], seed), idle(vocabulary)
    found = {name: np.full(len(items), np.nan) for name in Rebuilt._fields if name != "means"}

    for indices, batch in batches.whole(items, batch_size):
        wide = np.resize(indices, batch_size)
        field = "frames" if vocabulary.kind == "bits" else "tokens"
        truth, mask = _cells(vocabulary, batch[field]), batch["pad_mask"][..., None] > 0
        request = Request(
            num=batch_size,
            length=truth.shape[1],
            first=jnp.asarray(first),  # type: ignore[arg-type]
            conditions={name: jnp.asarray(batch[name]) for name, _ in vocabulary.conditions},
        )
        first += len(indices)

        right = np.asarray(costs(params, state, batch, jnp.asarray(means[wide]))[1]) > 0
        hits = {"cells": np.ones_like(right), "teacher_forced": right}
        vectors = {"sampled": means[wide], **({} if other is None else {"without_z": means[other[wide]]})}
        for name, z in vectors.items():
            drawn = np.asarray(decode(params, state, key, jnp.asarray(z), request)[field])
            hits[name] = _equal(vocabulary, _cells(vocabulary, drawn), truth)
        if nothing is not None:
            hits["idle"] = _equal(vocabulary, np.broadcast_to(nothing, truth.shape), truth)
        begins = onsets(vocabulary, truth)
        if begins is not None:
            hits |= {"onsets": begins, "onsets_sampled": begins & hits["sampled"]}
        for name, which in hits.items():
            found[name][indices] = (which & mask).sum((1, 2))[: len(indices)]
    return Rebuilt(**found, means=means)


def _cells(vocabulary: vocabularies.Vocabulary, values: np.ndarray) -> np.ndarray:
    """Ids [B, T, S], or switches [B, T, V]."""
    values = np.asarray(values)
    return values if vocabulary.kind == "bits" or vocabulary.streams > 1 else values[..., None]


def _equal(vocabulary: vocabularies.Vocabulary, values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which cells are right, bool[B, T, S]; of switches S is 1."""
    right = values == truth
    return right.all(-1, keepdims=True) if vocabulary.kind == "bits" else right


def figures(rebuilt: Rebuilt, together: np.ndarray) -> dict[str, Any]:
    """Accuracies with their intervals, and dimensions in use.

    Args:
        rebuilt: Counts by piece.
        together: As in `likelihood.interval`.

    Returns:
        Plain data; what is not defined is None.
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
    for name, (right, cells) in shares.items():
        defined = not np.isnan(right).any() and cells.sum() > 0
        out[name] = round(float(right.sum() / cells.sum()), 5) if defined else None
        if defined:
            intervals[name] = likelihood.interval(right, cells, together)
    out["accuracy_intervals"] = intervals
    out["active_dimensions"] = int((rebuilt.means.var(0) > ACTIVE).sum())
    out["dimensions"] = rebuilt.means.shape[1]
    return out
