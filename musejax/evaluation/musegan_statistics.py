"""The statistics of MuseGAN, for each track over all bars of a set of pieces. NumPy only.

EB, UPC, QN, DP and TD are of Dong et al., "MuseGAN: Multi-track sequential generative adversarial networks for symbolic
music generation and accompaniment", AAAI 2018; PP is of Dong & Yang, "Convolutional generative adversarial networks
with binary neurons for polyphonic music generation", ISMIR 2018. Both work on bars of 96 frames and 84 pitches from 24.

Where the published code (github.com/salu133445/musegan) does otherwise than the papers say, a value of its own whose
name ends in `_as_coded` follows the code; only that one compares with the papers' tables:

- `upc_as_coded`, `td_as_coded`: the code of the first paper (v1) folds the 84 pitches as (12, 7) where (7, 12) was
  meant. So pitch p counts to class (p - 24) // 7, a band of seven neighbouring semitones, and not to p % 12. Pitches
  beyond the 84 are left out. That of the second (v2) pads them to 96 first, for bands of eight; this is not given here.
- `td_as_coded`: compares the tracks beat by beat, and leaves a bar out where one of them is silent for a whole beat.
- `qn_as_coded`: asks for 2 frames of 96, cuts notes at bar lines, takes repeated notes that touch for one, and
  averages the shares of the bars.
- `pp_as_coded`: counts two notes as polyphony, not only more than two.
- `dp_as_coded`: shifts the pattern in each bar to where it fits best, takes repeated notes that touch for one, and
  averages the shares of the bars.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from musejax.evaluation import note_rolls as roll_batches
from musejax.theory import tonal_space

# In 24ths of a quarter note: frames of a bar of 96.
QUALIFIED = 3
QUALIFIED_AS_CODED = 2
# The weight of a drum note one frame beside the pattern: 0.3 in v1's configuration (later code has 0.1).
TOLERANCE = 0.3
LOWEST = 24
CODED_PITCHES = 84


class _Grid(NamedTuple):
    """Where the frames of all pieces lie, one piece after the other, without padding.

    Attributes:
        inside: bool[N, T], frames that are not padding: F of them.
        bar: int64[F], index of each frame's bar among the B bars of all pieces.
        phase: int64[F], place of each frame in its bar.
        starts: int64[B], the first frame of each bar.
        sizes: int64[B], frames in each bar.
    """

    inside: np.ndarray
    bar: np.ndarray
    phase: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


def _grid(rolls: roll_batches.Rolls) -> _Grid:
    t = np.arange(rolls.sounding.shape[2])
    inside = t < rolls.frames[:, None]
    phase = (t % rolls.bar[:, None])[inside]
    starts = np.flatnonzero(phase == 0)
    return _Grid(inside, (phase == 0).cumsum() - 1, phase, starts, np.diff(starts, append=len(phase)))


def _mean(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN if nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Their quotient in float64, NaN where `whole` is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _bar_sums(values: np.ndarray, grid: _Grid) -> np.ndarray:
    """Sums over the frames of each bar: [F, ...] to [B, ...]."""
    return np.add.reduceat(values, grid.starts, axis=0, dtype=np.int64)


def _chroma(cells: np.ndarray, as_coded: bool) -> np.ndarray:
    """Notes sounding in each class: bool[F, 128] to int64[F, 12]."""
    if as_coded:
        return cells[:, LOWEST : LOWEST + CODED_PITCHES].reshape(len(cells), 12, -1).sum(2)
    padded = np.pad(cells, ((0, 0), (0, -cells.shape[1] % 12)))
    return padded.reshape(len(cells), -1, 12).sum(1)


def _centroids(chroma: np.ndarray) -> np.ndarray:
    """Tonal centroids of chroma of any scale: [..., 12] to float64[..., 6], NaN where nothing sounds."""
    return _ratio(chroma, chroma.sum(-1, keepdims=True)) @ tonal_space.PLACES.reshape(12, 6)


def _beat_chroma(chroma: np.ndarray, grid: _Grid, beat: int) -> tuple[np.ndarray, np.ndarray]:
    """Chroma summed over each whole beat, int64[beats, 12], and each beat's bar, int64[beats]."""
    starts = np.flatnonzero(grid.phase % beat == 0)
    whole = grid.phase[starts] + beat <= grid.sizes[grid.bar[starts]]
    return np.add.reduceat(chroma, starts, axis=0)[whole], grid.bar[starts][whole]


def _coded_distance(left: np.ndarray, right: np.ndarray, bars: np.ndarray, count: int) -> float:
    """The mean over bars of the mean distance of their beats' centroids, without bars that have a NaN among them."""
    distance = np.linalg.norm(left - right, axis=1)
    return _mean(_ratio(np.bincount(bars, distance, count), np.bincount(bars, minlength=count)))


