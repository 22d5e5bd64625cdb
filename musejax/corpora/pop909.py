"""`pop909`: 909 pop songs as MIDI with the tracks MELODY, BRIDGE and PIANO; `pop909-melody` and `pop909-piano`.

The main version of each song is used, not the earlier ones in its folder `versions`. The public repository is
downloaded as a zip file of one commit. A zip file in MUSEJAX_DATA may be packed differently and contain fewer files, as
long as the 909 files `POP909/NNN/NNN.mid` are identical, and, except for `pop909-piano`, also the files `beat_midi.txt`
and `chord_midi.txt` in the same folders.

The MIDI files have a tempo but no usable metre: most have the time signature 1/4, and the first beat may lie anywhere.
52 % of the notes begin further than a quarter of a 16th from a 16th grid that starts at time 0, but only 4 % if the
grid starts at the first beat of `beat_midi.txt`. Sequences of `pop909` and `pop909-melody` therefore have the time
signatures of the beat files, the first one on the downbeat before the first note, and the chords of the chord files as
chord symbols without their bass notes. Sequences of `pop909-piano` are unchanged.
"""

import collections
import dataclasses
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors
from musejax.corpora import cache, corpus, download, parallel, splits
from musejax.music import midi_reading

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_COMMIT = "d83e6edba6872a704f5d3b8b32f5cb540088dae6"
_SONGS = r"(?:[^/]+/)?POP909/(\d{3})/\1\.mid"
FILE = download.Entry(
    name="pop909.zip",
    url=f"https://github.com/music-x-lab/POP909-Dataset/archive/{_COMMIT}.zip",
    sha256="df34be3c21c7bb70e5a3fbbd1afef877b143030e22a6a42fdb275bc9c4ff6733",
    members=_SONGS,
)
_BEATS = r"(?:[^/]+/)?POP909/(\d{3})/beat_midi\.txt"
BEATS = dataclasses.replace(
    FILE, sha256="54817bf2ba8defe4c03f5b9eb1eafd0d9896550e03db455118d914ca1e4d53af", members=_BEATS
)
_CHORDS = r"(?:[^/]+/)?POP909/(\d{3})/chord_midi\.txt"
CHORDS = dataclasses.replace(
    FILE, sha256="9f4e3dcdf19e256b7a82f809140f5ce18a04438e1c8cefc099a19f862e1f4fc8", members=_CHORDS
)
# The chord qualities of the chord files, as note-seq writes them.
_QUALITIES = {
    "maj": "", "min": "m", "aug": "aug", "dim": "dim", "maj7": "maj7", "min7": "m7", "7": "7", "minmaj7": "m(maj7)",
    "hdim7": "m7b5", "dim7": "dim7", "maj6": "6", "min6": "m6", "sus2": "sus2", "sus4": "sus4", "sus4(b7)": "sus4",
}  # fmt: skip
# How early, in seconds, the first note may begin before the beat to which it belongs.
_EARLY = 0.05
# The tracks of each corpus.
TRACKS: Mapping[str, tuple[str, ...]] = {
    "pop909": ("MELODY", "BRIDGE", "PIANO"),
    "pop909-melody": ("MELODY",),
    "pop909-piano": ("PIANO",),
}


def read(song: tuple[str, bytes, tuple[str, ...]]) -> cache.Entry:
    """Reads one song (number, MIDI bytes, tracks to keep) in a worker."""
    return _entry(song[0], _sequence(*song))


def read_with_beats(song: tuple[str, bytes, tuple[str, ...], bytes, bytes]) -> cache.Entry:
    """Reads one song in a worker, with time signatures from its beat file and chords from its chord file.

    Args:
        song: Number, MIDI bytes, tracks to keep, bytes of the beat file and bytes of the chord file.
    """
    number, data, tracks, beats, chords = song
    sequence = _sequence(number, data, tracks)
    signatures = bars(beats.decode(), min(note.start_time for note in sequence.notes))
    del sequence.time_signatures[:]
    for time, quarters in signatures:
        sequence.time_signatures.add(time=time, numerator=quarters, denominator=4)
    for time, symbol in chord_symbols(chords.decode()):
        kind = sequence.TextAnnotation.CHORD_SYMBOL
        sequence.text_annotations.add(time=time, text=symbol, annotation_type=kind)
    return _entry(number, sequence)


