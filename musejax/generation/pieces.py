"""A sampled piece, and how it is made of the arrays that a model draws."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, rendering, vocabulary, zoo
from musejax.generation import piece_lengths
from musejax.music import atomic_files, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Piece(NamedTuple):
    """One sampled piece.

    Attributes:
        sequence: The music; empty where no codec writes the model's vocabulary as music.
        arrays: The same in the model's codec.
        log_prob: Log-likelihood in nats of what was drawn; None where the model has none.
        ended: Whether the model ended it (always true for codecs without END).
        silent: Whether nothing sounds of what was drawn.
    """

    sequence: "NoteSequence"
    arrays: codecs.Arrays
    log_prob: float | None
    ended: bool
    silent: bool = False

    def __repr__(self) -> str:
        """Shows the size of the piece; its notes and arrays would fill pages."""
        parts = [f"{len(self.sequence.notes)} notes", f"{self.sequence.total_time:.1f} s"]
        parts += [] if self.log_prob is None else [f"log_prob {self.log_prob:.1f}"]
        parts += [] if self.ended else ["not ended"]
        return f"Piece({', '.join(parts)})"

    def write(self, path: "str | os.PathLike[str]", *, overwrite: bool = False) -> None:
        """Writes the piece as MIDI, MusicXML, ABC, WAV, PNG or, with its arrays, as .npz.

        Args:
            path: The file; its suffix names the format.
            overwrite: Whether a file that exists is replaced.

        Raises:
            errors.UserError: The suffix is unknown, the file exists or cannot be written, or the piece is silent.
        """
        target = Path(path)
        if not overwrite and os.path.lexists(target):
            raise errors.UserError(f"{target} exists; give another path, or overwrite=True to replace it")
        if target.suffix.lower() == ".npz":
            write_arrays(self, target)
        else:
            rendering.write(self.sequence, target)


def opening_key(loaded: zoo.Loaded, seed: int, index: int, sharps: int | None) -> int:
    """The key of a piece as 0..14: the one asked for, else drawn as often as it opens a piece of the training data."""
    if sharps is not None:
        return vocabulary.NO_SHARPS + sharps
    counts = loaded.config["data"].get("keys") or {"7": 1}
    shares = np.array(list(counts.values()), float)
    rng = np.random.default_rng([seed % 2**63, index])
    return int(list(counts)[rng.choice(len(shares), p=shares / shares.sum())])


def piece(
    codec: codecs.Codec,
    arrays: codecs.Arrays,
    row: int,
    qpm: float,
    *,
    write: "Callable[[codecs.Arrays], NoteSequence] | None" = None,
) -> Piece:
    """One row of what a model's `sample` returned, as music; `write` takes the place of the codec's decoder."""
    log_prob, size = arrays.get("log_prob"), int(arrays["length"][row])
    mine = {k: v[row, :size] for k, v in arrays.items() if k not in ("log_prob", "length", *piece_lengths.TOLD)}
    ended = not codec.vocabulary.has("end") or bool((mine["tokens"][-1] == codec.vocabulary.id("end")).any())
    if write is not None:
        sequence = write(mine)
    elif codec.is_music:
        sequence = codec.decode(mine, qpm)
    else:
        sequence = noteseq.load().NoteSequence()
    return Piece(sequence, mine, None if log_prob is None else float(log_prob[row]), ended)


def write_arrays(piece: Piece, path: Path) -> None:
    """Writes the arrays of a piece as an .npz file; it is complete or absent.

    Raises:
        errors.UserError: The file cannot be written.
    """
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **piece.arrays)
    atomic_files.write_bytes(path, file.getvalue())
