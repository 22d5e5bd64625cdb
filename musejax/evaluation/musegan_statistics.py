"""The statistics of MuseGAN, for each track over all bars of a set of pieces. NumPy only.

EB, UPC, QN, DP and TD are from Dong et al., "MuseGAN: Multi-track sequential generative adversarial networks for
symbolic music generation and accompaniment", AAAI 2018; PP is from Dong & Yang, "Convolutional generative adversarial
networks with binary neurons for polyphonic music generation", ISMIR 2018. Both use bars of 96 frames and 84 pitches,
from 24 on.

If the published code (github.com/salu133445/musegan) differs from the papers, an additional statistic whose name ends
in `_as_coded` follows the code. Only this one is comparable with the tables of the papers:

- `upc_as_coded`, `td_as_coded`: The code of the first paper (v1) folds the 84 pitches as (12, 7) instead of (7, 12).
  The class of pitch p is therefore (p - 24) // 7, a band of seven adjacent semitones, instead of p % 12. Pitches
  outside the 84 are ignored. The code of the second paper (v2) first pads the pitches to 96 and thus has bands of
  eight, which is not implemented here.
- `td_as_coded`: The code compares tracks beat by beat and ignores a bar if one of them is silent for a whole beat.
- `qn_as_coded`: The code requires 2 of 96 frames, cuts notes at bar lines, joins repeated notes that touch, and
  averages the shares of the bars.
- `pp_as_coded`: The code counts two simultaneous notes as polyphony, not only three or more.
- `dp_as_coded`: The code shifts the pattern in each bar for the best match, joins repeated notes that touch, and
  averages the shares of the bars.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from musejax.evaluation import note_rolls as roll_batches
from musejax.theory import tonal_space

# Smallest lengths of qualified notes in 24ths of a quarter note, which are frames of a bar of 96.
QUALIFIED = 3
QUALIFIED_AS_CODED = 2
# The weight of a drum note that is one frame away from the pattern: 0.3 in the configuration of v1 (0.1 later).
TOLERANCE = 0.3
LOWEST = 24
CODED_PITCHES = 84


class _Grid(NamedTuple):
    """The concatenated frames of all pieces, without padding.

    Attributes:
        inside: True for the F frames that are not padding, bool[N, T].
        bar: Bar of each frame, an index into the B bars of all pieces, int64[F].
        phase: Place of each frame in its bar, int64[F].
        starts: First frame of each bar, int64[B].
        sizes: Number of frames in each bar, int64[B].
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
    """Returns the mean of the values that are not NaN, or NaN if there are none."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns the quotient in float64, NaN where `whole` is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _bar_sums(values: np.ndarray, grid: _Grid) -> np.ndarray:
    """Sums values over the frames of each bar: [F, ...] -> [B, ...]."""
    return np.add.reduceat(values, grid.starts, axis=0, dtype=np.int64)


def _chroma(cells: np.ndarray, as_coded: bool) -> np.ndarray:
    """Counts the sounding notes in each class: bool[F, 128] -> int64[F, 12]."""
    if as_coded:
        return cells[:, LOWEST : LOWEST + CODED_PITCHES].reshape(len(cells), 12, -1).sum(2)
    padded = np.pad(cells, ((0, 0), (0, -cells.shape[1] % 12)))
    return padded.reshape(len(cells), -1, 12).sum(1)


def _centroids(chroma: np.ndarray) -> np.ndarray:
    """Returns the tonal centroids of chroma of any scale: [..., 12] -> float64[..., 6], NaN where nothing sounds."""
    return _ratio(chroma, chroma.sum(-1, keepdims=True)) @ tonal_space.PLACES.reshape(12, 6)


def _beat_chroma(chroma: np.ndarray, grid: _Grid, beat: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns chroma summed over each complete beat, int64[beats, 12], and the bar of each beat, int64[beats]."""
    starts = np.flatnonzero(grid.phase % beat == 0)
    whole = grid.phase[starts] + beat <= grid.sizes[grid.bar[starts]]
    return np.add.reduceat(chroma, starts, axis=0)[whole], grid.bar[starts][whole]


def _coded_distance(left: np.ndarray, right: np.ndarray, bars: np.ndarray, count: int) -> float:
    """Returns the mean over bars of the mean distance of the centroids of their beats, without bars that have a NaN."""
    distance = np.linalg.norm(left - right, axis=1)
    return _mean(_ratio(np.bincount(bars, distance, count), np.bincount(bars, minlength=count)))


