"""MGEval on rolls: how far the features of generated pieces are distributed as those of reference pieces. NumPy only.

Source: Yang and Lerch, "On the evaluation of generative models in music", 2018, and their package MGEval. A feature is
never compared by its value: the Euclidean distances of each piece from all others of its set (intra) are compared with
those of each generated piece from all reference pieces (inter), as densities. A set close to the reference and as
varied has the same distances both ways.

Differences from the package:

- Both densities are taken on one grid. The package takes each on a grid over its own range before it computes the
  Kullback-Leibler divergence, which so does not see that one is shifted.
- Features are of all pitched tracks together, not of one track of a MIDI file, and of whole sets, not of equally many
  pieces; those that the package also gives bar by bar are given for the piece only.
- The pitch class transitions are those from each note to the next in order (see `features`), as the paper has it. The
  package counts the pairs of notes of which one begins within 50 ms of the other's end.
- Inter-onset intervals are in quarter notes, not seconds.
- Large sets are represented by `PAIRS` of their distances, drawn with a fixed seed.
"""

import numpy as np

from musejax.evaluation import note_rolls as rolls_

# Note lengths in 96ths of a bar: in 4/4 full, half, quarter, 8th, 16th, dotted half to dotted 16th, half to 8th
# triplets. The order is the package's and decides between two that are equally near.
LENGTHS = np.array([96, 48, 24, 12, 6, 72, 36, 18, 9, 32, 16, 8])
PAIRS = 20_000
GRID = 1000
# What a divergence counts where a density vanishes, as a share of all: it stays finite, below 28 nats.
FLOOR = 1e-12
# Sets whose distances differ by less than this share of themselves are copies of one another but for rounding.
ROUNDING = 1e-9
# Values that are looked up on the grid at once, and the reach of a kernel in its widths beyond which it adds nothing.
BLOCK = 512
REACH = 9.0


def _transitions(piece: np.ndarray, state: np.ndarray, pieces: int) -> np.ndarray:
    """How often each of 12 states follows each, within a piece: float64[pieces, 144], rows are the earlier."""
    same = piece[1:] == piece[:-1]
    cell = (piece[1:] * 12 + state[:-1]) * 12 + state[1:]
    return np.bincount(cell[same], minlength=pieces * 144).reshape(pieces, 144).astype(float)


def _shares(piece: np.ndarray, state: np.ndarray, weight: np.ndarray, pieces: int) -> np.ndarray:
    """Share of the weight in each of 12 states: float64[pieces, 12], NaN in a piece without notes."""
    sums = np.bincount(piece * 12 + state, weight, pieces * 12).reshape(pieces, 12)
    total = np.broadcast_to(sums.sum(1, keepdims=True), sums.shape)
    return np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)


def _mean_step(piece: np.ndarray, values: np.ndarray, pieces: int) -> np.ndarray:
    """Mean absolute difference of consecutive notes: float64[pieces, 1], NaN in a piece of fewer than two."""
    same = piece[1:] == piece[:-1]
    steps = np.bincount(piece[1:][same], np.abs(np.diff(values))[same].astype(float), pieces)
    count = np.bincount(piece[1:][same], minlength=pieces)
    return np.divide(steps, count, out=np.full(pieces, np.nan), where=count > 0)[:, None]


def features(rolls: rolls_.Rolls) -> dict[str, np.ndarray]:
    """The nine features of the paper, of the notes of all pitched tracks together.

    Notes are in the order of their onsets and, of one onset, upwards. On polyphonic music `pctm`, `nltm` and `pi` are
    therefore of the notes so listed, not of any voice: in chords `pi` is mostly the spacing of the chord, and
    notes that begin together are an inter-onset interval of 0, as in the package.

    - `pc` [N, 1]: pitch count, how many different pitches.
    - `nc` [N, 1]: note count.
    - `pch` [N, 12]: pitch class histogram, each note weighted by its length; sums to 1.
    - `pctm` [N, 144]: pitch class transition matrix, counts as in the package, so it grows with the piece; row-major,
      the row is the earlier note.
    - `pr` [N, 1]: pitch range in semitones.
    - `pi` [N, 1]: mean absolute pitch interval of consecutive notes in semitones.
    - `ioi` [N, 1]: mean inter-onset interval of consecutive notes in quarter notes.
    - `nlh` [N, 12]: histogram of note lengths by the nearest of `LENGTHS`; sums to 1.
    - `nltm` [N, 144]: note length transition matrix, counts.

    Counts depend on how long pieces are: cut the sets compared to one length (`rolls.cut`).

    Args:
        rolls: N pieces.

    Returns:
        float64 by name. NaN where undefined: `pch`, `pr` and `nlh` of a piece without notes, `pi` and `ioi` of one of
        fewer than two.
    """
    pitched = rolls.pitched()
    at = np.nonzero(pitched.onset)
    piece, track, frame, pitch = at
    order = np.lexsort((track, pitch, frame, piece))
    duration = rolls_.durations(pitched)[at][order]
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
    """Euclidean distances of each row of one set from all others of it, or from all of another: float64[<= PAIRS]."""
    columns = len(a) - 1 if b is None else len(b)
    count = max(len(a) * columns, 0)
    pairs = np.random.default_rng(0).choice(count, PAIRS, replace=False) if count > PAIRS else np.arange(count)
    row, column = np.divmod(pairs, max(columns, 1))
    if b is None:
        column += column >= row
    return np.sqrt(((a[row] - (a if b is None else b)[column]) ** 2).sum(1))


