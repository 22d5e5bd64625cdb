import json

import numpy as np
import pytest

from musejax.evaluation import mgeval, note_rolls

NAMES = ["pc", "nc", "pch", "pctm", "pr", "pi", "ioi", "nlh", "nltm"]


def of(*pieces, tracks=2, beat=4, bar=16, drums=()):
    return note_rolls.from_notes(pieces, tracks=tracks, beat=beat, bar=bar, drums=drums)


def melody(rng, *, frames=128, around=66):
    """A random walk in notes of 1 to 8 frames."""
    out, start, pitch = [], 0, around + int(rng.integers(-5, 6))
    while start < frames:
        end = min(frames, start + int(rng.choice([1, 2, 4, 8], p=[0.1, 0.3, 0.4, 0.2])))
        out.append(note_rolls.Note(0, pitch, start, end))
        start, pitch = end, int(np.clip(pitch + rng.integers(-4, 5), 30, 100))
    return out


@pytest.fixture(scope="module")
def melodies():
    rng = np.random.default_rng(0)
    return mgeval.features(of(*(melody(rng) for _ in range(120))))


def part(features, rows):
    return {name: values[rows] for name, values in features.items()}


def test_features_by_hand():
    notes = [
        note_rolls.Note(0, 60, 0, 4),
        note_rolls.Note(1, 67, 0, 8),
        note_rolls.Note(0, 64, 4, 8),
        note_rolls.Note(0, 72, 12, 14),
    ]
    drums = [note_rolls.Note(2, 36, t, t + 1) for t in range(16)]
    got = {k: v[0] for k, v in mgeval.features(of(notes + drums, tracks=3, drums=[2])).items()}
    assert list(got) == NAMES
    assert got["pc"] == 4
    assert got["nc"] == 4
    assert got["pr"] == 12
    assert got["pi"] == pytest.approx((7 + 3 + 8) / 3)
    assert got["ioi"] == pytest.approx((0 + 1 + 2) / 3)
    pch = np.zeros(12)
    pch[[0, 4, 7]] = 6 / 18, 4 / 18, 8 / 18
    np.testing.assert_allclose(got["pch"], pch)
    pctm = np.zeros((12, 12))
    pctm[[0, 7, 4], [7, 4, 0]] = 1
    np.testing.assert_array_equal(got["pctm"], pctm.ravel())
    nlh = np.zeros(12)
    nlh[[2, 1, 3]] = 0.5, 0.25, 0.25  # Two quarters, a half and an 8th.
    np.testing.assert_array_equal(got["nlh"], nlh)
    nltm = np.zeros((12, 12))
    nltm[[2, 1, 2], [1, 2, 3]] = 1
    np.testing.assert_array_equal(got["nltm"], nltm.ravel())


@pytest.mark.parametrize(("frames", "index"), [(48, 0), (36, 5), (18, 6), (9, 7), (16, 9), (8, 10), (4, 11), (1, 4)])
def test_note_lengths_are_parts_of_the_bar(frames, index):
    got = mgeval.features(of([note_rolls.Note(0, 60, 0, frames)], beat=12, bar=48))
    assert got["nlh"][0].argmax() == index


def test_transitions_do_not_cross_pieces():
    got = mgeval.features(
        of([note_rolls.Note(0, 60, 0, 4)], [note_rolls.Note(0, 62, 0, 4), note_rolls.Note(0, 64, 4, 8)])
    )
    assert got["pctm"].sum(1).tolist() == got["nltm"].sum(1).tolist() == [0, 1]
    assert got["pctm"][1].argmax() == 2 * 12 + 4
    assert np.isnan(got["pi"][0])
    assert got["pi"][1] == 2


def test_what_is_undefined():
    got = mgeval.features(of([], [note_rolls.Note(0, 60, 0, 4)]))
    gone = [[name for name in NAMES if np.isnan(got[name][i]).any()] for i in range(2)]
    assert gone == [["pch", "pr", "pi", "ioi", "nlh"], ["pi", "ioi"]]
    assert [v.shape for v in mgeval.features(of()).values()] == [(0, d) for d in (1, 1, 12, 144, 1, 1, 1, 12, 144)]


@pytest.mark.parametrize("discrete", [True, False])
def test_density_is_that_of_scipy(discrete):
    stats = pytest.importorskip("scipy.stats")
    samples = np.random.default_rng(0).gamma(2.0, 3.0, 1500)
    samples = np.round(samples) if discrete else samples
    grid = np.linspace(-2, samples.max() + 2, 700)
    np.testing.assert_allclose(mgeval.density(samples, grid), stats.gaussian_kde(samples)(grid), rtol=0, atol=1e-8)


