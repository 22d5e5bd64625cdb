"""A writer of ABC 2.1: a voice for each part, in bars, with ties, tuplets, keys, tempos, chord symbols and lyrics.

Contents that ABC cannot represent are left out: velocities, controllers, pitch bends, names of instruments other than
those of voices, and other text annotations. So are fermatas and lyrics where no note begins, and tempos, keys and chord
symbols at the end. Repeats are written out. Modes other than minor are written as major.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from musejax.music import (
    abc_layout,
    abc_text,
    abc_voice_writing,
    exact_times,
    lyrics,
    score_annotations,
    score_keys,
    voices_and_bars,
    writing_remarks,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_TONICS = ("Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#")
# Pitches below this one, on average, are written in a bass clef.
_MIDDLE_C = 60


def to_bytes(sequence: "NoteSequence", remark: Callable[[str], None] | None = None) -> bytes:
    """Returns the ABC file of a sequence, one tune in UTF-8.

    Times from scores are exact; played timing is moved to a grid of 24ths of a quarter note. Notes of a part with the
    same onset and length form a chord; other overlapping notes are written as further layers of the voice (`&`).

    Args:
        sequence: The music.
        remark: Called with a line for each kind of content that is changed, left out or estimated.

    Raises:
        errors.UserError: There are no notes, or the piece is too long to write.
    """
    times = exact_times.read(sequence)
    voices = voices_and_bars.voices(sequence)
    lanes = [_lanes(voice, times) for voice in voices]
    end = max(times.quarters(sequence.total_time), *(lane[-1].end for rows in lanes for lane in rows))
    bars = abc_layout.read_bars(sequence, times, end)
    voices_and_bars.check_size(len(bars), len(voices))
    chords: dict[Fraction, list[str]] = {}
    for annotation in sequence.text_annotations:
        if annotation.annotation_type == annotation.CHORD_SYMBOL:
            chords.setdefault(times.quarters(annotation.time), []).append(annotation.text)
    fermatas = (a.time for a in sequence.text_annotations if a.text == score_annotations.FERMATA)
    # Without a tempo, 120 quarters per minute are assumed.
    tempos = {times.quarters(time): qpm for time, qpm in zip(times.tempos.times.tolist(), times.tempos.qpm.tolist())}
    read_keys, estimate = score_keys.read(sequence, times)
    piece = abc_voice_writing.Marks(_keys(read_keys, times), tempos, chords, frozenset(map(times.quarters, fermatas)))
    header = _header(sequence, bars[0], piece, has_tempo=any(not tempo.time for tempo in sequence.tempos))
    is_named = len(voices) > 1 or any(i.name for i in [*sequence.part_infos, *sequence.instrument_infos])
    onsets = [frozenset(chord.start for chord in rows[0]) for rows in lanes]
    syllables, lost = lyrics.assign([(times.quarters(time), s) for time, s in lyrics.read(sequence)], onsets)
    body: list[str] = []
    for number, (voice, rows, sung) in enumerate(zip(voices, lanes, syllables)):
        if is_named:
            header.append(f'V:{number + 1} name="{abc_voice_writing.quoted(voice.name)}"{_clef(voice)}')
            body.append(f"V:{number + 1}")
        if voice.program:
            header.append(f"%%MIDI program {voice.program}")
        if voice.is_drum:
            header.append("%%MIDI channel 10")
        words = {place: syllable.text + "-" * syllable.goes_on for place, syllable in sung.items()}
        body += abc_voice_writing.write_voice(rows, bars, piece, words, is_first=not number)
    header.append(f"K:{piece.keys[Fraction(0)].name}")
    if remark is not None:
        for line in writing_remarks.remarks(sequence, times, estimate, lost):
            remark(line)
    return ("\n".join([*header, *body]) + "\n").encode()


def _header(
    sequence: "NoteSequence", bar: abc_layout.Bar, piece: abc_voice_writing.Marks, *, has_tempo: bool
) -> list[str]:
    """Returns the fields of the header that concern all voices."""
    metadata = sequence.sequence_metadata
    out = ["X:1", *(["T:" + abc_text.escape(metadata.title)] if metadata.title else [])]
    out += [f"C:{abc_text.escape(name)}" for name in metadata.composers if name.strip()]
    out += [f"M:{abc_voice_writing.metre_text(bar.metre)}", "L:1/8"]
    return [*out, f"Q:{abc_voice_writing.tempo_text(piece.tempos[Fraction(0)])}"] if has_tempo else out


def _keys(
    keys_by_place: Mapping[int, score_keys.Key], times: exact_times.ExactTimes
) -> dict[Fraction, abc_voice_writing.Key]:
    """Returns the key at each place where it changes, the first at 0."""
    out = {Fraction(0): abc_voice_writing.Key("none", 0, 0, False)}
    for place, key in keys_by_place.items():
        name = _TONICS[key.fifths + 5 + 3 * key.is_minor] + "m" * key.is_minor
        out[Fraction(place, times.divisions)] = abc_voice_writing.Key(name, key.fifths, key.fifths, key.spelled_minor)
    return out


def _lanes(voice: voices_and_bars.Voice, times: exact_times.ExactTimes) -> list[list[abc_voice_writing.Chord]]:
    """Returns the chords of a voice, distributed over a few layers without overlaps, the highest first."""
    chords: dict[tuple[Fraction, Fraction], list[int]] = {}
    for note, span in zip(voice.notes, times.notes[voice.indices].tolist(), strict=True):
        start, end = (Fraction(place, times.divisions) for place in span)
        chords.setdefault((start, end), []).append(note.pitch)
    out: list[list[abc_voice_writing.Chord]] = []
    for (start, end), pitches in sorted(chords.items(), key=lambda item: (item[0][0], -max(item[1]), item[0][1])):
        chord = abc_voice_writing.Chord(start, end, tuple(sorted(pitches)))
        lane = next((lane for lane in out if lane[-1].end <= start), None)
        if lane is None:
            out.append([chord])
        else:
            lane.append(chord)
    return out


def _clef(voice: voices_and_bars.Voice) -> str:
    """Returns the clef of a voice as a property; empty for the treble clef."""
    if voice.is_drum:
        return " clef=perc"
    mean = sum(note.pitch for note in voice.notes) / len(voice.notes)
    return " clef=bass" if mean < _MIDDLE_C else ""
