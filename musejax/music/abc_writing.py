"""NoteSequence to ABC 2.1: a voice for each part, in bars, with ties, tuplets, keys, tempos, chord symbols and lyrics.

What ABC cannot hold is left out: velocities, controllers and pitch bends, names of instruments beside those of voices,
and other text annotations. So are fermatas and lyrics where no note begins, and tempos, keys and chord symbols at the
end. Repeats that were played out are written out. Modes other than minor are written as major.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors
from musejax.music import abc_layout, abc_text, abc_voice_writing, score_annotations, timing, voices_and_bars
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_MAX_BARS = 100_000
_TONICS = ("Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#")
# Pitches below this one, on average, are written in a bass clef.
_MIDDLE_C = 60


class Written(NamedTuple):
    """A sequence in ABC.

    Attributes:
        text: The tune.
        largest_shift: By how many quarters a time was moved at most, because it is no simple fraction of a quarter.
    """

    text: str
    largest_shift: float


def to_bytes(sequence: "NoteSequence", say: Callable[[str], None] | None = None) -> bytes:
    """Returns the ABC file of a sequence in UTF-8, see `write`; `say` is called with a line if times are moved."""
    written = write(sequence)
    if written.largest_shift and say is not None:
        say(
            "times that are no simple fractions of a quarter note are written on a grid of 24ths of one; the largest "
            f"shift is {written.largest_shift:.3f} quarter notes"
        )
    return written.text.encode()


def write(sequence: "NoteSequence") -> Written:
    """Writes a sequence as one tune.

    Onsets and ends are exact where all of them are simple fractions of a quarter; otherwise they go to the nearest 24th
    of a quarter, and a note keeps at least one. Notes of a part with one onset and one length are a chord; whatever
    else overlaps is written as further layers of the voice (`&`). Where the sequence has no key none is written, and
    pitches are spelled by the scale that holds most of them.

    Args:
        sequence: The music.

    Raises:
        errors.UserError: There are no notes, or the piece is too long to write.
    """
    voices = voices_and_bars.voices(sequence)
    texts = [a for a in sequence.text_annotations if _is_written(a)]
    marks = [*sequence.time_signatures, *sequence.key_signatures, *texts]
    tempos = timing.tempo_map(sequence)
    seconds = [time for note in sequence.notes for time in (note.start_time, note.end_time)]
    clock = abc_layout.Clock(sequence, [*seconds, *tempos.times.tolist(), *(mark.time for mark in marks)])
    lanes = [_lanes(voice, clock) for voice in voices]
    end = max(clock.end(sequence.total_time), *(lane[-1].end for rows in lanes for lane in rows))
    bars = abc_layout.read_bars(sequence, clock, end)
    if len(bars) * len(voices) > _MAX_BARS:
        raise errors.UserError(
            f"it has {len(bars):,} bars in {len(voices):,} parts; at most {_MAX_BARS:,} bars can be written in all "
            "parts together"
        )
    chords: dict[Fraction, list[str]] = {}
    for annotation in sequence.text_annotations:
        if annotation.annotation_type == annotation.CHORD_SYMBOL:
            chords.setdefault(clock.quarters(annotation.time), []).append(annotation.text)
    fermatas = frozenset(clock.quarters(a.time) for a in texts if a.text == score_annotations.FERMATA)
    places = [clock.quarters(time) for time in tempos.times.tolist()]
    piece = abc_voice_writing.Marks(_keys(sequence, clock), dict(zip(places, tempos.qpm.tolist())), chords, fermatas)
    # 120 quarters a minute hold without a tempo.
    header = _header(sequence, bars[0], piece, has_tempo=any(not tempo.time for tempo in sequence.tempos))
    is_named = len(voices) > 1 or any(i.name for i in [*sequence.part_infos, *sequence.instrument_infos])
    syllables = _syllables(sequence, clock, lanes)
    body: list[str] = []
    for number, (voice, rows) in enumerate(zip(voices, lanes)):
        if is_named:
            header.append(f'V:{number + 1} name="{abc_voice_writing.quoted(voice.name)}"{_clef(voice)}')
            body.append(f"V:{number + 1}")
        if voice.program:
            header.append(f"%%MIDI program {voice.program}")
        if voice.is_drum:
            header.append("%%MIDI channel 10")
        body += abc_voice_writing.write_voice(rows, bars, piece, syllables[number], is_first=not number)
    header.append(f"K:{piece.keys[Fraction(0)].name}")
    return Written("\n".join([*header, *body]) + "\n", clock.largest_shift)


def _is_written(annotation: "NoteSequence.TextAnnotation") -> bool:
    """Returns whether an annotation is one of those that ABC can hold."""
    return (
        annotation.annotation_type == annotation.CHORD_SYMBOL
        or annotation.text in (score_annotations.FERMATA, score_annotations.BAR_LINE)
        or annotation.text.startswith(score_annotations.LYRIC)
    )


def _header(
    sequence: "NoteSequence", bar: abc_layout.Bar, piece: abc_voice_writing.Marks, *, has_tempo: bool
) -> list[str]:
    """Returns the fields of the header that concern all voices."""
    metadata = sequence.sequence_metadata
    out = ["X:1", *(["T:" + abc_text.escape(metadata.title)] if metadata.title else [])]
    out += [f"C:{abc_text.escape(name)}" for name in metadata.composers if name.strip()]
    out += [f"M:{abc_voice_writing.metre_text(bar.metre)}", "L:1/8"]
    return [*out, f"Q:{abc_voice_writing.tempo_text(piece.tempos[Fraction(0)])}"] if has_tempo else out


def _keys(sequence: "NoteSequence", clock: abc_layout.Clock) -> dict[Fraction, abc_voice_writing.Key]:
    """Returns the key at each place where it changes, the first at 0."""
    guess = keys.guess((note.pitch, note.end_time - note.start_time) for note in sequence.notes)
    out = {Fraction(0): abc_voice_writing.Key("none", 0, guess, False)}
    for mark in sorted(sequence.key_signatures, key=lambda mark: mark.time):
        is_minor = mark.mode == mark.MINOR
        sharps = keys.sharps(mark.key, is_minor)
        name = _TONICS[sharps + 5 + 3 * is_minor] + "m" * is_minor
        out[clock.quarters(mark.time)] = abc_voice_writing.Key(name, sharps, sharps, is_minor)
    return out


def _lanes(voice: voices_and_bars.Voice, clock: abc_layout.Clock) -> list[list[abc_voice_writing.Chord]]:
    """Returns the chords of a voice in as few layers as keep each free of overlaps, the highest first."""
    chords: dict[tuple[Fraction, Fraction], list[int]] = {}
    for note in voice.notes:
        start = clock.quarters(note.start_time)
        end = max(clock.quarters(note.end_time), start + abc_layout.SHORTEST)
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


def _syllables(
    sequence: "NoteSequence", clock: abc_layout.Clock, lanes: Sequence[Sequence[Sequence[abc_voice_writing.Chord]]]
) -> list[dict[Fraction, str]]:
    """Returns the syllables of each voice by place; several at one place belong to voices from the first on."""
    starts = [{chord.start for chord in rows[0]} for rows in lanes]
    out: list[dict[Fraction, str]] = [{} for _ in lanes]
    for annotation in sequence.text_annotations:
        if annotation.text.startswith(score_annotations.LYRIC):
            place = clock.quarters(annotation.time)
            syllable = annotation.text.removeprefix(score_annotations.LYRIC)
            voice = next((v for v, own in enumerate(starts) if place in own and place not in out[v]), None)
            if voice is not None and syllable.strip():
                out[voice][place] = syllable
    return out


def _clef(voice: voices_and_bars.Voice) -> str:
    """Returns the clef of a voice as a property; none for the treble clef."""
    if voice.is_drum:
        return " clef=perc"
    mean = sum(note.pitch for note in voice.notes) / len(voice.notes)
    return " clef=bass" if mean < _MIDDLE_C else ""
