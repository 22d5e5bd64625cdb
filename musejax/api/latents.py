"""`reconstruct`, `interpolate`, `humanize` and `personalize`: music through the latent vectors of a trained model."""

from typing import TYPE_CHECKING

from musejax import errors
from musejax.api import messages
from musejax.options import declaration, table

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from musejax import zoo
    from musejax.generation.inputs import Music
    from musejax.generation.pieces import Piece


@declaration.checked
def reconstruct(
    model: "str | os.PathLike[str] | zoo.Loaded",
    music: "Music",
    seed: table.Seed = 0,
    *,
    temperature: table.Temperature = 1.0,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    say: messages.Say = messages.to_stderr,
) -> "Piece":
    """Encodes each window of a piece to a latent vector and decodes it again.

    The notes that the model reads are replaced by those that it decodes, in the same parts. Everything else stays:
    tempos, signatures, and notes that the model does not read. Music in shorter bars than the model's, such as 3/4, is
    read bar by bar.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned; a VAE.
        music: A file or a NoteSequence.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The reconstructed piece.

    Raises:
        musejax.errors.UserError: The model cannot be loaded or has no encoder, or the music does not fit its codec.

    Example:
        >>> piece = reconstruct("melody-vae-2bar", "examples/tunes/10-yankee-doodle.abc")  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import inputs, latent_music, quantising

    sequence = inputs.read(music, as_written=as_written, say=say)
    return latent_music.reconstruct(
        zoo.loaded(model, say), sequence, seed, temperature=temperature, quantise=quantising.parse(quantize), say=say
    )


@declaration.checked
def humanize(
    model: "str | os.PathLike[str] | zoo.Loaded",
    music: "Music",
    seed: table.Seed = 0,
    *,
    temperature: table.Temperature = 1.0,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    say: messages.Say = messages.to_stderr,
) -> "Piece":
    """Gives drums the velocities and the timing of a player.

    Every hit keeps its drum, its 16th and its length. Notes that are not hits of the nine drum classes stay as they
    are.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned: of codec `groove`, trained with
            `humanize`.
        music: A file or a NoteSequence with drums. Their velocities and their timing within a 16th are not read.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The piece with new velocities and timing.

    Raises:
        musejax.errors.UserError: The model cannot be loaded or does not humanise, or the music does not fit its codec.

    Example:
        >>> piece = humanize("runs/groove", "beat.mid")  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import inputs, latent_music, quantising

    sequence = inputs.read(music, as_written=as_written, say=say)
    return latent_music.humanize(
        zoo.loaded(model, say), sequence, seed, temperature=temperature, quantise=quantising.parse(quantize), say=say
    )


@declaration.checked
def interpolate(
    model: "str | os.PathLike[str] | zoo.Loaded",
    first: "Music | None" = None,
    last: "Music | None" = None,
    num: table.PathNum = 9,
    seed: table.Seed = 0,
    *,
    latent: table.LatentName = None,
    temperature: table.Temperature = 1.0,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    say: messages.Say = messages.to_stderr,
) -> "list[Piece]":
    """Writes pieces on the way from one point of latent space to another.

    The ends are the first windows of two pieces; without music they are random vectors. The pieces have the tempo, the
    metre, the key and the instruments of `first` at its start.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned; a VAE, or a GAN without music.
        first: A file or a NoteSequence where the path begins; None for a random vector.
        last: Where it ends; None for a random vector.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The pieces in order.

    Raises:
        musejax.errors.UserError: The model cannot be loaded or has no latent vector, only one end is given, or the
            music does not fit the model's codec.

    Example:
        >>> pieces = interpolate("chorale-gan", num=5, seed=1)  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import inputs, latent_music, quantising

    if (first is None) != (last is None):
        raise errors.UserError("give both ends of the path, or none for two random vectors")
    if first is None or last is None:
        if quantize is not None:
            raise errors.OptionError("quantize", quantize, "it is for given music; leave it out")
        return latent_music.between_random_vectors(
            zoo.loaded(model, say), num, seed, latent=latent, temperature=temperature
        )
    if latent is not None:
        raise errors.OptionError("latent", latent, "between two pieces the whole vector moves; leave it out")
    start, end = (inputs.read(music, as_written=as_written, say=say) for music in (first, last))
    return latent_music.interpolate(
        zoo.loaded(model, say), start, end, num, seed, temperature=temperature, quantise=quantising.parse(quantize),
        say=say,
    )  # fmt: skip


@declaration.checked
def personalize(
    model: "str | os.PathLike[str] | zoo.Loaded",
    music: "Music | Iterable[Music]",
    num: table.Num = 8,
    seed: table.Seed = 0,
    *,
    steps: table.FitSteps = 500,
    temperature: table.Temperature = 1.0,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    say: messages.Say = messages.to_stderr,
) -> "list[Piece]":
    """Writes pieces like some of your own, with a VAE that is not trained further.

    A small model learns the distribution of the latent vectors of the given music, and the VAE decodes samples of it
    (MidiMe; Dinculescu et al., 2019). Each piece is as long as a window of the VAE.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned; a VAE.
        music: Files, folders or NoteSequences, at least two windows in all.
        say: Is called with a line for each piece that does not fit and each loss; prints to standard error by default.

    Returns:
        The pieces.

    Raises:
        musejax.errors.UserError: The model cannot be loaded or has no encoder, no piece fits its codec, or there is too
            little music.

    Example:
        >>> pieces = personalize("melody-vae-2bar", "examples/tunes", num=4)  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import inputs, quantising
    from musejax.generation import personalize as implementation

    sequences = inputs.read_all(music, as_written=as_written, say=say)
    return implementation.personalize(
        zoo.loaded(model, say), sequences, num, seed, steps=steps, temperature=temperature,
        quantise=quantising.parse(quantize), say=say,
    )  # fmt: skip
