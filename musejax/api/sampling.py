"""`sample`: new music by a trained model."""

from typing import TYPE_CHECKING

from musejax.api import messages
from musejax.options import declaration, table
from musejax.options.sampling import Sampling
from musejax.theory.sixteenths import BAR

if TYPE_CHECKING:
    import os

    from musejax import codecs, zoo
    from musejax.generation.pieces import Piece


@declaration.checked
def sample(
    model: "str | os.PathLike[str] | zoo.Loaded",
    num: table.Num = 1,
    seed: table.Seed = 0,
    *,
    primer: table.Primer = None,
    length: table.Length = None,
    min_length: table.MinLength = None,
    bars: table.Bars = None,
    key: table.Key = None,
    qpm: table.Qpm = None,
    scale: table.Scale = None,
    pitches: table.Pitches = None,
    chords: table.Chords = None,
    chord_frames: table.ChordFrames = BAR,
    density: table.Density = None,
    allow: table.Allow = None,
    forbid: table.Forbid = None,
    fermatas: table.Fermatas = None,
    attributes: table.Attributes = None,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    conditions: "codecs.Arrays | None" = None,
    how: Sampling = Sampling(),  # noqa: B008
    say: messages.Say = messages.to_stderr,
) -> "list[Piece]":
    """Samples new pieces.

    The same arguments give the same music, and piece i does not depend on `num`.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned.
        conditions: Conditions of each frame in place of those of a free sample, int32[length] each, such as
            `{"chord": musejax.theory.chords.classes("C G Am F", 16, 64)}`.
        how: How values are sampled.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The pieces; `piece.sequence` is a NoteSequence, and `piece.write("music.mid")` writes a file.

    Raises:
        musejax.errors.UserError: The model cannot be loaded, an option does not fit it, the constraints leave no token
            at some place, or all pieces are silent.

    Example:
        >>> (piece,) = sample("melody-lstm", seed=1, length=64)
        >>> len(piece.sequence.notes) > 4
        True
    """
    from musejax import zoo
    from musejax.generation import inputs, quantising, requested_samples, requirements

    loaded = zoo.loaded(model, say)
    music = None if primer is None else inputs.read(primer, as_written=as_written, say=say)
    required = requirements.Requirements(
        key=key, fermatas=fermatas, scale=scale, pitches=pitches, chords=chords, chord_frames=chord_frames,
        density=density, allow=allow, forbid=forbid,
    )  # fmt: skip
    return requested_samples.draw(
        loaded, num, seed, primer=music, length=length, min_length=min_length, bars=bars, qpm=qpm, required=required,
        attributes=attributes, conditions=conditions, quantise=quantising.parse(quantize), how=how, say=say,
    )  # fmt: skip
