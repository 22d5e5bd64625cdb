"""Files and pieces that announce more than music holds get one line, and little memory is taken for them."""

import importlib.util
import io
import math
import tracemalloc
import zipfile

import pytest

from musejax import cli, codecs, errors, registry, rendering
from musejax.generation import joining
from musejax.music import files, limits, midi_bytes, noteseq
from musejax.reports import gridded

MEMORY = 500 * 2**20


def peak(function, *args):
    """The most memory that Python and NumPy take during a call, in bytes, and the message of its error, if any."""
    tracemalloc.start()
    try:
        function(*args)
        message = None
    except (errors.UserError, errors.DiscardError) as e:
        message = str(e)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most, message


def quantity(n):
    out = [n & 127]
    while n := n >> 7:
        out.append(n & 127 | 128)
    return bytes(out[::-1])


def smf(*tracks, ticks=480):
    chunks = [track + b"\0\xff\x2f\0" for track in tracks]
    header = b"MThd\0\0\0\6\0\1" + len(tracks).to_bytes(2, "big") + (ticks & 0xFFFF).to_bytes(2, "big")
    return header + b"".join(b"MTrk" + len(c).to_bytes(4, "big") + c for c in chunks)


def tempo(microseconds):
    return b"\0\xff\x51\3" + microseconds.to_bytes(3, "big")


