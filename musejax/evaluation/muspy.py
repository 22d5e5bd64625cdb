"""The metrics of MusPy. NumPy only.

Source: Dong, Chen, McAuley, Berg-Kirkpatrick, "MusPy: A Toolkit for Symbolic Music Generation", 2020. The definitions
are those of version 0.5.0 of the package, with frames as time steps. They have these consequences:

- A piece ends with its last note, including drums. Silence after it is ignored, whatever `Rolls.frames` is.
- A note also counts in the beat or bar that begins where it ends. If the last note ends on a bar line, the piece has an
  additional bar, which is not empty for the empty rates and has no onsets for groove consistency.
- Drum tracks count for the empty rates, for groove consistency, and for the length of a piece in the polyphony rate.
- Simultaneous notes of the same pitch in several tracks are counted separately as notes, but once for polyphony.

There are two deliberate differences. The pitch range of a piece without pitched notes is 0 (-127 in the package), and
a piece without tracks is a piece without notes (an exception in the package).
"""

import numpy as np

from musejax.evaluation import note_rolls as rolls_
from musejax.theory import keys

# MusPy's minor scale is the natural one.
SCALES = {"major": keys.MAJOR, "minor": keys.NATURAL_MINOR}
# Numbers of divisions of the beat in each meter, of which the finest that fits the grid is used.
DIVISIONS = {"duple": (4, 2), "triple": (3,)}


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Returns quotients as float64, NaN where the denominator is not positive; the shapes must be equal."""
    out = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Returns the Shannon entropy of histograms over the last axis in bits, NaN for empty histograms."""
    total = counts.sum(-1, keepdims=True)
    share = ratio(counts, np.broadcast_to(total, counts.shape))
    logs = np.log2(share, out=np.zeros(counts.shape), where=share > 0)
    return 0.0 - (share * logs).sum(-1)


def pitch_counts(rolls: rolls_.Rolls) -> np.ndarray:
    """Counts the notes of each pitch over all pitched tracks: int64[N, 128]."""
    piece, _, _, pitch = np.nonzero(rolls.pitched().onset)
    size = len(rolls) * rolls_.PITCHES
    return np.bincount(piece * rolls_.PITCHES + pitch, minlength=size).reshape(len(rolls), rolls_.PITCHES)


def _class_counts(counts: np.ndarray) -> np.ndarray:
    """Returns the counts of pitch classes, int64[N, 12], given those of pitches."""
    # 128 is not a multiple of 12, so the last octave is padded.
    return np.pad(counts, ((0, 0), (0, 4))).reshape(len(counts), 11, 12).sum(1)


def _scale(root: int, mode: str) -> np.ndarray:
    """Returns the pitch classes of a scale: bool[12]."""
    if mode not in SCALES:
        raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(SCALES)}")
    return keys.in_scale(root, SCALES[mode])


def pitch_in_scale_rate(rolls: rolls_.Rolls, root: int, mode: str) -> np.ndarray:
    """Returns the share of pitched notes that belong to a scale.

    Args:
        rolls: N pieces.
        root: Pitch class of the root, 0 for C.
        mode: `major` or `minor` (natural).

    Returns:
        Shares in 0..1, NaN for pieces without pitched notes, float64[N].

    Raises:
        ValueError: The mode is unknown.
    """
    counts = _class_counts(pitch_counts(rolls))
    return ratio(counts[:, _scale(root, mode)].sum(1), counts.sum(1))


