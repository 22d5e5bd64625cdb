"""An encoder and decoders over frames, as pure functions of parameters."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float, Key
from musejax.base import Batch, Choice, Params, State
from musejax.decoding import draws, groove_frames
from musejax.models.music_vae import decoder_loop, frame_layout
from musejax.nn import losses, nade


@dataclasses.dataclass(frozen=True, eq=False)
class LatentNet:
    """A latent variable network bound to a config and a vocabulary.

    Attributes:
        config: The family's config.
        net: A module with the methods `encode`, `contexts`, `decode` and `initial`.
        frame: Layout of a frame.
    """

    config: Any
    net: nn.Module
    frame: frame_layout.Frame

    @functools.cached_property
    def joint(self) -> nade.Nade:
        """The distribution over the bits of a frame; used if config.nade is not 0."""
        return nade.Nade(self.frame.vocabulary.size, self.config.nade, 0)

    @functools.cached_property
    def loop(self) -> decoder_loop.Loop:
        """The loop over frames."""
        return decoder_loop.Loop(self.config, self.net, self.frame)

    @property
    def is_groove(self) -> bool:
        """Whether frames are rows of real numbers."""
        return self.frame.vocabulary.kind == "groove"

    def apply(self, params: Params, method: str, *args: Any) -> Any:
        """Calls a method of the module."""
        return self.net.apply({"params": {k: v for k, v in params.items() if k != "nade"}}, *args, method=method)

    def num_contexts(self, frames: int) -> int:
        """Returns the number of contexts of a piece.

        Raises:
            ValueError: If the number of frames is not a multiple of the segment.
        """
        if self.config.places:
            return frames
        if not self.config.conductor:
            return 1
        if frames % self.config.segment:
            raise ValueError(f"{frames} frames are not a multiple of segment, which is {self.config.segment}")
        return frames // self.config.segment

    def contexts(self, params: Params, z: Float[Array, "N Z"], frames: int) -> Float[Array, "N U C"]:
        """Computes the contexts float[N, U, C] of the decoders from latent vectors float[N, Z]."""
        dtype = jax.tree.leaves(params)[0].dtype
        return self.apply(params, "contexts", z.astype(dtype), self.num_contexts(frames))

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Initialises the parameters; the batch gives the shapes."""
        few = {k: v[:1, :2] for k, v in batch.items()}  # one segment, of any length, or two places
        z = jnp.zeros((1, self.config.latent))
        contexts = 2 if self.config.places else 1
        params = self.net.init(key, few, self.frame.shift(few), z, contexts)["params"]
        if self.config.nade:
            shape = (1, few[self.frame.field].shape[1])
            logits, hidden = (jnp.zeros((*shape, n)) for n in (self.frame.vocabulary.size, self.config.nade))
            context = nade.Context(logits, hidden, None)
            params["nade"] = self.joint.init(jax.random.fold_in(key, 1), context, few["frames"])["params"]
        return params, {}

    def posterior(self, params: Params, state: State, batch: Batch) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Encodes pieces as the mean and the scale of a diagonal normal, float[B, Z] each."""
        return self.apply(params, "encode", batch)

    def teacher_forced(
        self, params: Params, batch: Batch, inputs: Batch, z: Float[Array, "B Z"], key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T S"], Float[Array, "B T S"]]:
        """Computes the cost of each cell of a batch, given latent vectors and the frames before.

        Args:
            params: The parameters.
            batch: The pieces.
            inputs: The pieces that the decoders read: `batch`, except in scheduled sampling.
            z: float[B, Z].
            key: Key for dropout, or None to drop nothing.

        Returns:
            Nats, and 1 where the likeliest value is right, float32[B, T, S] each; S is 1 for rows.
        """
        contexts = self.contexts(params, z, batch[self.frame.field].shape[1])
        return self.costs(params, self.apply(params, "decode", self.frame.shift(inputs), contexts, key), batch)

    def nade_context(self, out: Float[Array, "*N _"]) -> nade.Context:
        """Splits the output of a decoder into logits and the hidden layer of a NADE."""
        size = self.frame.vocabulary.size
        return nade.Context(out[..., :size], out[..., size:], None)

    def costs(
        self, params: Params, outs: tuple[Float[Array, "B T _"], ...], batch: Batch
    ) -> tuple[Float[Array, "B T S"], Float[Array, "B T S"]]:
        """Returns the costs as in `teacher_forced`; a frame of a groove is right if its hits are right."""
        if self.is_groove:
            rows = jnp.asarray(batch["frames"])
            hits = rows[..., : groove_frames.HITS] > 0
            right = ((groove_frames.parts(outs[0])[0] > 0) == hits).all(-1, keepdims=True)
            return groove_frames.nll(outs[0], rows, self.config.spread)[..., None], right.astype(jnp.float32)
        if self.frame.rows:
            logits: Any = outs[0]
            if self.config.nade:
                logits = self.joint.apply({"params": params["nade"]}, self.nade_context(outs[0]), batch["frames"])
            nats = losses.bernoulli_nll(logits, batch["frames"])
            right = ((logits > 0) == (jnp.asarray(batch["frames"]) > 0)).all(-1, keepdims=True)
            return nats.sum(-1, keepdims=True), right.astype(jnp.float32)
        tokens, each = self.frame.add_streams(jnp.asarray(batch["tokens"])), []
        for s, (start, _) in enumerate(self.frame.spans):
            logits, token = self.frame.logits(outs, s), tokens[..., s] - start
            each.append((losses.categorical_nll(logits, token), losses.hits(logits, token)))
        nats, right = (jnp.stack(x, axis=-1) for x in zip(*each, strict=True))
        return nats, right

    def given_z(
        self, params: Params, state: State, batch: Batch, z: Float[Array, "B Z"]
    ) -> tuple[Float[Array, "B T S"], Float[Array, "B T S"]]:
        """Computes the cost of each cell given latent vectors (`base.Latent.costs`)."""
        return self.teacher_forced(params, batch, batch, z, None)

    def value_draw(self, params: Params, choice: Choice) -> draws.Draw:
        """Returns the sampler of a value from the output of a step."""
        size = self.frame.vocabulary.size
        if not self.frame.rows:
            return draws.categorical(choice)
        if self.is_groove:
            return groove_frames.row_draw(choice, self.config.spread)
        if not self.config.nade:
            return draws.bernoulli(size, choice)
        return draws.nade_keys(self.joint, params["nade"], choice)
