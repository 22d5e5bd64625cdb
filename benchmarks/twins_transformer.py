# pyright: reportMissingImports=false
"""The Transformer token network in idiomatic PyTorch, with the same shapes and the same function.

It consists of pre-norm blocks of `nn.LayerNorm`, `nn.Linear` and `scaled_dot_product_attention`, with rotary or
relative positions (the latter by skewing, as in Music Transformer). `load` copies our parameters into the twin, so that
a check can show that it is the same network.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import twins, workers

EPSILON = 1e-6  # Flax's, in LayerNorm


class Shape(NamedTuple):
    """The shape of a network.

    Attributes:
        layers: Number of blocks.
        width: Features per position.
        heads: Attention heads.
        filter: Units of the feed-forward layers.
        length: Largest number of positions, and largest distance of relative positions.
        relative: Whether positions are relative rather than rotary.
    """

    layers: int
    width: int
    heads: int
    filter: int
    length: int
    relative: bool


def _skew(wide: torch.Tensor) -> torch.Tensor:
    """Converts [B, H, L, L] by distance (column m is distance L - 1 - m) to by key; undefined after the query."""
    b, heads, length, _ = wide.shape
    return functional.pad(wide, (1, 0)).reshape(b, heads, length + 1, length)[:, :, 1:]


class Block(nn.Module):
    """Attention and feed-forward layers."""

    def __init__(self, shape: Shape):
        """Creates the layers of the shape."""
        super().__init__()
        self.shape, width = shape, shape.width
        self.norm_attention = nn.LayerNorm(width, EPSILON)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_feed_forward = nn.LayerNorm(width, EPSILON)
        self.up = nn.Linear(width, shape.filter, bias=False)
        self.down = nn.Linear(shape.filter, width, bias=False)
        if shape.relative:
            self.distance = nn.Parameter(0.02 * torch.randn(shape.heads, shape.length + 1, width // shape.heads))

    def split(self, x: torch.Tensor, turns: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yields queries, keys and values [B, H, L, d] of x [B, L, D]; turns [2, L, d / 2] are cosines and sines."""
        b, length, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(b, length, 3, self.shape.heads, width // self.shape.heads)
        for i, part in enumerate(qkv.permute(2, 0, 3, 1, 4)):
            if i == 2 or self.shape.relative:
                yield part
                continue
            first, second = part.chunk(2, -1)
            cos, sin = turns
            yield torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

    def rest(self, x: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        """Applies the layers after the output of attention [B, H, L, d]."""
        x = x + self.out(o.transpose(1, 2).reshape(x.shape))
        return x + self.down(functional.gelu(self.up(self.norm_feed_forward(x)), approximate="tanh"))

    def forward(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        """Computes the output for whole sequences."""
        q, k, v = self.split(x, turns)
        if not self.shape.relative:
            return self.rest(x, functional.scaled_dot_product_attention(q, k, v, is_causal=True))
        length = x.shape[1]
        rows = self.distance[:, :length].flip(1)
        bias = _skew(q @ rows.transpose(1, 2)) * q.shape[-1] ** -0.5
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        return self.rest(
            x, functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.masked_fill(later, -torch.inf))
        )


class Net(nn.Module):
    """The network from tokens to logits of the next token."""

    turns: torch.Tensor

    def __init__(self, shape: Shape, vocabulary: int):
        """Creates the embedding of the vocabulary and the start token, blocks, normalisation and output layer."""
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(vocabulary + 1, shape.width)
        self.blocks: Any = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width, EPSILON)
        self.output = nn.Linear(shape.width, vocabulary)
        half = shape.width // shape.heads // 2
        angles = torch.arange(shape.length)[:, None] * 10_000.0 ** (-torch.arange(half) / half)
        self.register_buffer("turns", torch.stack([angles.cos(), angles.sin()]))

    def forward(self, previous: torch.Tensor) -> torch.Tensor:
        """Computes logits [B, L, V] from the token before each position [B, L]."""
        x = self.embed(previous) * self.shape.width**0.5
        turns = self.turns[:, : x.shape[1]]
        for block in self.blocks:
            x = block(x, turns)
        return self.output(self.norm(x))

    def cache(self, num: int) -> torch.Tensor:
        """Returns an empty cache for the keys and values of all positions, [layers, 2, N, H, L, d]."""
        s = self.shape
        return torch.zeros(s.layers, 2, num, s.heads, s.length, s.width // s.heads)

    def beside(self, previous: torch.Tensor, cache: torch.Tensor, pos: int) -> torch.Tensor:
        """Computes logits [N, V] of tokens [N] at a position, over the filled cache; only for rotary positions."""
        x = self.embed(previous)[:, None] * self.shape.width**0.5
        turns = self.turns[:, pos : pos + 1]
        for i, block in enumerate(self.blocks):
            q, k, v = block.split(x, turns)
            keys, values = cache[i]
            keys[:, :, pos : pos + 1], values[:, :, pos : pos + 1] = k, v
            o = functional.scaled_dot_product_attention(q, keys[:, :, : pos + 1], values[:, :, : pos + 1])
            x = block.rest(x, o)
        return self.output(self.norm(x[:, 0]))

    def within(self, previous: torch.Tensor, cache: torch.Tensor, pos: torch.Tensor) -> torch.Tensor:
        """Computes the same over the whole cache with a mask, with static shapes; pos is int64[1]."""
        x = self.embed(previous)[:, None] * self.shape.width**0.5
        turns = self.turns.index_select(1, pos)
        seen = (torch.arange(self.shape.length) <= pos)[None, None, None]
        for i, block in enumerate(self.blocks):
            q, k, v = block.split(x, turns)
            keys, values = cache[i]
            keys.index_copy_(2, pos, k)
            values.index_copy_(2, pos, v)
            x = block.rest(x, functional.scaled_dot_product_attention(q, keys, values, attn_mask=seen))
        return self.output(self.norm(x[:, 0]))


def load(net: Net, params: Mapping[str, Any]) -> Net:
    """Copies our parameters into the twin."""

    def put(parameter: torch.Tensor, value: Any) -> None:
        parameter.data.copy_(torch.from_numpy(np.array(value, np.float32)))

    def put_norm(norm: nn.LayerNorm, values: Mapping[str, Any]) -> None:
        put(norm.weight, values["scale"])
        put(norm.bias, values["bias"])

    put(net.embed.weight, params["embed"])
    put(net.output.weight, params["output"]["kernel"].T)
    put(net.output.bias, params["output"]["bias"])
    put_norm(net.norm, params["stack"]["norm"])
    for i, block in enumerate(net.blocks):
        values = params["stack"][f"block_{i}"]
        for name in ("norm_attention", "norm_feed_forward"):
            put_norm(getattr(block, name), values[name])
        for name in ("qkv", "out", "up", "down"):
            put(getattr(block, name).weight, values[name]["kernel"].T)
        if net.shape.relative:
            put(block.distance, values["distance"])
    return net


def training(
    threads: int, *, shape: Shape, batch: int, vocabulary: int, compiled: bool, graphs: bool = False
) -> workers.Job:
    """Returns a training step: loss, gradients, clipping by the global norm, Adam."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(shape, vocabulary)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
    tokens = torch.randint(0, vocabulary, (batch, shape.length))
    previous = torch.cat([torch.full_like(tokens[:, :1], vocabulary), tokens[:, :-1]], 1)
    forward: Callable[..., torch.Tensor] = twins.built(net, compiled, graphs)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        value = functional.cross_entropy(forward(previous).view(-1, vocabulary), tokens.view(-1))
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return value.item()

    return workers.Job(step)


def generation(
    threads: int, *, shape: Shape, num: int, vocabulary: int, loop: str, compiled: bool = False, graphs: bool = False
) -> workers.Job:
    """Returns a loop over tokens: `beside` and `within` cache keys and values, `recompute` reads the whole prefix."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(shape, vocabulary).eval()
    length = shape.length

    def step(previous: torch.Tensor, cache: torch.Tensor, pos: Any) -> torch.Tensor:
        return twins.multinomial(getattr(net, loop)(previous, cache, pos))

    advance = twins.built(step, compiled, graphs, dynamic=loop == "beside")
    # Masked entries may be left over from the previous piece.
    whole = net.cache(num) if loop == "within" else None
    if graphs:
        torch._dynamo.mark_static_address(whole)
    places = torch.arange(length)

    def run(stride: int = 1) -> torch.Tensor:
        with torch.no_grad() if graphs else torch.inference_mode():
            tokens = torch.full((num, length + 1), vocabulary)
            cache = net.cache(num) if loop == "beside" else whole
            for pos in range(0, length, stride):
                if cache is None:
                    drawn = twins.multinomial(net(tokens[:, : pos + 1])[:, -1])
                else:
                    drawn = advance(tokens[:, pos], cache, pos if loop == "beside" else places[pos : pos + 1])
                tokens[:, pos + 1] = drawn
            return tokens[:, 1:]

    # The cost of a token depends on its position, so the shorter call takes tokens from all positions.
    return workers.Job(run, lambda: run(max(1, length // 32)))
