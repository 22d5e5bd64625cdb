# pyright: reportMissingImports=false
"""MusicVAE's two-bar network in idiomatic PyTorch, with the same shapes and the same function.

A bidirectional `nn.LSTM` computes mean and scale of a normal distribution. The decoder is an `nn.LSTM` whose initial
state is computed from z by a tanh layer, and whose inputs are the previous frame concatenated with z. Time is the first
axis, as PyTorch's layers prefer. `load` copies our parameters into the twin, so that a check can show that it is the
same network; PyTorch's second bias vector, which our network lacks, is set to 0.
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
    """The shape of a network.

    Attributes:
        vocabulary: Number of tokens.
        latent: Size of z.
        encoder: Units per direction of the encoder's single layer.
        hidden: Units of the decoder's layers.
        layers: Number of decoder layers.
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
        """Creates the layers of the shape."""
        super().__init__()
        self.shape = shape
        self.encoder = nn.LSTM(shape.vocabulary, shape.encoder, bidirectional=True)
        self.mean = nn.Linear(2 * shape.encoder, shape.latent)
        self.scale = nn.Linear(2 * shape.encoder, shape.latent)
        self.initial = nn.Linear(shape.latent, 2 * shape.layers * shape.hidden)
        self.decoder = nn.LSTM(shape.vocabulary + shape.latent, shape.hidden, num_layers=shape.layers)
        self.output = nn.Linear(shape.hidden, shape.vocabulary)

    def encode(self, hot: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes mean and scale [B, Z] from one-hots [T, B, V]."""
        _, (h, _) = self.encoder(hot)
        ends = torch.cat([h[0], h[1]], -1)
        return self.mean(ends), functional.softplus(self.scale(ends)) + MIN_SCALE

    def begin(self, z: torch.Tensor) -> State:
        """Computes initial states (h, c) [B, H] of each layer from vectors [B, Z]."""
        parts = torch.tanh(self.initial(z)).chunk(2 * self.shape.layers, -1)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def decode(self, before: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Computes logits [T, B, V] from one-hots of the previous frames [T, B, V] and z [B, Z]."""
        h, c = (torch.stack(x) for x in zip(*self.begin(z), strict=True))
        return self.output(self.decoder(torch.cat([before, z.expand(len(before), -1, -1)], -1), (h, c))[0])

    def forward(self, hot: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Computes logits, mean and scale from one-hots [T, B, V] and standard normal noise [B, Z]."""
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
        """Computes logits [N, V] and new states from one-hots [N, V], z [N, Z] and a state for each layer."""
        x, after = torch.cat([before, z], -1), []
        for cell, state in zip(self.cells, states, strict=True):
            state = cell(x, state)
            x = state[0]
            after.append(state)
        return self.net.output(x), after


class Scheduled(nn.Module):
    """Scheduled sampling: some inputs of the decoder are sampled from it, without a gradient through the samples."""

    def __init__(self, net: Net, *, compiled: bool = False):
        """Shares the weights of `net`; if `compiled`, one frame is compiled."""
        super().__init__()
        self.net = net
        self.cells: Any = torch.compile(Cells(net)) if compiled else Cells(net)

    def forward(
        self, hot: torch.Tensor, noise: torch.Tensor, replaced: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Computes the same as `Net.forward`; where `replaced` bool [T, B], the next frame reads a sampled one."""
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
    """Returns the frame before each of frames [T, B, V]; zeros before the first."""
    return torch.cat([torch.zeros_like(hot[:1]), hot[:-1]])


def loss(shape: Shape, outs: tuple[torch.Tensor, ...], tokens: torch.Tensor, risen: float) -> torch.Tensor:
    """Returns the mean over frames of the reconstruction loss plus beta times the KL divergence, for tokens [T, B]."""
    logits, mean, scale = outs
    rebuilt = functional.cross_entropy(logits.reshape(-1, shape.vocabulary), tokens.reshape(-1))
    kl = 0.5 * (mean.square() + scale.square() - 1) - scale.log()
    return rebuilt + shape.max_beta * risen * kl.sum() / tokens.numel()


def load(net: Net, params: Mapping[str, Any]) -> Net:
    """Copies our parameters into the twin."""
    for name, value in _ours(params).items():
        net.get_parameter(name).data.copy_(torch.from_numpy(np.array(value, np.float32)))
    return net


def _ours(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns our parameters or gradients under PyTorch's names; the second biases are 0."""
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
    """Returns the largest difference between the twin's gradients and ours, relative to the maximum of each array."""
    worst = 0.0
    for name, ours in _ours(grads).items():
        if "bias_hh" not in name:
            found = net.get_parameter(name).grad
            assert found is not None, name
            worst = max(worst, float(np.abs(found.numpy() - ours).max() / np.abs(ours).max()))
    return worst


def training(threads: int, *, shape: Shape, batch: int, length: int, share: float | None, compiled: str) -> workers.Job:
    """Returns a training step: loss, gradients, clipping by the global norm, Adam.

    Args:
        threads: Number of threads that PyTorch may use.
        shape: Shape of the network.
        batch: Number of pieces.
        length: Number of frames.
        share: Share of inputs that are sampled, frame by frame; None to read all true frames at once.
        compiled: `whole` for the forward pass (which unrolls the loop over frames), `frame` for one step of that loop,
            or empty.
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
    """Returns a loop over frames from z of the prior: `layers` uses nn.LSTM step by step, `cells` nn.LSTMCell."""
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
