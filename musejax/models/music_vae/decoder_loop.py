"""The loop over frames of a latent variable model, with decoders that are laid out for given latent vectors."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import AnyArray, Array, Float, Int, Num
from musejax.base import Params
from musejax.models.music_vae import attention_parts, decoder_step, frame_layout


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop over the frames of pieces, given contexts.

    Attributes:
        config: The family's config, with the fields heads, segment, conductor and places.
        net: A module with the method `initial`, which returns the initial states of recurrent decoders.
        frame: Layout of a frame.
    """

    config: Any
    net: nn.Module
    frame: frame_layout.Frame

    @property
    def _segment(self) -> int:
        """Number of frames after which a decoder starts from a new state."""
        return self.config.segment if self.config.conductor else 1 << 30

    def lay_out(self, params: Params, contexts: Float[Array, "N U C"]) -> tuple[Any, ...]:
        """Arranges the decoders for contexts float[N, U, C]."""
        each = [(params[f"decoders_{i}"], self.frame.width(part)) for i, part in enumerate(self.frame.parts)]
        if self.config.heads:
            shape = attention_parts.shape_of(self.config)
            return tuple(attention_parts.lay_out(shape, *one, contexts) for one in each)
        own = {k: v for k, v in params.items() if k != "nade"}
        states: Any = self.net.apply({"params": own}, contexts, method="initial")
        return tuple(decoder_step.lay_out(*one, contexts, state) for one, state in zip(each, states, strict=True))

    def init_cache(self, decoders: tuple[Any, ...], num: int, frames: int) -> dict[str, Any]:
        """Returns the state of the decoders before the first of `frames` frames."""
        carry = tuple(decoder.init_cache(num, min(frames, self._segment)) for decoder in decoders)
        return {"carry": carry, "piece": jnp.arange(num)}

    def advance(
        self,
        decoders: tuple[Any, ...],
        cache: Any,
        previous: Num[Array, "N _"],
        conditions: Mapping[str, AnyArray],
        at: Int[Array, ""],
    ) -> tuple[tuple[Float[Array, "N _"], ...], Any]:
        """Returns the output of the decoders for frame `at`, and their new state.

        Args:
            decoders: The output of `lay_out`.
            cache: The state of the decoders.
            previous: The previous frame, int32[N, S] or [N, V].
            conditions: The conditions of the frame, int32[N] each.
            at: Index of the frame, int32[].
        """
        outs, carry = [], []
        start = (at // self._segment, at % self._segment == 0)
        context = at if self.config.places else start[0]
        reals = previous if self.frame.vocabulary.kind == "groove" else None
        for part, decoder, state in zip(self.frame.parts, decoders, cache["carry"], strict=True):
            ids = self.frame.ids(part, previous, conditions)
            out, state = decoder.advance(ids, cache["piece"], context, start, state, reals)
            outs.append(out)
            carry.append(state)
        return tuple(outs), {**cache, "carry": tuple(carry)}
