"""The metrics of MusPy on rolls. NumPy only.

Source: Dong, Chen, McAuley, Berg-Kirkpatrick, "MusPy: A Toolkit for Symbolic Music Generation", 2020; the definitions
are those of version 0.5.0 of the package, with the frame as its time step. What they imply:

- A piece ends with its last note, drums included; silence behind that is not counted, whatever `Rolls.frames` says.
- A note reaches into the beat or bar that begins where it ends, and a piece whose last note ends on a bar line has one
  bar more there: non-empty for the empty rates, without onsets for groove consistency.
- Drum tracks count for the empty rates and for groove consistency, and for the length of a piece in the polyphony rate.
- Notes of one pitch in several tracks at once count once each where notes are counted, once in all for the polyphony.

Two deliberate differences: the pitch range of a piece with no note but drums is 0 (the package: -127), and a piece
without any track is a piece without notes (the package: an exception).
"""

import numpy as np

from musejax.evaluation import note_rolls as rolls_
from musejax.theory import keys

# MusPy's minor scale is the natural one.
SCALES = {"major": keys.MAJOR, "minor": keys.NATURAL_MINOR}
# Into how many steps a meter divides the beat, the finest that fits the grid.
DIVISIONS = {"duple": (4, 2), "triple": (3,)}


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotients as float64, NaN where the denominator is not positive; shapes are equal."""
    out = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Shannon entropy in bits of histograms over the last axis, NaN where a histogram is empty."""
    total = counts.sum(-1, keepdims=True)
    share = ratio(counts, np.broadcast_to(total, counts.shape))
    logs = np.log2(share, out=np.zeros(counts.shape), where=share > 0)
    return 0.0 - (share * logs).sum(-1)


def pitch_counts(rolls: rolls_.Rolls) -> np.ndarray:
    """Notes of each pitch over all pitched tracks: int64[N, 128]."""
    piece, _, _, pitch = np.nonzero(rolls.pitched().onset)
    size = len(rolls) * rolls_.PITCHES
    return np.bincount(piece * rolls_.PITCHES + pitch, minlength=size).reshape(len(rolls), rolls_.PITCHES)


def _class_counts(counts: np.ndarray) -> np.ndarray:
    """Notes of each pitch class, int64[N, 12], of those of each pitch."""
    # 128 is not a multiple of 12: the last octave is filled up.
    return np.pad(counts, ((0, 0), (0, 4))).reshape(len(counts), 11, 12).sum(1)


def _scale(root: int, mode: str) -> np.ndarray:
    """The pitch classes of a scale: bool[12]."""
    if mode not in SCALES:
        raise ValueError(f"the mode of a scale is one of {', '.join(SCALES)}, not {mode!r}")
    return keys.in_scale(root, SCALES[mode])


def pitch_in_scale_rate(rolls: rolls_.Rolls, root: int, mode: str) -> np.ndarray:
    """Share of the pitched notes that belong to a scale.

    Args:
        rolls: N pieces.
        root: Pitch class of the root, 0 for C.
        mode: `major` or `minor` (natural).

    Returns:
        float64[N] in 0..1, NaN for a piece without pitched notes.

    Raises:
        ValueError: There is no such mode.
    """
    counts = _class_counts(pitch_counts(rolls))
    return ratio(counts[:, _scale(root, mode)].sum(1), counts.sum(1))


