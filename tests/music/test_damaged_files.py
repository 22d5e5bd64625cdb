"""Damaged files of every format are read or refused with one line, whatever the damage."""

import io
import random
import time
import zipfile

import midi_text
import musicxml_text
import pytest

from musejax import errors
from musejax.music import files, midi_writing, noteseq

TUNE = """X:1
T:A tune
C:Trad.
M:6/8
L:1/8
Q:3/8=100
K:Em
V:1 name="Fiddle"
|:"Em"E2F G2A|"D"{c}A>B c (3def|!fermata!B6:|
w:a tune to be sung-_ out loud*
[1 e2d [Gc]2B|z6:|[2 e3- e3|]
V:2
E,6|A,6|[M:3/4] [K:G] B,6|

X:2
T:Another
M:C|
K:D
A2|d2f2 a2f2|^c'4 z4|]
"""
CONTAINER = b'<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'


def zipped(score):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("score.xml", score)
    return out.getvalue()


def a_midi_file():
    """Two tracks with names, tempos, signatures, lyrics, controllers, bends and running status."""
    meta, channel = midi_text.meta, midi_text.channel
    first = meta(3, "A Song") + meta(0x51, b"\7\xa1\x20") + meta(0x58, b"\3\2\x18\x08") + meta(0x59, b"\xfd\1")
    second = meta(3, "歌") + channel(0xC0, 7) + channel(0xB0, 64, 127) + channel(0xE0, 3, 66)
    second += b"".join(meta(5, "la-") + midi_text.note(60 + i, 120) for i in range(8)) + b"\0\x90\x3c\x50\x60\x3c\0"
    return midi_text.file(
        first + meta(0x51, b"\x0f\x42\x40", 480), second, b"\0\xf0\3\1\2\xf7" + midi_text.note(38, 60, 9)
    )


def a_score():
    """Two measures with a repeat, a chord, a tie, a tuplet, lyrics, a tempo and a chord symbol."""
    return "\n".join([
        '<?xml version="1.0"?>', "<score-partwise>", '<part-list><score-part id="P1"><part-name>V</part-name>',
        "</score-part></part-list>", '<part id="P1">', '<measure number="1">',
        "<attributes><divisions>12</divisions><key><fifths>-2</fifths><mode>minor</mode></key>",
        "<time><beats>3</beats><beat-type>4</beat-type></time></attributes>",
        '<direction><sound tempo="90"/></direction>',
        '<barline location="left"><repeat direction="forward"/></barline>',
        "<harmony><root><root-step>G</root-step></root><kind>minor</kind></harmony>",
        musicxml_text.note("G4", 1, more="<lyric><syllabic>begin</syllabic><text>la</text></lyric>"),
        musicxml_text.note("Bb4", 1, chord=True), musicxml_text.note("D5", 2, tie="start"), musicxml_text.backup(3),
        musicxml_text.notes("G2 A2 Bb2", voice=2), "</measure>", '<measure number="2">',
        musicxml_text.note("D5", 1, tie="stop"), musicxml_text.notes("C5 Bb4 A4", 1 / 3), musicxml_text.forward(1),
        '<barline location="right"><repeat direction="backward" times="2"/></barline>', "</measure>", "</part>",
        "</score-partwise>",
    ]).encode()  # fmt: skip


def sources():
    """Sound files by suffix."""
    return [
        (".mid", a_midi_file()),
        (".musicxml", a_score()),
        (".mxl", zipped(a_score())),
        (".abc", TUNE.encode()),
    ]


def damaged(r, suffix, data):
    """The file with one to four places damaged; of a zipped score the archive or what it holds."""
    if suffix == ".mxl" and zipfile.is_zipfile(io.BytesIO(data)) and r.random() < 0.6:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = max(archive.namelist(), key=lambda name: archive.getinfo(name).file_size)
            return zipped(damaged(r, ".xml", archive.read(name)))
    for _ in range(r.choice([1, 1, 2, 4])):
        data = _damage(r, data, b"MTrk" if suffix == ".mid" else b"\n")
    return data


