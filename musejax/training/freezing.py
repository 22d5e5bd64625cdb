"""Parameter groups of an optimiser, by path patterns: which parameters train, from which step on, and how fast.

A frozen parameter has no gradient, moments or weight decay, and does not count in the norm for gradient clipping. A
parameter that is unfrozen later starts with new moments, at the schedule's current learning rate.
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

# (first step of a group) -> an optimiser that counts its steps from there and follows the run's schedule
MakeCore = Callable[[int], optax.GradientTransformation]


class Group(NamedTuple):
    """A group of parameters that train from step `start` (None: never) at `rate` times the learning rate."""

    start: int | None
    rate: float

    @property
    def label(self) -> str:
        """Name of the group for Optax."""
        return "frozen" if self.start is None else f"from_{self.start}_rate_{self.rate}"


def is_enabled(config: configs.Optimizer) -> bool:
    """Returns whether any setting of parameter groups differs from its default."""
    return bool(config.freeze or config.unfreeze or config.restored_rate != 1.0)


def _parse_unfreeze(config: configs.Optimizer) -> list[tuple[int, str]]:
    """Returns the steps and patterns of `unfreeze`.

    Raises:
        ValueError: An entry is not of the form STEP:PATTERN.
    """
    entries = []
    for text in config.unfreeze:
        step, colon, pattern = text.partition(":")
        if not (colon and pattern and step.isdecimal() and int(step) > 0):
            raise ValueError(f"unfreeze is {text!r}; give STEP:PATTERN, such as 200:stack/*")
        entries.append((int(step), pattern))
    return entries


def assign_groups(
    config: configs.Optimizer, paths: Collection[str], restored: Collection[str] = ()
) -> dict[str, Group]:
    """Returns the group of each parameter, by path.

    Args:
        config: Optimiser settings, of which freeze, unfreeze and restored_rate are used.
        paths: Paths of all parameters.
        restored: Paths of the parameters that were restored unchanged from another run.

    Raises:
        ValueError: A pattern matches no parameter, or all parameters are frozen.
    """
    unfreeze = _parse_unfreeze(config)
    for field, patterns in (("freeze", config.freeze), ("unfreeze", [pattern for _, pattern in unfreeze])):
        for pattern in patterns:
            if not fnmatch.filter(paths, pattern):
                raise ValueError(
                    f"{field}: {pattern!r} matches no parameter; the parameters are {', '.join(sorted(paths))}"
                )
    groups = {}
    for path in paths:
        steps = [step for step, pattern in unfreeze if fnmatch.fnmatchcase(path, pattern)]
        frozen = any(fnmatch.fnmatchcase(path, pattern) for pattern in config.freeze)
        start = min(steps) if steps else None if frozen else 0
        groups[path] = Group(start, config.restored_rate if path in restored else 1.0)
    if all(group.start is None for group in groups.values()):
        raise ValueError(f"freeze {' '.join(config.freeze)} leaves no parameter to train")
    return groups


def make_optimizer(
    config: configs.Optimizer, make_core: MakeCore, restored: Collection[str] = ()
) -> optax.GradientTransformation:
    """Returns an optimiser that clips the gradients of trained parameters and then updates each group separately.

    Args:
        config: Optimiser settings, of which clip, freeze, unfreeze and restored_rate are used.
        make_core: Makes the optimiser of a group, given its first step.
        restored: Paths of the parameters that were restored unchanged from another run.
    """

    def map_groups(params: Params, function: Callable[[Group], Any]) -> Any:
        paths = jax.tree_util.tree_map_with_path(lambda path, _: _path(path), params)
        groups = assign_groups(config, jax.tree.leaves(paths), restored)
        return jax.tree.map(lambda path: function(groups[path]), paths)

    def make_inner(group: Group) -> optax.GradientTransformation:
        if group.start is None:
            return optax.set_to_zero()
        core = make_core(group.start)
        scaled = core if group.rate == 1.0 else optax.chain(core, optax.scale(group.rate))
        return _from_step(scaled, group.start) if group.start else scaled

    # All possible groups, because the groups that exist are known only together with the parameters.
    starts = (None, 0, *dict.fromkeys(step for step, _ in _parse_unfreeze(config)))
    groups = [Group(start, rate) for start in starts for rate in dict.fromkeys((1.0, config.restored_rate))]
    table: dict[Any, Any] = {group.label: make_inner(group) for group in groups}
    get_starts = functools.partial(map_groups, function=lambda group: -1 if group.start is None else group.start)
    get_labels = functools.partial(map_groups, function=lambda group: group.label)
    transforms = [_zero_frozen(get_starts), optax.multi_transform(table, get_labels)]
    if config.clip:
        transforms.insert(1, optax.clip_by_global_norm(config.clip))
    return optax.chain(*transforms)


def stop_frozen(config: configs.Optimizer, params: Params) -> Params:
    """Returns the parameters with a stopped gradient for those that are never trained."""
    if not config.freeze:
        return params
    groups = assign_groups(config, [_path(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)])

    def stop_leaf(path: Any, leaf: Array) -> Array:
        return jax.lax.stop_gradient(leaf) if groups[_path(path)].start is None else leaf

    return jax.tree_util.tree_map_with_path(stop_leaf, params)


def _path(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _zero_frozen(get_starts: Callable[[Params], Any]) -> optax.GradientTransformation:
    """Returns a transformation that sets the gradients of parameters that are frozen at a step to 0."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        def zero_leaf(gradient: Array, start: int) -> Array:
            return jnp.where((start >= 0) & (state >= start), gradient, 0.0)

        return jax.tree.map(zero_leaf, updates, get_starts(updates)), state + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)


def _from_step(inner: optax.GradientTransformation, start: int) -> optax.GradientTransformation:
    """Returns an optimiser that, before step `start`, gives zero updates and leaves its moments unchanged."""

    def init(params: Params) -> Any:
        return jnp.zeros((), jnp.int32), inner.init(params)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        count, before = state
        updates, after = inner.update(updates, before, params)
        started = count >= start
        updates = jax.tree.map(lambda x: jnp.where(started, x, 0.0), updates)
        return updates, (count + 1, jax.tree.map(lambda a, b: jnp.where(started, a, b), after, before))

    return optax.GradientTransformation(init, update)
