"""The DeepBach family (Hadjeres et al., 2017): a model of each voice's cells given all other cells, for Gibbs sampling.

The models of the voices are one set of functions over stacked parameters. A cell is conditioned on all other cells.
With `hide`, some of them are hidden in some training rows, which regularises the model and lets a Gibbs chain start
without any notes. The score is the pseudo-likelihood: each cell given all others, without dropout or sampling. The
length of a piece is given, so END is not scored.
"""

import functools
from collections.abc import Mapping

from musejax import vocabulary as vocabularies
from musejax.base import Family, Info, Likelihood, Model
from musejax.models.deep_bach import voice_models
from musejax.models.deep_bach.config import Config
from musejax.models.shared import configs
from musejax.nn import conditioning

SMALL = Config(beats=32, hidden=128, width=160, context=0, shared=True, intervals=True, hide=0.5, condition_dropout=0.1)

# name -> (codec, config). The first has the published sizes.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "deep-bach-256": ("chorale", Config()),
    "deep-bach-shared": ("chorale", SMALL),
}


def _check(config: Config, vocabulary: vocabularies.Vocabulary) -> None:
    if vocabulary.kind != "tokens" or vocabulary.streams < 2 or not vocabulary.has("pitch"):
        raise ValueError(f"codec {vocabulary.name} has no voices, which a DeepBach needs; use chorale")
    configs.check_at_least(config, 1, "embed", "num_layers", "hidden", "width", "beats", "steps")
    configs.check_at_least(config, 0, "context")
    if not 0 < config.share <= 1:
        raise ValueError(f"share is {config.share}; it must lie in (0, 1]")
    if config.heat < 1:
        raise ValueError(f"heat is {config.heat}; it must be at least 1")
    conditioning.check(config, vocabulary, ("dropout", "hide"))


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    _check(config, vocabulary)
    model = voice_models.DeepBach(config, vocabulary)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        samplers=("rounds",),
        sampling_steps=config.steps,
        axes=functools.partial(model.shape.axes, config.shared),
    )
    return Model(info, model.init, model.loss, model.sample, Likelihood("pseudo", model.nll))


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, hidden=12, embed=10, width=16, num_layers=2, steps=8, context=3)


FAMILY = Family("deep_bach", Config, make, PRESETS, tiny)
