"""Initialises a model from a trained one: parameters are matched by path, shape and axis labels.

An axis of events or conditions is matched by its labels (`base.Info.axes`), so a vocabulary may grow, shrink or be
reordered. Entries that the trained model does not have keep their random initial values.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.base import Array, Axes, Batch, Model, Params, State, Step, TrainState


class Source(NamedTuple):
    """A trained model from which another is initialised.

    Attributes:
        model: Model record.
        vocabulary: Vocabulary of its events.
        params: Trained parameters.
        state: Model state.
    """

    model: Model
    vocabulary: vocabularies.Vocabulary
    params: Params
    state: State


class Report(NamedTuple):
    """Paths of the parameters of a model that is initialised from another, by what was restored.

    Attributes:
        restored: Parameters restored completely.
        grown: Parameters restored in part; the trained model does not have their other entries.
        random: Parameters that keep their random initial values.
    """

    restored: tuple[str, ...]
    grown: tuple[str, ...]
    random: tuple[str, ...]

    def lines(self) -> list[str]:
        """Returns a summary for people: the counts, and the names of parameters that were not restored completely."""
        whole = f"restored {len(self.restored)} of {sum(map(len, self))} parameters"
        lines = [f"{whole}, {len(self.grown)} grown, {len(self.random)} left at random"]
        for what, names in (("grown", self.grown), ("left at random", self.random)):
            lines += [f"{what}: {', '.join(names)}"] if names else []
        return lines


class Part(NamedTuple):
    """Trained values and their places in a parameter: `parameter[np.ix_(*places)] = values`."""

    places: tuple[np.ndarray, ...]
    values: np.ndarray


def flat(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by path, such as `stack/layer_0/input`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def plan(source: Source, model: Model, vocabulary: vocabularies.Vocabulary, like: Params) -> dict[str, Part]:
    """Matches the parameters of a trained model with those of a new model.

    Args:
        source: The trained model.
        model: Record of the new model.
        vocabulary: Vocabulary of the new model.
        like: Parameters of the new model, or their shapes.

    Returns:
        The trained values of each parameter that can be restored at least in part, by path. The result is empty if the
        vocabularies differ and a family does not label its axes, because the same index may then mean another event.
    """
    if source.model.info.axes is None or model.info.axes is None:
        if not _have_same_events(source.vocabulary, vocabulary):
            return {}
        before: Axes = {}
        now: Axes = {}
    else:
        before, now = source.model.info.axes(), model.info.axes()
    trained, parts = flat(source.params), {}
    for path, leaf in flat(like).items():
        if path in trained:
            part = _part(np.asarray(trained[path]), before.get(path, {}), leaf.shape, now.get(path, {}))
            if part is not None:
                parts[path] = part
    return parts


def _have_same_events(a: vocabularies.Vocabulary, b: vocabularies.Vocabulary) -> bool:
    """Returns whether two vocabularies differ at most in name and version."""
    return dataclasses.replace(a, name=b.name, version=b.version) == b


def _part(
    trained: np.ndarray, before: Mapping[int, tuple], shape: tuple[int, ...], now: Mapping[int, tuple]
) -> Part | None:
    """Returns the values of a trained array that fit an array of another shape at the same path, or None.

    Args:
        trained: Trained array.
        before: Labels of its axes, by axis.
        shape: Shape of the new array.
        now: Labels of the axes of the new array, by axis.
    """
    if trained.ndim != len(shape):
        return None
    places = []
    for axis, (old, new) in enumerate(zip(trained.shape, shape, strict=True)):
        if (axis in before) != (axis in now) or (axis not in now and old != new):
            return None
        if axis not in now:
            places.append(np.arange(new))
            continue
        index = {label: i for i, label in enumerate(before[axis])}
        pairs = [(i, index[label]) for i, label in enumerate(now[axis]) if label in index]
        if not pairs:
            return None
        new_places, old_places = (np.asarray(side) for side in zip(*pairs, strict=True))
        trained = trained.take(old_places, axis)
        places.append(new_places)
    return Part(tuple(places), trained)


def same(source: Source, model: Model, vocabulary: vocabularies.Vocabulary, like: Params) -> bool:
    """Returns whether the parameters of a trained model and another model have the same paths, shapes and labels."""
    shapes = [{path: leaf.shape for path, leaf in flat(tree).items()} for tree in (source.params, like)]
    if not _have_same_events(source.vocabulary, vocabulary) or shapes[0] != shapes[1]:
        return False
    return source.model.info.axes is None or model.info.axes is None or source.model.info.axes() == model.info.axes()


def report(parts: Mapping[str, Part], like: Params) -> Report:
    """Returns which parameters are restored completely, in part or not at all."""
    shapes = {path: leaf.shape for path, leaf in flat(like).items()}
    whole = [path for path, part in parts.items() if part.values.shape == shapes[path]]
    grown = [path for path in parts if path not in set(whole)]
    return Report(tuple(whole), tuple(grown), tuple(path for path in shapes if path not in parts))


def place(parts: Mapping[str, Part], params: Params) -> Params:
    """Returns the parameters with the trained values put in."""

    def place_leaf(path: Any, leaf: Array) -> Array:
        part = parts.get(jax.tree_util.keystr(path, simple=True, separator="/"))
        if part is None:
            return leaf
        out = np.array(leaf)
        out[np.ix_(*part.places)] = part.values
        return jnp.asarray(out)

    return jax.tree_util.tree_map_with_path(place_leaf, params)


def begin(step: Step, source: Source, model: Model, vocabulary: vocabularies.Vocabulary) -> Step:
    """Returns a training step whose initial train state has the matching weights of a trained model.

    The model state is restored too if the vocabularies have the same events. The optimiser state is new.
    """

    def init(key: Array, batch: Batch) -> TrainState:
        ts = step.init(key, batch)
        params, state = place(plan(source, model, vocabulary, ts.params), ts.params), ts.state
        if _have_same_events(source.vocabulary, vocabulary):
            trained = flat(source.state)
            parts = {p: _part(np.asarray(trained[p]), {}, x.shape, {}) for p, x in flat(state).items() if p in trained}
            state = place({path: part for path, part in parts.items() if part is not None}, state)
        ema = None if ts.ema is None else jax.tree.map(jnp.copy, params)
        return dataclasses.replace(ts, params=params, state=state, ema=ema)

    return Step(init, step.update)
