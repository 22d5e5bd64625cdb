"""How long pieces are: by default, and of models that can be told how many bars they have."""

import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.nn.features import voice_history
from musejax.theory.sixteenths import BAR

# What models are told of lengths, frame by frame; it is no part of a piece.
TOLD = ("bars_left", "endless")


def default(loaded: zoo.Loaded) -> int:
    """Frames of a free sample: those of the windows that the model was trained on, where it knows no others.

    Else as many as a piece may have (32 bars) where the model ends it, or 16 bars of 4/4.
    """
    vocabulary, latent = loaded.codec.vocabulary, loaded.model.latent
    if loaded.model.info.piece_frames:
        return loaded.model.info.piece_frames
    if latent is not None and latent.length is not None:
        return latent.length
    if bars := loaded.config["training"].get("bars", 0):
        return bars * vocabulary.bar
    if latent is not None or "tuning" in loaded.config:
        return loaded.config["training"]["window"]
    if loaded.model.info.samplers:
        return 16 * BAR + vocabulary.has("end")
    if vocabulary.frames_per_quarter == 0:
        return 1024
    return vocabulary.bar * (32 if vocabulary.has("end") else 16)


def can_be_told(loaded: zoo.Loaded) -> bool:
    """Whether a model ends its pieces and was trained to be told how many bars are left."""
    return loaded.model.info.plans_bars and loaded.codec.vocabulary.has("end")


def around(loaded: zoo.Loaded, bars: int) -> tuple[int, int]:
    """Most frames of a piece of so many bars, and those before which it may not end: a bar more, and one less.

    Raises:
        errors.UserError: There are none, or the model cannot be told.
    """
    if bars < 1:
        raise errors.UserError(f"bars is {bars}; it must be at least 1")
    if not can_be_told(loaded):
        raise errors.UserError(
            f"{loaded.name} cannot be asked for a number of bars; that needs a model with END that was trained with "
            "bars_left above 0"
        )
    total = _pick_up(loaded.codec.vocabulary) + bars * BAR
    return total + BAR, max(total - BAR, 1)


def _pick_up(vocabulary: vocabularies.Vocabulary) -> int:
    """Frames of a free sample before its first bar line."""
    return int(codecs.free_conditions(vocabulary, 1, BAR).get("beat", np.zeros((1, 1)))[0].argmin())


def left(loaded: zoo.Loaded, length: int, bars: int | None, *, never: bool) -> np.ndarray | None:
    """What a model that can be told is told of the bars that are left, int32[T]; None for nothing.

    A piece that may not end is told throughout that there is no end in sight.
    """
    if not can_be_told(loaded) or (bars is None and not never):
        return None
    if bars is None:
        return np.full(length, voice_history.LEFT - 1, np.int32)
    total = _pick_up(loaded.codec.vocabulary) + bars * BAR
    return np.clip((total - np.arange(length)) // BAR, 0, voice_history.LEFT - 1).astype(np.int32)


def endless(loaded: zoo.Loaded, length: int, shortest: int) -> np.ndarray | None:
    """Where a piece may not end yet, for a net of several voices that reads how far it has come: int32[T], or None.

    Single voices do not come to rest in this way, and repeat themselves as tunes do.

    Args:
        loaded: The model.
        length: T.
        shortest: Frames before which the piece may not end.
    """
    reads = loaded.model.info.reads_place and loaded.codec.vocabulary.streams > 1
    if not reads or shortest <= voice_history.MIDDLE[1] * BAR:
        return None
    return (np.arange(length) < shortest).astype(np.int32)