def drum_in_pattern_rate(rolls: rolls_.Rolls, meter: str = "duple") -> np.ndarray:
    """Returns the share of drum notes that begin at a regular division of the beat.

    A duple meter divides the beat into four if the grid allows it, otherwise into two; a triple meter into three. If
    the grid allows no division, only the beat itself is regular. With four frames per beat, all frames are in the duple
    pattern.

    Args:
        rolls: N pieces.
        meter: `duple` or `triple`.

    Returns:
        Shares in 0..1, NaN for pieces without drum notes, float64[N].

    Raises:
        ValueError: The meter is unknown.
    """
    if meter not in DIVISIONS:
        raise ValueError(f"meter is {meter!r}; it must be one of {', '.join(DIVISIONS)}")
    step = next((rolls.beat // n for n in DIVISIONS[meter] if rolls.beat % n == 0), rolls.beat)
    piece, _, frame, _ = np.nonzero(rolls.onset[:, rolls.drums])
    regular = np.bincount(piece[frame % rolls.beat % step == 0], minlength=len(rolls))
    return ratio(regular, np.bincount(piece, minlength=len(rolls)))


def _empty_rate(active: np.ndarray, end: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Returns the share of segments, such as beats or bars, without a note.

    Args:
        active: Frames in which a note sounds, bool[N, T].
        end: Number of frames up to the end of the last note, int64[N].
        size: Number of frames in a segment, int64[N].

    Returns:
        Shares, NaN for pieces without notes, float64[N].
    """
    reached = np.pad(active, ((0, 0), (0, 1)))
    reached[:, 1:] |= active
    piece, frame = np.nonzero(reached)
    frames = active.shape[1]
    filled = np.zeros((len(active), frames // size.min(initial=max(frames, 1)) + 1), bool)
    filled[piece, frame // size[piece]] = True
    return np.where(end > 0, 1 - filled.sum(1) / (end // size + 1), np.nan)


def _groove_consistency(onset: np.ndarray, end: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """Returns one minus the mean share of positions at which only one of two successive bars has an onset.

    Args:
        onset: Frames in which a note begins, bool[N, T].
        end: Number of frames up to the end of the last note, int64[N].
        bar: Number of frames in a bar, int64[N].

    Returns:
        Consistencies, NaN for pieces shorter than a bar, float64[N].
    """
    compared = end // bar * bar
    frame = np.arange(onset.shape[1])
    padded = np.pad(onset, ((0, 0), (0, int(bar.max(initial=0)))))
    next_bar = np.take_along_axis(padded, frame + bar[:, None], 1)
    differ = (onset ^ next_bar) & (frame < compared[:, None])
    return 1 - ratio(differ.sum(1), compared)


def statistics(rolls: rolls_.Rolls, *, threshold: int = 2) -> dict[str, np.ndarray]:
    """Computes all metrics of MusPy that have no arguments of their own.

    Pitched tracks only:

    - `pitch_range`: Semitones from the lowest to the highest pitch, 0 without notes.
    - `n_pitches_used`, `n_pitch_classes_used`: Numbers of different pitches and pitch classes.
    - `polyphony`: Mean number of pitches that sound simultaneously, over the frames in which any does.
    - `polyphony_rate`: Share of frames in which MORE than `threshold` pitches sound, of all frames of the piece.
    - `scale_consistency`: Share of notes in the best of the 24 major and natural minor scales.
    - `pitch_entropy`, `pitch_class_entropy`: Entropy in bits of the histogram of notes (not weighted by duration).

    All tracks:

    - `empty_beat_rate`, `empty_measure_rate`: Shares of beats (quarter notes) and bars without notes.
    - `groove_consistency`: One minus the share of positions at which only one of two successive bars has an onset; it
      increases with the resolution of the grid.

    Drum tracks only:

    - `drum_in_pattern_rate`: `drum_in_pattern_rate` for a duple meter.
    - `drum_pattern_consistency`: Maximum of the rates for a duple and a triple meter.

    Args:
        rolls: N pieces.
        threshold: Largest number of simultaneous pitches that does not count for the polyphony rate.

    Returns:
        Metrics by name, float64[N]. NaN if undefined: without pitched notes (polyphony, scale consistency, entropies),
        without notes (polyphony rate, empty rates), for a piece shorter than a bar (groove consistency), and without
        drum notes (drum metrics).
    """
    sounding = rolls.pitched().sounding.any(1)
    simultaneous = sounding.sum(-1)
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
        "polyphony": ratio(simultaneous.sum(1), (simultaneous > 0).sum(1)),
        "polyphony_rate": ratio((simultaneous > threshold).sum(1), end),
        "scale_consistency": ratio((classes @ scales).max(1), classes.sum(1)),
        "pitch_entropy": entropy(counts),
        "pitch_class_entropy": entropy(classes),
        "empty_beat_rate": _empty_rate(active, end, np.full(len(rolls), rolls.beat)),
        "empty_measure_rate": _empty_rate(active, end, rolls.bar),
        "groove_consistency": _groove_consistency(np.any(rolls.onset, axis=(1, 3)), end, rolls.bar),
        "drum_in_pattern_rate": duple,
        "drum_pattern_consistency": np.maximum(duple, triple),
    }