def _pattern(beat: int) -> np.ndarray | None:
    """Returns the weights of the frames from one 16th to the next, or None.

    If a 16th has less than two frames, 8ths are used; if an 8th has, too, the result is None. The published code makes
    the same choice for its grids of 4 to 24 frames in a quarter note.
    """
    for parts in (4, 2):
        if beat % parts == 0 and beat // parts > 1:
            weights = np.zeros(beat // parts)
            weights[[1, -1]] = TOLERANCE
            weights[0] = 1
            return weights
    return None


def _drums(onsets: np.ndarray, starts: np.ndarray, grid: _Grid, beat: int) -> tuple[float, float]:
    """Returns `dp` and `dp_as_coded`.

    Args:
        onsets: Number of onsets in each frame, int64[F].
        starts: Number of pitches that begin to sound in each frame, int64[F].
        grid: Frames of all pieces.
        beat: Frames in a quarter note.
    """
    weights = _pattern(beat)
    if weights is None:
        return float("nan"), float("nan")
    period = len(weights)
    dp = float(_ratio((onsets * weights[grid.phase % period]).sum(), onsets.sum()))
    places = np.stack([starts * (grid.phase % period == place) for place in range(period)], 1)
    hits = _bar_sums(places, grid)
    best = np.stack([hits @ np.roll(weights, shift) for shift in range(period)], 1).max(1)
    return dp, _mean(_ratio(best, hits.sum(1)))


def _coded_qualified(cells: np.ndarray, starts: np.ndarray, grid: _Grid, beat: int) -> float:
    """Returns `qn_as_coded` of a track, given its sounding cells and their starts in each bar: bool[F, 128] both."""
    lasting = starts.copy()
    for ahead in range(1, -(-QUALIFIED_AS_CODED * beat // 24)):
        lasting[:-ahead] &= cells[ahead:] & (grid.phase[ahead:] >= ahead)[:, None]
        lasting[-ahead:] = False
    return _mean(_ratio(_bar_sums(lasting.sum(1), grid), _bar_sums(starts.sum(1), grid)))


def statistics(rolls: roll_batches.Rolls) -> dict[str, np.ndarray]:
    """Computes each statistic for each track, over all bars of all pieces; NaN if it is undefined.

    Bars have `rolls.bar` frames and start with the piece; the last one may be incomplete. Bars in which a track is
    silent count only for EB. EB is defined for all tracks, DP for drums, and the others for pitched tracks.

    Returns:
        Statistics of tracks, float64[K]:
        `eb`: Share of bars in which the track is silent.
        `upc`, `upc_as_coded`: Mean number of pitch classes used in a bar.
        `qn`: Share of notes that last at least 3/24 of a quarter note (a 32nd). On a grid of 16ths all notes do.
        `qn_as_coded`: The same with 2/24 and the rules of the code; also 1 on a grid of 16ths.
        `pp`: Share of frames with more than two notes, in bars that are not silent. `pp_as_coded`: With two or more.
        `dp`: Share of the onsets of a drum track on 16ths, or on 8ths if a 16th has less than two frames; an onset that
            is one frame away counts 0.3. NaN if the grid is too coarse or uneven. `dp_as_coded`: The same with the
            rules of the code.

        Statistics of pairs of tracks, float64[K, K], symmetric with NaN on the diagonal:
        `td`: Mean distance of the tonal centroids of two tracks in a bar, over bars in which both sound.
        `td_as_coded`: The same with the rules of the code.
    """
    tracks, grid, beat = rolls.sounding.shape[1], _grid(rolls), rolls.beat
    names = ("eb", "upc", "upc_as_coded", "qn", "qn_as_coded", "pp", "pp_as_coded", "dp", "dp_as_coded")
    out = {name: np.full(tracks, np.nan) for name in names}
    out |= {name: np.full((tracks, tracks), np.nan) for name in ("td", "td_as_coded")}
    if not len(grid.starts):
        return out
    centroids, coded, beat_bars = {}, {}, np.zeros(0, int)
    for k in range(tracks):
        track = dataclasses.replace(rolls, sounding=rolls.sounding[:, k : k + 1], onset=rolls.onset[:, k : k + 1])
        cells, onset = track.sounding[:, 0][grid.inside], track.onset[:, 0][grid.inside]
        notes = cells.sum(1)
        active = _bar_sums(notes, grid) > 0
        out["eb"][k] = 1 - active.mean()
        starts = cells.copy()
        starts[1:] &= ~(cells[:-1] & (grid.phase[1:] > 0)[:, None])
        if rolls.drums[k]:
            out["dp"][k], out["dp_as_coded"][k] = _drums(onset.sum(1), starts.sum(1), grid, beat)
            continue
        lasting = roll_batches.durations(track) * 24 >= QUALIFIED * beat
        out["qn"][k] = _ratio((lasting & track.onset).sum(), onset.sum())
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
