"""Axis labels of VAEs over frames, for the inputs and outputs of `frame_layout.Frame`."""

from typing import Any

from musejax.base import Axes
from musejax.decoding import groove_frames
from musejax.models.music_vae import frame_layout
from musejax.nn.features import axis_labels


def axes(config: Any, frame: frame_layout.Frame) -> Axes:
    """Returns the axis labels of encoder, decoders and NADE: path -> axis -> labels.

    Args:
        config: The family's config, with the fields hidden, latent, heads, conductor, places and humanize.
        frame: Layout of a frame.
    """
    vocabulary = frame.vocabulary
    conditions = tuple(label for name in frame.conditions for label in axis_labels.condition(vocabulary, name))
    streams = tuple(range(vocabulary.streams))
    x = _events(frame, streams)
    x = (x[: groove_frames.HITS] if config.humanize else x) + conditions
    places = "segments/factors/kernel" if config.conductor else "factors/kernel"
    labels = {f"encoder/{entry}": {0: x} for entry in ("forward_0/input", "backward_0/input", "reader/input/kernel")}
    labels["reader/input/kernel"] = {0: x}
    labels[f"encoder/{places}"] = {0: x + axis_labels.classes(config.hidden if config.heads else 0, "read")}
    context = config.hidden if config.places else config.conductor or config.latent
    for i, part in enumerate(frame.parts):
        out = _events(frame, part.streams) + axis_labels.classes(frame.nade, "hidden")
        inputs = _events(frame, part.streams) + conditions + axis_labels.classes(context, "context")
        labels |= {f"decoders_{i}/{entry}": {0: inputs} for entry in ("stack/layer_0/input", "input/kernel")}
        labels[f"decoders_{i}/output/kernel"] = {1: out}
        labels[f"decoders_{i}/output/bias"] = {0: out}
    bits = axis_labels.events(vocabulary, 0)
    return {**labels, "nade/reads": {0: bits}, "nade/writes": {0: bits}}


def _events(frame: frame_layout.Frame, streams: tuple[int, ...]) -> axis_labels.Labels:
    return tuple(label for s in streams for label in axis_labels.events(frame.vocabulary, s, stream=s))
