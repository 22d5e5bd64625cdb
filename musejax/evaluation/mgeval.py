"""MGEval: compares the distributions of features of generated and reference pieces. NumPy only.

Source: Yang and Lerch, "On the evaluation of generative models in music", 2018, and their package MGEval. Features are
not compared by their values. Instead, the Euclidean distances between pieces of the same set (intra) and those between
generated and reference pieces (inter) are compared, as densities. If the generated set is close to the reference set
and equally varied, both distributions are the same.

Differences from the package:

- Both densities are evaluated on the same grid. The package uses a separate grid for each when it computes the
  Kullback-Leibler divergence, which then ignores shifts.
- Features are computed over all pitched tracks, not one track of a MIDI file, and for whole sets, not for equal numbers
  of pieces. Features that the package also computes per bar are computed for whole pieces only.
- Pitch class transitions are those from each note to the next in order (see `features`), as in the paper. The package
  counts pairs of notes of which one begins within 50 ms of the end of the other.
- Inter-onset intervals are in quarter notes, not seconds.
- Large sets are represented by a random sample of `PAIRS` distances, with a fixed seed.
"""

import numpy as np

from musejax.evaluation import note_rolls as rolls_

# Note lengths in 96ths of a bar: in 4/4 whole, half, quarter, 8th and 16th notes, dotted half to dotted 16th notes, and
# half to 8th note triplets. Of two equally near lengths the first counts, in the order of the package.
LENGTHS = np.array([96, 48, 24, 12, 6, 72, 36, 18, 9, 32, 16, 8])
PAIRS = 20_000
GRID = 1000
# Lower bound of a density in the divergence, as a share of the total, which keeps it below 28 nats.
FLOOR = 1e-12
# Distances whose relative differences are smaller than this are considered equal.
ROUNDING = 1e-9
# Number of values that are processed at once, and the distance, in widths, beyond which a kernel is considered 0.
BLOCK = 512
REACH = 9.0


def _transitions(piece: np.ndarray, state: np.ndarray, pieces: int) -> np.ndarray:
    """Counts the transitions between 12 states within pieces: float64[pieces, 144], with the earlier state as row."""
    same = piece[1:] == piece[:-1]
    cell = (piece[1:] * 12 + state[:-1]) * 12 + state[1:]
    return np.bincount(cell[same], minlength=pieces * 144).reshape(pieces, 144).astype(float)


def _shares(piece: np.ndarray, state: np.ndarray, weight: np.ndarray, pieces: int) -> np.ndarray:
    """Returns the share of the weight in each of 12 states: float64[pieces, 12], NaN for pieces without notes."""
    sums = np.bincount(piece * 12 + state, weight, pieces * 12).reshape(pieces, 12)
    total = np.broadcast_to(sums.sum(1, keepdims=True), sums.shape)
    return np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)


def _mean_step(piece: np.ndarray, values: np.ndarray, pieces: int) -> np.ndarray:
    """Returns the mean absolute difference of consecutive values: float64[pieces, 1], NaN for less than two notes."""
    same = piece[1:] == piece[:-1]
    steps = np.bincount(piece[1:][same], np.abs(np.diff(values))[same].astype(float), pieces)
    count = np.bincount(piece[1:][same], minlength=pieces)
    return np.divide(steps, count, out=np.full(pieces, np.nan), where=count > 0)[:, None]


def features(rolls: rolls_.Rolls) -> dict[str, np.ndarray]:
    """Computes the nine features of the paper over the notes of all pitched tracks.

    Notes are ordered by onset and then by pitch. In polyphonic music, `pctm`, `nltm` and `pi` therefore compare
    successive notes in this order, not successive notes of a voice: within a chord, `pi` measures its spacing. Notes
    with the same onset have an inter-onset interval of 0, as in the package.

    - `pc` [N, 1]: Pitch count, the number of different pitches.
    - `nc` [N, 1]: Note count.
    - `pch` [N, 12]: Pitch class histogram, weighted by note lengths; sums to 1.
    - `pctm` [N, 144]: Pitch class transition matrix, row-major with the earlier note as row. It has counts, as in the
      package, and thus grows with the length of the piece.
    - `pr` [N, 1]: Pitch range in semitones.
    - `pi` [N, 1]: Mean absolute pitch interval of consecutive notes in semitones.
    - `ioi` [N, 1]: Mean inter-onset interval of consecutive notes in quarter notes.
    - `nlh` [N, 12]: Histogram of note lengths, rounded to the nearest of `LENGTHS`; sums to 1.
    - `nltm` [N, 144]: Note length transition matrix, with counts.

    Counts depend on the length of pieces, so cut the sets to a common length before comparing them
    (`note_rolls.cut`).

    Args:
        rolls: N pieces.

    Returns:
        Features by name, float64. NaN if undefined: `pch`, `pr` and `nlh` for a piece without notes, `pi` and `ioi` for
        a piece with fewer than two.
    """
    pitched = rolls.pitched()
    cells = np.nonzero(pitched.onset)
    piece, track, frame, pitch = cells
    order = np.lexsort((track, pitch, frame, piece))
    duration = rolls_.durations(pitched)[cells][order]
    piece, frame, pitch = piece[order], frame[order], pitch[order]
    count = len(rolls)
    length = np.abs((96 * duration / rolls.bar[piece])[:, None] - LENGTHS).argmin(1)
    notes = np.bincount(piece, minlength=count)
    used = np.zeros((count, rolls_.PITCHES), bool)
    used[piece, pitch] = True
    span = rolls_.PITCHES - 1 - used[:, ::-1].argmax(1) - used.argmax(1)
    return {
        "pc": used.sum(1, keepdims=True).astype(float),
        "nc": notes[:, None].astype(float),
        "pch": _shares(piece, pitch % 12, duration, count),
        "pctm": _transitions(piece, pitch % 12, count),
        "pr": np.where(notes > 0, span, np.nan)[:, None],
        "pi": _mean_step(piece, pitch, count),
        "ioi": _mean_step(piece, frame, count) / rolls.beat,
        "nlh": _shares(piece, length, np.ones(len(piece)), count),
        "nltm": _transitions(piece, length, count),
    }


