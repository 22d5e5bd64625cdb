"""A reader of MIDI, which converts files to NoteSequences.

`midi_containers` unpacks a file into tracks, `midi_bytes` reads their events, `midi_notes` pairs note-ons and
note-offs, and `midi_texts` reads names, lyrics and markers. The reader finds the same notes as note-seq and
pretty_midi, about twenty times as fast. Unlike them, it reads tempos and signatures of all tracks, and a note belongs
to the program with which it begins.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import (
    collector,
    limits,
    loss_counts,
    midi_bytes,
    midi_containers,
    midi_losses,
    midi_notes,
    midi_songs,
    midi_texts,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# The largest exponent of two in the denominator of a time signature.
_MAX_DENOMINATOR = 8


class _Signatures(NamedTuple):
    """Changes of tempo, metre and key, in temporal order; see `midi_songs.Song`."""

    tempos: list[tuple[int, int]]
    metres: list[tuple[int, int, int]]
    keys: list[tuple[int, int, bool]]


def midi_to_sequence(data: bytes, *, losses: loss_counts.Losses | None = None) -> "NoteSequence":
    """Reads the bytes of a standard MIDI file.

    Each channel and program of a track that has notes becomes an instrument. Tempos, time signatures and key signatures
    may be in any track. If several tracks have one on the same tick, the last tempo and the signature of the first
    track hold. A file without a tempo leads to a sequence without one. Lyrics and markers become text annotations (see
    `score_annotations`). The title is determined by `midi_texts.title`.

    Args:
        data: Content of the file.
        losses: Receives the counts of content that a NoteSequence cannot represent, by kind.

    Returns:
        The NoteSequence, with times in seconds.

    Raises:
        errors.UserError: The file is not MIDI, is damaged, or exceeds `limits`.
    """
    limits.check_bytes(len(data))
    with collector.paused():
        sequence = midi_songs.to_sequence(_read(data, loss_counts.Losses() if losses is None else losses))
    limits.check(sequence)
    return sequence


def _read(data: bytes, losses: loss_counts.Losses) -> midi_songs.Song:
    """Reads a file in ticks."""
    contents = midi_containers.unpack(data)
    limits.check_count(len(contents.tracks), limits.MAX_TRACKS, "tracks")
    tracks, count = [], 0
    for number, chunk in enumerate(contents.tracks, 1):
        try:
            track = midi_bytes.read_track(chunk, midi_bytes.MAX_EVENTS - count)
        except midi_bytes.DamageError as e:
            raise errors.UserError(f"it cannot be read as MIDI (track {number} is damaged: {e})") from None
        count += track.num_events
        tracks.append(track)
    losses[midi_losses.CUT] += sum(track.is_cut for track in tracks)
    losses[midi_losses.PATTERNS] += contents.is_sequential and len(tracks) > 1
    decode = midi_texts.decoder(
        meta.data for track in tracks for meta in track.metas if midi_bytes.TEXT <= meta.kind <= midi_bytes.CUE
    )
    signatures = _signatures(tracks, losses)
    tempos = signatures.tempos
    if contents.microseconds is not None:
        losses[midi_losses.FRAMES] += len(tempos)
        tempos = [(0, contents.microseconds)]
    return midi_songs.Song(
        contents.ticks_per_quarter, tempos, signatures.metres, signatures.keys,
        _instruments(tracks, decode, losses),
        midi_texts.title(tracks, decode), midi_texts.lyrics(tracks, decode), midi_texts.markers(tracks, decode),
    )  # fmt: skip


def _instruments(
    tracks: Sequence[midi_bytes.Track], decode: midi_texts.Decode, losses: loss_counts.Losses
) -> list[midi_songs.Instrument]:
    """Returns the instruments of all tracks; merges a track of overlaps from musejax's writer with the previous one."""
    out: list[midi_songs.Instrument] = []
    for track in tracks:
        own = list(_track_instruments(track, decode, losses))
        is_overlap = any(meta.kind == midi_bytes.OWN and meta.data == midi_bytes.OVERLAP for meta in track.metas)
        if is_overlap and len(own) == 1 and out and own[0][:3] == out[-1][:3]:
            notes = np.concatenate([out[-1].notes, own[0].notes])
            out[-1] = out[-1]._replace(notes=notes[np.argsort(notes[:, 0], kind="stable")])
        else:
            out += own
    return out


def _track_instruments(
    track: midi_bytes.Track, decode: midi_texts.Decode, losses: loss_counts.Losses
) -> Iterator[midi_songs.Instrument]:
    """Yields the instruments of a track; each program of a channel receives all controllers of the channel."""
    messages = track.messages
    notes = midi_notes.read_notes(messages)
    losses[midi_losses.UNENDED] += notes.without_end
    losses[midi_losses.EMPTY] += notes.without_length
    kinds, channels = messages[:, 1] >> 4, messages[:, 1] & 15
    losses[midi_losses.AFTERTOUCH] += int(np.isin(kinds, (10, 13)).sum())
    acts = np.isin(kinds, (11, 14))
    losses[midi_losses.UNHEARD] += int((acts & ~np.isin(channels, [i.channel for i in notes.instruments])).sum())
    name = midi_texts.name(track, decode)
    by_channel = {}
    for channel in {instrument.channel for instrument in notes.instruments}:
        controls = messages[(kinds == 11) & (channels == channel)][:, [0, 2, 3]]
        bends = messages[(kinds == 14) & (channels == channel)]
        bends = np.stack([bends[:, 0], (bends[:, 3] << 7 | bends[:, 2]) - 8192], 1)
        by_channel[channel] = controls, bends
    for channel, program, rows in notes.instruments:
        yield midi_songs.Instrument(name, program, channel == midi_notes.DRUMS, rows, *by_channel[channel])


def _signatures(tracks: Sequence[midi_bytes.Track], losses: loss_counts.Losses) -> _Signatures:
    """Returns the tempos and signatures of all tracks."""
    out = _Signatures([], [], [])
    metres: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, bool]] = {}
    for track in tracks:
        own_metres: dict[int, tuple[int, int]] = {}
        own_keys: dict[int, tuple[int, bool]] = {}
        for tick, kind, data in track.metas:
            if kind == midi_bytes.TEMPO:
                if len(data) >= 3:
                    out.tempos.append((tick, int.from_bytes(data[:3], "big")))
                else:
                    losses[midi_losses.TEMPO] += 1
            elif kind == midi_bytes.METRE:
                if len(data) >= 2 and data[0] and data[1] <= _MAX_DENOMINATOR:
                    own_metres[tick] = data[0], 2 ** data[1]
                else:
                    losses[midi_losses.METRE] += 1
            elif kind == midi_bytes.KEY:
                if len(data) >= 2 and (data[0] <= 7 or data[0] >= 249) and data[1] <= 1:
                    own_keys[tick] = (data[0] + 128) % 256 - 128, bool(data[1])
                else:
                    losses[midi_losses.KEY] += 1
        metres = own_metres | metres
        keys = own_keys | keys
    out.tempos.sort(key=lambda tempo: tempo[0])
    out.metres.extend((tick, *metre) for tick, metre in sorted(metres.items()))
    out.keys.extend((tick, *key) for tick, key in sorted(keys.items()))
    return out
