import json

import numpy as np
import pytest

from musejax import corpora
from musejax.evaluation import muspy, note_rolls

NAMES = {
    "pitch_range",
    "n_pitches_used",
    "n_pitch_classes_used",
    "polyphony",
    "polyphony_rate",
    "scale_consistency",
    "pitch_entropy",
    "pitch_class_entropy",
    "empty_beat_rate",
    "empty_measure_rate",
    "groove_consistency",
    "drum_in_pattern_rate",
    "drum_pattern_consistency",
}


def of(notes, *, tracks=1, beat=4, bar=16, drums=(), frames=None):
    return note_rolls.from_notes([notes], tracks=tracks, beat=beat, bar=bar, drums=drums, frames=frames)


def random_notes(rng, *, tracks, frames, count, longest=20):
    """Notes that do not overlap within a track and a pitch."""
    out = []
    taken = np.zeros((tracks, frames, 128), bool)
    for _ in range(count):
        track, pitch, start = int(rng.integers(tracks)), int(rng.integers(20, 100)), int(rng.integers(frames - 1))
        end = min(frames, start + int(rng.integers(1, longest)))
        if not taken[track, start:end, pitch].any():
            taken[track, start:end, pitch] = True
            out.append(note_rolls.Note(track, pitch, start, end))
    return out


def test_values_by_hand():
    # C major triad over beats 1 and 2, then B flat alone in beat 3 of a bar that is otherwise empty; bars of 16.
    notes = [note_rolls.Note(0, p, 0, 6) for p in (60, 64, 67)] + [
        note_rolls.Note(0, 70, 8, 10),
        note_rolls.Note(0, 72, 36, 38),
    ]
    got = muspy.statistics(of(notes))
    assert set(got) == NAMES
    assert all(v.shape == (1,) and v.dtype == np.float64 for v in got.values())
    values = {k: v.item() for k, v in got.items()}
    assert values["pitch_range"] == 12
    assert values["n_pitches_used"] == 5
    assert values["n_pitch_classes_used"] == 4
    assert values["polyphony"] == pytest.approx((3 * 6 + 2 + 2) / 10)
    assert values["polyphony_rate"] == pytest.approx(6 / 38)
    assert values["scale_consistency"] == 1  # F major and D minor hold C, E, G and B flat.
    assert values["pitch_entropy"] == pytest.approx(np.log2(5))
    assert values["pitch_class_entropy"] == pytest.approx(0.4 * np.log2(2.5) + 0.6 * np.log2(5))
    assert values["empty_beat_rate"] == pytest.approx(1 - 4 / 10)
    assert values["empty_measure_rate"] == pytest.approx(1 / 3)
    # Onsets at 0 and 8, none, and at 4: two of 16 positions differ, then one.
    assert values["groove_consistency"] == pytest.approx(1 - 3 / 32)
    assert np.isnan(values["drum_in_pattern_rate"])
    assert np.isnan(values["drum_pattern_consistency"])


def test_a_note_reaches_into_the_beat_at_its_end():
    got = muspy.statistics(of([note_rolls.Note(0, 60, 0, 4), note_rolls.Note(0, 60, 12, 16)]))
    assert got["empty_beat_rate"] == pytest.approx(1 - 4 / 5)
    assert got["empty_measure_rate"] == 0
    assert got["groove_consistency"] == pytest.approx(1 - 2 / 16)


def test_silence_at_the_end_is_no_part_of_a_piece():
    notes = random_notes(np.random.default_rng(3), tracks=1, frames=40, count=30)
    short, long = muspy.statistics(of(notes)), muspy.statistics(of(notes, frames=[400]))
    for name in NAMES:
        np.testing.assert_array_equal(short[name], long[name])


