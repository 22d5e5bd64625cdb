# pyright: reportMissingImports=false
"""The recurrent token network in idiomatic PyTorch, with the same shapes and the same function.

`load` copies our parameters into the twin, so that a check can show that it is the same network; PyTorch's second bias
vector, which our network lacks, is set to 0.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import workers


class Net(nn.Module):
    """The network from tokens to logits of the next token; time is the first axis, as PyTorch's layers prefer."""

    def __init__(self, cell: str, vocabulary: int, hidden: int, layers: int = 2):
        """Creates the embedding of the vocabulary and the start token, the recurrent layers and the output layer."""
        super().__init__()
        self.embed = nn.Embedding(vocabulary + 1, hidden)
        self.layers = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](hidden, hidden, num_layers=layers)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, previous: torch.Tensor) -> torch.Tensor:
        """Computes logits [L, B, V] from the token before each position [L, B]."""
        return self.output(self.layers(self.embed(previous))[0])


class Cells(nn.Module):
    """The same network as single cells, for a loop over tokens."""

    def __init__(self, net: Net):
        """Shares the weights of `net`."""
        super().__init__()
        self.embed, self.output = net.embed, net.output
        make = nn.LSTMCell if isinstance(net.layers, nn.LSTM) else nn.GRUCell
        self.cells = nn.ModuleList()
        for i in range(net.layers.num_layers):
            cell = make(net.layers.hidden_size, net.layers.hidden_size)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(cell, name, getattr(net.layers, f"{name}_l{i}"))
            self.cells.append(cell)

    def forward(self, previous: torch.Tensor, states: list[Any]) -> tuple[torch.Tensor, list[Any]]:
        """Computes logits [N, V] and new states from tokens [N] and a state for each layer."""
        x, after = self.embed(previous), []
        for cell, state in zip(self.cells, states, strict=True):
            state = cell(x, state)
            x = state[0] if isinstance(state, tuple) else state
            after.append(state)
        return self.output(x), after


def load(net: Net, params: Mapping[str, Any]) -> Net:
    """Copies our parameters into the twin."""

    def put(parameter: torch.Tensor, value: Any) -> None:
        parameter.data.copy_(torch.from_numpy(np.array(value, np.float32)))

    put(net.embed.weight, params["embed"])
    put(net.output.weight, params["output"]["kernel"].T)
    put(net.output.bias, params["output"]["bias"])
    for i in range(net.layers.num_layers):
        layer = params["stack"][f"layer_{i}"]
        second = np.zeros(layer["bias"].shape, np.float32)
        if "new_bias" in layer:  # the bias inside the reset gate's product
            second[-len(layer["new_bias"]) :] = layer["new_bias"]
        put(getattr(net.layers, f"weight_ih_l{i}"), layer["input"].T)
        put(getattr(net.layers, f"weight_hh_l{i}"), layer["recurrent"].T)
        put(getattr(net.layers, f"bias_ih_l{i}"), layer["bias"])
        put(getattr(net.layers, f"bias_hh_l{i}"), second)
    return net


def gradients(net: Net) -> dict[str, Any]:
    """Returns the twin's gradients under our names."""
    named = {name: parameter.grad.numpy() for name, parameter in net.named_parameters() if parameter.grad is not None}
    out = {
        "embed": named["embed.weight"],
        "output": {"kernel": named["output.weight"].T, "bias": named["output.bias"]},
        "stack": {},
    }
    for i in range(net.layers.num_layers):
        layer = {
            "input": named[f"layers.weight_ih_l{i}"].T,
            "recurrent": named[f"layers.weight_hh_l{i}"].T,
            "bias": named[f"layers.bias_ih_l{i}"],
        }
        if isinstance(net.layers, nn.GRU):
            layer["new_bias"] = named[f"layers.bias_hh_l{i}"][-net.layers.hidden_size :]
        out["stack"][f"layer_{i}"] = layer
    return out


def shifted(tokens: torch.Tensor, start: int) -> torch.Tensor:
    """Returns the token before each of tokens [L, B]."""
    return torch.cat([torch.full_like(tokens[:1], start), tokens[:-1]])


def loss(net: Callable[..., torch.Tensor], tokens: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Returns the mean negative log-likelihood of tokens [L, B]."""
    logits = net(shifted(tokens, vocabulary))
    return nn.functional.cross_entropy(logits.reshape(-1, vocabulary), tokens.reshape(-1))


def built(function: Any, compiled: bool, graphs: bool = False, dynamic: bool | None = None) -> Any:
    """Returns a network or function unchanged, compiled, or compiled and replayed as a CUDA graph."""
    if graphs:
        return torch.compile(function, mode="reduce-overhead")
    return torch.compile(function, dynamic=dynamic) if compiled else function


def training(
    threads: int, *, cell: str, hidden: int, batch: int, length: int, vocabulary: int, compiled: bool
) -> workers.Job:
    """Returns a training step: loss, gradients, clipping by the global norm, Adam."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(cell, vocabulary, hidden)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
    tokens = torch.randint(0, vocabulary, (length, batch))
    forward = built(net, compiled)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        value = loss(forward, tokens, vocabulary)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return value.item()

    return workers.Job(step)


def multinomial(logits: torch.Tensor) -> torch.Tensor:
    """Samples tokens [N] from logits [N, V]."""
    return torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]


def gumbel(logits: torch.Tensor) -> torch.Tensor:
    """Samples tokens [N] as the argmax of logits with Gumbel noise, here as a race of exponential clocks."""
    return (torch.softmax(logits, -1) / torch.empty_like(logits).exponential_()).argmax(-1)


def generation(
    threads: int,
    *,
    cell: str,
    hidden: int,
    num: int,
    length: int,
    vocabulary: int,
    loop: str,
    draw: str,
    compiled: bool,
    graphs: bool = False,
) -> workers.Job:
    """Returns a loop over tokens with a cached state: `layers` uses nn.LSTM, one step per call, `cells` nn.LSTMCell."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(cell, vocabulary, hidden).eval()
    choose = {"multinomial": multinomial, "gumbel": gumbel}[draw]
    zeros = torch.zeros(num, hidden)
    if loop == "cells":
        cells = Cells(net).eval()
        first: Any = [(zeros, zeros) if cell == "lstm" else zeros for _ in cells.cells]

        def step(previous: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
            logits, state = cells(previous, state)
            return choose(logits), state

    else:
        zeros = zeros.expand(net.layers.num_layers, num, hidden).contiguous()
        first = (zeros, zeros) if cell == "lstm" else zeros

        def step(previous: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
            out, state = net.layers(net.embed(previous)[None], state)
            return choose(net.output(out[0])), state

    advance = built(step, compiled, graphs)

    def run(length: int = length) -> torch.Tensor:
        with torch.no_grad() if graphs else torch.inference_mode():
            previous, state, tokens = torch.full((num,), vocabulary), first, []
            for _ in range(length):
                if graphs:  # the graph overwrites this result in the next step
                    torch.compiler.cudagraph_mark_step_begin()
                    state = [tuple(x.clone() for x in each) for each in state]
                previous, state = advance(previous, state)
                previous = previous.clone() if graphs else previous
                tokens.append(previous)
            return torch.stack(tokens, 1)

    return workers.Job(run, lambda: run(min(length, 24)))
