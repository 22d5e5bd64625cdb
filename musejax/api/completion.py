"""`harmonize`, `infill` and `accompany`: given music is kept, and a model writes the rest."""

from typing import TYPE_CHECKING, Any

from musejax.api import messages
from musejax.options import declaration, table
from musejax.options.sampling import Sampling
from musejax.theory.sixteenths import BAR

if TYPE_CHECKING:
    import os

    from musejax import zoo
    from musejax.generation.inputs import Music
    from musejax.generation.pieces import Piece


@declaration.checked
def harmonize(
    model: "str | os.PathLike[str] | zoo.Loaded",
    music: "Music",
    num: table.Num = 1,
    seed: table.Seed = 0,
    *,
    voice: table.Voice = "soprano",
    key: table.Key = None,
    scale: table.Scale = None,
    pitches: table.Pitches = None,
    chords: table.Chords = None,
    chord_frames: table.ChordFrames = BAR,
    density: table.Density = None,
    allow: table.Allow = None,
    forbid: table.Forbid = None,
    fermatas: table.Fermatas = None,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    how: Sampling = Sampling(),  # noqa: B008
    say: messages.Say = messages.to_stderr,
) -> "list[Piece]":
    """Keeps a melody, or one voice of a chorale, and writes the other voices.

    Given notes keep pitch, onset, end and velocity; tempos, time signatures, keys and texts stay.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned; it writes four voices.
        music: A file or a NoteSequence: a melody (one note at a time), or four voices.
        how: How values are sampled.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The music with new voices, `num` times.

    Raises:
        musejax.errors.UserError: The model cannot be loaded or has no voices, the music does not fit its codec, or the
            constraints leave no token at some place.

    Example:
        >>> (chorale,) = harmonize("deep-bach", "examples/amazing-grace.abc")  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import inputs, quantising, requirements, steering

    required = requirements.Requirements(
        key=key, fermatas=fermatas, scale=scale, pitches=pitches, chords=chords, chord_frames=chord_frames,
        density=density, allow=allow, forbid=forbid,
    )  # fmt: skip
    sequence = inputs.read(music, as_written=as_written, say=say)
    return steering.harmonize(
        zoo.loaded(model, say), sequence, num, seed, voice=voice, required=required,
        quantise=quantising.parse(quantize), how=how, say=say,
    )  # fmt: skip


@declaration.checked
def infill(
    model: "str | os.PathLike[str] | zoo.Loaded",
    music: "Music",
    num: table.Num = 1,
    seed: table.Seed = 0,
    *,
    bars: table.BarRanges = None,
    voices: table.Voices = None,
    keep: table.Keep = None,
    vary: table.Vary = None,
    then: table.Then = None,
    gap: table.Gap = 1,
    key: table.Key = None,
    scale: table.Scale = None,
    pitches: table.Pitches = None,
    chords: table.Chords = None,
    chord_frames: table.ChordFrames = BAR,
    density: table.Density = None,
    allow: table.Allow = None,
    forbid: table.Forbid = None,
    fermatas: table.Fermatas = None,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    how: Sampling = Sampling(),  # noqa: B008
    say: messages.Say = messages.to_stderr,
) -> "list[Piece]":
    """Writes some bars or voices of a piece again and keeps the rest.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned; its codec has a grid (chorales,
            melodies, binary frames).
        music: A file or a NoteSequence: four voices; a melody; anything for binary frames.
        how: How values are sampled.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The music with new notes in the selection, `num` times.

    Raises:
        musejax.errors.UserError: Nothing is selected, the model cannot be loaded or has no grid, the music does not fit
            its codec, or the constraints leave no token at some place.

    Example:
        >>> (piece,) = infill("coconet", "examples/chorale.musicxml", bars="3-4", voices="alto,tenor")  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import inputs, option_values, quantising, requirements, steering

    steering.check_selection(bars, voices, keep, vary, then)
    ranges, kept = option_values.bar_ranges(bars), option_values.places("keep", keep)
    required = requirements.Requirements(
        key=key, fermatas=fermatas, scale=scale, pitches=pitches, chords=chords, chord_frames=chord_frames,
        density=density, allow=allow, forbid=forbid,
    )  # fmt: skip
    sequence = inputs.read(music, as_written=as_written, say=say)
    options: dict[str, Any] = {
        "required": required, "quantise": quantising.parse(quantize), "how": how, "say": say
    }  # fmt: skip
    if then is not None:
        second = inputs.read(then, as_written=as_written, say=say)
        return steering.join(zoo.loaded(model, say), sequence, second, num, seed, gap=gap, **options)
    return steering.infill(
        zoo.loaded(model, say), sequence, num, seed, bars=ranges, voices=option_values.names(voices), keep=kept,
        vary=vary, **options,
    )  # fmt: skip


@declaration.checked
def accompany(
    model: "str | os.PathLike[str] | zoo.Loaded",
    music: "Music",
    num: table.Num = 1,
    seed: table.Seed = 0,
    *,
    tracks: table.Tracks = None,
    attributes: table.Attributes = None,
    key: table.Key = None,
    scale: table.Scale = None,
    pitches: table.Pitches = None,
    chords: table.Chords = None,
    chord_frames: table.ChordFrames = BAR,
    density: table.Density = None,
    quantize: table.Quantize = None,
    as_written: table.AsWritten = False,
    how: Sampling = Sampling(),  # noqa: B008
    say: messages.Say = messages.to_stderr,
) -> "list[Piece]":
    """Keeps tracks of a piece and writes the others around them.

    The given tracks stay as they are, and so does everything that the model does not read. New notes replace those of
    the other tracks.

    Args:
        model: A shipped run's name, a run directory, or a model that `load` returned: of codec `tracks`, or a GAN that
            was trained to accompany a track.
        music: A file or a NoteSequence with the given tracks.
        how: How values are sampled.
        say: Is called with a line for each assumption and each loss; prints to standard error by default.

    Returns:
        The music with new tracks, `num` times.

    Raises:
        musejax.errors.UserError: The model cannot be loaded or has no tracks, the music does not fit its codec, or all
            new tracks are silent.

    Example:
        >>> (song,) = accompany("pop-transformer", "examples/song.mid", tracks="melody")  # doctest: +SKIP
    """
    from musejax import zoo
    from musejax.generation import accompaniment, inputs, option_values, quantising, requirements

    required = requirements.Requirements(
        key=key, scale=scale, pitches=pitches, chords=chords, chord_frames=chord_frames, density=density
    )
    sequence = inputs.read(music, as_written=as_written, say=say)
    return accompaniment.accompany(
        zoo.loaded(model, say), sequence, num, seed, tracks=option_values.names(tracks), attributes=attributes,
        required=required, quantise=quantising.parse(quantize), how=how, say=say,
    )  # fmt: skip