def _distances(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Returns Euclidean distances between rows of a set, or between rows of two sets; at most PAIRS of them."""
    columns = len(a) - 1 if b is None else len(b)
    count = max(len(a) * columns, 0)
    pairs = np.random.default_rng(0).choice(count, PAIRS, replace=False) if count > PAIRS else np.arange(count)
    row, column = np.divmod(pairs, max(columns, 1))
    if b is None:
        column += column >= row
    return np.sqrt(((a[row] - (a if b is None else b)[column]) ** 2).sum(1))


def density(samples: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Returns the Gaussian kernel density with Scott's rule for the width, as in `scipy.stats.gaussian_kde`.

    Args:
        samples: Values, not all equal, float64[M].
        grid: Points at which the density is evaluated, ascending, float64[G].

    Returns:
        Densities, float64[G].
    """
    values, counts = np.unique(samples, return_counts=True)
    width = samples.std(ddof=1) * len(samples) ** -0.2
    out = np.zeros(len(grid))
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        low, high = np.searchsorted(grid, (block[0] - REACH * width, block[-1] + REACH * width))
        scaled = (grid[low:high, None] - block) / width
        out[low:high] += np.exp(-0.5 * scaled**2) @ counts[start : start + BLOCK]
    return out / (len(samples) * width * np.sqrt(2 * np.pi))


def _is_constant(samples: np.ndarray) -> bool:
    """Returns whether all values are equal up to rounding, so that they have no density."""
    return bool(np.ptp(samples) <= ROUNDING * np.abs(samples).max())


def _normalised_density(samples: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Returns the density on the grid, normalised to a sum of 1; equal values have all of it at the nearest point."""
    if _is_constant(samples):
        nearest = np.abs(grid - samples[0]).argmin()
        return np.eye(1, len(grid), nearest)[0]
    out = density(samples, grid)
    return out / out.sum()


def compare(intra: np.ndarray, inter: np.ndarray) -> tuple[float, float]:
    """Returns the overlapped area and the Kullback-Leibler divergence of the densities of two samples of distances.

    The grid covers the range of all distances, as in the package. The part of a density outside this range is lost, so
    that two equal samples have an area below 1, which is lower if more values are near the limits. Equal distances, of
    a set of copies, overlap only with the same value.

    Args:
        intra: Distances within a set, float64[A].
        inter: Distances between the sets, float64[B].

    Returns:
        The area, in 0..1, and the divergence of inter from intra (expected under intra), in nats; both are NaN if a
        sample is empty.
    """
    if not len(intra) or not len(inter):
        return float("nan"), float("nan")
    both = np.concatenate((intra, inter))
    if _is_constant(both):
        return 1.0, 0.0
    grid = np.linspace(both.min(), both.max(), GRID)
    p, q = _normalised_density(intra, grid), _normalised_density(inter, grid)
    support = p > 0
    divergence = float((p[support] * np.log(p[support] / np.maximum(q[support], FLOOR))).sum())
    if _is_constant(intra) or _is_constant(inter):
        return 0.0, divergence
    area = np.trapezoid(np.minimum(density(intra, grid), density(inter, grid)), grid)
    return min(float(area), 1.0), divergence


def overlap(generated: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Compares two sets of pieces feature by feature.

    Pieces for which a feature is undefined are ignored for that feature.

    Args:
        generated: Features of the generated pieces, from `features`.
        reference: Features of the reference pieces.

    Returns:
        For each feature, `overlapped_area` and `kl` compare the distances between the sets with those within the
        generated set, and `overlapped_area_reference` and `kl_reference` with those within the reference set. The first
        two reveal a lack of variety, because the distances within the generated set are then small. Values are NaN if a
        set has fewer than two pieces with the feature.
    """
    out = {}
    for name in generated:
        rows, reference_rows = (x[~np.isnan(x).any(1)] for x in (generated[name], reference[name]))
        inter = _distances(rows, reference_rows)
        area, kl = compare(_distances(rows), inter)
        reference_area, reference_kl = compare(_distances(reference_rows), inter)
        out[name] = {
            "overlapped_area": area,
            "kl": kl,
            "overlapped_area_reference": reference_area,
            "kl_reference": reference_kl,
        }
    return out


def summary(generated: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Returns the results of `overlap` by kind, with means over the features.

    Args:
        generated: Features of the generated pieces, from `features`.
        reference: Features of the reference pieces.

    Returns:
        For each of `overlapped_area`, `overlapped_area_reference` and `kl`, the value of each feature and their `mean`,
        which is NaN if any value is.
    """
    compared = overlap(generated, reference)
    out = {}
    for kind in ("overlapped_area", "overlapped_area_reference", "kl"):
        values = {name: figures[kind] for name, figures in compared.items()}
        out[kind] = values | {"mean": float(np.mean(list(values.values())))}
    return out