def _damage(r, data, separator):
    """The data with one place damaged."""
    at = r.randrange(len(data) + 1)
    end = min(len(data), at + r.choice([1, 1, 2, 4, 16, 100]))
    kind = r.choice(["flip", "set", "delete", "insert", "repeat", "repeat many", "truncate", "swap", "move"])
    if kind == "flip":
        return data[:at] + bytes(byte ^ 1 << r.randrange(8) for byte in data[at:end]) + data[end:]
    if kind == "set":
        return data[:at] + bytes(r.choice([0, 0x7F, 0x80, 0xFF]) for _ in data[at:end]) + data[end:]
    if kind == "delete":
        return data[:at] + data[end:]
    if kind == "insert":
        return data[:at] + r.randbytes(r.choice([1, 2, 8])) + data[at:]
    if kind == "repeat":
        return data[:end] + data[at:end] + data[end:]
    if kind == "repeat many":
        return data[:end] + data[at:end] * r.choice([10, 100, 500]) + data[end:]
    if kind == "truncate":
        return data[:at]
    parts = data.split(separator)
    one, two = r.randrange(len(parts)), r.randrange(len(parts))
    if kind == "swap":
        parts[one], parts[two] = parts[two], parts[one]
    else:
        parts.insert(two, parts.pop(one))
    return separator.join(parts)


def assert_read_or_refused(path, data):
    """Returns whether the file is read; then it has notes, and is written to MIDI or refused with one line."""
    path.write_bytes(data)
    try:
        sequences = files.read(path, lambda line: None, lambda line: None)
    except errors.UserError as e:
        assert "\n" not in str(e) and str(path) in str(e), data
        assert "could not be read" not in str(e), f"{e}: a fault that no reader foresaw"
        return False
    assert sequences and all(sequence.notes for sequence in sequences), data
    for sequence in sequences:
        assert midi_writing.to_bytes(sequence)[:4] == b"MThd"
    return True


def check(cases, count, tmp_path):
    """Damages each of the cases in turn, and returns how many files are read and the slowest in seconds."""
    noteseq.load()
    was_read, slowest = 0, (0.0, -1)
    for seed in range(count):
        suffix, data = cases[seed % len(cases)]
        data = damaged(random.Random(seed), suffix, data)
        start = time.perf_counter()
        try:
            was_read += assert_read_or_refused(tmp_path / f"one{suffix}", data)
        except Exception as e:
            raise AssertionError(f"seed {seed}, a file of {len(data)} bytes with suffix {suffix}") from e
        slowest = max(slowest, (time.perf_counter() - start, seed))
    print(f"{was_read} of {count} damaged files are read; the slowest, {slowest[1]}, takes {slowest[0]:.2f} s")
    return was_read


def test_the_sources_are_read(tmp_path):
    for suffix, data in sources():
        assert assert_read_or_refused(tmp_path / f"one{suffix}", data)


def test_damaged_files_are_read_or_refused(tmp_path):
    assert 0 < check(sources(), 240, tmp_path) < 240


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused(tmp_path, data_folder):
    cases = sources()
    for path in sorted((data_folder.parent / "cases").iterdir()):
        if path.suffix.lower() in files.SUFFIXES:
            cases.append((path.suffix.lower(), path.read_bytes()))
    with zipfile.ZipFile(data_folder / "openscore-lieder.zip") as archive:
        small = sorted((m.file_size, m.filename) for m in archive.infolist() if m.filename.endswith(".mxl"))[:3]
        cases += [(".mxl", archive.read(name)) for _, name in small]
    with zipfile.ZipFile(data_folder / "pop909.zip") as archive:
        cases.append((".mid", archive.read(next(m for m in sorted(archive.namelist()) if m.endswith(".mid")))))
    cases += [(".mid", path.read_bytes()) for path in sorted((data_folder / "groove").rglob("*.mid"))[:3]]
    assert 0 < check(cases, 3000, tmp_path) < 3000
