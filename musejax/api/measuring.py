"""`evaluate` and `metrics`: the likelihood of a model, and statistics of its music."""

from typing import TYPE_CHECKING, Any

from musejax.api import messages
from musejax.options import declaration, table

if TYPE_CHECKING:
    import os

    from musejax import zoo

# Melodies of RL Tuner's table.
MELODIES = 2000


@declaration.checked
def evaluate(
    model: "str | os.PathLike[str] | zoo.Loaded",
    *,
    data: table.Data = None,
    split: table.Split = "test",
    samples: table.Draws = 64,
    seed: table.Seed = 0,
    given: table.GivenVoices = None,
    frames_per_bar: table.FramesPerBar = None,
    num: table.Samples = None,
    rules: table.Rules = False,
    say: messages.Say = messages.to_stderr,
) -> dict[str, Any]:
    """Measures a model on a split of its data under a published protocol.

    The figures are the likelihood of a model that has one, with the reconstruction of a model with latent vectors; for
    a GAN, the distance of its samples from held-out windows.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned.
        say: Is called with a line for each damaged checkpoint and each long stage; prints to standard error by default.

    Returns:
        The figures by name, with the protocol, the kind of likelihood and its 95 % interval.

    Raises:
        musejax.errors.UserError: The model cannot be loaded, or cannot be measured on these data.

    Example:
        >>> evaluate("jsb16-lstm", split="valid")["nll_per_note"]  # doctest: +SKIP
        0.3421
    """
    from musejax import zoo
    from musejax.experiments import reinforcement
    from musejax.generation import option_values
    from musejax.reports import evaluate as implementation

    loaded = zoo.loaded(model, say)
    if rules:
        return reinforcement.table(loaded, num or MELODIES, seed, say)
    return implementation.evaluate(
        loaded, data, split, say, samples=samples, seed=seed, given=option_values.names(given),
        frames_per_bar=frames_per_bar, num=num,
    )  # fmt: skip


@declaration.checked
def metrics(
    folder: "str | os.PathLike[str]",
    *,
    reference: table.Reference,
    training: table.TrainingSet = None,
    codec: table.CorpusCodec = None,
    grid: table.Grid = 4,
    say: messages.Say = messages.to_stderr,
) -> dict[str, Any]:
    """Compares statistics of generated music with those of real music, and looks for copies of training music.

    Args:
        folder: A folder of music files, or a split of a corpus such as `bach-chorales:test`.
        say: Is called with a line for each file that is passed over and each long stage; prints to standard error by
            default.

    Returns:
        For each statistic its mean on both sides, with distances and overlapped areas; and the copies.

    Raises:
        musejax.errors.UserError: A source cannot be read.

    Example:
        >>> metrics("music", reference="bach-chorales:test")["distances"]  # doctest: +SKIP
    """
    import os

    from musejax.reports import metrics as implementation

    return implementation.metrics(os.fspath(folder), reference, codec=codec, training=training, grid=grid, say=say)
