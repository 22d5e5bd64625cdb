"""MIDI read, written and read again is the same music, tick for tick."""

import random
import zipfile
from pathlib import Path

import midi_text
import numpy as np
import pytest
from midi_text import channel, meta

from musejax.music import files, midi_reading, midi_writing, timing


def content(sequence):
    """All that a sequence of a MIDI file holds; places in ticks."""
    tempos = timing.tempo_map(sequence)

    def at(*seconds):
        ticks = tempos.quarters(np.array(seconds)) * sequence.ticks_per_quarter
        assert np.abs(ticks - np.rint(ticks)).max() < 1e-2, "a place between ticks"
        return tuple(np.rint(ticks).astype(int).tolist())

    def of(item):
        return item.instrument, item.program, item.is_drum

    return {
        "ticks": sequence.ticks_per_quarter,
        "title": sequence.sequence_metadata.title,
        "names": [(i.instrument, i.name) for i in sequence.instrument_infos],
        "notes": sorted((*of(n), n.pitch, n.velocity, *at(n.start_time, n.end_time)) for n in sequence.notes),
        "tempos": [(*at(t.time), round(60e6 / t.qpm)) for t in sequence.tempos],
        "metres": [(*at(s.time), s.numerator, s.denominator) for s in sequence.time_signatures],
        "keys": [(*at(k.time), k.key, k.mode) for k in sequence.key_signatures],
        "controls": [(*of(c), *at(c.time), c.control_number, c.control_value) for c in sequence.control_changes],
        "bends": [(*of(b), *at(b.time), b.bend) for b in sequence.pitch_bends],
        "texts": [(*at(a.time), a.text) for a in sequence.text_annotations],
    }


def assert_round_trip(data, label=None):
    """Returns what stayed the same."""
    before = content(midi_reading.midi_to_sequence(data))
    after = content(midi_reading.midi_to_sequence(midi_writing.to_bytes(midi_reading.midi_to_sequence(data))))
    for field, value in before.items():
        assert after[field] == value, (label, field)
    return before


def random_track(r, number, length):
    """Notes, controllers, bends and lyrics on one or two channels."""
    channels = r.choice([[number % 16], [9], [number % 16, 9], [0]])
    events = [meta(3, r.choice(["Piano", "Flöte", "歌", "Lead 2"]))] if r.random() < 0.8 else []
    for one in channels:
        events.append(channel(0xC0 | one, r.randrange(128)))
    for _ in range(length):
        delta, one, kind = r.choice([0, 0, 1, 60, 160, 240, 7777]), r.choice(channels), r.random()
        if kind < 0.4:
            events.append(channel(0x90 | one, r.randint(58, 64), r.choice([1, 64, 127]), delta=delta))
        elif kind < 0.8:
            events.append(channel(0x80 | one, r.randint(58, 64), 0, delta=delta))
        elif kind < 0.87:
            events.append(channel(0xB0 | one, r.choice([7, 10, 64]), r.randrange(128), delta=delta))
        elif kind < 0.92:
            events.append(channel(0xE0 | one, r.randrange(128), r.randrange(128), delta=delta))
        elif kind < 0.95:
            events.append(meta(5, r.choice(["la", "glo-", "ria", "さ"]), delta))
        else:
            events.append(channel(0xC0 | one, r.randrange(128), delta=delta))
    return b"".join(events)


def random_file(seed):
    """A file with changes of tempo, metre and key, markers, and tracks of notes."""
    r = random.Random(seed)
    first = [meta(3, r.choice(["A Song", "Prélude", "", "Tempo"]))]
    for _ in range(r.randint(0, 8)):
        delta = r.choice([0, 480, 1000, 12345])
        tempo = r.choice([500_000, 666_667, 419_287, 16_777_215, r.randint(100_000, 2_000_000)])
        first.append(
            r.choice([
                meta(0x51, tempo.to_bytes(3, "big"), delta),
                meta(0x58, bytes([r.randint(1, 13), r.randint(0, 4), 24, 8]), delta),
                meta(0x59, bytes([r.randint(-5, 6) & 0xFF, r.randint(0, 1)]), delta),
                meta(6, r.choice(["Verse", "Réfrain"]), delta),
            ])
        )  # fmt: skip
    tracks = [random_track(r, number, r.randint(20, 120)) for number in range(r.choice([1, 2, 4, 20]))]
    ticks = r.choice([96, 120, 384, 480, 960, 1024, 25000])
    return midi_text.file(b"".join(first), *tracks, ticks=ticks)