def _pattern(beat: int) -> np.ndarray | None:
    """Weights of the frames from one 16th to the next; of 8ths where a 16th is less than two frames, None there too.

    This is how the published code chooses, for its grids of 4 to 24 frames in a quarter note.
    """
    for parts in (4, 2):
        if beat % parts == 0 and beat // parts > 1:
            weights = np.zeros(beat // parts)
            weights[[1, -1]] = TOLERANCE
            weights[0] = 1
            return weights
    return None


def _drums(onsets: np.ndarray, starts: np.ndarray, grid: _Grid, beat: int) -> tuple[float, float]:
    """`dp` and `dp_as_coded` of onsets, and of beginnings of sound, in each frame: int64[F] both."""
    weights = _pattern(beat)
    if weights is None:
        return float("nan"), float("nan")
    period = len(weights)
    dp = float(_ratio((onsets * weights[grid.phase % period]).sum(), onsets.sum()))
    places = np.stack([starts * (grid.phase % period == place) for place in range(period)], 1)
    hits = _bar_sums(places, grid)
    fits = np.stack([hits @ np.roll(weights, shift) for shift in range(period)], 1).max(1)
    return dp, _mean(_ratio(fits, hits.sum(1)))


def _coded_qualified(cells: np.ndarray, starts: np.ndarray, grid: _Grid, beat: int) -> float:
    """`qn_as_coded` of a track and of where its pitches begin in each bar: bool[F, 128] both."""
    lasting = starts.copy()
    for ahead in range(1, -(-QUALIFIED_AS_CODED * beat // 24)):
        lasting[:-ahead] &= cells[ahead:] & (grid.phase[ahead:] >= ahead)[:, None]
        lasting[-ahead:] = False
    return _mean(_ratio(_bar_sums(lasting.sum(1), grid), _bar_sums(starts.sum(1), grid)))


def statistics(rolls: roll_batches.Rolls) -> dict[str, np.ndarray]:
    """Each statistic for each track, over all bars of all pieces; NaN where it is not defined.

    A bar is `rolls.bar` frames from the start of a piece on, and what is left at its end. Bars in which a track is
    silent count for EB only. EB is of every track, DP of drums alone, the rest of pitched tracks alone.

    Returns:
        float64[K] each:
        `eb`: share of bars in which the track is silent.
        `upc`, `upc_as_coded`: mean number of pitch classes used in a bar.
        `qn`: share of notes that last at least 3/24 of a quarter note, a 32nd. On a grid of 16ths this is every note.
        `qn_as_coded`: the same by 2/24 and the rules above; 1 on a grid of 16ths as well.
        `pp`: share of frames, in bars that are not silent, with more than two notes. `pp_as_coded`: with two or more.
        `dp`: share of a drum track's onsets on 16ths, or on 8ths where a 16th is less than two frames; one a frame
            beside counts 0.3. NaN on a grid too coarse or uneven for both. `dp_as_coded`: the same by the rules above.

        float64[K, K], symmetric, NaN on the diagonal:
        `td`: mean distance of two tracks' tonal centroids, of all that sounds in a bar, over bars where both sound.
        `td_as_coded`: the same by the rules above.
    """
    tracks, grid, beat = rolls.sounding.shape[1], _grid(rolls), rolls.beat
    names = ("eb", "upc", "upc_as_coded", "qn", "qn_as_coded", "pp", "pp_as_coded", "dp", "dp_as_coded")
    out = {name: np.full(tracks, np.nan) for name in names}
    out |= {name: np.full((tracks, tracks), np.nan) for name in ("td", "td_as_coded")}
    if not len(grid.starts):
        return out
    centroids, coded, beat_bars = {}, {}, np.zeros(0, int)
    for k in range(tracks):
        one = dataclasses.replace(rolls, sounding=rolls.sounding[:, k : k + 1], onset=rolls.onset[:, k : k + 1])
        cells, onset = one.sounding[:, 0][grid.inside], one.onset[:, 0][grid.inside]
        notes = cells.sum(1)
        active = _bar_sums(notes, grid) > 0
        out["eb"][k] = 1 - active.mean()
        starts = cells.copy()
        starts[1:] &= ~(cells[:-1] & (grid.phase[1:] > 0)[:, None])
        if rolls.drums[k]:
            out["dp"][k], out["dp_as_coded"][k] = _drums(onset.sum(1), starts.sum(1), grid, beat)
            continue
        lasting = roll_batches.durations(one) * 24 >= QUALIFIED * beat
        out["qn"][k] = _ratio((lasting & one.onset).sum(), onset.sum())
        out["qn_as_coded"][k] = _coded_qualified(cells, starts, grid, beat)
        out["pp"][k], out["pp_as_coded"][k] = (_ratio((notes > n).sum(), grid.sizes[active].sum()) for n in (2, 1))
        chroma = _bar_sums(_chroma(cells, as_coded=False), grid)
        folded = _chroma(cells, as_coded=True)
        for name, sums in (("upc", chroma), ("upc_as_coded", _bar_sums(folded, grid))):
            out[name][k] = _mean((sums > 0).sum(1)[active].astype(float))
        beats, beat_bars = _beat_chroma(folded, grid, beat)
        centroids[k], coded[k] = _centroids(chroma), _centroids(beats)
    for a in centroids:
        for b in centroids:
            if a != b:
                out["td"][a, b] = _mean(np.linalg.norm(centroids[a] - centroids[b], axis=1))
                out["td_as_coded"][a, b] = _coded_distance(coded[a], coded[b], beat_bars, len(grid.starts))
    return out
