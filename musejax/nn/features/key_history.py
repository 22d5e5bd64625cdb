"""Features of the past of binary frames for each key of the next frame; the counterpart of `voice_history`.

Every feature of frame t depends only on frames before t. A match of order n is the average of the frames that followed
earlier occurrences of the last n frames, for n = 1, 2, 4, 8 and 16 (as in prediction by partial matching). A further
match is the frame that followed the longest earlier occurrence.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax.array_types import AnyArray, Array, Float, Int, Integer

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
ORDERS = (1, 2, 4, 8, 16)
FIELDS = ("lags", "hold", "silence", "match", "match_weight", "place")
# Largest duration that is counted; also the silence of a key that has never sounded.
MOST = 255
_BLOCK = 64


class KeyHistory(NamedTuple):
    """The past of N pieces of up to T frames of V keys.

    Attributes:
        frames: int32[N, T, V].
        codes: int32[N, T], a hash of each frame.
        run: int32[N, T]; at j, the number of frames up to j that equal those up to the last frame.
        hold: int32[N, V], the number of frames for which a key has sounded.
        silence: int32[N, V], the number of frames since a key sounded.
        length: Number of frames so far, int32[].
    """

    frames: Int[Array, "N T V"]
    codes: Int[Array, "N T"]
    run: Int[Array, "N T"]
    hold: Int[Array, "N V"]
    silence: Int[Array, "N V"]
    length: Int[Array, ""]


def start(num: int, length: int, size: int) -> KeyHistory:
    """Returns the history of pieces before their first frame, with room for `length` frames."""
    long = jnp.zeros((num, length), jnp.int32)
    frames = jnp.zeros((num, length, size), jnp.int32)
    key = jnp.zeros((num, size), jnp.int32)
    return KeyHistory(frames, long, long, key, jnp.full_like(key, MOST), jnp.zeros((), jnp.int32))


def _code(frame: Int[Array, "*N V"]) -> Int[Array, " *N"]:
    """Hashes frames [..., V] by sums of fixed random odd numbers, modulo 2^32."""
    weights = np.random.default_rng(88).integers(-(2**31), 2**31, frame.shape[-1]).astype(np.int32) | 1
    return (frame * jnp.broadcast_to(jnp.asarray(weights), frame.shape)).sum(-1)


def push(h: KeyHistory, frame: Int[Array, "N V"]) -> KeyHistory:
    """Appends a frame, int32[N, V], to the history."""
    code = _code(frame)
    place = jnp.arange(h.codes.shape[1])[None]
    before = jnp.pad(h.run, ((0, 0), (1, 0)))[:, :-1]
    on = frame > 0
    return KeyHistory(
        jax.lax.dynamic_update_index_in_dim(h.frames, frame, h.length, 1),
        jax.lax.dynamic_update_index_in_dim(h.codes, code, h.length, 1),
        jnp.where((h.codes == code[:, None]) & (place < h.length), before + 1, 0),
        jnp.where(on, jnp.minimum(h.hold + 1, MOST), 0),
        jnp.where(on, 0, jnp.minimum(h.silence + 1, MOST)),
        h.length + 1,
    )


def _matches(
    run: Int[Array, "R N T"], frames: Int[Array, "N T V"]
) -> tuple[Float[Array, "R N 6 V"], Float[Array, "R N 6"]]:
    """Returns the frames that followed the matches of R rows of `run`.

    Args:
        run: int32[R, N, T].
        frames: int32[N, T, V]; only frames before that of each row are read.

    Returns:
        float16[R, N, 6, V] with the mean of each order and the longest match, and float16[R, N, 6] with the number of
        matches of each order and the length of the longest, as log2(1 + n) / 4. Half precision makes stored and
        computed features equal.
    """
    after = jnp.pad(run, ((0, 0), (0, 0), (1, 0)))[:, :, :-1]  # a match that ends at j predicts frame j + 1
    longest = after.max(-1, initial=0)
    place = jnp.broadcast_to(jnp.arange(run.shape[2])[None, None], run.shape)
    latest = jnp.max(jnp.where(after == longest[..., None], place, 0), axis=-1)
    reach = [after >= order for order in ORDERS]
    reach.append((place == latest[..., None]) & (longest[..., None] > 0))
    weights = jnp.stack(reach, axis=2).astype(jnp.float32)
    counts = weights.sum(-1)
    means = jnp.einsum("rnot,ntv->rnov", weights, frames.astype(jnp.float32)) / jnp.maximum(counts, 1.0)[..., None]
    sizes = jnp.concatenate([counts[..., :-1], longest[..., None].astype(jnp.float32)], axis=-1)
    return means.astype(jnp.float16), (jnp.log2(1.0 + sizes) / 4.0).astype(jnp.float16)


def read(h: KeyHistory) -> dict[str, Array]:
    """Returns the features of the next frame.

    Returns:
        `lags` uint8[N, 13, V], `hold` and `silence` uint8[N, V], `match` float16[N, 6, V], `match_weight`
        float16[N, 6], and `place` int32[N], the index of the frame.
    """
    at = h.length - jnp.asarray(LAGS)
    lags = jnp.where((at >= 0)[None, :, None], jnp.take(h.frames, jnp.maximum(at, 0), axis=1), 0)
    match, weight = _matches(h.run[None], h.frames)
    return {
        "lags": lags.astype(jnp.uint8),
        "hold": h.hold.astype(jnp.uint8),
        "silence": h.silence.astype(jnp.uint8),
        "match": match[0],
        "match_weight": weight[0],
        "place": jnp.broadcast_to(h.length, (h.frames.shape[0],)),
    }


def read_all(frames: Integer[AnyArray, "N T V"]) -> dict[str, Array]:
    """Returns the features of all frames of whole pieces, as `read` does, with axis T after N.

    Matches are computed for a block of frames at a time: one product instead of many.

    Args:
        frames: int32[N, T, V].
    """
    num, length, size = frames.shape
    blocks = -(-length // _BLOCK)
    padded = jnp.pad(frames, ((0, 0), (0, blocks * _BLOCK - length), (0, 0)))

    def one(h: KeyHistory, frame: Int[Array, "N V"]) -> tuple[KeyHistory, tuple[Array, Array, Array]]:
        return push(h, frame), (h.run, h.hold, h.silence)

    def block(h: KeyHistory, part: Int[Array, "_ N V"]) -> tuple[KeyHistory, tuple[Array, ...]]:
        h, (run, hold, silence) = jax.lax.scan(one, h, part)
        return h, (*_matches(run, padded), hold.astype(jnp.uint8), silence.astype(jnp.uint8))

    parts = jnp.swapaxes(padded, 0, 1).reshape(blocks, _BLOCK, num, size)
    _, out = jax.lax.scan(block, start(num, blocks * _BLOCK, size), parts)
    out = [jnp.moveaxis(x.reshape(-1, *x.shape[2:])[:length], 0, 1) for x in out]
    lags = jnp.stack([jnp.pad(frames, ((0, 0), (lag, 0), (0, 0)))[:, :length] for lag in LAGS], axis=2)
    return {
        "lags": lags.astype(jnp.uint8),
        "hold": out[2],
        "silence": out[3],
        "match": out[0],
        "match_weight": out[1],
        "place": jnp.broadcast_to(jnp.arange(length)[None], (num, length)),
    }
