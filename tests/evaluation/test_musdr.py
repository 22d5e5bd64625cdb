import itertools

import numpy as np
import pytest

from musejax.evaluation import musdr, note_rolls


def of(notes, *, tracks=1, beat=4, bar=16, drums=(), frames=None):
    return note_rolls.from_notes([notes], tracks=tracks, beat=beat, bar=bar, drums=drums, frames=frames)


def random_notes(rng, *, tracks, frames, count):
    starts = rng.integers(0, frames, count)
    return [note_rolls.Note(int(rng.integers(tracks)), int(rng.integers(30, 90)), int(s), int(s) + 1) for s in starts]


def test_values_by_hand():
    # Bars: C and G; C (twice); a silent one; E flat.
    notes = [note_rolls.Note(0, p, t, t + 2) for p, t in ((60, 0), (67, 8), (48, 16), (60, 28), (63, 48))]
    got = {k: v.item() for k, v in musdr.statistics(of(notes, frames=[64])).items()}
    assert set(got) == {"h1", "h4", "gs"}
    assert got["h1"] == pytest.approx((1 + 0 + 0) / 3)
    assert got["h4"] == pytest.approx(0.6 * np.log2(5 / 3) + 0.4 * np.log2(5))
    # Onsets at {0, 8}, {0, 12}, {} and {0}: 2, 2, 1, 2, 1 and 1 positions differ.
    assert got["gs"] == pytest.approx(1 - 9 / 6 / 16)


def test_a_short_piece_is_one_window():
    notes = [note_rolls.Note(0, 60, 0, 4), note_rolls.Note(0, 62, 16, 20)]
    got = musdr.statistics(of(notes))
    assert got["h1"] == 0
    assert got["h4"] == 1


def test_drums_have_a_groove_and_no_pitch():
    pitched = [note_rolls.Note(0, 60, 0, 4), note_rolls.Note(0, 62, 16, 20)]
    drums = [note_rolls.Note(1, 36, t, t + 1) for t in (4, 8, 20)]
    got = musdr.statistics(of(pitched + drums, tracks=2, drums=[1]))
    assert got["h4"] == 1
    assert got["gs"] == pytest.approx(1 - 1 / 16)


def test_what_is_undefined():
    got = musdr.statistics(note_rolls.from_notes([[], [note_rolls.Note(0, 60, 0, 4)]], tracks=1, beat=4, bar=16))
    assert np.isnan(got["h1"]).tolist() == np.isnan(got["h4"]).tolist() == [True, False]
    assert np.isnan(got["gs"]).all()
    assert all(v.shape == (0,) for v in musdr.statistics(note_rolls.from_notes([], tracks=1, beat=4, bar=16)).values())


def bits(pitches):
    share = np.bincount(np.asarray(pitches) % 12) / len(pitches)
    share = share[share > 0]
    return -(share * np.log2(share)).sum()


def slowly(notes, *, bar, frames):
    """The definitions of the package, bar by bar and pair by pair."""
    notes = sorted(set(notes))
    bars = -(-frames // bar)
    within = [[n for n in notes if n.start // bar == i] for i in range(bars)]
    out = {}
    for name, size in (("h1", 1), ("h4", 4)):
        width = min(size, bars)
        windows = [sum(within[i : i + width], []) for i in range(bars - width + 1)]
        out[name] = np.mean([bits([n.pitch for n in w]) for w in windows if w])
    patterns = [{n.start % bar for n in b} for b in within]
    out["gs"] = np.mean([1 - len(a ^ b) / bar for a, b in itertools.combinations(patterns, 2)])
    return out


def test_a_batch_agrees_with_the_definitions():
    rng = np.random.default_rng(0)
    frames, bars = [40, 96, 130, 200, 70], [16, 12, 16, 24, 8]
    pieces = [random_notes(rng, tracks=2, frames=n, count=int(rng.integers(5, 60))) for n in frames]
    got = musdr.statistics(note_rolls.from_notes(pieces, tracks=2, beat=4, bar=bars, frames=frames))
    for i, notes in enumerate(pieces):
        for name, value in slowly(notes, bar=bars[i], frames=frames[i]).items():
            assert got[name][i] == pytest.approx(value, abs=1e-12), (i, name)
