# pyright: reportMissingImports=false
"""MuseGAN's generator and critic in idiomatic PyTorch, with the same shapes and the same function.

Rolls are [N, K, bars, F, P], and every layer is a `Conv3d` or `ConvTranspose3d` of width 1 along all axes but one. The
private parts of the tracks are one module per track or, with `grouped`, a single module whose convolutions have one
group per track. `twins_gan_jobs` copies our parameters into them, and trains them.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

SLOPE, CLASSES, BEATS = 0.2, 12, 4
BARS, FRAMES, PITCHES = 0, 1, 2  # axes after the channels


class Shape(NamedTuple):
    """The shape of a hybrid network with deterministic binary neurons and a Wasserstein loss.

    Attributes:
        tracks: K.
        bars: Bars.
        frames: Frames of a bar, F.
        pitches: P.
        latent: Size of each latent vector.
        width: Channels of the generator's trunk.
        critic: Channels of a stream of the critic.
        refiner: Residual units before binary neurons.
        penalty: Weight of the gradient penalty.
    """

    tracks: int
    bars: int
    frames: int
    pitches: int
    latent: int
    width: int
    critic: int
    refiner: int
    penalty: float

    @property
    def octaves(self) -> int:
        """Number of octaves that contain all pitches."""
        return -(-self.pitches // CLASSES)


def _size(axis: int, width: int) -> tuple[int, int, int]:
    return tuple(width if at == axis else 1 for at in range(3))  # type: ignore[return-value]


def convolution(groups: int, inputs: int, outputs: int, axis: int, width: int, stride: int, **more: Any) -> nn.Conv3d:
    """Returns a convolution along one axis; channels are per group."""
    size, step = _size(axis, width), _size(axis, stride)
    return nn.Conv3d(groups * inputs, groups * outputs, size, step, groups=groups, **more)


def transposed(groups: int, inputs: int, outputs: int, axis: int, width: int, bias: bool = False) -> nn.ConvTranspose3d:
    """Returns a transposed convolution along one axis with a stride equal to its width."""
    size = _size(axis, width)
    return nn.ConvTranspose3d(groups * inputs, groups * outputs, size, size, groups=groups, bias=bias)


def beside(groups: int, *parts: torch.Tensor) -> torch.Tensor:
    """Concatenates channels within each group: [N, groups C, ...] each."""
    return torch.cat([p.unflatten(1, (groups, -1)) for p in parts], 2).flatten(1, 2)


class PerTrack(nn.Module):
    """A module per track, or a single module with one group per track."""

    def __init__(self, make: Any, tracks: int, grouped: bool):
        """Creates the modules; `make` returns a module for a number of groups."""
        super().__init__()
        self.nets = nn.ModuleList([make(tracks)] if grouped else [make(1) for _ in range(tracks)])

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Maps inputs [N, K C, ...] to [N, K C', ...]."""
        parts = zip(*(x.chunk(len(self.nets), 1) for x in inputs), strict=True)
        return torch.cat([net(*part) for net, part in zip(self.nets, parts, strict=True)], 1)


class Layers(nn.Module):
    """Layers in the order in which ours are created, by which `load` assigns parameters."""

    def __init__(self, groups: int):
        """Creates an empty list of layers."""
        super().__init__()
        self.groups = groups
        self.convolution, self.transposed = nn.ModuleList(), nn.ModuleList()
        self.active, self.temporal = nn.ModuleList(), nn.ModuleList()

    def norm(self, channels: int) -> None:
        """Adds a batch normalisation."""
        self.active.append(nn.BatchNorm3d(self.groups * channels))


