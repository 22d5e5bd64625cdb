"""Rendering of audio, with symusic and a SoundFont if one is installed, else with sine waves.

The SoundFont TimGM6mb.sf2 is part of the pretty_midi package and is read from there; nothing is downloaded or copied.
"""

import functools
import io
import math
import pathlib
import wave
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors
from musejax.music import noteseq, voices_and_bars

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence
    from symusic.core import Synthesizer

SAMPLE_RATE = 44_100
# Peak after normalisation: -1 dBFS, which leaves a margin for players that resample.
_PEAK = 10 ** (-1 / 20)
# The file ends where all that follows is at least 60 dB below the peak, with a short fade-out (seconds).
_SILENCE = 10 ** (-60 / 20)
_FADE = 0.03
# symusic stops a note within a millisecond, which clicks: notes are rendered longer and decay by 60 dB in this time.
_RELEASE = 0.3
# Minimum length of a drum note in seconds: drums ring out whatever their written length.
_DRUM = 1.0
# Longest sequence in seconds; the samples of a longer one might not fit into memory.
_LONGEST = 3600.0


def soundfont() -> pathlib.Path | None:
    """Returns the path of the SoundFont in the installed pretty_midi package, or None if it is missing."""
    noteseq.load()
    import pretty_midi

    path = pathlib.Path(str(pretty_midi.__file__)).parent / "TimGM6mb.sf2"
    return path if path.is_file() else None


def to_samples(sequence: "NoteSequence", sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Renders a sequence as audio, with the sustain pedal but without pitch bends and other controllers.

    Args:
        sequence: The music; silence before its first note is kept.
        sample_rate: Samples per second.

    Returns:
        float32[N, 2], left and right, with a peak of -1 dBFS; N includes the decay of the last note.

    Raises:
        errors.UserError: There are no notes, or the last one ends after an hour.
    """
    sequence = noteseq.load().apply_sustain_control_changes(sequence)
    voices = voices_and_bars.voices(sequence)
    last = max(max(note.start_time, note.end_time) for note in sequence.notes)
    if last > _LONGEST:
        raise errors.UserError(f"the last note ends after {last:.0f} seconds; at most {_LONGEST:.0f} can be rendered")
    font = soundfont()
    if font is None:
        samples = _sines(sequence, sample_rate)
    else:
        samples = _mix(voices, _synthesizer(str(font), sample_rate), sample_rate)
    loudness = np.abs(samples).max(axis=1, initial=0.0)
    peak = float(loudness.max(initial=0.0))
    audible = np.flatnonzero(loudness > peak * _SILENCE)
    # The file lasts at least as long as the notes, even if the last one has already decayed.
    stop = max(int(audible[-1]) + 1 if audible.size else 0, round(last * sample_rate))
    samples = np.pad(samples[:stop], ((0, max(0, stop - len(samples))), (0, 0)))
    if peak > 0:
        samples *= np.float32(_PEAK / peak)
    fade = min(round(_FADE * sample_rate), len(samples))
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples


def to_bytes(sequence: "NoteSequence") -> bytes:
    """Returns the WAV file of a sequence (44.1 kHz, 16 bit, stereo); raises the errors of `to_samples`."""
    samples = np.rint(to_samples(sequence) * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


@functools.cache
def _synthesizer(path: str, sample_rate: int) -> "Synthesizer":
    """Returns the synthesiser of a font and rate, cached because reading the font takes a tenth of a second."""
    import symusic

    return symusic.Synthesizer(path, sample_rate)


def _mix(voices: list[voices_and_bars.Voice], synthesizer: "Synthesizer", sample_rate: int) -> np.ndarray:
    """Returns the sum of all notes, float32[N, 2]; equal notes are rendered once."""
    starts: dict[tuple[int, bool, int, int, int], list[int]] = {}
    for voice in voices:
        for note in voice.notes:
            length = max(note.end_time - note.start_time, _DRUM if voice.is_drum else 0.01)
            # Whole milliseconds, so that notes of equal length in a score also have equal length here.
            sound = (voice.program, voice.is_drum, note.pitch, min(max(note.velocity, 1), 127), round(length * 1000))
            starts.setdefault(sound, []).append(round(max(note.start_time, 0.0) * sample_rate))
    ends = (start + sound[-1] * sample_rate / 1000 for sound, all_starts in starts.items() for start in all_starts)
    out = np.zeros((math.ceil(max(ends) + _RELEASE * sample_rate) + 1, 2), np.float32)
    for sound, all_starts in sorted(starts.items()):
        samples = _note(synthesizer, sample_rate, *sound)
        for start in all_starts:
            out[start : start + len(samples)] += samples
    return out


def _note(
    synthesizer: "Synthesizer", sample_rate: int, program: int, is_drum: bool, pitch: int, velocity: int, length: int
) -> np.ndarray:
    """Renders one note of `length` milliseconds with its release, float32[N, 2]."""
    from symusic import core

    # With 500 ticks per quarter and 120 quarters per minute, a tick is a millisecond.
    score = core.ScoreTick(500)
    score.tempos.append(core.TempoTick(0, qpm=120))
    track = core.TrackTick("", program=program, is_drum=is_drum)
    track.notes.append(core.NoteTick(0, length + math.ceil(_RELEASE * 1000), pitch, velocity))
    score.tracks.append(track)
    samples = np.array(synthesizer.render(score, True), np.float32).T
    held = round(length * sample_rate / 1000)
    samples = samples[: held + round(_RELEASE * sample_rate)]
    after = np.arange(max(0, len(samples) - held), dtype=np.float32) / (_RELEASE * sample_rate)
    samples[held:] *= (10 ** (-3 * after))[:, None]
    return samples


def _sines(sequence: "NoteSequence", sample_rate: int) -> np.ndarray:
    """Renders the sequence with sine waves, float32[N, 2]."""
    mono = np.asarray(noteseq.load().synthesize(sequence, sample_rate), np.float32)
    return np.stack([mono, mono], axis=1)
