"""Nine classes of drums on the 16th grid: `drums` as one of 512 sets per frame, `drums-bits` as nine bits per frame.

The arrays are tokens int32[T] for `drums`, where bit k of a number is set if class k is hit in the frame, and frames
uint8[T, 9] for `drums-bits`. The nine classes are those of MusicVAE (Roberts et al., 2018), which reduce the
percussion of General MIDI to a kit: every pitch from 27 to 87 belongs to a class. Magenta's table differs in four
pitches: it counts 43, the high floor tom, among the high toms and 52, the china, among the rides, and it leaves out 22
and 26, which electronic kits send for the edge of a hi-hat.

| class | MIDI pitches, beginning with the one that `decode` writes |
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

`encode` combines the drum notes of all instruments, splits the sequence where the tempo or time signature changes and
quantises it at 4 frames per quarter. A track begins at the bar line before its first hit and ends at the bar line
after its last. A bar or more without a hit ends it, as in note-seq's `DrumTrack`. It has at least 2 bars and is never
truncated. `prime` reads all hits from the bar line before the first hit to the last hit, through rests and changes of
tempo and time signature, whatever the length.

Lost in encoding: dynamics, timing off the grid, how long a hit rings, the drum within its class, the kit, drums outside
the table, tempo, metre, rests longer than a bar, the bars before the first hit, and all other instruments.

Arrays survive decode and `prime` if there is a hit in the first 16 frames and one in the last frame. They survive
decode and `encode` if they consist of two or more whole bars of 16 frames, have a hit in the first and last bar, and
never have 16 or more frames without a hit between two hits.
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

# name -> description in one line
CODECS = {
    "drums": "nine classes of drums on the 16th grid, one of 512 sets per frame",
    "drums-bits": "nine classes of drums on the 16th grid, one bit for each class",
}
CLASSES = ("kick", "snare", "closed hat", "open hat", "low tom", "middle tom", "high tom", "crash", "ride")
# The MIDI pitches of each class, beginning with the one that `decode` writes.
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
    """Returns the codec `drums` or `drums-bits`."""
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
    """Returns the class of a MIDI drum pitch, or None if the pitch is outside the table."""
    return _CLASS.get(pitch)


def to_ids(frames: np.ndarray) -> np.ndarray:
    """Converts binary frames [T, 9] to the number of each set, int32[T]."""
    return ((np.asarray(frames) > 0) @ _WEIGHTS).astype(np.int32)


def to_frames(ids: np.ndarray) -> np.ndarray:
    """Converts numbers of sets, int[T], to binary frames uint8[T, 9]."""
    return ((np.asarray(ids)[:, None] & _WEIGHTS[None]) > 0).astype(np.uint8)


def struck(events: Iterable[Iterable[int]]) -> np.ndarray:
    """Converts the pitches hit in each frame to binary frames uint8[T, 9]; ignores pitches outside the table."""
    sets = list(events)
    frames = np.zeros((len(sets), vocabulary.DRUMS), np.uint8)
    for row, pitches in zip(frames, sets):
        row[[_CLASS[pitch] for pitch in pitches if pitch in _CLASS]] = 1
    return frames


def write(frames: np.ndarray, qpm: float, frames_per_quarter: int = QUARTER) -> "NoteSequence":
    """Returns a NoteSequence with one kit from binary frames [T, 9]; every hit lasts one frame."""
    events = [frozenset(PITCHES[k][0] for k in np.flatnonzero(row).tolist()) for row in np.asarray(frames) > 0]
    track = noteseq.load().DrumTrack(events, steps_per_quarter=frames_per_quarter)
    sequence = track.to_sequence(velocity=VELOCITY, qpm=qpm)
    sequence.total_time = len(events) * 60.0 / qpm / frames_per_quarter
    return sequence


def voices(sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of the hits of the nine classes, as one voice.

    Raises:
        errors.DiscardError: The sequence has no such hits.
    """
    hits = [i for i, note in enumerate(sequence.notes) if note.is_drum and note.velocity]
    classified = [i for i in hits if sequence.notes[i].pitch in _CLASS]
    if not classified:
        raise errors.DiscardError("no drum of the nine classes" if hits else "no drums")
    return [classified]


def _drums(sequence: "NoteSequence") -> "NoteSequence":
    """Returns a copy of the sequence with only the sounding drum notes of the nine classes.

    Raises:
        errors.DiscardError: There are no such notes, or one starts before time 0.
    """
    drums = [n for n in sequence.notes if n.is_drum and n.velocity]
    if not drums:
        raise errors.DiscardError("no drums")
    classified = [n for n in drums if n.pitch in _CLASS]
    if not classified:
        raise errors.DiscardError("no drum of the nine classes")
    grid.check_start(np.array([n.start_time for n in classified]))
    total = max(sequence.total_time, *(n.end_time for n in classified))
    out = noteseq.load().NoteSequence(total_time=total)
    out.tempos.extend(sequence.tempos)
    out.time_signatures.extend(sequence.time_signatures)
    out.notes.extend(classified)
    return out


def _tracks(sequence: "NoteSequence") -> list["DrumTrack"]:
    """Returns the tracks of a sequence; raises `errors.DiscardError` with the last reason if there are none."""
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
    """Returns all hits of a primer as one track."""
    quantised = grid.quantise(grid.in_one_tempo(_drums(sequence)), vocabulary.drums().frames_per_quarter)
    return _track(quantised, 0, np.inf, pad_end=False)


def _track(quantised: "NoteSequence", start: int, gap_bars: float, *, pad_end: bool) -> "DrumTrack":
    """Returns the first track at or after the bar line `start`; it is empty if there is none."""
    track = noteseq.load().DrumTrack()
    track.from_quantized_sequence(quantised, search_start_step=start, gap_bars=gap_bars, pad_end=pad_end)
    return track