class Temporal(Layers):
    """The network from one vector per piece to one per bar."""

    def __init__(self, shape: Shape, groups: int):
        """Creates the layers of the shape."""
        super().__init__(groups)
        self.transposed.append(transposed(groups, shape.latent, shape.width, BARS, shape.bars))
        self.convolution.append(
            convolution(groups, shape.width, shape.latent, BARS, 3, 1, padding=(1, 0, 0), bias=False)
        )
        self.norm(shape.width)
        self.norm(shape.latent)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Maps [N, groups Z, 1, 1, 1] to [N, groups Z, bars, 1, 1]."""
        x = torch.relu(self.active[0](self.transposed[0](z)))
        return self.active[1](self.convolution[0](x))


class Trunk(Layers):
    """The network from latent vectors to the quarters of each bar."""

    def __init__(self, shape: Shape, groups: int):
        """Creates the layers of the shape."""
        super().__init__(groups)
        self.bars = shape.bars
        self.temporal.append(Temporal(shape, groups))
        for inputs in (2 * shape.latent, shape.width):
            self.transposed.append(transposed(groups, inputs, shape.width, FRAMES, 2))
            self.norm(shape.width)

    def forward(self, fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
        """Maps two vectors [N, groups Z] to [N, groups width, bars, 4, 1]."""
        still = fixed[..., None, None, None].expand(-1, -1, self.bars, 1, 1)
        x = beside(self.groups, still, self.temporal[0](moving[..., None, None, None]))
        for layer, norm in zip(self.transposed, self.active, strict=True):
            x = torch.relu(norm(layer(x)))
        return x


class Head(Layers):
    """The network from the quarters of each bar to the logits of one track."""

    def __init__(self, shape: Shape, groups: int):
        """Creates the layers of the shape."""
        super().__init__(groups)
        self.pitches = shape.pitches
        inputs, (half, quarter, eighth) = 2 * shape.width, (max(shape.width // part, 4) for part in (2, 4, 8))
        octaves, quarters = shape.octaves, shape.frames // BEATS
        assert quarters == 4, "frames within a quarter are unfolded in two steps"
        for layer in (
            (inputs, quarter, PITCHES, octaves),
            (quarter, eighth, PITCHES, CLASSES),
            (eighth, eighth, FRAMES, 2),
            (eighth, eighth, FRAMES, 2),
            (inputs, half, FRAMES, 2),
            (half, half, FRAMES, 2),
            (half, quarter, PITCHES, octaves),
            (quarter, eighth, PITCHES, CLASSES),
        ):
            self.transposed.append(transposed(groups, *layer))
            self.norm(layer[1])
        self.transposed.append(transposed(groups, 2 * eighth, 1, FRAMES, 1, bias=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, groups C, bars, 4, 1] to [N, groups, bars, F, P]."""
        streams = []
        for half in (range(4), range(4, 8)):
            y = x
            for i in half:
                y = torch.relu(self.active[i](self.transposed[i](y)))
            streams.append(y)
        return self.transposed[8](beside(self.groups, *streams)[..., : self.pitches])


