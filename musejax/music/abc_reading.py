"""A reader of ABC 2.1, which converts tunes to NoteSequences.

A tune is read line by line (`abc_text`, `abc_tune`). Fields (`abc_fields`, `abc_keys`) change the settings of voices
(`abc_settings`), and tokens of music (`abc_tokens`, `abc_music`) become the notes of measures (`abc_voices`) in exact
quarters, with bar lines (`abc_bars`), lengths (`abc_rhythm`), decorations (`abc_decorations`), chord symbols
(`abc_chords`) and lyrics (`abc_lyrics`). Bars, tempo map and order of playing are computed as for MusicXML
(`score_assembly`).
"""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from musejax import errors
from musejax.music import (
    abc_losses,
    abc_tune,
    limits,
    loss_counts,
    musicxml_measures,
    score_assembly,
)
from musejax.music.musicxml_bars import Span

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Fields of a file header that apply to all tunes of the file.
_FILE_FIELDS = re.compile(r"(?m)^(?:[LMQUm]:|I:MIDI|%%MIDI|%%propagate-accidentals).*$")
# The largest common denominator of all bars of a tune; 64 bits suffice for any plausible music.
_LARGEST_DENOMINATOR = 2**64


def abc_tunes(text: str) -> list[str]:
    """Returns the tunes of an ABC text, each beginning with its `X:` field.

    The fields of the file header are copied into each tune.
    """
    head, *tunes = re.split(r"(?m)^(?=X:)", text.replace("\r\n", "\n").replace("\r", "\n"))
    fields = "".join(f"{field}\n" for field in _FILE_FIELDS.findall(head))
    if not fields:
        return tunes
    return [re.sub(r"\n|\Z", lambda match: f"\n{fields}", tune, count=1) for tune in tunes]


def abc_name(tune: str) -> str:
    """Returns the name of a tune for messages: its number, and its title if it has one."""
    number, title = (re.search(rf"(?m)^{field}:[ \t]*(.*?)\s*$", tune) for field in "XT")
    parts = [f"X:{number[1]}" if number else "no number", repr(title[1][:40]) if title else ""]
    return ", ".join(filter(None, parts))


def abc_to_sequence(tune: str, *, repeats: bool = True, losses: loss_counts.Losses | None = None) -> "NoteSequence":
    """Reads one tune in ABC.

    Notes and keys are at concert pitch. Tied notes are merged; grace notes and ornaments are left out. Fermatas, chord
    symbols and lyrics become text annotations (see `score_annotations`), as do bar lines that do not follow from the
    time signatures. Each voice is a part.

    Args:
        tune: The text of one tune.
        repeats: Whether to play repeats, endings, jumps and the order of parts; otherwise the tune is read as written.
        losses: Receives counts of what a NoteSequence cannot represent or the reader does not understand, by kind.

    Returns:
        The NoteSequence, with times in seconds.

    Raises:
        errors.UserError: The tune cannot be read or exceeds `limits`.
    """
    limits.check_bytes(len(tune))
    try:
        sequence = _read(tune, repeats, loss_counts.Losses() if losses is None else losses)
    except errors.UserError:
        raise
    except Exception as e:  # any other failure on a damaged tune
        raise errors.UserError(errors.failure("it cannot be read as ABC", e)) from e
    limits.check(sequence)
    return sequence


def _read(text: str, repeats: bool, losses: loss_counts.Losses) -> "NoteSequence":
    parsed = abc_tune.read_tune(text, losses)
    parts = [voice.measures for voice in parsed.voices]
    limits.check_count(sum(map(len, parts)), limits.MAX_NOTES, "bars in all voices together")
    has_common_lines = _has_common_lines(parts)
    spans = _common_spans(parts, losses) if has_common_lines else [_own_spans(measures) for measures in parts]
    denominator = math.lcm(*(span.length.denominator for row in spans for span in row))
    if denominator > _LARGEST_DENOMINATOR:
        raise errors.UserError("the lengths of its notes have no plausible common unit")
    sequence = score_assembly.assemble(
        [voice.name for voice in parsed.voices], parts, spans, losses,
        has_common_lines=has_common_lines, repeats=repeats, sections=_sections(parsed, losses) if repeats else None,
    )  # fmt: skip
    sequence.source_info.encoding_type = sequence.source_info.ABC
    if parsed.title:
        sequence.sequence_metadata.title = parsed.title
    sequence.sequence_metadata.composers.extend(parsed.composers)
    return sequence


def _has_common_lines(parts: Sequence[Sequence[musicxml_measures.Measure]]) -> bool:
    """Returns whether measures with the same index coincide in all voices.

    They do if all voices have the same number of measures, or if their measures match those of the longest voice.
    """
    if len({len(measures) for measures in parts}) <= 1:
        return True
    longest = max(parts, key=len)
    return all(mine.extent == other.extent for measures in parts for mine, other in zip(measures, longest))


def _common_spans(parts: Sequence[Sequence[musicxml_measures.Measure]], losses: loss_counts.Losses) -> list[list[Span]]:
    """Returns the spans of measures that coincide in all voices; the longest measure of each index counts."""
    spans: list[Span] = []
    for m in range(max(map(len, parts), default=0)):
        here = [measures[m] for measures in parts if m < len(measures)]
        length = max(measure.extent for measure in here)
        losses[abc_losses.BARS] += any(measure.extent != length for measure in here)
        spans.append(Span(length, here[0].metre, m == 0 and _is_pickup(here[0], length)))
    return [spans] * len(parts)


def _own_spans(measures: Sequence[musicxml_measures.Measure]) -> list[Span]:
    """Returns the spans of the measures of a voice with independent bar lines."""
    return [
        Span(measure.extent, measure.metre, m == 0 and _is_pickup(measure, measure.extent))
        for m, measure in enumerate(measures)
    ]


def _is_pickup(measure: musicxml_measures.Measure, length: Fraction) -> bool:
    full = measure.metre.quarters if measure.metre is not None else None
    return full is not None and length < full


def _sections(tune: abc_tune.Tune, losses: loss_counts.Losses) -> list[range] | None:
    """Returns the measures of the parts in the order of playing, or None if the tune does not define an order."""
    if tune.order is None or not tune.voices:
        return None
    end = max(len(voice.measures) for voice in tune.voices)
    starts = sorted(m for m in tune.parts if m < end)
    sections: dict[str, range] = {}
    for start, stop in zip(starts, [*starts[1:], end]):
        sections.setdefault(tune.parts[start], range(start, stop))
    if not all(label in sections for label in tune.order):
        losses[abc_losses.PARTS] += 1
        return None
    opening = [range(starts[0])] if starts[0] else []
    return opening + [sections[label] for label in tune.order]
