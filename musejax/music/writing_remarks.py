"""Remarks for users about what a written score changes, leaves out or estimates."""

from typing import TYPE_CHECKING

from musejax.music import exact_times

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def remarks(
    sequence: "NoteSequence", times: exact_times.ExactTimes, estimate: str | None, lost_syllables: int
) -> list[str]:
    """Returns a line for each kind of change, omission or estimate.

    Args:
        sequence: The music.
        times: The times as they are written.
        estimate: The remark about an estimated key, or None.
        lost_syllables: Number of syllables without a note.
    """
    out = [line for line in (times.remark(), estimate) if line is not None]
    if lost_syllables:
        syllables = "1 syllable is" if lost_syllables == 1 else f"{lost_syllables:,} syllables are"
        out.append(f"{syllables} left out, because no note begins there")
    events = len(sequence.control_changes) + len(sequence.pitch_bends)
    if events:
        controllers = "1 controller or pitch bend is" if events == 1 else f"{events:,} controllers and pitch bends are"
        out.append(f"{controllers} left out; MIDI keeps them")
    return out