def density(samples: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Gaussian kernel density of a sample, with Scott's rule for the width; that of `scipy.stats.gaussian_kde`.

    Args:
        samples: float64[M], not all equal.
        grid: float64[G], ascending.

    Returns:
        float64[G].
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


def _constant(samples: np.ndarray) -> bool:
    """Whether all values are one but for rounding, so that they have no density."""
    return bool(np.ptp(samples) <= ROUNDING * np.abs(samples).max())


def _shared(samples: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The density of a sample on the grid as shares that sum to 1; all in one place for equal values."""
    if _constant(samples):
        at = np.abs(grid - samples[0]).argmin()
        return np.eye(1, len(grid), at)[0]
    out = density(samples, grid)
    return out / out.sum()


def compare(intra: np.ndarray, inter: np.ndarray) -> tuple[float, float]:
    """Overlapped area and Kullback-Leibler divergence of the densities of two samples of distances.

    The grid goes from the least to the largest distance of both, the limits of the package: of a density that reaches
    beyond them that part is lost, and two equal samples have an area below 1 (the more of them lie at the limits, the
    lower). Equal distances (a set of copies) are a point: they overlap with nothing but the same point.

    Args:
        intra: float64[A], distances within a set.
        inter: float64[B], distances between the sets.

    Returns:
        The area, in 0..1, and the divergence of inter from intra (expected under intra), in nats; both NaN where a
        sample is empty.
    """
    if not len(intra) or not len(inter):
        return float("nan"), float("nan")
    both = np.concatenate((intra, inter))
    if _constant(both):
        return 1.0, 0.0
    grid = np.linspace(both.min(), both.max(), GRID)
    p, q = _shared(intra, grid), _shared(inter, grid)
    held = p > 0
    divergence = float((p[held] * np.log(p[held] / np.maximum(q[held], FLOOR))).sum())
    if _constant(intra) or _constant(inter):
        return 0.0, divergence
    area = np.trapezoid(np.minimum(density(intra, grid), density(inter, grid)), grid)
    return min(float(area), 1.0), divergence


def overlap(generated: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Compares two sets of pieces feature by feature.

    Pieces in which a feature is undefined are left out of that feature.

    Args:
        generated: `features` of the generated pieces.
        reference: `features` of the reference pieces.

    Returns:
        By feature: `overlapped_area` and `kl` of the distances between the sets and those within the generated one,
        `overlapped_area_reference` and `kl_reference` with those within the reference. The first two see a set that
        lacks variety: its own distances are small. NaN where a set has fewer than two pieces with the feature.
    """
    out = {}
    for name in generated:
        ours, theirs = (x[~np.isnan(x).any(1)] for x in (generated[name], reference[name]))
        inter = _distances(ours, theirs)
        area, kl = compare(_distances(ours), inter)
        reference_area, reference_kl = compare(_distances(theirs), inter)
        out[name] = {
            "overlapped_area": area,
            "kl": kl,
            "overlapped_area_reference": reference_area,
            "kl_reference": reference_kl,
        }
    return out


def summary(generated: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """`overlap` turned round, with the means over the features.

    Args:
        generated: `features` of the generated pieces.
        reference: `features` of the reference pieces.

    Returns:
        For each of `overlapped_area`, `overlapped_area_reference` and `kl`: the value by feature, and their `mean`,
        which is NaN where that of a feature is.
    """
    compared = overlap(generated, reference)
    out = {}
    for kind in ("overlapped_area", "overlapped_area_reference", "kl"):
        values = {name: figures[kind] for name, figures in compared.items()}
        out[kind] = values | {"mean": float(np.mean(list(values.values())))}
    return out