def drum_in_pattern_rate(rolls: rolls_.Rolls, meter: str = "duple") -> np.ndarray:
    """Share of the drum notes that begin at a regular division of the beat.

    A duple meter divides the beat into four where the grid can, else into two; a triple one into three. Where the grid
    cannot, only the beat itself is regular; with four frames a beat every frame is in the duple pattern.

    Args:
        rolls: N pieces.
        meter: `duple` or `triple`.

    Returns:
        float64[N] in 0..1, NaN for a piece without drum notes.

    Raises:
        ValueError: There is no such meter.
    """
    if meter not in DIVISIONS:
        raise ValueError(f"a meter is one of {', '.join(DIVISIONS)}, not {meter!r}")
    step = next((rolls.beat // n for n in DIVISIONS[meter] if rolls.beat % n == 0), rolls.beat)
    piece, _, frame, _ = np.nonzero(rolls.onset[:, rolls.drums])
    regular = np.bincount(piece[frame % rolls.beat % step == 0], minlength=len(rolls))
    return ratio(regular, np.bincount(piece, minlength=len(rolls)))


def _empty_rate(active: np.ndarray, end: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Share of stretches without a note.

    Args:
        active: bool[N, T], frames in which anything sounds.
        end: int64[N], frames up to the end of the last note.
        size: int64[N], frames in a stretch.

    Returns:
        float64[N], NaN for a piece without notes.
    """
    reached = np.pad(active, ((0, 0), (0, 1)))
    reached[:, 1:] |= active
    piece, frame = np.nonzero(reached)
    frames = active.shape[1]
    filled = np.zeros((len(active), frames // size.min(initial=max(frames, 1)) + 1), bool)
    filled[piece, frame // size[piece]] = True
    return np.where(end > 0, 1 - filled.sum(1) / (end // size + 1), np.nan)


def _groove_consistency(onset: np.ndarray, end: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """One less the mean share of positions at which a bar and the next differ in whether a note begins.

    Args:
        onset: bool[N, T], frames in which a note begins.
        end: int64[N], frames up to the end of the last note.
        bar: int64[N], frames in a bar.

    Returns:
        float64[N], NaN for a piece that ends before its first bar does.
    """
    compared = end // bar * bar
    frame = np.arange(onset.shape[1])
    padded = np.pad(onset, ((0, 0), (0, int(bar.max(initial=0)))))
    next_bar = np.take_along_axis(padded, frame + bar[:, None], 1)
    differ = (onset ^ next_bar) & (frame < compared[:, None])
    return 1 - ratio(differ.sum(1), compared)


def statistics(rolls: rolls_.Rolls, *, threshold: int = 2) -> dict[str, np.ndarray]:
    """All metrics of MusPy that need no argument of their own.

    Pitched tracks only:

    - `pitch_range`: semitones from the lowest to the highest pitch, 0 without notes.
    - `n_pitches_used`, `n_pitch_classes_used`: how many different ones.
    - `polyphony`: mean number of pitches that sound at once, over the frames in which any does.
    - `polyphony_rate`: share of the frames in which MORE than `threshold` pitches sound, over all frames of the piece.
    - `scale_consistency`: the share of notes in the best of the 24 major and natural minor scales.
    - `pitch_entropy`, `pitch_class_entropy`: bits, of the histogram of notes (not weighted by their length).

    All tracks:

    - `empty_beat_rate`, `empty_measure_rate`: share of beats (quarter notes) and bars that no note reaches.
    - `groove_consistency`: one less the share of positions at which a bar and the next differ in onsets; it grows with
      the fineness of the grid.

    Drum tracks only:

    - `drum_in_pattern_rate`: `drum_in_pattern_rate` for a duple meter.
    - `drum_pattern_consistency`: the higher of those for a duple and a triple meter.

    Args:
        rolls: N pieces.
        threshold: Pitches at once that do not yet count for the polyphony rate.

    Returns:
        float64[N] by name, NaN where undefined: without pitched notes (polyphony, scale consistency, entropies),
        without notes (polyphony rate, empty rates), in a piece shorter than a bar (groove consistency), and without
        drum notes.
    """
    sounding = rolls.pitched().sounding.any(1)
    at_once = sounding.sum(-1)
    active = np.any(rolls.sounding, axis=(1, 3))
    end = np.where(active.any(1), active.shape[1] - active[:, ::-1].argmax(1), 0)
    counts = pitch_counts(rolls)
    used, classes = counts > 0, _class_counts(counts)
    lowest, highest = used.argmax(1), rolls_.PITCHES - 1 - used[:, ::-1].argmax(1)
    scales = np.stack([_scale(root, mode) for mode in SCALES for root in range(12)], 1)
    duple, triple = drum_in_pattern_rate(rolls, "duple"), drum_in_pattern_rate(rolls, "triple")
    return {
        "pitch_range": np.where(used.any(1), highest - lowest, 0).astype(float),
        "n_pitches_used": used.sum(1).astype(float),
        "n_pitch_classes_used": (classes > 0).sum(1).astype(float),
        "polyphony": ratio(at_once.sum(1), (at_once > 0).sum(1)),
        "polyphony_rate": ratio((at_once > threshold).sum(1), end),
        "scale_consistency": ratio((classes @ scales).max(1), classes.sum(1)),
        "pitch_entropy": entropy(counts),
        "pitch_class_entropy": entropy(classes),
        "empty_beat_rate": _empty_rate(active, end, np.full(len(rolls), rolls.beat)),
        "empty_measure_rate": _empty_rate(active, end, rolls.bar),
        "groove_consistency": _groove_consistency(np.any(rolls.onset, axis=(1, 3)), end, rolls.bar),
        "drum_in_pattern_rate": duple,
        "drum_pattern_consistency": np.maximum(duple, triple),
    }
