"""Latent variable models over frames: the glue between an encoder with decoders and the record."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import errors
from musejax.base import Array, Batch, Choice, Decoder, Info, Latent, Likelihood, Metrics, Model, Params, Request, State
from musejax.decoding import autoregressive, draws, groove_frames, latent_paths
from musejax.models.music_vae import decoder_loop, frame_layout, vae_axes
from musejax.nn import conditioning, losses, nade


def make(config: Any, net: nn.Module, frame: frame_layout.Frame) -> Model:
    """Binds an encoder with decoders to the record.

    Args:
        config: The family's; read are latent, heads, segment, conductor, places, nade, spread, the fields of the loss
            and of sampling.
        net: With the methods `encode`, `contexts`, `decode` and `initial`.
        frame: How frames are read and written.
    """
    vocabulary, streams, rows = frame.vocabulary, frame.vocabulary.streams, frame.rows
    is_groove = vocabulary.kind == "groove"
    joint, loop = nade.Nade(vocabulary.size, config.nade, 0), decoder_loop.Loop(config, net, frame)

    def call(params: Params, method: str, *args: Any) -> Any:
        return net.apply({"params": {k: v for k, v in params.items() if k != "nade"}}, *args, method=method)

    def segments(frames: int) -> int:
        """How many contexts so many frames have."""
        if config.conductor and frames % config.segment:
            raise ValueError(f"{frames} frames are no whole number of segments of {config.segment}")
        if config.places:
            return frames
        return frames // config.segment if config.conductor else 1

    def length_of(batch: Batch) -> int:
        return batch[frame.field].shape[1]

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        few = {k: v[:1, :2] for k, v in batch.items()}  # one segment, whatever its length, or two places
        z = jnp.zeros((1, config.latent))
        params = net.init(key, few, frame.before(few), z, 2 if config.places else 1)["params"]
        if config.nade:
            shape = (1, length_of(few))
            context = nade.Context(jnp.zeros((*shape, vocabulary.size)), jnp.zeros((*shape, config.nade)), None)
            params["nade"] = joint.init(jax.random.fold_in(key, 1), context, few["frames"])["params"]
        return params, {}

    def context_of(out: Array) -> nade.Context:
        return nade.Context(out[..., : vocabulary.size], out[..., vocabulary.size :], None)

    def costs(params: Params, outs: tuple[Array, ...], batch: Batch) -> tuple[Array, Array]:
        """Nats of each cell and whether its likeliest value is right: float32[B, T, S], one stream for rows.

        Of a groove the hits are to be right.
        """
        if is_groove:
            told = jnp.asarray(batch["frames"])
            right = ((groove_frames.parts(outs[0])[0] > 0) == (told[..., : groove_frames.HITS] > 0)).all(
                -1, keepdims=True
            )
            return groove_frames.nll(outs[0], told, config.spread)[..., None], right.astype(jnp.float32)
        if rows:
            logits: Any = outs[0]
            if config.nade:
                logits = joint.apply({"params": params["nade"]}, context_of(outs[0]), batch["frames"])
            nats = losses.bernoulli_nll(logits, batch["frames"])
            right = ((logits > 0) == (jnp.asarray(batch["frames"]) > 0)).all(-1, keepdims=True)
            return nats.sum(-1, keepdims=True), right.astype(jnp.float32)
        tokens, found = frame.framed(jnp.asarray(batch["tokens"])), []
        for s, (start, _) in enumerate(frame.spans):
            logits, token = frame.logits(outs, s), tokens[..., s] - start
            found.append((losses.categorical_nll(logits, token), losses.hits(logits, token)))
        nats, right = (jnp.stack(x, axis=-1) for x in zip(*found, strict=True))
        return nats, right

    def posterior(params: Params, state: State, batch: Batch) -> tuple[Array, Array]:
        return call(params, "encode", batch)

    def teacher_forced(params: Params, batch: Batch, inputs: Batch, z: Array, key: Array | None) -> tuple[Array, Array]:
        dtype = jax.tree.leaves(params)[0].dtype
        contexts = call(params, "contexts", z.astype(dtype), segments(length_of(batch)))
        return costs(params, call(params, "decode", frame.before(inputs), contexts, key), batch)

    def drawer(params: Params, choice: Choice) -> draws.Draw:
        """How a value is drawn from a step's output."""
        if not rows:
            return draws.categorical(choice)
        if is_groove:
            return groove_frames.draw(choice, config.spread)
        if not config.nade:
            return draws.bernoulli(vocabulary.size, choice)
        weights = {"params": params["nade"]}

        def logit(out: nade.Context, so_far: Array, at: Array) -> Array:
            return joint.apply(weights, out, so_far, at, method="one")  # type: ignore[return-value]

        def cost(out: nade.Context, value: Array) -> Array:
            each: Any = joint.apply(weights, jax.tree.map(lambda x: x[:, None], out), value[:, None])
            return losses.bernoulli_nll(each[:, 0], value).sum(-1)

        return draws.ordered(vocabulary.size, choice, logit, cost)

    def mixed(params: Params, batch: Batch, z: Array, share: Array, key: Array) -> dict[str, Array]:
        """A batch some of whose frames are drawn from the model as it goes along (scheduled sampling)."""
        dtype = jax.tree.leaves(params)[0].dtype
        laid = loop.lay_out(params, call(params, "contexts", z.astype(dtype), segments(length_of(batch))))
        name, draw = frame.field, drawer(params, Choice())
        truth = jnp.asarray(batch[name]) if rows else frame.framed(jnp.asarray(batch[name]))
        num, frames = truth.shape[:2]
        keys = jax.random.split(key, 2)
        uniform = jax.random.uniform(keys[0], (frames, streams, num, *draw.noise_shape))
        replaced = jax.random.bernoulli(keys[1], share, (frames, num))

        def one(carry: Any, at: Any) -> tuple[Any, Array]:
            cache, previous = carry
            t, true, noise, here, conditions = at
            outs, cache = loop.advance(laid, cache, previous, conditions, t)
            if rows:
                drawn = draw.draw(context_of(outs[0]) if config.nade else outs[0], None, noise[0])
            else:
                drawn = jnp.stack(
                    [draw.draw(frame.logits(outs, s), None, noise[s]) + frame.spans[s][0] for s in range(streams)], 1
                )
            chosen = jnp.where(here[:, None], drawn, true)
            return (cache, chosen), chosen

        first = jnp.full_like(truth[:, 0], 0 if rows else vocabulary.size)
        told = {n: jnp.swapaxes(jnp.asarray(batch[n]), 0, 1) for n in frame.conditions}
        each = (jnp.arange(frames), jnp.swapaxes(truth, 0, 1), uniform, replaced, told)
        _, found = jax.lax.scan(one, (loop.blank(laid, num, frames), first), each)
        found = jnp.swapaxes(found, 0, 1)
        return {**batch, name: found if rows or streams > 1 else found[..., 0]}

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        noise, drop, draw, unknown = (jax.random.fold_in(key, i) for i in range(4))
        if train:
            batch = conditioning.drop(batch, frame.conditions, vocabulary, config.condition_dropout, unknown)
        mean, scale = posterior(params, state, batch)
        z = mean + scale * jax.random.normal(noise, mean.shape)
        inputs = batch
        if train and config.sampling != "none":
            fixed = jax.lax.stop_gradient((params, z))
            inputs = mixed(fixed[0], batch, fixed[1], share_drawn(config, step), draw)
        nats, right = teacher_forced(params, batch, inputs, z, drop if train else None)
        mask = jnp.asarray(batch["loss_mask"], jnp.float32)
        weight = mask.sum()
        frames = jnp.maximum(weight, 1.0)
        real = (mask.sum(1) > 0).astype(jnp.float32)
        pieces = jnp.maximum(real.sum(), 1.0)
        by_dimension = losses.kl_to_standard(mean, scale)
        kl = by_dimension.sum(-1)
        penalty = (jnp.maximum(kl - config.free_bits * math.log(2), 0.0) * real).sum()
        if config.free_bits_per_dimension:
            each = (by_dimension * real[:, None]).sum(0) / pieces
            penalty = pieces * jnp.maximum(each - config.free_bits_per_dimension * math.log(2), 0.0).sum()
        risen = 1.0 - config.beta_rate ** jnp.asarray(step, jnp.float32) if train else 1.0
        beta = config.max_beta * risen
        rebuilt = (nats.sum(-1) * mask).sum()
        total = (rebuilt + beta * penalty) / frames
        info = {
            "loss": total,
            "weight": weight,
            "reconstruction": rebuilt / frames,
            "kl": (kl * real).sum() / pieces,
            "accuracy": (right.mean(-1) * mask).sum() / frames,
        }
        return total, (state, info)

    def estimate(params: Params, state: State, key: Array, batch: Batch) -> Array:
        mean, scale = posterior(params, state, batch)
        noise = jax.random.normal(key, mean.shape)
        z = mean + scale * noise
        nats, _ = teacher_forced(params, batch, batch, z, None)
        # log q(z|x) - log p(z); the constants of the two normals cancel.
        log_ratio = 0.5 * (jnp.square(z) - jnp.square(noise)).sum(-1) - jnp.log(scale).sum(-1)
        return (nats.sum(-1) * batch["pad_mask"]).sum(1) + log_ratio

    def decode(params: Params, state: State, key: Array, z: Array, request: Request) -> dict[str, Array]:
        if config.places and request.length > config.places:
            raise errors.UserError(f"length is {request.length}; this model writes {config.places} frames at most")
        dtype = jax.tree.leaves(params)[0].dtype
        # Draws may end within a segment.
        whole = config.segment if config.conductor else 1
        contexts = call(params, "contexts", z.astype(dtype), segments(-(-request.length // whole) * whole))
        laid = loop.lay_out(params, contexts)
        spans = frame.spans

        def init_cache(_: Any, state: State, num: int, length: int) -> Any:
            cache = loop.blank(laid, num, request.length)
            outs = tuple(jnp.zeros((num, part.outputs), dtype) for part in frame.parts)
            if rows:
                return cache
            return {**cache, "outs": outs, "frame": jnp.full((num, streams), vocabulary.size, jnp.int32)}

        def step(
            laid: Any, state: State, cache: Any, previous: Array, pos: Array, conditions: Mapping[str, Array]
        ) -> tuple[Any, Any]:
            if rows:
                outs, cache = loop.advance(laid, cache, previous, conditions, pos)
                given, free = request.given, request.infill_mask
                if is_groove and given is not None and free is not None and free.ndim == 3:
                    return groove_frames.sure(outs[0], given[:, pos], free[:, pos]), cache
                return (context_of(outs[0]) if config.nade else outs[0]), cache
            at, s = pos // streams, pos % streams
            last = jax.lax.dynamic_update_index_in_dim(cache["frame"], previous, (pos - 1) % streams, 1)
            cache = {**cache, "frame": jnp.where(pos > 0, last, cache["frame"])}

            def begin(cache: Any) -> Any:
                outs, cache = loop.advance(laid, cache, cache["frame"], conditions, at)
                return {**cache, "outs": outs}

            cache = jax.lax.cond(s == 0, begin, lambda cache: cache, cache)

            def of(stream: int, outs: tuple[Array, ...]) -> Array:
                start, size = spans[stream]
                wide = ((0, 0), (start, vocabulary.size - start - size))
                return jnp.pad(frame.logits(outs, stream), wide, constant_values=-jnp.inf)

            return jax.lax.switch(s, [functools.partial(of, i) for i in range(streams)], cache["outs"]), cache

        pair = Decoder(
            init_cache,
            step,
            0 if rows else vocabulary.size,
            prepare=lambda _: laid,
            draw=lambda _, choice: drawer(params, choice),
        )
        return autoregressive.sample_request(pair, vocabulary, params, state, key, request)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        keys = autoregressive.piece_keys(key, request.first, request.num)
        z = latent_paths.prior(
            jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys), config.latent, state.get("latent_prior")
        )
        return decode(params, state, key, z, request)

    def known(params: Params, state: State, batch: Batch, z: Array) -> tuple[Array, Array]:
        return teacher_forced(params, batch, batch, z, None)

    latent = Latent(config.latent, posterior, decode, None if is_groove else known, config.places or None)
    score = Likelihood("bound", estimate=estimate)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        humanizes=config.humanize,
        axes=lambda: vae_axes.axes(config, frame),
    )
    return Model(info, init, loss, sample, score, latent=latent)


def share_drawn(config: Any, step: Array | int) -> Array:
    """The share of inputs that are drawn from the model at a step of training (Bengio et al., 2015)."""
    rate, at = config.sampling_rate, jnp.asarray(step, jnp.float32)
    if config.sampling == "constant":
        return jnp.asarray(rate, jnp.float32)
    if config.sampling == "exponential":
        return 1.0 - rate**at
    return 1.0 - rate / (rate + jnp.exp(jnp.minimum(at / rate, 60.0)))


def check_sampling(config: Any) -> None:
    """Raises ValueError for a rate that the schedule of scheduled sampling does not take."""
    rate, kind = config.sampling_rate, config.sampling
    if kind in ("constant", "exponential") and not 0.0 <= rate <= 1.0:
        raise ValueError(f"sampling_rate is {rate}; for sampling = {kind} it must lie in [0, 1]")
    if kind == "inverse_sigmoid" and rate <= 0:
        raise ValueError(f"sampling_rate is {rate}; for sampling = inverse_sigmoid it must be above 0")
