"""Cells that are fixed before sampling, and how a primer becomes such cells.

A primer stays as it is in what is written: notes, tempos, signatures, parts, controllers and texts. The model reads a
quantised copy (`sources`), and what it draws is put behind it (`weaving`), in the primer's metre, tempo and key.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Constraint
from musejax.codecs import performance, song_parts
from musejax.decoding import constraints
from musejax.evaluation import note_rolls, voice_leading
from musejax.generation import piece_lengths, quantising, sources, weaving
from musejax.music import grid, metre, noteseq, timing
from musejax.theory import keys
from musejax.theory.sixteenths import BAR, QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Given(NamedTuple):
    """Cells that are fixed in every piece before sampling, and the length of the pieces.

    Attributes:
        cells: int32[T, S], [T] for one stream, [T, V] for bits, float32[T, V] for rows of real numbers; what stands in
            a free cell does not matter.
        infill_mask: 1 where a cell is free, of the same shape; int32[T] for bits and rows, unless a track of rolls is
            given.
        conditions: int32[up to T] for each; behind its end they go on as in a free sample.
        write: Arrays of a piece -> the music with the given notes as they were; None where the codec's decoder writes
            it.
        constraint: Which tokens may stand where because of what is given.
        bar: 16ths of a bar of what is drawn.
        shift: Semitones by which the model reads and writes higher than the music sounds.
    """

    cells: np.ndarray
    infill_mask: np.ndarray
    conditions: dict[str, np.ndarray]
    write: "Callable[[codecs.Arrays], NoteSequence] | None" = None
    constraint: Constraint | None = None
    bar: int = BAR
    shift: int = 0


def prime(
    loaded: zoo.Loaded,
    primer: "NoteSequence",
    length: int | None = None,
    *,
    sharps: int | None = None,
    qpm: float | None = None,
    quantise: quantising.Quantise | None = None,
    say: sources.Say = sources.to_stderr,
) -> Given:
    """Reads a primer as the given beginning of a piece.

    Args:
        loaded: The model.
        primer: The music.
        length: Frames of the piece; by default those of a free sample.
        sharps: Key signature, -7..7, of a primer that has none.
        qpm: Quarter notes a minute of a primer that has no tempo; its notes keep their places in quarters.
        quantise: A grid to which the notes that the model reads move before the codec's own.
        say: Is told what is assumed, what is ignored, and what the model does not read.

    Raises:
        errors.UserError: The primer does not fit the vocabulary, or fills the piece.
    """
    vocabulary = loaded.codec.vocabulary
    if loaded.model.info.piece_frames:
        raise errors.UserError(f"{loaded.name} samples all cells of a piece at once; it cannot go on from a primer")
    primer = completed(primer, sharps, qpm, say)
    try:
        source = sources.read(loaded.codec, primer, reader=loaded.name, quantise=quantise, say=say)
    except errors.DiscardError as error:
        raise errors.UserError(f"the primer does not fit codec {vocabulary.name} of {loaded.name}: {error}") from None
    _assume_key(loaded, source, say)
    rows = vocabulary.kind != "tokens"
    bar = bar_in_force(source)
    cells = padded(vocabulary, source, bar)
    length = piece_lengths.default(loaded) if length is None else length
    if len(cells) >= length:
        raise errors.OptionError("length", length, f"the primer alone has {len(cells)} frames; give a larger number")
    whole = np.zeros((length, *cells.shape[1:]), np.float32 if vocabulary.kind == "groove" else np.int32)
    whole[: len(cells)] = cells
    infill_mask = np.ones(length if rows else whole.shape, np.int32)
    infill_mask[: len(cells)] = 0

    def write(arrays: codecs.Arrays) -> "NoteSequence":
        return weaving.continuation(loaded.codec, source, arrays, len(cells))

    conditions = _conditions(loaded.codec, source, length, bar)
    return Given(whole, infill_mask, conditions, write, _same_metre(vocabulary, cells), bar=bar, shift=source.shift)


def completed(sequence: "NoteSequence", sharps: int | None, qpm: float | None, say: sources.Say) -> "NoteSequence":
    """A copy with a key signature and a tempo where the sequence has none; what it has holds, and that is said."""
    out = noteseq.load().NoteSequence()
    out.CopyFrom(sequence)
    name = sources.name_of(sequence)
    if qpm is not None and not sequence.tempos:
        timing.fill_in_tempo(out, qpm)
    elif qpm is not None and {t.qpm for t in sequence.tempos} != {qpm}:
        say(f"{name}: it has a tempo of its own ({sequence.tempos[0].qpm:g} a minute); {qpm:g} a minute is ignored")
    if sharps is not None:
        complete_key(out, sharps, say)
    return out


def complete_key(sequence: "NoteSequence", sharps: int, say: sources.Say) -> None:
    """Adds a key signature of so many sharps (negative: flats) where a sequence has none; else says that it holds."""
    if not sequence.key_signatures:
        sequence.key_signatures.add(key=keys.tonic(sharps))
    elif any(keys.sharps(s.key, s.mode == s.MINOR) != keys.wrap_sharps(sharps) for s in sequence.key_signatures):
        ignored = keys.signature_name(sharps)
        say(f"{sources.name_of(sequence)}: it has a key signature of its own; the one of {ignored} is ignored")


def _assume_key(loaded: zoo.Loaded, source: sources.Source, say: sources.Say) -> None:
    """Sets the key that a model reads of a primer without a key signature to an estimate."""
    vocabulary = loaded.codec.vocabulary
    if source.copy.key_signatures or "key" not in source.arrays or "key" not in loaded.model.info.conditions:
        return
    frames = vocabulary.frames_per_quarter
    spans = grid.spans(grid.note_positions(source.copy, source.copy.notes, frames)).tolist()
    notes = [note_rolls.Note(n.instrument, n.pitch, *span) for n, span in zip(source.copy.notes, spans, strict=True)]
    batch = note_rolls.from_notes([notes], tracks=vocabulary.streams, beat=frames, bar=vocabulary.bar)
    tonic, minor = voice_leading.estimate_keys(batch)[0].tolist()
    source.arrays["key"][:] = vocabularies.NO_SHARPS + keys.sharps(tonic, minor)
    say(
        f"{sources.name_of(source.sequence)}: it has no key signature; {keys.name(tonic, minor)} is "
        "assumed, by Krumhansl's profiles of its notes"
    )


def bar_in_force(source: sources.Source) -> int:
    """Returns the 16ths of a bar after the end of a source."""
    signatures = metre.read(source.copy)
    return signatures[-1][1] if signatures else BAR


def padded(vocabulary: vocabularies.Vocabulary, source: sources.Source, bar: int) -> np.ndarray:
    """The cells of a primer, with silence up to the end of all that sounds beside what the model reads.

    A primer of bars of tracks goes on with the next bar line.
    """
    cells = source.arrays["tokens" if vocabulary.kind == "tokens" else "frames"]
    if vocabulary.has("time_shift"):
        shifts = vocabulary.values("time_shift")[cells]
        steps = int(grid.nearest(source.end * performance.STEPS_PER_SECOND - shifts[shifts > 0].sum()))
        most = vocabulary.range("time_shift").max
        rest = [most] * (steps // most) + [steps % most] * (steps % most > 0) if steps > 0 else []
        return np.append(cells, [vocabulary.id("time_shift", step) for step in rest]).astype(np.int32)
    if vocabulary.frames_per_quarter:
        missing = int(grid.nearest((source.end - source.start) * vocabulary.frames_per_quarter)) - len(cells)
        if missing <= 0:
            return cells
        return np.concatenate([cells, silence(vocabulary, cells, missing)])
    if not vocabulary.has("density"):
        return cells
    sizes = vocabulary.values("bar")[cells]
    # A last bar that a time signature cuts is whole again.
    missing = -(-int(grid.nearest((source.end - source.start) * QUARTER - sizes[sizes > 0].sum())) // bar)
    empty = [vocabulary.id("bar", min(bar, vocabularies.BEATS))]
    for track in range(len(song_parts.NAMES)):
        empty += [vocabulary.id("track", track), *(vocabulary.id(c) for c in ("density", "polyphony", "duration"))]
    return np.concatenate([cells, empty * max(missing, 0), empty[:1]]).astype(np.int32)


def silence(vocabulary: vocabularies.Vocabulary, cells: np.ndarray, frames: int) -> np.ndarray:
    """Frames of silence to go on with behind cells [T, ...]: [frames, ...]."""
    out = np.zeros((frames, *cells.shape[1:]), cells.dtype)
    if vocabulary.kind == "tokens":
        ends, goes_on = np.transpose([vocabulary.silence(stream) for stream in range(vocabulary.streams)])
        out[:], out[:1] = goes_on, ends  # one stream's arrays have no axis for it; its one id serves all
    return out


def _conditions(codec: codecs.Codec, source: sources.Source, length: int, bar: int) -> dict[str, np.ndarray]:
    """The conditions of a primer for the whole piece: the beat goes on in its metre, and its last key holds."""
    out = {}
    for name, size in codec.vocabulary.conditions:
        row = source.arrays[name]
        ahead = np.zeros(length - len(row), np.int32)
        if name == "key":
            ahead += row[-1]
        if name == "beat":
            cycle = BAR if codec.vocabulary.kind == "tokens" else size
            if codec.metric:
                cycle = min(bar * codec.vocabulary.frames_per_quarter // QUARTER, size)
            ahead += (row[-1] + 1 + np.arange(len(ahead), dtype=np.int32)) % cycle
        out[name] = np.concatenate([row, ahead]).astype(np.int32)
    return out


def _same_metre(vocabulary: vocabularies.Vocabulary, cells: np.ndarray) -> Constraint | None:
    """Allows no other bars, or time signatures, than the last of the primer, where they are tokens."""
    allowed = np.ones(vocabulary.size, bool)
    for kind in ("bar", "timesig"):
        if vocabulary.frames_per_quarter == 0 and vocabulary.has(kind):
            values = vocabulary.values(kind)
            used = [token for token in np.asarray(cells).tolist() if values[token] >= 0]
            allowed &= (values < 0) | np.isin(np.arange(vocabulary.size), used[-1:])
    return None if allowed.all() else constraints.by_stream(allowed[None])
