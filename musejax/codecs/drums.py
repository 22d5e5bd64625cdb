"""Nine classes of drums on the 16th grid: `drums` as one of 512 sets a frame, `drums-bits` as nine switches.

Arrays: `drums` tokens int32[T], the classes struck in a frame as a number whose bit k is class k; `drums-bits` frames
uint8[T, 9]. The nine classes are those of MusicVAE (Roberts et al., 2018), which fold General MIDI's percussion into a
kit: every pitch from 27 to 87 belongs to one. Magenta's table differs in four: it has 43, the high floor tom, among
the high toms, and 52, the china, among the rides, and leaves out 22 and 26, which electronic kits send for the edge
of a hat.

| class | MIDI pitches, the one that `decode` writes first |
|---|---|
| 0 kick | 36, 35 |
| 1 snare | 38, 40, 37 side stick, 39 clap, 27 28 31..34 clicks, 56 cowbell, 65 66 timbales, 75 claves, 85 castanets |
| 2 closed hat | 42, 44 pedal, 22, 54 tambourine, 68 agogo, 69 cabasa, 70 maracas, 71 73 78 80 short whistle and so on |
| 3 open hat | 46, 26, 67 agogo, 72 74 79 81 long whistle and so on |
| 4 low tom | 43, 41, 45, 29 scratch, 61 bongo, 64 conga, 84 bell tree |
| 5 middle tom | 47, 48, 60 bongo, 63 conga, 77 wood block, 86 87 surdo |
| 6 high tom | 50, 30 scratch, 62 conga, 76 wood block, 83 jingle bell |
| 7 crash | 49, 52 china, 55 splash, 57, 58 vibraslap |
| 8 ride | 51, 53 bell, 59, 82 shaker |

`encode` takes the drum notes of all instruments together, splits the sequence where tempo or time signature change
and quantises it at 4 frames a quarter. A track begins at the bar line before its first hit and ends at the one after
its last, is ended by a bar or more without a hit, as note-seq's `DrumTrack` has it, and has at least 2 bars; it is
not cut. `prime` reads all hits from the bar line before the first to the last, through rests and through changes of
tempo and time signature, whatever the length.

What is lost: dynamics, timing off the grid, how long a hit rings, which drum of a class it is and which kit, drums
outside the table, tempo, metre, longer rests and what stands before the first bar; all other instruments.

Arrays survive decode and `prime` if there is a hit in the first 16 frames and in the last. They survive decode and
`encode` if they are whole bars of 16 frames, at least two, with a hit in the first bar and in the last, and nowhere
have 16 frames or more without one between two hits.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.music import grid, noteseq
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.drums_lib import DrumTrack
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> what it holds, in one line
CODECS = {
    "drums": "nine classes of drums on the 16th grid, a frame one of 512 sets",
    "drums-bits": "nine classes of drums on the 16th grid, a switch each",
}
CLASSES = ("kick", "snare", "closed hat", "open hat", "low tom", "middle tom", "high tom", "crash", "ride")
# The MIDI pitches of each class; the first is the one that is written.
PITCHES = (
    (36, 35),
    (38, 40, 37, 39, 27, 28, 31, 32, 33, 34, 56, 65, 66, 75, 85),
    (42, 44, 22, 54, 68, 69, 70, 71, 73, 78, 80),
    (46, 26, 67, 72, 74, 79, 81),
    (43, 41, 45, 29, 61, 64, 84),
    (47, 48, 60, 63, 77, 86, 87),
    (50, 30, 62, 76, 83),
    (49, 52, 55, 57, 58),
    (51, 53, 59, 82),
)
MIN_BARS = 2
GAP_BARS = 1
VELOCITY = 100

_CLASS = {pitch: k for k, pitches in enumerate(PITCHES) for pitch in pitches}
_WEIGHTS = 1 << np.arange(vocabulary.DRUMS)


def make(name: str) -> codecs.Codec:
    """The codec `drums` or `drums-bits`."""
    as_bits = name == "drums-bits"

    def arrays(track: "DrumTrack") -> codecs.Arrays:
        frames = struck(track)
        return {"frames": frames} if as_bits else {"tokens": to_ids(frames)}

    def decode(arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
        return write(np.asarray(arrays["frames"]) if as_bits else to_frames(arrays["tokens"]), qpm)

    return codecs.Codec(
        vocabulary=vocabulary.drum_bits() if as_bits else vocabulary.drums(),
        encode=lambda sequence: [arrays(track) for track in _tracks(sequence)],
        decode=decode,
        prime=lambda sequence: arrays(_whole(sequence)),
        variants=lambda sequence: [sequence],
        voices=voices,
    )


def class_of(pitch: int) -> int | None:
    """The class of a MIDI drum; None where the table has none."""
    return _CLASS.get(pitch)


def to_ids(frames: np.ndarray) -> np.ndarray:
    """Switches [T, 9] -> the number of each set: int32[T]."""
    return ((np.asarray(frames) > 0) @ _WEIGHTS).astype(np.int32)


def to_frames(ids: np.ndarray) -> np.ndarray:
    """Numbers of sets, int[T] -> switches uint8[T, 9]."""
    return ((np.asarray(ids)[:, None] & _WEIGHTS[None]) > 0).astype(np.uint8)


def struck(events: Iterable[Iterable[int]]) -> np.ndarray:
    """The pitches struck in each frame -> switches uint8[T, 9]; pitches outside the table are passed over."""
    sets = list(events)
    frames = np.zeros((len(sets), vocabulary.DRUMS), np.uint8)
    for row, pitches in zip(frames, sets):
        row[[_CLASS[pitch] for pitch in pitches if pitch in _CLASS]] = 1
    return frames


def write(frames: np.ndarray, qpm: float, frames_per_quarter: int = QUARTER) -> "NoteSequence":
    """Switches [T, 9] -> NoteSequence with one kit; every hit lasts a frame."""
    events = [frozenset(PITCHES[k][0] for k in np.flatnonzero(row).tolist()) for row in np.asarray(frames) > 0]
    track = noteseq.load().DrumTrack(events, steps_per_quarter=frames_per_quarter)
    sequence = track.to_sequence(velocity=VELOCITY, qpm=qpm)
    sequence.total_time = len(events) * 60.0 / qpm / frames_per_quarter
    return sequence


def voices(sequence: "NoteSequence") -> list[list[int]]:
    """Indices of the hits of the nine classes, as one voice.

    Raises:
        errors.DiscardError: There are none.
    """
    heard = [i for i, note in enumerate(sequence.notes) if note.is_drum and note.velocity]
    known = [i for i in heard if sequence.notes[i].pitch in _CLASS]
    if not known:
        raise errors.DiscardError("no drum of the nine classes" if heard else "no drums")
    return [known]


def _drums(sequence: "NoteSequence") -> "NoteSequence":
    """The sequence with its sounding drums alone.

    Raises:
        errors.DiscardError: It has none in the table, or one before time 0.
    """
    drums = [n for n in sequence.notes if n.is_drum and n.velocity]
    if not drums:
        raise errors.DiscardError("no drums")
    known = [n for n in drums if n.pitch in _CLASS]
    if not known:
        raise errors.DiscardError("no drum of the nine classes")
    grid.check_start(np.array([n.start_time for n in known]))
    total = max(sequence.total_time, *(n.end_time for n in known))
    out = noteseq.load().NoteSequence(total_time=total)
    out.tempos.extend(sequence.tempos)
    out.time_signatures.extend(sequence.time_signatures)
    out.notes.extend(known)
    return out


def _tracks(sequence: "NoteSequence") -> list["DrumTrack"]:
    """The tracks of a sequence; raises `errors.DiscardError` with the last reason if there is none."""
    reason, out = "no drums", []
    for part in noteseq.load().sequences_lib.split_note_sequence_on_time_changes(_drums(sequence)):
        quantised, start = grid.quantise(part, vocabulary.drums().frames_per_quarter), 0
        while len(track := _track(quantised, start, GAP_BARS, pad_end=True)):
            start = track.end_step
            if len(track) >= MIN_BARS * track.steps_per_bar:
                out.append(track)
            else:
                reason = f"shorter than {MIN_BARS} bars"
    if not out:
        raise errors.DiscardError(reason)
    return out


def _whole(sequence: "NoteSequence") -> "DrumTrack":
    """All hits of a primer as one track."""
    quantised = grid.quantise(grid.in_one_tempo(_drums(sequence)), vocabulary.drums().frames_per_quarter)
    return _track(quantised, 0, np.inf, pad_end=False)


def _track(quantised: "NoteSequence", start: int, gap_bars: float, *, pad_end: bool) -> "DrumTrack":
    """The next track from a bar line on, empty if there is none."""
    track = noteseq.load().DrumTrack()
    track.from_quantized_sequence(quantised, search_start_step=start, gap_bars=gap_bars, pad_end=pad_end)
    return track
