"""A trained model, ready to use: the functions that take a model are its methods."""

import os
from pathlib import Path

from musejax import zoo
from musejax.api import completion, latents, measuring, messages
from musejax.api import sampling as samples


class TrainedModel(zoo.Loaded):
    """A trained model.

    Its methods are the functions of the same names, such as `musejax.sample`, without their first argument.

    Attributes:
        model: The record of pure functions; `model.model.info` says what the model is and can do.
        variables: `params` and `state`, the weights.
        codec: The encoder and decoder between NoteSequences and arrays.
        config: The content of run.json: family, config, data, training.
        name: Name of the run.

    Example:
        >>> model = load("melody-lstm")
        >>> len(model.sample(num=2, seed=1, length=64))
        2
    """

    __slots__ = ()

    sample = samples.sample
    harmonize = completion.harmonize
    infill = completion.infill
    accompany = completion.accompany
    reconstruct = latents.reconstruct
    interpolate = latents.interpolate
    humanize = latents.humanize
    personalize = latents.personalize
    evaluate = measuring.evaluate


def load(model: "str | os.PathLike[str]", *, say: messages.Say = messages.to_stderr) -> TrainedModel:
    """Loads a shipped run, or the best checkpoint of a run directory.

    Args:
        model: Name of a shipped run (`list_models(shipped=True)`), or a run directory.
        say: Is called with a line for each damaged checkpoint that is passed over; prints to standard error by default.

    Returns:
        The model.

    Raises:
        musejax.errors.UserError: There is no such run, it has another format, or it has no good checkpoint.

    Example:
        >>> load("melody-lstm").codec.vocabulary.name
        'melody-basic'
    """
    return TrainedModel(*zoo.load(model if isinstance(model, str) else Path(model), say))
