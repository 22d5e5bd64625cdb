# pyright: reportMissingImports=false
"""Jobs of MuseGAN in PyTorch: copying of our parameters, a training step, and generation."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import twins, workers
from benchmarks import twins_gan as nets


def _layers(net: nets.Layers, ours: Mapping[str, Any], at: Any) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Yields tensors of a twin with our corresponding arrays; `at` selects the groups of this module from an array."""
    for name, part in ours.items():
        kind, _, index = name.rpartition("_")
        layer = getattr(net, kind.lower())[int(index)]
        if kind == "Temporal":
            yield from _layers(layer, part, at)
        elif kind == "Active":
            twins = {"scale": layer.weight, "bias": layer.bias, "mean": layer.running_mean, "var": layer.running_var}
            for field, value in part["BatchNorm_0"].items():
                yield twins[field], at(value).reshape(-1)
        else:
            kernel = at(part["Kernel_0"]["kernel"])  # [groups, rows, columns]
            if "bias" in part:
                yield layer.bias, at(part["bias"]).reshape(-1)
            groups, rows, columns = kernel.shape
            if isinstance(layer, nn.Linear):
                yield layer.weight, kernel[0].T
            elif kind == "Transposed":
                width = columns * groups // layer.out_channels
                kernel = kernel.reshape(groups * rows, width, -1).swapaxes(1, 2)
                yield layer.weight, kernel.reshape(layer.weight.shape)
            else:
                inputs = layer.in_channels // groups
                kernel = kernel.reshape(groups, -1, inputs, columns).transpose(0, 3, 2, 1)
                yield layer.weight, kernel.reshape(layer.weight.shape)


def pairs(net: nn.Module, ours: Mapping[str, Any]) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Yields tensors of a twin with the corresponding parameters, gradients or batch statistics of ours."""
    for name, part in ours.items():
        twin = getattr(net, name)
        if isinstance(twin, nets.PerTrack):
            for k, each in enumerate(twin.nets):
                whole = len(twin.nets) == 1
                yield from _layers(each, part, lambda a, k=k, whole=whole: a if whole else a[k : k + 1])  # type: ignore[arg-type]
        else:
            yield from _layers(twin, part, lambda a: a[None])


def load(net: nn.Module, *ours: Mapping[str, Any]) -> nn.Module:
    """Copies our parameters and batch statistics into the twin."""
    for tree in ours:
        for tensor, value in pairs(net, tree):
            tensor.data.copy_(torch.from_numpy(np.array(value, np.float32)))
    return net


def apart(net: nn.Module, grads: Mapping[str, Any]) -> float:
    """Returns the largest difference between the twin's gradients and ours, relative to the maximum of each array."""
    worst = 0.0
    for tensor, ours in pairs(net, grads):
        assert tensor.grad is not None
        worst = max(worst, float(np.abs(tensor.grad.numpy() - ours).max() / max(np.abs(ours).max(), 1e-8)))
    return worst


def critic_loss(
    critic: nn.Module, real: torch.Tensor, fake: torch.Tensor, share: torch.Tensor, penalty: float
) -> torch.Tensor:
    """Returns the Wasserstein loss with gradient penalty between rolls; `share` [N, 1, 1, 1, 1] weights real rolls."""
    scores = critic(torch.cat([real, fake]))
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = (slope.square().sum((1, 2, 3, 4)) + 1e-12).sqrt()
    return scores[len(real) :].mean() - scores[: len(real)].mean() + penalty * (norm - 1).square().mean()


def training(
    threads: int, *, shape: nets.Shape, batch: int, updates: int, grouped: bool, last: bool, compiled: bool
) -> workers.Job:
    """Returns a training step with Adam: critic updates, each on its part of the batch, and one generator update.

    Args:
        threads: Number of threads that PyTorch may use.
        shape: Shape of the networks.
        batch: Number of pieces for all updates of the critic.
        updates: Number of updates of the critic.
        grouped: Whether tracks are groups of one convolution.
        last: Whether channels come last in memory.
        compiled: Whether the generator is compiled; the second derivatives of the critic cannot be compiled.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layout: Any = {"memory_format": torch.channels_last_3d} if last else {}
    generator, critic = nets.Generator(shape, grouped).to(**layout), nets.Critic(shape, grouped).to(**layout)
    adam = [torch.optim.Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.9), fused=True) for n in (generator, critic)]
    real = (torch.rand(batch, shape.tracks, shape.bars, shape.frames, shape.pitches) < 0.02).float()
    generate = twins.built(generator, compiled)
    num, size = batch // updates, 2 * shape.latent * (1 + shape.tracks)

    def step() -> float:
        for part in real.chunk(updates):
            with torch.no_grad():
                fake = generate(torch.randn(num, size))
            adam[1].zero_grad(set_to_none=True)
            critic_loss(critic, part, fake, torch.rand(num, 1, 1, 1, 1), shape.penalty).backward()
            adam[1].step()
        adam[0].zero_grad(set_to_none=True)
        value = -critic(generate(torch.randn(num, size))).mean()
        value.backward()
        adam[0].step()
        return value.item()

    return workers.Job(step)


def generation(threads: int, *, shape: nets.Shape, num: int, grouped: bool, last: bool, compiled: bool) -> workers.Job:
    """Returns a job that generates rolls from random vectors; arguments as in `training`."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layout: Any = {"memory_format": torch.channels_last_3d} if last else {}
    net = nets.Generator(shape, grouped).eval().to(**layout)
    generate = twins.built(net, compiled)

    def run() -> torch.Tensor:
        with torch.inference_mode():
            return generate(torch.randn(num, 2 * shape.latent * (1 + shape.tracks))).to(torch.int32)

    return workers.Job(run)
