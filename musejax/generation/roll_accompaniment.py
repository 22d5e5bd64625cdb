"""Accompaniment by a model of rolls that is given a track: the track stays as it is, the others are drawn.

The file is cut into pieces as long as the model draws them, from its first bar line on, and each is drawn by itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors, zoo
from musejax.codecs import track_rolls
from musejax.generation import primers, quantising, restrictions, sampling, sources, weaving

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Seeds of neighbouring pieces of a file lie so far apart.
_APART = 1_000_003


def draw_roll_accompaniments(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    num: int,
    seed: int,
    *,
    tracks: Sequence[str] = (),
    width: int | None = None,
    beams: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    quantise: quantising.Quantise | None = None,
    say: sources.Say = sources.to_stderr,
) -> list[sampling.Piece]:
    """Draws the other tracks around one that is given.

    Args:
        loaded: A model of rolls that was trained with a track given.
        sequence: Music with this track, or with one part alone.
        num: Number of pieces.
        seed: Any integer.
        tracks: The track that is given; empty for the model's.
        width: As for `sampling.sample`.
        beams: For models that draw token by token; here a mistake.
        guidance: As `beams`.
        sampler: As `beams`.
        steps: As `beams`.
        quantise: A grid to which the notes that the model reads move before the codec's own.
        say: Is told what the model does not read of the track; prints to standard error by default.

    Raises:
        errors.UserError: The model is given no track, or another, the sequence does not fit it, or all that is drawn is
            silent.
    """
    model, vocabulary = loaded.model, loaded.codec.vocabulary
    track = model.info.given_track
    if not track or not model.info.piece_frames:
        raise errors.UserError(f"{loaded.name} was not trained to be given a track; train one with --model.given")
    if tracks and list(tracks) != [track]:
        raise errors.UserError(f"tracks {', '.join(tracks)}: {loaded.name} accompanies the {track}")
    name = sources.name_of(sequence)
    count, index = len(vocabulary.tracks), vocabulary.tracks.index(track)
    try:
        voices = track_rolls.voices_around(vocabulary, track, sequence)
        source = sources.read(
            loaded.codec, sequence, reader=loaded.name, say=say, voices=voices, given=[index], quantise=quantise
        )
    except errors.DiscardError as error:
        raise errors.UserError(f"{name}: it does not fit codec {vocabulary.name} of {loaded.name}: {error}") from None
    arrays = source.arrays
    given = arrays["frames"].reshape(len(arrays["frames"]), count, -1)[:, index]
    if not given.any():
        raise errors.UserError(f"{name}: no note lies in its {track}")
    gone = weaving.replaced(loaded.codec, source, [index], loaded.name, say)
    cells, lead = _laid_out(index, count, given, arrays["beat"], vocabulary.bar)
    cells = np.pad(cells, ((0, -len(cells) % model.info.piece_frames), (0, 0)))
    found: list[list[sampling.Piece]] = []
    for turn in range(len(cells) // model.info.piece_frames):
        part = cells[turn * model.info.piece_frames : (turn + 1) * model.info.piece_frames]
        kept = primers.Given(part, np.ones_like(part), {})
        found.append(
            sampling.draw_pieces(
                loaded, num, (seed + turn * _APART) % 2**32, given=kept, width=width, beams=beams,
                guidance=guidance, sampler=sampler, steps=steps, may_be_silent=True,
            )
        )  # fmt: skip
    pieces = []
    for parts in zip(*found, strict=True):
        frames = np.concatenate([p.arrays["frames"] for p in parts])[lead : lead + len(given)]
        whole = {"frames": frames, "beat": arrays["beat"]}
        silent = not np.delete(frames.reshape(len(frames), count, -1), index, axis=1).any()
        drawn = [note for note in loaded.codec.decode(whole, 60.0).notes if note.instrument != index]
        pieces.append(sampling.Piece(weaving.weave(loaded.codec, source, drawn, gone=gone), whole, None, True, silent))
    if all(piece.silent for piece in pieces):
        raise restrictions.silence(loaded)
    return pieces


def _laid_out(track: int, tracks: int, given: np.ndarray, beat: np.ndarray, bar: int) -> tuple[np.ndarray, int]:
    """One track [T, P] as frames [T', K P] whose first bar line lies at a whole bar, and how many frames that added."""
    lines = np.flatnonzero(beat == 0)
    lead = -int(lines[0] if len(lines) else 0) % bar
    cells = np.zeros((len(given) + lead, tracks, given.shape[1]), np.int32)
    cells[lead:, track] = given
    return cells.reshape(len(cells), -1), lead
