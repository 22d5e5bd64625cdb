"""Samples with all that `musejax.sample` can ask for: a primer, a length, a key, required notes and attributes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from musejax import codecs, zoo
from musejax.decoding import track_grammar
from musejax.generation import (
    accompaniment,
    option_values,
    piece_forms,
    piece_lengths,
    primers,
    quantising,
    requirements,
    sampling,
    sources,
)
from musejax.options.sampling import Sampling
from musejax.theory.sixteenths import BAR, QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Bars of a sample of several tracks, by default.
BARS = 16


def draw(
    loaded: zoo.Loaded,
    num: int,
    seed: int,
    *,
    primer: "NoteSequence | None",
    length: int | None,
    min_length: int | None,
    bars: int | None,
    qpm: float | None,
    required: requirements.Requirements,
    attributes: str | Mapping[str, int] | None,
    conditions: codecs.Arrays | None,
    quantise: quantising.Quantise | None,
    how: Sampling,
    say: sources.Say,
) -> list[sampling.Piece]:
    """Samples pieces; arguments and errors are those of `musejax.sample`."""
    sampling.check_search(how, num)
    sharps = required.sharps()
    required.check_key(loaded)
    vocabulary = loaded.codec.vocabulary
    in_any_order = bool(loaded.model.info.samplers) and primer is None
    marks = required.marks()
    told_bars = bars if in_any_order or piece_lengths.can_be_told(loaded) else None
    if in_any_order:
        # Places are those of a piece in 4/4.
        marks = [] if marks is None and required.has_places() else marks
        frames = length or (BAR * told_bars if told_bars else None)
    elif told_bars is not None:
        frames = piece_lengths.around(loaded, told_bars)[0]
    else:
        frames = length or piece_lengths.default(loaded)
    track_attributes = option_values.attributes(attributes)
    has_tracks = track_grammar.fits(vocabulary)
    if has_tracks and length is None and bars is not None:
        frames = accompaniment.ROOM * bars
    given = None
    if primer is not None:
        given = primers.prime(loaded, primer, frames, sharps=sharps, qpm=qpm, quantise=quantise, say=say)
    bar, shift = (BAR, 0) if given is None else (given.bar, given.shift)
    longest = frames or piece_forms.LONGEST
    bar_frames = bar * vocabulary.frames_per_quarter // QUARTER
    parts = [
        sampling.own_constraint(loaded, how, longest),
        required.constraint(loaded, longest, bar_frames or None, shift=shift),
        required.at_places_of_sample(loaded, longest, None if given is None else given.conditions),
    ]
    required.check_notes_left(loaded, requirements.join(parts[1:]), longest)
    has_default_bars = has_tracks and length is None and primer is None
    if (bars is not None and told_bars is None) or track_attributes or (has_tracks and primer is None):
        plan = accompaniment.plan(
            loaded, bars=bars or (BARS if has_default_bars else None), attributes=track_attributes, bar=bar
        )
        parts.append(plan.constraint)
        frames = length or plan.length
    return sampling.draw_pieces(
        loaded,
        num,
        seed,
        length=frames,
        min_length=min_length,
        bars=told_bars,
        given=given,
        constraint=requirements.join(parts),
        conditions=conditions or required.conditions(loaded, longest),
        sharps=sharps,
        fermatas=marks,
        qpm=qpm or sampling.QPM,
        **sampling.arguments(how),
    )