class Refiner(Layers):
    """Residual units between the logits of a track and its binary neurons."""

    def __init__(self, shape: Shape, groups: int):
        """Creates the layers of the shape."""
        super().__init__(groups)
        for _ in range(shape.refiner):
            self.convolution.append(
                convolution(groups, 1, 4, PITCHES, CLASSES + 1, 1, padding=(0, 0, CLASSES // 2), bias=False)
            )
            self.convolution.append(convolution(groups, 4, 1, FRAMES, 3, 1, padding=(0, 1, 0)))
            self.norm(4)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Refines logits [N, groups, bars, F, P]."""
        for i, norm in enumerate(self.active):
            x = torch.relu(norm(self.convolution[2 * i](torch.sigmoid(logits))))
            logits = logits + self.convolution[2 * i + 1](x)
        return logits


class Generator(nn.Module):
    """The network from latent vectors to rolls."""

    def __init__(self, shape: Shape, grouped: bool):
        """Creates the layers of the shape."""
        super().__init__()
        self.shape = shape
        self.shared = Trunk(shape, 1)
        self.private = PerTrack(lambda groups: Trunk(shape, groups), shape.tracks, grouped)
        self.heads = PerTrack(lambda groups: Head(shape, groups), shape.tracks, grouped)
        self.refiners = PerTrack(lambda groups: Refiner(shape, groups), shape.tracks, grouped)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Generates rolls [N, K, bars, F, P] from [N, Z]: shared before private, fixed before time-varying vectors."""
        parts = z.unflatten(1, (1 + self.shape.tracks, 2, -1))
        shared = self.shared(parts[:, 0, 0], parts[:, 0, 1])
        private = self.private(parts[:, 1:, 0].flatten(1), parts[:, 1:, 1].flatten(1))
        tracks = self.shape.tracks
        h = beside(tracks, shared.repeat(1, tracks, 1, 1, 1), private)
        refined = torch.sigmoid(self.refiners(self.heads(h)))
        hard = (refined > 0.5).to(refined.dtype)
        return refined + (hard - refined).detach() if self.training else hard


class Stream(Layers):
    """The network that extracts features from the given tracks."""

    def __init__(self, shape: Shape, groups: int, inputs: int):
        """Creates the layers of the shape."""
        super().__init__(groups)
        width, octaves, quarter = shape.critic, shape.octaves, shape.frames // BEATS
        for before, after, axis, size in (
            (inputs, width, PITCHES, CLASSES),
            (width, 2 * width, PITCHES, octaves),
            (2 * width, 2 * width, FRAMES, quarter),
            (inputs, width, FRAMES, quarter),
            (width, width, PITCHES, CLASSES),
            (width, 2 * width, PITCHES, octaves),
            (inputs, width, PITCHES, CLASSES),
            (inputs, width, FRAMES, quarter),
        ):
            self.convolution.append(convolution(groups, before, after, axis, size, size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, groups C, bars, F, P] to [N, groups 6 width, bars, 4, 1]."""
        whole = functional.pad(x, (0, -x.shape[-1] % CLASSES))
        chroma = whole.unflatten(-1, (-1, CLASSES)).sum(-2).unflatten(-2, (BEATS, -1)).mean(-2)
        flat = x.flatten(2, 3)
        # For equal values, `maximum` splits the gradient in halves, as ours does.
        rises = flat - functional.pad(flat, (0, 0, 1, 0))[:, :, :-1]
        onsets = torch.maximum(rises, torch.zeros_like(rises)).sum(-1).view(*x.shape[:-1], 1)
        out = []
        for y, layers in ((whole, (0, 1, 2)), (whole, (3, 4, 5)), (chroma, (6,)), (onsets, (7,))):
            for i in layers:
                y = functional.leaky_relu(self.convolution[i](y), SLOPE)
            out.append(y)
        return beside(self.groups, *out)


class Judge(Layers):
    """The network from the features of each quarter to one score."""

    def __init__(self, shape: Shape, inputs: int):
        """Creates the layers of the shape."""
        super().__init__(1)
        wide, bars = 4 * shape.critic, shape.bars
        self.convolution.append(convolution(1, inputs, wide, FRAMES, 2, 1))
        self.convolution.append(convolution(1, wide, wide, FRAMES, BEATS - 1, 1))
        if bars > 1:
            self.convolution.append(convolution(1, wide, wide, BARS, 2, 1))
        self.reads = len(self.convolution)
        self.convolution.append(nn.Linear(max(bars - 1, 1) * wide, 8 * shape.critic))
        self.convolution.append(nn.Linear(8 * shape.critic, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps features [N, C, bars, 4, 1] to scores [N, 1]."""
        for layer in self.convolution[: self.reads]:
            x = functional.leaky_relu(layer(x), SLOPE)
        x = x.movedim(1, -1).flatten(1)
        hidden, last = self.convolution[self.reads :]
        return last(functional.leaky_relu(hidden(x), SLOPE))


class Critic(nn.Module):
    """The network that scores rolls."""

    def __init__(self, shape: Shape, grouped: bool):
        """Creates the layers of the shape."""
        super().__init__()
        self.private = PerTrack(lambda groups: Stream(shape, groups, 1), shape.tracks, grouped)
        self.shared = Stream(shape, 1, shape.tracks)
        self.judge = Judge(shape, (shape.tracks + 1) * 6 * shape.critic)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps rolls [N, K, bars, F, P] to scores [N, 1]."""
        return self.judge(torch.cat([self.private(x), self.shared(x)], 1))
