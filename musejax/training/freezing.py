"""Which parameters train, from which step on, and how fast: groups of an optimiser, by patterns of their paths.

A frozen parameter has no gradient, no moments and no weight decay, and counts nothing where gradients are clipped. One
that thaws begins like a new one, with moments of its own, at the learning rate that the schedule has come to.
"""

import fnmatch
import functools
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from musejax.base import Array, Params
from musejax.training import settings as configs

# (first step of a group) -> an optimiser that counts its steps from there, under the run's schedule
MakeCore = Callable[[int], optax.GradientTransformation]


class Group(NamedTuple):
    """How a parameter trains: from step `start` on (never where it is None), at `rate` times the learning rate."""

    start: int | None
    rate: float

    @property
    def label(self) -> str:
        """A name."""
        return "frozen" if self.start is None else f"from_{self.start}_rate_{self.rate}"


def is_asked(config: configs.Optimizer) -> bool:
    """Whether anything here is set."""
    return bool(config.freeze or config.unfreeze or config.restored_rate != 1.0)


def thaws(config: configs.Optimizer) -> list[tuple[int, str]]:
    """The steps and patterns of `unfreeze`.

    Raises:
        ValueError: One is not STEP:PATTERN.
    """
    found = []
    for text in config.unfreeze:
        step, colon, pattern = text.partition(":")
        if not (colon and pattern and step.isdecimal() and int(step) > 0):
            raise ValueError(f"unfreeze is {text!r}; give STEP:PATTERN, such as 200:stack/*")
        found.append((int(step), pattern))
    return found


def groups(config: configs.Optimizer, paths: Collection[str], restored: Collection[str] = ()) -> dict[str, Group]:
    """The group of each parameter.

    Args:
        config: Read are freeze, unfreeze and restored_rate.
        paths: Of all parameters.
        restored: Of those that came from another run as they were.

    Raises:
        ValueError: A pattern matches nothing, or nothing is left to train.
    """
    later = thaws(config)
    for field, patterns in (("freeze", config.freeze), ("unfreeze", [pattern for _, pattern in later])):
        for pattern in patterns:
            if not fnmatch.filter(paths, pattern):
                raise ValueError(f"{field}: {pattern!r} matches no parameter; there are {', '.join(sorted(paths))}")
    found = {}
    for path in paths:
        steps = [step for step, pattern in later if fnmatch.fnmatchcase(path, pattern)]
        frozen = any(fnmatch.fnmatchcase(path, pattern) for pattern in config.freeze)
        start = min(steps) if steps else None if frozen else 0
        found[path] = Group(start, config.restored_rate if path in restored else 1.0)
    if all(group.start is None for group in found.values()):
        raise ValueError(f"freeze {' '.join(config.freeze)} leaves nothing to train")
    return found


def optimizer(
    config: configs.Optimizer, core: MakeCore, restored: Collection[str] = ()
) -> optax.GradientTransformation:
    """Clipping over what trains, then for each group an optimiser of its own.

    Args:
        config: Read are clip, freeze, unfreeze and restored_rate.
        core: Makes the optimiser.
        restored: As for `groups`.
    """

    def by_path(params: Params, of: Callable[[Group], Any]) -> Any:
        paths = jax.tree_util.tree_map_with_path(lambda path, _: _path(path), params)
        found = groups(config, jax.tree.leaves(paths), restored)
        return jax.tree.map(lambda path: of(found[path]), paths)

    def inner(group: Group) -> optax.GradientTransformation:
        if group.start is None:
            return optax.set_to_zero()
        scaled = core(group.start) if group.rate == 1.0 else optax.chain(core(group.start), optax.scale(group.rate))
        return _from_step(scaled, group.start) if group.start else scaled

    # All groups that there may be: which there are is known when the parameters are.
    starts = (None, 0, *dict.fromkeys(step for step, _ in thaws(config)))
    every = [Group(start, rate) for start in starts for rate in dict.fromkeys((1.0, config.restored_rate))]
    table: dict[Any, Any] = {group.label: inner(group) for group in every}
    starts_of = functools.partial(by_path, of=lambda group: -1 if group.start is None else group.start)
    whole = [_only(starts_of), optax.multi_transform(table, functools.partial(by_path, of=lambda group: group.label))]
    if config.clip:
        whole.insert(1, optax.clip_by_global_norm(config.clip))
    return optax.chain(*whole)


def still(config: configs.Optimizer, params: Params) -> Params:
    """Params through which no gradient reaches those that never train."""
    if not config.freeze:
        return params
    found = groups(config, [_path(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)])

    def one(path: Any, leaf: Array) -> Array:
        return jax.lax.stop_gradient(leaf) if found[_path(path)].start is None else leaf

    return jax.tree_util.tree_map_with_path(one, params)


def _path(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _only(starts: Callable[[Params], Any]) -> optax.GradientTransformation:
    """Gradients of what trains at a step, 0 for the rest."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        def one(gradient: Array, start: int) -> Array:
            return jnp.where((start >= 0) & (state >= start), gradient, 0.0)

        return jax.tree.map(one, updates, starts(updates)), state + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)


def _from_step(inner: optax.GradientTransformation, start: int) -> optax.GradientTransformation:
    """An optimiser that stands still, moments and all, before a step."""

    def init(params: Params) -> Any:
        return jnp.zeros((), jnp.int32), inner.init(params)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        count, before = state
        moved, after = inner.update(updates, before, params)
        runs = count >= start
        moved = jax.tree.map(lambda x: jnp.where(runs, x, 0.0), moved)
        return moved, (count + 1, jax.tree.map(lambda a, b: jnp.where(runs, a, b), after, before))

    return optax.GradientTransformation(init, update)
