"""Weights from a trained model to another: what fits by name, by shape, and by what stands along an axis.

An axis that is laid out by events or conditions is matched through its labels (`base.Info.axes`), so a vocabulary may
grow, shrink or stand in another order. Places that the trained model does not know keep their random start.
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
    """A trained model to start from.

    Attributes:
        model: Its record.
        vocabulary: Of its events.
        params: Trained.
        state: Beside them.
    """

    model: Model
    vocabulary: vocabularies.Vocabulary
    params: Params
    state: State


class Report(NamedTuple):
    """What became of each parameter of a model that starts from another, by path.

    Attributes:
        restored: As it was trained.
        grown: In part: the rest are places that the trained model does not know.
        random: Not at all.
    """

    restored: tuple[str, ...]
    grown: tuple[str, ...]
    random: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people: how many, and the names of those that are not as they were trained."""
        whole = f"restored {len(self.restored)} of {sum(map(len, self))} parameters"
        found = [f"{whole}, {len(self.grown)} grown, {len(self.random)} left at random"]
        for what, names in (("grown", self.grown), ("left at random", self.random)):
            found += [f"{what}: {', '.join(names)}"] if names else []
        return found


class Part(NamedTuple):
    """Trained numbers and where they go: `parameter[np.ix_(*places)] = values`."""

    places: tuple[np.ndarray, ...]
    values: np.ndarray


def flat(tree: Any) -> dict[str, Any]:
    """Leaves by path, such as `stack/layer_0/input`."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in found}


def plan(source: Source, model: Model, vocabulary: vocabularies.Vocabulary, like: Params) -> dict[str, Part]:
    """What of a trained model fits which parameters.

    Args:
        source: The trained model.
        model: The one that starts from it.
        vocabulary: Its events.
        like: Its parameters, or their shapes.

    Returns:
        By path, the parameters of which anything fits. Nothing does where the vocabularies differ and a family does not
        say what stands along its axes: a place of the same number may mean another event there.
    """
    if source.model.info.axes is None or model.info.axes is None:
        if not _alike(source.vocabulary, vocabulary):
            return {}
        before: Axes = {}
        now: Axes = {}
    else:
        before, now = source.model.info.axes(), model.info.axes()
    trained, found = flat(source.params), {}
    for path, leaf in flat(like).items():
        if path in trained:
            part = _part(np.asarray(trained[path]), before.get(path, {}), leaf.shape, now.get(path, {}))
            if part is not None:
                found[path] = part
    return found


def _alike(a: vocabularies.Vocabulary, b: vocabularies.Vocabulary) -> bool:
    """Whether two tables say the same of the same ids, whatever they are called."""
    return dataclasses.replace(a, name=b.name, version=b.version) == b


def _part(
    trained: np.ndarray, before: Mapping[int, tuple], shape: tuple[int, ...], now: Mapping[int, tuple]
) -> Part | None:
    """What of one array fits another of the same path; None where nothing does."""
    if trained.ndim != len(shape):
        return None
    places = []
    for axis, (old, new) in enumerate(zip(trained.shape, shape, strict=True)):
        if (axis in before) != (axis in now) or (axis not in now and old != new):
            return None
        if axis not in now:
            places.append(np.arange(new))
            continue
        at = {label: i for i, label in enumerate(before[axis])}
        pairs = [(i, at[label]) for i, label in enumerate(now[axis]) if label in at]
        if not pairs:
            return None
        here, there = (np.asarray(side) for side in zip(*pairs, strict=True))
        trained = trained.take(there, axis)
        places.append(here)
    return Part(tuple(places), trained)


def same(source: Source, model: Model, vocabulary: vocabularies.Vocabulary, like: Params) -> bool:
    """Whether a trained model's parameters are, place by place, those of another model."""
    shapes = [{path: leaf.shape for path, leaf in flat(tree).items()} for tree in (source.params, like)]
    if not _alike(source.vocabulary, vocabulary) or shapes[0] != shapes[1]:
        return False
    return source.model.info.axes is None or model.info.axes is None or source.model.info.axes() == model.info.axes()


def report(found: Mapping[str, Part], like: Params) -> Report:
    """Names by what becomes of them."""
    shapes = {path: leaf.shape for path, leaf in flat(like).items()}
    whole = [path for path, part in found.items() if part.values.shape == shapes[path]]
    grown = [path for path in found if path not in set(whole)]
    return Report(tuple(whole), tuple(grown), tuple(path for path in shapes if path not in found))


def place(found: Mapping[str, Part], params: Params) -> Params:
    """Params with what fits put in."""

    def one(path: Any, leaf: Array) -> Array:
        part = found.get(jax.tree_util.keystr(path, simple=True, separator="/"))
        if part is None:
            return leaf
        out = np.array(leaf)
        out[np.ix_(*part.places)] = part.values
        return jnp.asarray(out)

    return jax.tree_util.tree_map_with_path(one, params)


def begin(step: Step, source: Source, model: Model, vocabulary: vocabularies.Vocabulary) -> Step:
    """A training step whose first state has what fits of a trained model.

    What the gradient does not train comes along where the vocabularies are alike; the optimiser starts anew.
    """

    def init(key: Array, batch: Batch) -> TrainState:
        ts = step.init(key, batch)
        params, state = place(plan(source, model, vocabulary, ts.params), ts.params), ts.state
        if _alike(source.vocabulary, vocabulary):
            trained = flat(source.state)
            parts = {p: _part(np.asarray(trained[p]), {}, x.shape, {}) for p, x in flat(state).items() if p in trained}
            state = place({path: part for path, part in parts.items() if part is not None}, state)
        ema = None if ts.ema is None else jax.tree.map(jnp.copy, params)
        return dataclasses.replace(ts, params=params, state=state, ema=ema)

    return Step(init, step.update)