def test_distances_leave_one_out():
    a = np.array([[0.0], [1.0], [4.0]])
    assert mgeval._distances(a).tolist() == [1, 4, 1, 3, 4, 3]
    assert mgeval._distances(a, np.array([[1.0], [2.0]])).tolist() == [1, 2, 0, 1, 3, 2]
    many = np.random.default_rng(0).normal(size=(300, 2))
    drawn = mgeval._distances(many)
    assert len(drawn) == mgeval.PAIRS
    assert drawn.min() > 0  # No piece is compared with itself.
    np.testing.assert_array_equal(drawn, mgeval._distances(many))
    assert drawn.mean() == pytest.approx(np.sqrt(np.pi), rel=0.1)


def test_area_is_that_of_the_package():
    """The package integrates by quadrature between the least and the largest value."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    a, b = rng.gamma(2, 2, 400), rng.gamma(3, 2, 500)
    p, q = stats.gaussian_kde(a), stats.gaussian_kde(b)
    fine = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), 20_000)
    want = np.trapezoid(np.minimum(p(fine), q(fine)), fine)
    area, divergence = mgeval.compare(a, b)
    assert area == pytest.approx(want, abs=1e-4)
    assert divergence == pytest.approx(stats.entropy(p(fine), q(fine)), abs=1e-3)


def test_halves_of_a_set_overlap(melodies):
    got = mgeval.summary(part(melodies, slice(0, None, 2)), part(melodies, slice(1, None, 2)))
    assert list(got) == ["overlapped_area", "overlapped_area_reference", "kl"]
    assert all(list(v) == [*NAMES, "mean"] for v in got.values())
    assert got["overlapped_area"]["mean"] > 0.8
    assert got["overlapped_area_reference"]["mean"] > 0.8
    assert got["kl"]["mean"] < 0.1


def test_copies_of_one_piece_do_not_overlap(melodies):
    copies = part(melodies, np.zeros(64, int))
    got = mgeval.summary(copies, part(melodies, slice(1, None)))
    assert got["overlapped_area"]["mean"] == 0
    assert got["overlapped_area_reference"]["mean"] > 0.5  # Which is why this is not the main direction.
    assert got["kl"]["mean"] > 5
    assert np.isfinite(got["kl"]["mean"])


def test_nearly_all_copies_hardly_overlap(melodies):
    rows = np.zeros(64, int)
    rows[:2] = 1, 2
    got = mgeval.summary(part(melodies, rows), part(melodies, slice(3, None)))
    assert got["overlapped_area"]["mean"] < 0.2


def test_copies_of_the_same_piece_overlap(melodies):
    got = mgeval.summary(part(melodies, np.zeros(5, int)), part(melodies, np.zeros(7, int)))
    assert got["overlapped_area"]["mean"] == 1
    assert got["kl"]["mean"] == 0
    other = mgeval.summary(part(melodies, np.zeros(5, int)), part(melodies, np.ones(7, int)))
    assert other["overlapped_area"]["pctm"] == 0


def test_a_wider_range_is_seen(melodies):
    ours, theirs = part(melodies, slice(0, None, 2)), part(melodies, slice(1, None, 2))
    same = mgeval.overlap(ours, theirs)["pr"]
    shifted = mgeval.overlap(ours | {"pr": ours["pr"] + 40}, theirs)["pr"]
    assert shifted["overlapped_area"] < 0.3 < 0.7 < same["overlapped_area"]
    assert shifted["kl"] > 1 > 0.1 > same["kl"]
    assert shifted["kl_reference"] > 1


def test_silent_pieces_are_left_out_where_undefined(melodies):
    silent = mgeval.features(of([], []))
    ours = {k: np.concatenate((v[:60], silent[k])) for k, v in melodies.items()}
    theirs = part(melodies, slice(60, None))
    got, without = mgeval.overlap(ours, theirs), mgeval.overlap(part(ours, slice(60)), theirs)
    assert got["pch"] == without["pch"]
    assert got["nc"] != without["nc"]
    alone = mgeval.summary(silent, theirs)
    assert np.isnan(alone["overlapped_area"]["pch"])
    assert np.isnan(alone["overlapped_area"]["mean"])
    assert alone["overlapped_area"]["nc"] == 0


def test_halves_of_the_chorales_overlap(data_folder):
    grids = json.loads((data_folder / "Jsb16thSeparated.json").read_text())["test"]
    pieces = []
    for grid in (np.array(g, float) for g in grids):
        notes = []
        for voice, line in enumerate(grid.T):
            edges = [0, *(np.flatnonzero(line[1:] != line[:-1]) + 1), len(line)]
            notes += [
                note_rolls.Note(voice, int(line[s]), int(s), int(e)) for s, e in zip(edges, edges[1:]) if line[s] >= 0
            ]
        pieces.append(notes)
    features = mgeval.features(note_rolls.cut(of(*pieces, tracks=4), 8))
    got = mgeval.summary(part(features, slice(0, None, 2)), part(features, slice(1, None, 2)))
    assert got["overlapped_area"]["mean"] > 0.8
    assert got["overlapped_area_reference"]["mean"] > 0.8
    collapsed = mgeval.summary(part(features, np.zeros(64, int)), features)
    assert collapsed["overlapped_area"]["mean"] == 0
