# pyright: reportMissingImports=false
"""Coconet and DeepBach in idiomatic PyTorch, with the same shapes, functions and samplers.

`Grid` consists of `nn.Conv2d` and `nn.BatchNorm2d`; `Voice`, of `nn.Embedding`, `nn.LSTM` over windows on either side,
and `nn.Linear`. `load_grid` and `load_voices` copy our parameters into the twins, so that a check can show that they
are the same networks; PyTorch's second bias vector, which our networks lack, is set to 0.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import workers


class GridShape(NamedTuple):
    """The shape of a Coconet: number of convolutions, filters, voices and pitches."""

    layers: int
    width: int
    streams: int
    pitches: int


class Grid(nn.Module):
    """The network of Coconet; id 0 is a rest, and pitches follow."""

    def __init__(self, shape: GridShape):
        """Creates the layers of the shape."""
        super().__init__()
        self.shape, width = shape, shape.width
        self.convolutions: Any = nn.ModuleList(
            nn.Conv2d(width if i else 2 * shape.streams, width, 3, padding=1, bias=False)
            for i in range(shape.layers - 1)
        )
        # Flax's momentum is the weight of the old value, PyTorch's that of the new one.
        self.norms: Any = nn.ModuleList(nn.BatchNorm2d(width, momentum=0.01) for _ in range(shape.layers - 1))
        self.last = nn.Conv2d(width, shape.streams, 3, padding=1)
        self.rest = nn.Linear(width, shape.streams)

    def layer(self, x: torch.Tensor, i: int) -> torch.Tensor:
        """Applies a convolution and its normalisation."""
        return self.norms[i](self.convolutions[i](x))

    def forward(self, tokens: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Computes logits [B, T, S, 1 + P] from tokens and a mask of hidden cells, [B, T, S]."""
        known = (~hidden).float()[..., None]
        roll = functional.one_hot(tokens, 1 + self.shape.pitches)[..., 1:].float() * known
        x = torch.cat([roll, known.expand(roll.shape)], 2).transpose(1, 2)
        x = functional.relu(self.layer(x, 0))
        for i in range(self.shape.layers // 2 - 1):
            y = self.layer(functional.relu(self.layer(x, 2 * i + 1)), 2 * i + 2)
            x = functional.relu(x + y)
        pitched = self.last(x).transpose(1, 2)
        rest = self.rest(x.mean(-1).transpose(1, 2))
        return torch.cat([rest[..., None], pitched], -1)


class VoiceShape(NamedTuple):
    """The shape of the model of a voice.

    Attributes:
        vocabulary: Number of tokens; one more id represents unknown cells.
        sizes: Size of each condition.
        embed: Width of an embedding.
        layers: Number of LSTM layers in each direction.
        hidden: Units of the LSTM layers.
        width: Units of the other layers.
        context: Frames on either side.
    """

    vocabulary: int
    sizes: tuple[int, ...]
    embed: int
    layers: int
    hidden: int
    width: int
    context: int
    streams: int = 4


class Inputs(nn.Module):
    """Concatenated embeddings of notes, conditions and the voice."""

    def __init__(self, shape: VoiceShape, notes: int):
        """Creates the embedding tables for `notes` voices."""
        super().__init__()
        rows = [shape.vocabulary + 1] * notes + [size + 1 for size in shape.sizes] + [shape.streams]
        self.tables: Any = nn.ModuleList(nn.Embedding(n, shape.embed) for n in rows)

    def forward(self, ids: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns embeddings [..., E] of one id per table, [...] each."""
        return torch.cat([table(i) for table, i in zip(self.tables, ids, strict=True)], -1)


class Voice(nn.Module):
    """The model of a voice's cells given all others; its own voice comes first."""

    def __init__(self, shape: VoiceShape, index: int):
        """Creates the layers of the shape."""
        super().__init__()
        self.shape, self.index = shape, index
        self.past, self.future = Inputs(shape, shape.streams), Inputs(shape, shape.streams)
        self.centre_inputs = Inputs(shape, shape.streams - 1)
        size = shape.embed * (shape.streams + len(shape.sizes) + 1)
        self.left = nn.LSTM(size, shape.hidden, shape.layers)
        self.right = nn.LSTM(size, shape.hidden, shape.layers)
        self.centre = nn.Sequential(
            nn.Linear(size - shape.embed, shape.width), nn.ReLU(), nn.Linear(shape.width, shape.width), nn.ReLU()
        )
        self.hidden = nn.Linear(2 * shape.hidden + shape.width, shape.width)
        self.output = nn.Linear(shape.width, shape.vocabulary)

    def forward(self, tokens: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Computes logits of the voice's cells [B, T, V] from tokens [B, T, S] and conditions [B, T, C]."""
        shape, (rows, frames) = self.shape, tokens.shape[:2]
        tokens, reach = tokens.roll(-self.index, -1), shape.context
        ids = [functional.pad(tokens[..., s], (reach, reach), value=shape.vocabulary) for s in range(shape.streams)]
        ids += [functional.pad(conditions[..., c], (reach, reach), value=n) for c, n in enumerate(shape.sizes)]
        ids.append(torch.full_like(ids[0], self.index))
        before, after = self.past(ids), self.future(ids)
        # [context, B T, E]: PyTorch's layers prefer time first.
        early = before.unfold(1, reach, 1)[:, :frames].permute(3, 0, 1, 2).reshape(reach, rows * frames, -1)
        late = after.unfold(1, reach, 1)[:, reach + 1 :].permute(3, 0, 1, 2).reshape(reach, rows * frames, -1)
        left, right = self.left(early)[0][-1], self.right(late.flip(0))[0][-1]
        here = [x[:, reach : reach + frames].reshape(-1) for x in ids[1:]]
        x = torch.cat([left, self.centre(self.centre_inputs(here)), right], -1)
        return self.output(functional.relu(self.hidden(x))).view(rows, frames, -1)


def _put(parameter: torch.Tensor, value: Any) -> None:
    parameter.data.copy_(torch.from_numpy(np.array(value, np.float32)))


def _named(net: Grid, params: Mapping[str, Any]) -> list[tuple[torch.Tensor, Any]]:
    """Returns the twin's parameters paired with ours."""
    names = ["first", *(f"layer_{i}" for i in range(net.shape.layers - 2))]
    pairs = [(net.last.weight, params["last"]["kernel"]), (net.rest.weight, params["rest"]["kernel"])]
    out = [(net.last.bias, params["last"]["bias"]), (net.rest.bias, params["rest"]["bias"])]
    for name, convolution, norm in zip(names, net.convolutions, net.norms, strict=True):
        pairs.append((convolution.weight, params[name]["kernel"]))
        out += [(norm.weight, params[f"{name}_norm"]["scale"]), (norm.bias, params[f"{name}_norm"]["bias"])]
    return [(p, v.transpose(3, 2, 0, 1) if v.ndim == 4 else v.T) for p, v in pairs] + out  # type: ignore[list-item]


def load_grid(net: Grid, params: Mapping[str, Any]) -> Grid:
    """Copies our parameters into the twin."""
    for parameter, value in _named(net, params):
        _put(parameter, value)
    return net


def apart(net: Grid, grads: Mapping[str, Any]) -> float:
    """Returns the largest difference between the twin's gradients and ours, relative to the maximum of each array."""
    found = [(p.grad, g) for p, g in _named(net, grads)]
    return max(float(np.abs(p.numpy() - g).max() / max(np.abs(g).max(), 1e-12)) for p, g in found if p is not None)


def load_voices(nets: Sequence[Voice], params: Mapping[str, Any], names: Sequence[str]) -> None:
    """Copies our stacked parameters into the twins; `names` are those of the conditions."""
    for i, net in enumerate(nets):
        context, head = ({k: _row(v, i) for k, v in params[part].items()} for part in ("context", "voices"))
        for inputs, tables in (
            (net.past, context["past"]),
            (net.future, context["future"]),
            (net.centre_inputs, head["centre"]),
        ):
            notes = len(inputs.tables) - len(names) - 1
            keys = [*(f"tokens_{s}" for s in range(notes)), *names, "voice"]
            for table, key in zip(inputs.tables, keys, strict=True):
                _put(table.weight, tables[key]["table"])
        for lstm, layers in ((net.left, context["left"]), (net.right, context["right"])):
            for k in range(net.shape.layers):
                layer = layers[f"layer_{k}"]
                _put(getattr(lstm, f"weight_ih_l{k}"), layer["input"].T)
                _put(getattr(lstm, f"weight_hh_l{k}"), layer["recurrent"].T)
                _put(getattr(lstm, f"bias_ih_l{k}"), layer["bias"])
                _put(getattr(lstm, f"bias_hh_l{k}"), np.zeros_like(layer["bias"]))
        dense = {"centre_0": net.centre[0], "centre_1": net.centre[2], "hidden": net.hidden, "output": net.output}
        for key, linear in dense.items():
            _put(linear.weight, head[key]["kernel"].T)
            _put(linear.bias, head[key]["bias"])


def _row(tree: Any, at: int) -> Any:
    return {k: _row(v, at) for k, v in tree.items()} if isinstance(tree, Mapping) else np.asarray(tree)[at]


def hide(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples masks of hidden cells of uniformly distributed sizes, and the weights of the cells' costs."""
    rows, cells = len(tokens), tokens[0].numel()
    number = torch.randint(1, cells + 1, (rows, 1))
    hidden = torch.rand(rows, cells).argsort(-1).argsort(-1) < number
    return hidden.view(tokens.shape), (hidden / (number * rows)).view(tokens.shape)


def grid_loss(
    net: Callable[..., torch.Tensor], tokens: torch.Tensor, hidden: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Returns the orderless cost per cell."""
    logits = net(tokens, hidden)
    return (
        functional.cross_entropy(logits.flatten(0, 2), tokens.flatten(), reduction="none") * weights.flatten()
    ).sum()


def grid_training(threads: int, *, shape: GridShape, batch: int, frames: int, compiled: bool) -> workers.Job:
    """Returns a training step of Coconet: loss, gradients, clipping, Adam."""
    net, tokens = Grid(shape), torch.randint(0, shape.pitches + 1, (batch, frames, shape.streams))
    forward: Any = torch.compile(net) if compiled else net
    return _job(threads, [net], lambda: grid_loss(forward, tokens, *hide(tokens)))


def voice_training(threads: int, *, shape: VoiceShape, batch: int, frames: int, compiled: bool) -> workers.Job:
    """Returns a training step of DeepBach's four models."""
    nets = [Voice(shape, i) for i in range(shape.streams)]
    forwards: list[Any] = [torch.compile(net) if compiled else net for net in nets]
    tokens, conditions = _random(shape, batch, frames)

    def loss() -> torch.Tensor:
        logits = torch.stack([net(tokens, conditions) for net in forwards], 2)
        return functional.cross_entropy(logits.flatten(0, 2), tokens.flatten())

    return _job(threads, nets, loss)


def _random(shape: VoiceShape, batch: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(0, shape.vocabulary, (batch, frames, shape.streams))
    return tokens, torch.stack([torch.randint(0, n, (batch, frames)) for n in shape.sizes], -1)


def _job(threads: int, nets: Sequence[nn.Module], loss: Callable[[], torch.Tensor]) -> workers.Job:
    torch.set_num_threads(threads)
    parameters = [p for net in nets for p in net.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.99), fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return workers.Job(step)


def _drawn(logits: torch.Tensor) -> torch.Tensor:
    """Samples a token by exponential clocks, which is faster than `torch.multinomial`."""
    return (logits.softmax(-1) / torch.empty_like(logits).exponential_()).argmax(-1)


def grid_sampling(threads: int, *, shape: GridShape, num: int, frames: int, steps: int, compiled: bool) -> workers.Job:
    """Returns a job of independent Gibbs sampling with Yao's schedule."""
    torch.set_num_threads(threads)
    net = Grid(shape).eval()
    forward: Any = torch.compile(net) if compiled else net

    @torch.inference_mode()
    def run() -> np.ndarray:
        tokens = torch.zeros(num, frames, shape.streams, dtype=torch.int64)
        for step in range(steps):
            share = max(0.1, 0.9 - step * 0.8 / (0.7 * steps))
            hidden = torch.rand(tokens.shape) < share if step else torch.ones(tokens.shape, dtype=torch.bool)
            tokens = torch.where(hidden, _drawn(forward(tokens, hidden)), tokens)
        return tokens.numpy()

    return workers.Job(run)


def voice_sampling(
    threads: int, *, shape: VoiceShape, num: int, frames: int, steps: int, share: float, compiled: bool
) -> workers.Job:
    """Returns a job of pseudo-Gibbs sampling, voice by voice."""
    torch.set_num_threads(threads)
    nets = [Voice(shape, i).eval() for i in range(shape.streams)]
    forwards: list[Any] = [torch.compile(net) if compiled else net for net in nets]
    start, conditions = _random(shape, num, frames)

    @torch.inference_mode()
    def run() -> np.ndarray:
        tokens = start.clone()
        for step in range(steps):
            voice = step % shape.streams
            heat = max(1.0, 1.5 - 0.5 * step / (0.7 * steps))
            drawn = _drawn(forwards[voice](tokens, conditions) / heat)
            chosen = torch.rand(num, frames) < share
            tokens[..., voice] = torch.where(chosen, drawn, tokens[..., voice])
        return tokens.numpy()

    return workers.Job(run)
