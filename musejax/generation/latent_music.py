"""Music through the latent vectors of a trained model: reconstructed, humanised, or on the way between two pieces."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Choice
from musejax.decoding import latent_paths
from musejax.generation import latent_windows, quantising, restrictions, sampling, sources, weaving
from musejax.music import timing
from musejax.theory.sixteenths import QUARTER, bar_length

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def reconstruct(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    seed: int,
    *,
    temperature: float,
    quantise: quantising.Quantise | None,
    say: sources.Say,
) -> sampling.Piece:
    """Encodes and decodes each window of a piece; arguments and errors are those of `musejax.reconstruct`."""
    latent_windows.encoder(loaded)
    windows = latent_windows.read(loaded, sequence, quantise=quantise, say=say)
    source, arrays, vocabulary = windows.source, windows.arrays, loaded.codec.vocabulary
    conditions = {name: arrays[name] for name, _ in vocabulary.conditions}
    z = latent_windows.encode(loaded, arrays)
    pieces = latent_windows.decode(loaded, z, seed, choice=Choice(temperature=temperature), conditions=conditions)
    decoded = _joined(pieces)
    field = "frames" if "frames" in source.arrays else "tokens"
    cells, cut = windows.layout.gather(vocabulary, decoded[field])
    _report_cut(loaded, windows, cut, say)
    # What a model writes into the silence after the end of the piece is not part of it.
    whole = {name: array[windows.layout.slots] for name, array in decoded.items()} | {field: cells}
    remembered = loaded.codec.decode(whole, 60.0)
    restrictions.heard(loaded, [remembered], temperature)
    gone = frozenset(index for voice in source.voices for index in voice)
    return _piece(weaving.weave(loaded.codec, source, remembered.notes, gone=gone), whole)


def humanize(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    seed: int,
    *,
    temperature: float,
    quantise: quantising.Quantise | None,
    say: sources.Say,
) -> sampling.Piece:
    """Samples velocities and timing of given hits; arguments and errors are those of `musejax.humanize`."""
    if not loaded.model.info.humanizes:
        raise errors.UserError(
            f"{loaded.name} does not humanise drums; a VAE of codec groove trained with humanize does"
        )
    windows = latent_windows.read(loaded, sequence, quantise=quantise, say=say)
    given = windows.arrays["frames"]
    free = np.ones(given.shape, np.int32)
    free[..., : vocabularies.DRUMS] = 0
    z = latent_windows.encode(loaded, windows.arrays)
    pieces = latent_windows.decode(loaded, z, seed, choice=Choice(temperature=temperature), given=(given, free))
    frames, _ = windows.layout.gather(loaded.codec.vocabulary, _joined(pieces)["frames"])
    (played,) = restrictions.heard(loaded, [weaving.played(windows.source, frames)], temperature)
    return _piece(played, {"frames": frames})


def interpolate(
    loaded: zoo.Loaded,
    first: "NoteSequence",
    last: "NoteSequence",
    num: int,
    seed: int,
    *,
    temperature: float,
    quantise: quantising.Quantise | None,
    say: sources.Say,
) -> list[sampling.Piece]:
    """Decodes vectors between the first windows of two pieces; arguments and errors: see `musejax.interpolate`."""
    latent_windows.encoder(loaded)
    ends = [latent_windows.read(loaded, sequence, quantise=quantise, say=say) for sequence in (first, last)]
    for end in ends:
        _report_rest(loaded, end, say)
    opening = [{name: rows[:1] for name, rows in end.arrays.items()} for end in ends]
    start, goal = (jnp.asarray(latent_windows.encode(loaded, window)[0]) for window in opening)
    z = np.asarray(latent_paths.path(start, goal, num))
    conditions = {name: np.repeat(opening[0][name], num, axis=0) for name, _ in loaded.codec.vocabulary.conditions}
    pieces = latent_windows.decode(
        loaded, z, seed, choice=Choice(temperature=temperature), conditions=conditions,
        qpm=timing.opening_tempo(first),
    )  # fmt: skip
    out, cut = [], 0
    for piece in pieces:
        shortened, lost = in_bars_of(loaded, ends[0], piece, timing.opening_tempo(first))
        _copy_key_and_programs(loaded.codec, first, shortened.sequence)
        out.append(shortened)
        cut += lost
    _report_cut(loaded, ends[0], cut, say)
    restrictions.heard(loaded, [piece.sequence for piece in out], temperature)
    return out


def between_random_vectors(
    loaded: zoo.Loaded, num: int, seed: int, *, latent: str | None, temperature: float
) -> list[sampling.Piece]:
    """Decodes vectors between two random ones; arguments and errors are those of `musejax.interpolate`."""
    space = latent_windows.latent_functions(loaded)
    if latent is not None and latent not in space.parts:
        names = ", ".join(space.parts) or "only one, and that has no name"
        raise errors.OptionError("latent", latent, f"{loaded.name} has no such latent vector; it has {names}")
    first, end = space.parts[latent] if latent is not None else (0, space.size)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1))
    a, b = latent_paths.prior(keys, space.size, loaded.variables["state"].get("latent_prior"))
    z = jnp.tile(a, (num, 1)).at[:, first:end].set(latent_paths.path(a[first:end], b[first:end], num))
    pieces = latent_windows.decode(loaded, np.asarray(z), seed, choice=Choice(temperature=temperature))
    restrictions.heard(loaded, [piece.sequence for piece in pieces], temperature)
    return pieces


def _joined(pieces: list[sampling.Piece]) -> codecs.Arrays:
    """Returns the arrays of windows, one after the other."""
    return {name: np.concatenate([p.arrays[name] for p in pieces]) for name in pieces[0].arrays}


def _piece(sequence: "NoteSequence", arrays: codecs.Arrays) -> sampling.Piece:
    return sampling.Piece(sequence, arrays, None, True, silent=not sequence.notes)


def in_bars_of(
    loaded: zoo.Loaded, windows: latent_windows.Windows, piece: sampling.Piece, qpm: float
) -> tuple[sampling.Piece, int]:
    """Returns one window in the bars of a shorter metre, and the number of notes that this cuts.

    Args:
        loaded: The model.
        windows: A piece in this metre.
        piece: A window in the model's own bars.
        qpm: Quarter notes per minute.
    """
    vocabulary, layout = loaded.codec.vocabulary, windows.layout
    if not layout.bar:
        return piece, 0
    field = "frames" if "frames" in piece.arrays else "tokens"
    inside = np.arange(layout.window)
    inside = inside[inside % vocabulary.bar < layout.bar]
    cells, cut = layout._replace(slots=inside).gather(vocabulary, piece.arrays[field])
    sequence = loaded.codec.decode({field: cells}, qpm)
    del sequence.time_signatures[:]
    numerator, denominator = _time_signature(windows)
    sequence.time_signatures.add(numerator=numerator, denominator=denominator)
    return piece._replace(sequence=sequence, arrays={field: cells}), cut


def _time_signature(windows: latent_windows.Windows) -> tuple[int, int]:
    """Returns the first time signature of a piece with the bars in which it is read, or one that has such bars."""
    for mark in sorted(windows.source.sequence.time_signatures, key=lambda mark: mark.time):
        is_bar = mark.numerator > 0 and mark.denominator > 0
        if is_bar and bar_length(mark.numerator, mark.denominator) == windows.layout.bar:
            return mark.numerator, mark.denominator
    quarters, denominator = windows.layout.bar / QUARTER, 4
    while quarters % 1:
        quarters, denominator = quarters * 2, denominator * 2
    return int(quarters), denominator


def _report_cut(loaded: zoo.Loaded, windows: latent_windows.Windows, cut: int, say: sources.Say) -> None:
    """Reports the notes that a model wrote after the end of shorter bars."""
    if cut:
        name, bars = sources.name_of(windows.source.sequence), loaded.codec.vocabulary.bar / QUARTER
        notes = "1 note" if cut == 1 else f"{cut} notes"
        say(
            f"{name}: its bars of {windows.layout.bar / QUARTER:g} quarters were read as bars of {bars:g}; {notes} "
            f"that {loaded.name} wrote after their end {'is' if cut == 1 else 'are'} cut"
        )


def _report_rest(loaded: zoo.Loaded, windows: latent_windows.Windows, say: sources.Say) -> None:
    """Reports the music after the first window, which an interpolation leaves out."""
    frames, bar = windows.layout.window, loaded.codec.vocabulary.bar
    left_out = int((windows.layout.slots >= frames).sum())
    if left_out:
        unit = windows.layout.bar or bar
        size = f"{left_out / unit:.3g} bars" if unit else f"{left_out} frames"
        kept = f"first {frames // bar} bars" if bar else f"first {frames} frames"
        name = sources.name_of(windows.source.sequence)
        say(f"{name}: {loaded.name} interpolates its {kept}; {size} after them are left out")


def _copy_key_and_programs(codec: codecs.Codec, source: "NoteSequence", out: "NoteSequence") -> None:
    """Gives a new piece the key at the start of another, and its programs."""
    keys = sorted(source.key_signatures, key=lambda key: key.time)
    if keys and not out.key_signatures:
        out.key_signatures.add(key=keys[0].key, mode=keys[0].mode)
    voices = codec.voices(source)
    for note in out.notes:
        voice = voices[note.instrument if codec.parts else 0]
        if voice and not note.is_drum:
            note.program = source.notes[voice[0]].program