def test_random_files_come_back():
    kept = dict.fromkeys(content(midi_reading.midi_to_sequence(midi_text.file(midi_text.note()))), 0)
    for seed in range(60):
        before = assert_round_trip(random_file(seed), seed)
        for field in kept:
            kept[field] += bool(before[field])
    assert min(kept.values()) > 10  # Otherwise something was hardly tried.


def test_a_tempo_far_from_a_round_one_keeps_its_ticks_for_ten_minutes():
    """At 89.999955 a minute the notes of ten minutes stand on their ticks, and the last one within 1e-6 quarters."""
    tempo = meta(0x51, (666_667).to_bytes(3, "big"))
    data = midi_text.file(tempo + midi_text.note() * 900)
    sequence = midi_reading.midi_to_sequence(data)
    assert sequence.total_time == pytest.approx(900 * 0.666667)
    places = timing.to_quarters(sequence, np.array([n.start_time for n in sequence.notes]))
    np.testing.assert_allclose(places, np.arange(900), rtol=0, atol=1e-6)
    assert_round_trip(data)


@pytest.mark.parametrize(
    "name", ["09-tempo-track2", "10-primer34", "12-accompany", "27-riff", "29-alien-chunk", "42-rest"]
)
def test_cases_come_back(data_folder, name):
    paths = sorted((data_folder.parent / "cases").glob(f"{name}*.mid"))
    if not paths:
        pytest.skip("no folder of cases beside MUSEJAX_DATA")
    assert assert_round_trip(paths[0].read_bytes())["notes"]


@pytest.mark.slow
def test_pop909_comes_back(data_folder):
    with zipfile.ZipFile(data_folder / "pop909.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mid"))
        notes = sum(len(assert_round_trip(archive.read(name), name)["notes"]) for name in names)
    assert len(names) >= 909
    print(f"{len(names):,} files, {notes:,} notes")


@pytest.mark.slow
def test_groove_comes_back(data_folder):
    paths = sorted((data_folder / "groove").rglob("*.mid"))
    notes = sum(len(assert_round_trip(path.read_bytes(), path)["notes"]) for path in paths)
    assert len(paths) == 1150
    print(f"{len(paths):,} files, {notes:,} notes")


def scores(data_folder, step):
    """Songs and quartets, one in `step`."""
    for name in ("openscore-lieder.zip", "openscore-quartets.zip"):
        with zipfile.ZipFile(data_folder / name) as archive:
            members = [m for m in sorted(archive.namelist()) if Path(m).suffix in (".mxl", ".musicxml", ".mscx.mxl")]
            for member in members[::step]:
                yield member, archive.read(member)


@pytest.mark.slow
def test_scores_keep_their_notes_in_midi(data_folder, tmp_path):
    """Notes of scores, unisons of two voices included, come back by part, as do titles and lyrics."""
    count = 0
    for name, data in scores(data_folder, 40):
        path = tmp_path / f"score{Path(name).suffix}"
        path.write_bytes(data)
        (sequence,) = files.read(path)
        back = midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence))
        assert sorted(played(back)) == sorted(played(sequence)), name
        texts = [sorted(a.text for a in s.text_annotations if a.text.startswith("lyric: ")) for s in (sequence, back)]
        assert texts[0] == texts[1], name
        count += len(sequence.notes)
    print(f"{count:,} notes")
    assert count > 10_000


def played(sequence):
    """Notes as (voice, pitch, start, end), in 10,080ths of a quarter; voices are numbered in their order."""
    voices = sorted({(n.part, n.instrument, n.is_drum, n.program) for n in sequence.notes})
    places = timing.to_quarters(sequence, np.array([(n.start_time, n.end_time) for n in sequence.notes]))
    rows = np.rint(places * 10080).astype(int).tolist()
    for note, row in zip(sequence.notes, rows):
        yield voices.index((note.part, note.instrument, note.is_drum, note.program)), note.pitch, *row
