"""Which function draws the pieces of a model: its own, a beam search, or one with guidance."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from musejax import errors, stages, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Decoder, Request
from musejax.decoding import autoregressive, beam
from musejax.decoding import guidance as guiding
from musejax.training import mesh

# (params, state, key, request) -> arrays that the codec decodes
Sampler = Callable[..., dict[str, Any]]


def staged(function: Any, name: str, *args: Any) -> Any:
    """Calls a jitted function, with compilation as a stage of its own where somebody watches.

    Args:
        function: The function.
        name: What its execution is called.
        *args: Its arguments.
    """
    if not stages.are_observed():
        return function(*args)
    with stages.stage("compiling"):
        function.lower(*args).compile()
    with stages.stage(name):
        return jax.block_until_ready(function(*args))


@functools.lru_cache(maxsize=32)
def compiled(sample: Sampler) -> Sampler:
    """A sampler that gives each device its share of the pieces, where their number can be cut.

    Nothing that is drawn of one piece depends on another, so the devices never wait for each other.
    """

    whole, rows = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec("data")

    @functools.partial(jax.jit, static_argnums=0)
    def shared(devices: jax.sharding.Mesh, params: Any, state: Any, key: jax.Array, request: Request) -> dict[str, Any]:
        own = {"given": request.given, "infill_mask": request.infill_mask, "conditions": request.conditions}
        num = request.num // devices.size

        def share(params: Any, state: Any, key: jax.Array, own: dict[str, Any], rest: Request) -> dict[str, Any]:
            first = rest.first + num * jax.lax.axis_index("data")
            return sample(params, state, key, rest.replace(num=num, first=first, **own))  # type: ignore[attr-defined]

        specs = (whole, whole, whole, rows, whole)
        cut = jax.shard_map(share, mesh=devices, in_specs=specs, out_specs=rows, check_vma=False)
        return cut(params, state, key, own, request.replace(**dict.fromkeys(own)))  # type: ignore[attr-defined]

    alone = jax.jit(sample)

    def draw(params: Any, state: Any, key: jax.Array, request: Request) -> dict[str, Any]:
        devices = mesh.make(mesh.dividing(request.num))
        if devices.size == 1:
            return staged(alone, "sampling", params, state, key, request)
        return staged(shared, "sampling", devices, *mesh.replicate(devices, (params, state, key, request)))

    return draw


@functools.lru_cache(maxsize=32)
def _left_to_right(
    pair: Decoder,
    vocabulary: vocabularies.Vocabulary,
    conditions: tuple[tuple[str, int], ...],
    beams: int | None,
    guidance: float | None,
) -> Sampler:
    """A sampler with guidance, or beam search, or both; kept, so that it is compiled once."""
    if guidance is not None:
        pair = guiding.guided(pair, dict(conditions), guidance)

    def draw(params: Any, state: Any, key: jax.Array, request: Request) -> dict[str, Any]:
        if beams is None:
            return autoregressive.sample_request(pair, vocabulary, params, state, key, request)
        return beam.search(pair, vocabulary, params, state, request, beams=beams)

    return draw


def _chosen(loaded: zoo.Loaded, beams: int | None, guidance: float | None) -> Sampler:
    if beams is None and guidance is None:
        return loaded.model.sample
    vocabulary, pair, info = loaded.codec.vocabulary, loaded.model.decoder, loaded.model.info
    asked = "a beam search" if guidance is None else "guidance"
    if pair is None:
        raise errors.UserError(f"{loaded.name} does not draw from left to right; {asked} needs a model that does")
    if pair.draw is not None or (beams is not None and vocabulary.kind == "bits"):
        raise errors.UserError(f"{loaded.name} draws frames of switches, not tokens; {asked} is not for it")
    read = tuple((n, size) for n, size in vocabulary.conditions if n in info.conditions)
    if guidance is not None and not (read and info.drops_conditions):
        raise errors.UserError(
            f"{loaded.name} was not trained without its conditions now and then; guidance needs a model with "
            "conditions and condition_dropout above 0"
        )
    return _left_to_right(pair, vocabulary, read, beams, guidance)


def sampler_for(loaded: zoo.Loaded, beams: int | None, guidance: float | None) -> Sampler:
    """How pieces are drawn, compiled: the model's own way, unless something else is asked for.

    Raises:
        errors.UserError: The model cannot be searched, or guided.
    """
    return compiled(_chosen(loaded, beams, guidance))
