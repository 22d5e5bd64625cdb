"""Axis labels of VAEs over frames: the counterpart of the inputs and outputs of `frame_layout.Frame`."""

from typing import Any

from musejax.base import Axes
from musejax.decoding import groove_frames
from musejax.models.music_vae import frame_layout
from musejax.nn.features import axis_labels


def axes(config: Any, frame: frame_layout.Frame) -> Axes:
    """Path -> axis -> labels, of encoder, decoders and NADE.

    Args:
        config: The family's; read are its hidden, latent, heads, conductor, places, nade and humanize.
        frame: How frames are read and written.
    """
    vocabulary = frame.vocabulary
    told = tuple(label for name in frame.conditions for label in axis_labels.condition(vocabulary, name))
    streams = tuple(range(vocabulary.streams))
    x = _events(frame, streams)
    x = (x[: groove_frames.HITS] if config.humanize else x) + told
    places = "segments/factors/kernel" if config.conductor else "factors/kernel"
    found = {f"encoder/{entry}": {0: x} for entry in ("forward_0/input", "backward_0/input", "reader/input/kernel")}
    found["reader/input/kernel"] = {0: x}
    found[f"encoder/{places}"] = {0: x + axis_labels.classes(config.hidden if config.heads else 0, "read")}
    context = config.hidden if config.places else config.conductor or config.latent
    for i, part in enumerate(frame.parts):
        out = _events(frame, part.streams) + axis_labels.classes(frame.nade, "hidden")
        read = _events(frame, part.streams) + told + axis_labels.classes(context, "context")
        found |= {f"decoders_{i}/{entry}": {0: read} for entry in ("stack/layer_0/input", "input/kernel")}
        found[f"decoders_{i}/output/kernel"] = {1: out}
        found[f"decoders_{i}/output/bias"] = {0: out}
    switches = axis_labels.events(vocabulary, 0)
    return {**found, "nade/reads": {0: switches}, "nade/writes": {0: switches}}


def _events(frame: frame_layout.Frame, streams: tuple[int, ...]) -> axis_labels.Labels:
    return tuple(label for s in streams for label in axis_labels.events(frame.vocabulary, s, stream=s))