NOTE = b"\0\x90\x3c\x50\x60\x80\x3c\0"
# The same on a second channel of a track, which only the slow reader reads.
ODD = NOTE + b"\0\x91\x3c\x50\x60\x81\x3c\0"
FAR = quantity(2**28 - 1) + NOTE[1:]
MIDI = {
    "a late note": (smf(NOTE + FAR), "seconds"),
    "a late note for the slow reader": (smf(ODD + FAR), "seconds"),
    "one tick a quarter": (smf(NOTE + quantity(60_000) + NOTE[1:], ticks=1), "quarter notes"),
    "many ticks a quarter": (smf(ODD + quantity(2**27) + NOTE[1:], ticks=32767), None),
    "ticks beyond 32 bits": (smf(NOTE + (quantity(2**28 - 1) + b"\xb0\7\1") * 16 + NOTE), "seconds"),
    "a quick tempo": (smf(tempo(1) + NOTE + quantity(10_000) + NOTE[1:]), None),
    "a slow tempo": (smf(tempo(10**7) + NOTE + quantity(10_000) + NOTE[1:]), None),
    "a tempo of 0": (smf(tempo(0) + NOTE), "0 microseconds"),
    "a tempo of 0 for the slow reader": (smf(tempo(0) + ODD), "0 microseconds"),
    "no ticks": (smf(NOTE, ticks=0), "0 ticks per quarter note"),
    "no ticks for the slow reader": (smf(ODD, ticks=0), "0 ticks per quarter note"),
    "video frames": (smf(NOTE, ticks=-6488), "SMPTE"),
    "many tempos": (smf(b"\1".join(tempo(500_000 + i % 2)[i > 0 :] for i in range(30_000)) + NOTE), "changes of tempo"),
    "a bar of no length": (smf(b"\0\xff\x58\4\1\x3f\x18\x08" + NOTE), None),
    "a chunk without end": (b"MThd\0\0\0\6\0\1\xff\xff\1\xe0MTrk\xff\xff\xff\xff" + NOTE, "cannot be read as MIDI"),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def loaded():
    """What is imported once is no part of any piece's memory."""
    noteseq.load()
    files.midi_to_sequence(smf(NOTE))


@pytest.mark.parametrize("name", MIDI)
def test_hostile_midi(tmp_path, name):
    data, message = MIDI[name]
    path = tmp_path / "one.mid"
    path.write_bytes(data)
    most, found = peak(files.read, path)
    assert most < MEMORY / 5
    assert found is None if message is None else message in found and "\n" not in found


@pytest.mark.parametrize("events", [b"\0\x80\x3c\0", b"\0\x3c\0", b"\0\xff\1\2ab", b"\0\xc1\7", b"\0\xf0\2ab"])
def test_events_are_counted_before_they_are_read(monkeypatch, events):
    monkeypatch.setattr(midi_bytes, "MAX_EVENTS", 100)
    files.midi_to_sequence(smf(NOTE + events * 97))
    with pytest.raises(errors.UserError, match="it has 101 events; at most 100 can be read"):
        files.midi_to_sequence(smf(NOTE + events * 98))
    with pytest.raises(errors.UserError, match="it has 101 events"):
        files.midi_to_sequence(smf(NOTE, NOTE + events * 97))


def test_a_late_note_ends_a_conversion_with_one_line(tmp_path, capsys):
    path, out = tmp_path / "late.mid", tmp_path / "out"
    path.write_bytes(MIDI["a late note"][0])
    with pytest.raises(SystemExit) as e:
        cli.main(["convert", str(path), "--out", str(out)])
    assert e.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not out.exists()


def score(measures, head=""):
    listed = '<part-list><score-part id="P1"/></part-list>'
    return f'{head}<score-partwise>{listed}<part id="P1">{measures}</part></score-partwise>'


def pitch(duration, divisions=1):
    return (
        f"<measure><attributes><divisions>{divisions}</divisions></attributes><note><pitch><step>C</step><octave>4"
        f"</octave></pitch><duration>{duration}</duration></note></measure>"
    )


ENTITIES = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
XML = {
    "a long note": (score(pitch(10**9)), "quarter notes"),
    "a length of many digits": (score(pitch("9" * 400)), "MusicXML"),
    "no divisions": (score(pitch(1, 0)), "MusicXML"),
    "a slow tempo": (score(pitch(4).replace("<note>", '<sound tempo="0.0001"/><note>')), "seconds"),
    "a tempo that is no number": (score(pitch(4).replace("<note>", '<sound tempo="nan"/><note>')), None),
    "many bars": (score(pitch(1) + "<measure/>" * 300_000), "bars"),
    "many tags": (score("<a/>" * 3_100_000), "tags"),
    "many notes": (score("<measure>" + "<note/>" * 250_000 + "</measure>"), "notes"),
    "a long bar": (
        score(pitch(4).replace("</attr", "<time><beats>1000000</beats><beat-type>4</beat-type></time></attr")),
        None,
    ),
    "entities": (
        score("<measure>&e9;</measure>", f'<!DOCTYPE score-partwise [<!ENTITY e0 "aaaaaaaaaa">{ENTITIES}]>'),
        "entity 'e0'",
    ),
}


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("zipped", [False, True])
def test_hostile_scores(tmp_path, name, zipped):
    text, message = XML[name]
    path = tmp_path / ("one.mxl" if zipped else "one.musicxml")
    path.write_bytes(archive(text.encode()) if zipped else text.encode())
    most, found = peak(files.read, path)
    assert most < MEMORY
    assert found is None if message is None else message in found and "\n" not in found


def archive(data, container='<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("META-INF/container.xml", container)
        z.writestr("s.xml", data)
    return out.getvalue()


def lying(data):
    """An archive whose score announces a size of 10 bytes."""
    size = len(data).to_bytes(4, "little")
    return archive(data).replace(size, (10).to_bytes(4, "little"))


@pytest.mark.parametrize("wrap", [archive, lying, lambda data: archive(score(pitch(4)).encode(), data)])
def test_a_zip_bomb(tmp_path, wrap):
    path = tmp_path / "one.mxl"
    path.write_bytes(wrap(b" " * (limits.MAX_BYTES + 2**20)))
    assert path.stat().st_size < 2**20
    most, message = peak(files.read, path)
    assert most < MEMORY / 4
    assert message and "\n" not in message


HEAD = "X:1\nT:one\nM:4/4\nL:1/4\nK:C\n"


@pytest.mark.parametrize(
    "body", ["Z100000000|C4|", "C(3:1000000:3CDE|" * 9, "Q:1/4=1\n" + "z64|" * 400 + "C|", "C999999999|"]
)
def test_hostile_abc(tmp_path, body):
    path = tmp_path / "one.abc"
    path.write_text(HEAD + body + "\n")
    most, message = peak(files.read, path)
    assert most < MEMORY / 5
    assert message is None or "\n" not in message


def test_a_large_file_is_not_opened(tmp_path):
    for suffix in (".mid", ".abc", ".xml", ".mxl"):
        path = tmp_path / f"one{suffix}"
        with path.open("wb") as f:
            f.truncate(limits.MAX_BYTES + 1)
        most, message = peak(files.read, path)
        assert most < 2**20 and "at most 32 MB" in message


def piece(notes=(), *, qpm=120.0, signatures=((4, 4),), resolution=480, tempos=(), total=0.0):
    """Two bars of an ordinary melody with bass and drums, and what is hostile."""
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=resolution)
    sequence.tempos.add(qpm=qpm)
    for time, value in tempos:
        sequence.tempos.add(time=time, qpm=value)
    for i, (numerator, denominator) in enumerate(signatures):
        sequence.time_signatures.add(time=float(i), numerator=numerator, denominator=denominator)
    beat = 60.0 / qpm
    for program, drum, instrument in ((0, False, 0), (33, False, 1), (0, True, 2), (48, False, 3)):
        rows = [(i * beat, (i + 1) * beat) for i in range(32)] + list(notes)
        for i, (start, end) in enumerate(rows):
            sequence.notes.add(
                start_time=start, end_time=end, pitch=(36, 38)[i % 2] if drum else 60 - 5 * instrument + i % 7,
                velocity=80, program=program, is_drum=drum, instrument=instrument,
            )  # fmt: skip
    sequence.total_time = max(total, *(n.end_time for n in sequence.notes))
    return sequence


HOSTILE = {
    "a note at tick 2^27": lambda: piece([(2**27 / 960, 2**27 / 960 + 1)]),
    "a note at the last quarter": lambda: piece([(24_990.0, 24_999.0)]),
    "a note of a billion seconds": lambda: piece([(16.0, 1e9)]),
    "a note without end": lambda: piece([(16.0, math.inf)]),
    "a time that is no number": lambda: piece([(16.0, math.nan)]),
    "silence of a billion seconds": lambda: piece(total=1e9),
    "a million bars": lambda: piece([(62_500.0, 62_501.0)], qpm=60.0, signatures=[(1, 16)]),
    "short bars": lambda: piece([(1500.0, 1501.0)], signatures=[(1, 16)]),
    "a bar of a billion quarters": lambda: piece(signatures=[(2**31 - 1, 1)]),
    "the longest bar": lambda: piece(signatures=[(255, 1)]),
    "bars of no length": lambda: piece(signatures=[(1, 2**30)]),
    "a tempo of 1 us": lambda: piece(qpm=6e7),
    "a tempo of 1 us under seconds": lambda: piece(tempos=[(1.0, 6e7)]),
    "a tempo of 10^7 us": lambda: piece(qpm=6.0),
    "a tempo of 10^7 us to the end": lambda: piece([(86_000.0, 86_001.0)], qpm=6.0),
    "a tempo of 0": lambda: piece(tempos=[(1.0, 0.0)]),
    "a tempo without end": lambda: piece(tempos=[(1.0, math.inf)]),
    "resolution 1": lambda: piece(resolution=1),
    "resolution 32767": lambda: piece([(86_000.0, 86_001.0)], qpm=20.0, resolution=32767),
    "many changes": lambda: piece(tempos=[(1 + i / 1e4, 100.0 + i % 2) for i in range(30_000)]),
}


@pytest.mark.parametrize(
    "name", [n for n in registry.names("codec") if n != "remi" or importlib.util.find_spec("miditok")]
)
def test_every_codec_keeps_within_memory(name):
    codec = codecs.get(name)
    codec.variants(piece())  # what is loaded once counts once
    for what, make in HOSTILE.items():
        sequence = make()
        for function in (codec.variants, codec.encode, codec.prime):
            most, message = peak(function, sequence)
            assert most < MEMORY, f"{what}: {most / 2**20:.0f} MB"
            assert message is None or "\n" not in message, what


@pytest.mark.parametrize("suffix", [".mid", ".wav", ".png", ".musicxml"])
def test_every_format_keeps_within_memory(tmp_path, suffix):
    for what, make in HOSTILE.items():
        if suffix != ".mid" and not any(word in what for word in ("billion", "million", "without", "no ", "2^27")):
            continue  # Music, which takes as long as it takes.
        most, message = peak(rendering.write, make(), tmp_path / f"one{suffix}")
        assert most < MEMORY, f"{what}: {most / 2**20:.0f} MB"
        assert message is None or "\n" not in message, what


def test_statistics_and_joined_phrases_keep_within_memory():
    for what, make in HOSTILE.items():
        sequence = make()
        for function in (lambda s=sequence: gridded.on_grid(s, 24), lambda s=sequence: joining.join(s, piece(), 2)):
            most, message = peak(function)
            assert most < MEMORY, f"{what}: {most / 2**20:.0f} MB"
            assert message is None or "\n" not in message, what
    with pytest.raises(errors.UserError, match="gap"):
        joining.join(piece(), piece(), 10**9)
