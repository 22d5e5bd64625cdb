"""Latent variable models over frames: makes a `base.Model`, which samples pieces given latent vectors."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import errors
from musejax.array_types import AnyArray, Array, Float, Int, Key, Num
from musejax.base import Decoder, Info, Latent, Likelihood, Model, Params, Request, State
from musejax.decoding import autoregressive, groove_frames, latent_paths
from musejax.models.music_vae import frame_layout, latent_loss, latent_net, vae_axes


def make(config: Any, net: nn.Module, frame: frame_layout.Frame) -> Model:
    """Makes a model of an encoder and decoders.

    Args:
        config: The family's config.
        net: A module with the methods `encode`, `contexts`, `decode` and `initial`.
        frame: Layout of a frame.
    """
    net_functions = latent_net.LatentNet(config, net, frame)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        humanizes=config.humanize,
        axes=lambda: vae_axes.axes(config, frame),
    )
    return Model(
        info,
        net_functions.init,
        functools.partial(latent_loss.loss, net_functions),
        functools.partial(sample, net_functions),
        Likelihood("bound", estimate=functools.partial(latent_loss.estimate, net_functions)),
        latent=Latent(
            config.latent,
            net_functions.posterior,
            functools.partial(decode, net_functions),
            None if net_functions.is_groove else net_functions.given_z,
            config.places or None,
        ),
    )


def sample(
    latent: latent_net.LatentNet, params: Params, state: State, key: Key[Array, ""], request: Request
) -> dict[str, Any]:
    """Samples latent vectors from the prior, and pieces given these (`base.Model.sample`)."""
    keys = autoregressive.piece_keys(key, request.first, request.num)
    keys = jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys)
    z = latent_paths.prior(keys, latent.config.latent, state.get("latent_prior"))
    return decode(latent, params, state, key, z, request)


def decode(
    latent: latent_net.LatentNet,
    params: Params,
    state: State,
    key: Key[Array, ""],
    z: Float[Array, "N Z"],
    request: Request,
) -> dict[str, Any]:
    """Samples pieces given latent vectors float[N, Z] (`base.Latent.decode`).

    Raises:
        errors.UserError: If the request is longer than the pieces of the network.
    """
    config = latent.config
    if config.places and request.length > config.places:
        raise errors.UserError(f"length is {request.length}; this model writes {config.places} frames at most")
    segment = config.segment if config.conductor else 1
    # A request may end within a segment.
    contexts = latent.contexts(params, z, -(-request.length // segment) * segment)
    steps = _Steps(latent, latent.loop.lay_out(params, contexts), request)
    decoder = Decoder(
        steps.init_cache,
        steps.step_row if latent.frame.rows else steps.step_token,
        0 if latent.frame.rows else latent.frame.vocabulary.size,
        prepare=lambda _: steps.parts,
        draw=lambda _, choice: latent.value_draw(params, choice),
    )
    return autoregressive.sample_request(decoder, latent.frame.vocabulary, params, state, key, request)


@dataclasses.dataclass(frozen=True, eq=False)
class _Steps:
    """The steps of the autoregressive sampler for one request.

    Attributes:
        latent: The network.
        parts: Its decoders, laid out for the latent vectors of the request.
        request: The request.
    """

    latent: latent_net.LatentNet
    parts: tuple[Any, ...]
    request: Request

    def init_cache(self, parts: Any, state: State, num: int, length: int) -> Any:
        """Returns the decoders' state before the first frame."""
        cache = self.latent.loop.init_cache(self.parts, num, self.request.length)
        if self.latent.frame.rows:
            return cache
        vocabulary, layout = self.latent.frame.vocabulary, self.latent.frame
        dtype = jax.tree.leaves(self.parts)[0].dtype
        outs = tuple(jnp.zeros((num, part.outputs), dtype) for part in layout.parts)
        return {**cache, "outs": outs, "frame": jnp.full((num, vocabulary.streams), vocabulary.size, jnp.int32)}

    def step_row(
        self,
        parts: Any,
        state: State,
        cache: Any,
        previous: Num[Array, "N V"],
        pos: Int[Array, ""],
        conditions: Mapping[str, AnyArray],
    ) -> tuple[Any, Any]:
        """Advances by a frame that is a row of bits or real numbers."""
        latent, request = self.latent, self.request
        outs, cache = latent.loop.advance(parts, cache, previous, conditions, pos)
        given, free = request.given, request.infill_mask
        if latent.is_groove and given is not None and free is not None and free.ndim == 3:
            return groove_frames.sure(outs[0], given[:, pos], free[:, pos]), cache
        return (latent.nade_context(outs[0]) if latent.config.nade else outs[0]), cache

    def step_token(
        self,
        parts: Any,
        state: State,
        cache: Any,
        previous: Int[Array, " N"],
        pos: Int[Array, ""],
        conditions: Mapping[str, AnyArray],
    ) -> tuple[Any, Any]:
        """Advances by one stream of a frame; the decoders advance at the first stream."""
        frame, streams = self.latent.frame, self.latent.frame.vocabulary.streams
        at, s = pos // streams, pos % streams
        last = jax.lax.dynamic_update_index_in_dim(cache["frame"], previous, (pos - 1) % streams, 1)
        cache = {**cache, "frame": jnp.where(pos > 0, last, cache["frame"])}

        def begin(cache: Any) -> Any:
            outs, cache = self.latent.loop.advance(parts, cache, cache["frame"], conditions, at)
            return {**cache, "outs": outs}

        cache = jax.lax.cond(s == 0, begin, lambda cache: cache, cache)

        def stream_logits(stream: int, outs: tuple[Float[Array, "N _"], ...]) -> Float[Array, "N V"]:
            start, size = frame.spans[stream]
            wide = ((0, 0), (start, frame.vocabulary.size - start - size))
            return jnp.pad(frame.logits(outs, stream), wide, constant_values=-jnp.inf)

        branches = [functools.partial(stream_logits, i) for i in range(streams)]
        return jax.lax.switch(s, branches, cache["outs"]), cache
