# pyright: reportMissingImports=false
"""MusicVAE's two-bar net in PyTorch: the same shapes and the same function, written as its users write it.

A bidirectional `nn.LSTM` gives mean and scale of a normal, the decoder is an `nn.LSTM` whose first state comes of z
through a tanh layer and whose every input is the frame before with z beside it. Time comes first, which PyTorch's
layers prefer. `load` copies our parameters into the twin, so that a check can show it to be the same network;
PyTorch's second bias vector, which ours does not have, is then 0.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import twins, workers

MIN_SCALE = 1e-4  # keeps the scale of a posterior away from 0, as ours does
State = list[tuple[torch.Tensor, torch.Tensor]]


class Shape(NamedTuple):
    """What a net is.

    Attributes:
        vocabulary: Tokens.
        latent: Size of z.
        encoder: Units of each direction of the encoder's one layer.
        hidden: Units of the decoder's layers.
        layers: The decoder's layers.
        max_beta: Largest weight of the KL divergence.
        beta_rate: The weight at a step is max_beta * (1 - beta_rate ** step).
    """

    vocabulary: int
    latent: int
    encoder: int
    hidden: int
    layers: int
    max_beta: float
    beta_rate: float


class Net(nn.Module):
    """The encoder and the decoder."""

    def __init__(self, shape: Shape):
        """Layers of the shape."""
        super().__init__()
        self.shape = shape
        self.encoder = nn.LSTM(shape.vocabulary, shape.encoder, bidirectional=True)
        self.mean = nn.Linear(2 * shape.encoder, shape.latent)
        self.scale = nn.Linear(2 * shape.encoder, shape.latent)
        self.initial = nn.Linear(shape.latent, 2 * shape.layers * shape.hidden)
        self.decoder = nn.LSTM(shape.vocabulary + shape.latent, shape.hidden, num_layers=shape.layers)
        self.output = nn.Linear(shape.hidden, shape.vocabulary)

    def encode(self, hot: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One-hots [T, B, V] -> mean and scale [B, Z]."""
        _, (h, _) = self.encoder(hot)
        ends = torch.cat([h[0], h[1]], -1)
        return self.mean(ends), functional.softplus(self.scale(ends)) + MIN_SCALE

    def begin(self, z: torch.Tensor) -> State:
        """Vectors [B, Z] -> (h, c) [B, H] for each layer."""
        parts = torch.tanh(self.initial(z)).chunk(2 * self.shape.layers, -1)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def decode(self, before: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """One-hots of the frame before each [T, B, V] and z [B, Z] -> logits [T, B, V]."""
        h, c = (torch.stack(x) for x in zip(*self.begin(z), strict=True))
        return self.output(self.decoder(torch.cat([before, z.expand(len(before), -1, -1)], -1), (h, c))[0])

    def forward(self, hot: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One-hots [T, B, V] and standard normal noise [B, Z] -> logits, mean, scale."""
        mean, scale = self.encode(hot)
        return self.decode(shifted(hot), mean + scale * noise), mean, scale


class Cells(nn.Module):
    """The decoder as single cells, for a loop over frames."""

    def __init__(self, net: Net):
        """Shares the weights of `net`."""
        super().__init__()
        self.net, self.cells = net, nn.ModuleList()
        for i in range(net.shape.layers):
            cell = nn.LSTMCell(net.shape.hidden if i else net.decoder.input_size, net.shape.hidden)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(cell, name, getattr(net.decoder, f"{name}_l{i}"))
            self.cells.append(cell)

    def forward(self, before: torch.Tensor, z: torch.Tensor, states: State) -> tuple[torch.Tensor, State]:
        """One-hots [N, V], z [N, Z] and a state for each layer -> logits [N, V] and the states."""
        x, after = torch.cat([before, z], -1), []
        for cell, state in zip(self.cells, states, strict=True):
            state = cell(x, state)
            x = state[0]
            after.append(state)
        return self.net.output(x), after


class Scheduled(nn.Module):
    """Scheduled sampling: some inputs of the decoder are drawn from it as it goes along; no gradient passes a draw."""

    def __init__(self, net: Net, *, compiled: bool = False):
        """Shares the weights of `net`; one frame is compiled, or nothing."""
        super().__init__()
        self.net = net
        self.cells: Any = torch.compile(Cells(net)) if compiled else Cells(net)

    def forward(
        self, hot: torch.Tensor, noise: torch.Tensor, replaced: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As `Net.forward`, with `replaced` bool [T, B], where the next frame reads a drawn one."""
        mean, scale = self.net.encode(hot)
        z = mean + scale * noise
        states, previous, out = self.net.begin(z), torch.zeros_like(hot[0]), []
        for true, here in zip(hot, replaced, strict=True):
            logits, states = self.cells(previous, z, states)
            drawn = functional.one_hot(twins.gumbel(logits.detach()), hot.shape[-1]).float()
            previous = torch.where(here[:, None], drawn, true)
            out.append(logits)
        return torch.stack(out), mean, scale


def shifted(hot: torch.Tensor) -> torch.Tensor:
    """What stands before each of frames [T, B, V]; nothing before the first."""
    return torch.cat([torch.zeros_like(hot[:1]), hot[:-1]])


def loss(shape: Shape, outs: tuple[torch.Tensor, ...], tokens: torch.Tensor, risen: float) -> torch.Tensor:
    """Mean over frames of reconstruction plus beta times the KL divergence, of tokens [T, B]."""
    logits, mean, scale = outs
    rebuilt = functional.cross_entropy(logits.reshape(-1, shape.vocabulary), tokens.reshape(-1))
    kl = 0.5 * (mean.square() + scale.square() - 1) - scale.log()
    return rebuilt + shape.max_beta * risen * kl.sum() / tokens.numel()


def load(net: Net, params: Mapping[str, Any]) -> Net:
    """Gives the twin our parameters."""
    for name, value in _ours(params).items():
        net.get_parameter(name).data.copy_(torch.from_numpy(np.array(value, np.float32)))
    return net


def _ours(params: Mapping[str, Any]) -> dict[str, Any]:
    """Our parameters, or gradients, under PyTorch's names; the second biases are 0."""
    decoder, out = params["decoders_0"], {}
    dense = {"mean": params["encoder"]["mean"], "scale": params["encoder"]["scale"]}
    dense |= {"initial": decoder["initial"]["dense"], "output": decoder["output"]}
    for name, layer in dense.items():
        out |= {f"{name}.weight": layer["kernel"].T, f"{name}.bias": layer["bias"]}
    layers = {"encoder._l0": params["encoder"]["forward_0"], "encoder._l0_reverse": params["encoder"]["backward_0"]}
    layers |= {f"decoder._l{name.rpartition('_')[2]}": layer for name, layer in decoder["stack"].items()}
    for name, layer in layers.items():
        part, _, place = name.partition(".")
        out |= {f"{part}.weight_ih{place}": layer["input"].T, f"{part}.weight_hh{place}": layer["recurrent"].T}
        out |= {f"{part}.bias_ih{place}": layer["bias"], f"{part}.bias_hh{place}": np.zeros_like(layer["bias"])}
    return out


def apart(net: Net, grads: Mapping[str, Any]) -> float:
    """How far the twin's gradients are from ours, over the largest of each array: the worst of all arrays."""
    worst = 0.0
    for name, ours in _ours(grads).items():
        if "bias_hh" not in name:
            found = net.get_parameter(name).grad
            assert found is not None, name
            worst = max(worst, float(np.abs(found.numpy() - ours).max() / np.abs(ours).max()))
    return worst


def training(threads: int, *, shape: Shape, batch: int, length: int, share: float | None, compiled: str) -> workers.Job:
    """A training step: loss, gradients, clipping by the global norm, Adam.

    Args:
        threads: That PyTorch may use.
        shape: The net's.
        batch: Pieces.
        length: Frames.
        share: Of inputs that are drawn, frame by frame; None where the true frames are read, all at once.
        compiled: `whole`, the forward pass (which unrolls a loop over frames), `frame`, one step of that loop, or none.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(shape)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
    tokens = torch.randint(0, shape.vocabulary, (length, batch))
    forward: Callable[..., Any] = net if share is None else Scheduled(net, compiled=compiled == "frame")
    forward = torch.compile(forward) if compiled == "whole" else forward
    done = [0]

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        hot = functional.one_hot(tokens, shape.vocabulary).float()
        noise = torch.randn(batch, shape.latent)
        more = () if share is None else (torch.rand(length, batch) < share,)
        value = loss(shape, forward(hot, noise, *more), tokens, 1 - shape.beta_rate ** done[0])
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        done[0] += 1
        return value.item()

    return workers.Job(step)


def generation(
    threads: int, *, shape: Shape, num: int, length: int, loop: str, draw: str, compiled: bool
) -> workers.Job:
    """A loop over frames from z of the prior: `layers` is nn.LSTM, one step a call, `cells` nn.LSTMCell."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(shape).eval()
    choose = {"multinomial": twins.multinomial, "gumbel": twins.gumbel}[draw]
    cells = Cells(net).eval()

    def by_cells(hot: torch.Tensor, z: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        logits, state = cells(hot, z, state)
        return choose(logits), state

    def by_layers(hot: torch.Tensor, z: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        out, state = net.decoder(torch.cat([hot, z], -1)[None], state)
        return choose(net.output(out[0])), state

    step = {"cells": by_cells, "layers": by_layers}[loop]
    advance = torch.compile(step) if compiled else step

    def run(length: int = length) -> torch.Tensor:
        with torch.no_grad():
            z = torch.randn(num, shape.latent)
            state: Any = net.begin(z)
            if loop == "layers":
                state = tuple(torch.stack(x) for x in zip(*state, strict=True))
            hot, tokens = torch.zeros(num, shape.vocabulary), []
            for _ in range(length):
                token, state = advance(hot, z, state)
                hot = functional.one_hot(token, shape.vocabulary).float()
                tokens.append(token)
            return torch.stack(tokens, 1)

    return workers.Job(run)