def test_drums():
    notes = [note_rolls.Note(1, 36, t, t + 1) for t in (0, 3, 4, 6, 8, 12)] + [note_rolls.Note(0, 60, 0, 12)]
    piece = of(notes, tracks=2, beat=12, bar=48, drums=[1])
    assert muspy.drum_in_pattern_rate(piece) == pytest.approx(4 / 6)  # 0, 3, 6 and 12.
    assert muspy.drum_in_pattern_rate(piece, "triple") == pytest.approx(4 / 6)  # 0, 4, 8 and 12.
    got = muspy.statistics(piece)
    assert got["drum_pattern_consistency"] == pytest.approx(4 / 6)
    assert got["n_pitches_used"] == 1
    assert got["polyphony"] == 1
    with pytest.raises(ValueError, match="it must be one of duple, triple"):
        muspy.drum_in_pattern_rate(piece, "quintuple")


def test_pitch_in_scale():
    piece = of([note_rolls.Note(0, p, i, i + 1) for i, p in enumerate((60, 62, 63, 66))])
    assert muspy.pitch_in_scale_rate(piece, 0, "major") == 0.5
    assert muspy.pitch_in_scale_rate(piece, 0, "minor") == 0.75
    assert muspy.pitch_in_scale_rate(piece, 7, "minor") == 0.75
    with pytest.raises(ValueError, match="it must be one of major, minor"):
        muspy.pitch_in_scale_rate(piece, 0, "dorian")


def test_what_is_undefined():
    got = muspy.statistics(
        note_rolls.from_notes([[], [note_rolls.Note(1, 40, 0, 2)]], tracks=2, beat=4, bar=16, drums=[1])
    )
    counted = {"pitch_range", "n_pitches_used", "n_pitch_classes_used"}
    defined = counted | {"polyphony_rate", "empty_beat_rate", "empty_measure_rate"}
    defined |= {"drum_in_pattern_rate", "drum_pattern_consistency"}
    for name, values in got.items():
        assert np.isnan(values[0]) == (name not in counted), name
        assert np.isnan(values[1]) == (name not in defined), name
    assert got["pitch_range"].tolist() == [0, 0]
    assert all(v.shape == (0,) for v in muspy.statistics(note_rolls.from_notes([], tracks=1, beat=4, bar=16)).values())


def test_a_batch_is_its_pieces():
    rng = np.random.default_rng(1)
    pieces = [random_notes(rng, tracks=3, frames=n, count=40) for n in (50, 90, 120)]
    bars = [12, 16, 8]
    got = muspy.statistics(note_rolls.from_notes(pieces, tracks=3, beat=4, bar=bars, drums=[2]))
    for i, (notes, bar) in enumerate(zip(pieces, bars, strict=True)):
        for name, value in muspy.statistics(of(notes, tracks=3, bar=bar, drums=[2])).items():
            assert got[name][i] == value[0], name


# As given by the package MusPy, version 0.5.0, for the piece of `test_golden`.
GOLDEN = {
    "drum_in_pattern_rate": 0.36363636363636365,
    "drum_pattern_consistency": 0.36363636363636365,
    "empty_beat_rate": 0.32352941176470584,
    "empty_measure_rate": 0.25,
    "groove_consistency": 0.8156565656565656,
    "n_pitch_classes_used": 11.0,
    "n_pitches_used": 30.0,
    "pitch_class_entropy": 3.231769196256197,
    "pitch_entropy": 4.852168723603281,
    "pitch_range": 79.0,
    "polyphony": 2.3721973094170403,
    "polyphony_rate": 0.2625,
    "scale_consistency": 0.7058823529411765,
}
GOLDEN_TRIPLE = 0.3181818181818182
GOLDEN_SCALE = 0.6176470588235294


def golden_notes():
    """Three tracks with a gap of some bars."""
    notes = random_notes(np.random.default_rng(0), tracks=3, frames=400, count=90, longest=30)
    return [n for n in notes if n.end < 150 or n.start > 270]


def test_golden():
    piece = of(golden_notes(), tracks=3, beat=12, bar=36, drums=[2])
    got = muspy.statistics(piece)
    assert set(got) == set(GOLDEN)
    for name, value in GOLDEN.items():
        assert got[name].item() == pytest.approx(value, abs=1e-12), name
    assert muspy.drum_in_pattern_rate(piece, "triple").item() == pytest.approx(GOLDEN_TRIPLE, abs=1e-12)
    assert muspy.pitch_in_scale_rate(piece, 2, "minor").item() == pytest.approx(GOLDEN_SCALE, abs=1e-12)


