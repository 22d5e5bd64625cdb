"""A latent variable model frame by frame: its decoders laid out for given vectors, and one frame after the other."""

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
    """How pieces are drawn from contexts.

    Attributes:
        config: The family's; read are heads, segment, conductor and places.
        net: With the method `initial`, which gives the first states of recurrent decoders.
        frame: How frames are read and written.
    """

    config: Any
    net: nn.Module
    frame: frame_layout.Frame

    @property
    def _whole(self) -> int:
        """Frames after which a decoder begins anew."""
        return self.config.segment if self.config.conductor else 1 << 30

    def lay_out(self, params: Params, contexts: Float[Array, "N U C"]) -> tuple[Any, ...]:
        """The decoders, laid out for contexts float[N, U, C]."""
        each = [(params[f"decoders_{i}"], self.frame.width(part)) for i, part in enumerate(self.frame.parts)]
        if self.config.heads:
            shape = attention_parts.shape_of(self.config)
            return tuple(attention_parts.lay_out(shape, *one, contexts) for one in each)
        own = {k: v for k, v in params.items() if k != "nade"}
        states: Any = self.net.apply({"params": own}, contexts, method="initial")
        return tuple(decoder_step.lay_out(*one, contexts, state) for one, state in zip(each, states, strict=True))

    def blank(self, laid: tuple[Any, ...], num: int, frames: int) -> dict[str, Any]:
        """What the decoders remember before the first of so many frames."""
        carry = tuple(part.blank(num, min(frames, self._whole)) for part in laid)
        return {"carry": carry, "piece": jnp.arange(num)}

    def advance(
        self,
        laid: tuple[Any, ...],
        cache: Any,
        previous: Num[Array, "N _"],
        conditions: Mapping[str, AnyArray],
        at: Int[Array, ""],
    ) -> tuple[tuple[Float[Array, "N _"], ...], Any]:
        """What the decoders give of frame `at`, and what they remember after it.

        Args:
            laid: The decoders.
            cache: What they remember.
            previous: The frame before, int32[N, S] or [N, V].
            conditions: Of the frame, int32[N] each.
            at: int32[].
        """
        outs, carry = [], []
        anew = (at // self._whole, at % self._whole == 0)
        context = at if self.config.places else anew[0]
        reals = previous if self.frame.vocabulary.kind == "groove" else None
        for part, ready, state in zip(self.frame.parts, laid, cache["carry"], strict=True):
            ids = self.frame.ids(part, previous, conditions)
            out, state = ready.advance(ids, cache["piece"], context, anew, state, reals)
            outs.append(out)
            carry.append(state)
        return tuple(outs), {**cache, "carry": tuple(carry)}