def chord_symbols(text: str) -> list[tuple[float, str]]:
    """Returns the chords of a chord file, (seconds, symbol); its lines are begin, end and `Bb:min7/b3` or `N`.

    Raises:
        errors.UserError: A chord has an unknown quality.
    """
    out = []
    for line in text.splitlines():
        begin, _, chord = (*line.split("\t"), "", "")[:3]
        root, _, rest = chord.partition(":")
        quality = rest.partition("/")[0]
        if chord and chord != "N" and quality not in _QUALITIES:
            raise errors.UserError(f"chord {chord!r} in chord_midi.txt is unknown")
        if chord:
            out.append((float(begin), "N.C." if chord == "N" else root + _QUALITIES[quality]))
    return out


def bars(text: str, first: float) -> list[tuple[float, int]]:
    """Returns the time signatures of a beat file.

    Each line is a beat, one quarter: its time, whether a short bar begins there (two or three beats) and whether a long
    bar begins there (twice as many). If most short bars have three beats, they become bars of 3/4; otherwise the long
    bars are used.

    Args:
        text: Content of the file.
        first: Onset of the first note, in seconds.

    Returns:
        (seconds, beats per bar) at each change. The first is the last downbeat before or at the first note.

    Raises:
        errors.UserError: The file has fewer than two downbeats.
    """
    beats = np.array([line.split() for line in text.splitlines() if line.strip()], np.float64).reshape(-1, 3)
    short, long = (np.flatnonzero(beats[:, column]) for column in (1, 2))
    usual = collections.Counter(np.diff(short).tolist()).most_common(1)
    lines = short if usual and usual[0][0] == 3 else long
    if len(lines) < 2:
        raise errors.UserError("beat_midi.txt has fewer than two downbeats")
    times, sizes = beats[lines, 0], np.diff(lines, append=2 * lines[-1] - lines[-2])
    begin = max(int(np.searchsorted(times, first + _EARLY, side="right")) - 1, 0)
    changed = np.diff(sizes, prepend=0) != 0
    changed[begin] = True
    return [(float(t), int(n)) for t, n in zip(times[begin:][changed[begin:]], sizes[begin:][changed[begin:]])]


def _sequence(number: str, data: bytes, tracks: tuple[str, ...]) -> "NoteSequence":
    """Reads the MIDI file of a song, with only the given tracks."""
    sequence = midi_reading.midi_to_sequence(data)
    kept = [info for info in sequence.instrument_infos if info.name in tracks]
    numbers = {info.instrument for info in kept}
    if not numbers:
        raise errors.UserError(f"no track {' or '.join(tracks)}")
    if len(numbers) < len(sequence.instrument_infos):
        for field in (sequence.notes, sequence.control_changes, sequence.pitch_bends, sequence.instrument_infos):
            for i in reversed([i for i, x in enumerate(field) if x.instrument not in numbers]):
                del field[i]
        sequence.total_time = max(note.end_time for note in sequence.notes)
    sequence.filename = f"{number}.mid"
    return sequence


def _texts(entry: download.Entry, pattern: str) -> dict[str, bytes]:
    """Returns the matching files of an archive, by number of the song."""
    with zipfile.ZipFile(download.fetch(entry)) as archive:
        return {number: archive.read(member) for number, member in download.members(archive, pattern)}


def _entry(number: str, sequence: "NoteSequence") -> cache.Entry:
    """Returns the cache entry of a song, which forms its own group."""
    return cache.Entry(f"pop909/{number}", f"pop909/{number}", cache.pack(sequence))


def load(name: str, terms: str) -> corpus.Collection:
    """Returns the corpus, with one group per song. The first call reads it (seconds), later ones use the cache.

    Args:
        name: A key of `TRACKS`.
        terms: Source and licence.

    Raises:
        errors.UserError: The file is missing and cannot be downloaded, or has the wrong content.
    """
    beats = name != "pop909-piano"
    stamp = cache.stamp(name, FILE.sha256, *([BEATS.sha256, CHORDS.sha256] if beats else []))
    cached = cache.load(name, stamp)
    if cached is None:
        with zipfile.ZipFile(download.fetch(FILE)) as archive:
            songs = [
                (number, archive.read(member), TRACKS[name]) for number, member in download.members(archive, _SONGS)
            ]
        if beats:
            beat_files, chord_files = _texts(BEATS, _BEATS), _texts(CHORDS, _CHORDS)
            results = parallel.read_all(
                read_with_beats, [(*song, beat_files[song[0]], chord_files[song[0]]) for song in songs]
            )
        else:
            results = parallel.read_all(read, songs)
        entries, report = parallel.sift(results)
        cache.store(name, stamp, entries, report)
    else:
        entries, report = cached
    pieces = [e.piece(splits.split_of(e.group)) for e in entries]
    return corpus.Collection(name, None, pieces, report, terms)