def by_package(package, notes, *, tracks, beat, bar, drums):
    music = package.Music(
        resolution=beat,
        tracks=[
            package.Track(
                is_drum=track in drums,
                notes=[
                    package.Note(time=n.start, pitch=n.pitch, duration=n.end - n.start, velocity=64)
                    for n in notes
                    if n.track == track
                ],
            )
            for track in range(tracks)
        ],
    )
    with_bar = {"empty_measure_rate", "groove_consistency"}
    out = {name: getattr(package, name)(music, bar) for name in with_bar}
    out["drum_in_pattern_rate"] = package.drum_in_pattern_rate(music, "duple")
    out |= {name: getattr(package, name)(music) for name in NAMES - set(out)}
    out["triple"] = package.drum_in_pattern_rate(music, "triple")
    out["scale"] = package.pitch_in_scale_rate(music, 2, "minor")
    return out


def agrees(package, notes, **layout):
    want = by_package(package, notes, **layout)
    piece = of(notes, **layout)
    got = muspy.statistics(piece)
    got["triple"] = muspy.drum_in_pattern_rate(piece, "triple")
    got["scale"] = muspy.pitch_in_scale_rate(piece, 2, "minor")
    assert set(got) == set(want)
    for name, value in want.items():
        np.testing.assert_allclose(got[name].item(), value, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(40))
def test_random_pieces_agree_with_the_package(seed):
    package = pytest.importorskip("muspy")
    rng = np.random.default_rng(seed)
    beat = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 12, 24]))
    tracks = int(rng.integers(1, 6))
    notes = random_notes(rng, tracks=tracks, frames=int(rng.integers(2, 400)), count=int(rng.integers(3, 150)))
    if not any(n.track == 0 for n in notes):
        notes.append(note_rolls.Note(0, 60, 0, 1))
    drums = [tracks - 1] if tracks > 1 and rng.integers(2) else []
    agrees(package, notes, tracks=tracks, beat=beat, bar=beat * int(rng.integers(2, 6)), drums=drums)


def chorale(frames):
    """The notes of four voices of pitches by frame: equal neighbours are one note."""
    grid = np.array(frames, float)
    out = []
    for voice in range(4):
        line = grid[:, voice]
        edges = [0, *(np.flatnonzero(line[1:] != line[:-1]) + 1), len(line)]
        for start, end in zip(edges, edges[1:]):
            if line[start] >= 0:
                out.append(note_rolls.Note(voice, int(line[start]), int(start), int(end)))
    return out


def test_chorales_agree_with_the_package(data_folder):
    package = pytest.importorskip("muspy")
    pieces = json.loads((data_folder / "Jsb16thSeparated.json").read_text())["test"]
    for piece in pieces[:20]:
        agrees(package, chorale(piece), tracks=4, beat=4, bar=16, drums=())


@pytest.mark.parametrize(
    ("name", "published"),
    [("bl-jsb", 3.89), ("bl-nottingham", 3.99), ("bl-musedata", 3.29), ("bl-piano-midi", 2.95)],
)
def test_polyphony_of_the_benchmark_sets_is_what_is_published(name, published, data_folder):
    # Notes a frame of the test splits; their source gives 3.9 for the sets together.
    frames = [p.arrays["frames"] for p in corpora.load(name).pieces if p.split == "test"]
    sizes = np.array([len(f) for f in frames])
    sounding = np.zeros((len(frames), 1, sizes.max(), note_rolls.PITCHES), bool)
    for row, bits in enumerate(frames):
        sounding[row, 0, : len(bits), 21:109] = bits
    batch = note_rolls.Rolls(sounding, sounding, sizes, np.full(len(frames), 8), 2, np.zeros(1, bool))
    active = sounding.any(-1).sum((1, 2))
    polyphony = muspy.statistics(batch)["polyphony"]
    assert round(float((polyphony * active).sum() / sizes.sum()), 2) == published
