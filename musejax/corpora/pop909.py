"""`pop909`: 909 pop songs as MIDI with the tracks MELODY, BRIDGE and PIANO; `pop909-melody` and `pop909-piano`.

The main version of each song is used, not the earlier ones in its folder `versions`. The set's public repository is
downloaded as a zip file of one commit; a zip file in MUSEJAX_DATA may be packed in any way and hold less, as long as
the 909 files `POP909/NNN/NNN.mid` are the same, byte for byte.
"""

import zipfile
from collections.abc import Mapping

from musejax import errors, midi
from musejax.corpora import base, cache, download, parallel, splits

_COMMIT = "d83e6edba6872a704f5d3b8b32f5cb540088dae6"
_SONGS = r"(?:[^/]+/)?POP909/(\d{3})/\1\.mid"
FILE = download.Entry(
    name="pop909.zip",
    url=f"https://github.com/music-x-lab/POP909-Dataset/archive/{_COMMIT}.zip",
    sha256="df34be3c21c7bb70e5a3fbbd1afef877b143030e22a6a42fdb275bc9c4ff6733",
    members=_SONGS,
)
# The tracks a corpus keeps.
TRACKS: Mapping[str, tuple[str, ...]] = {
    "pop909": ("MELODY", "BRIDGE", "PIANO"),
    "pop909-melody": ("MELODY",),
    "pop909-piano": ("PIANO",),
}


def read(song: tuple[str, bytes, tuple[str, ...]]) -> cache.Entry:
    """Reads one song (number, MIDI bytes, tracks to keep); a worker's task."""
    number, data, tracks = song
    sequence = midi.midi_to_sequence(data)
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
    return cache.Entry(f"pop909/{number}", f"pop909/{number}", cache.pack(sequence))


def load(name: str, terms: str) -> base.Corpus:
    """The corpus, a song a group, read the first time (seconds) and from the cache after that.

    Args:
        name: A key of `TRACKS`.
        terms: Its source and licence.

    Raises:
        errors.UserError: The file is not here and cannot be downloaded, or is not the right one.
    """
    wanted = cache.stamp(name, FILE.sha256)
    cached = cache.load(name, wanted)
    if cached is None:
        with zipfile.ZipFile(download.fetch(FILE)) as archive:
            members = download.members(archive, _SONGS)
            songs = [(number, archive.read(member), TRACKS[name]) for number, member in members]
        entries, report = parallel.sift(parallel.read_all(read, songs))
        cache.store(name, wanted, entries, report)
    else:
        entries, report = cached
    pieces = [e.piece(splits.split_of(e.group)) for e in entries]
    return base.Corpus(name, None, pieces, report, terms)
