"""Counts violations of the rules of four-part writing in chorales. NumPy only.

The rules are those of common textbooks (Aldwell & Schachter, "Harmony and Voice Leading", 4th ed., 2011, on four-part
writing) in a simplified form that can be counted: chords are not analysed, a piece has a single key, and there are no
exceptions for phrase ends or embellishing tones. Bach therefore breaks each rule occasionally, and rates are meaningful
only in comparison with those of real chorales.

The voices are soprano, alto, tenor and bass, in this order. A move is a change of pitch between successive frames;
repeated notes and changes to or from a rest are not moves.
"""

from collections.abc import Sequence

import numpy as np

from musejax.evaluation import note_rolls as roll_batches

VOICES = 4
# Lowest and highest pitches of the voices: C4-A5, G3-D5, C3-A4, E2-D4.
RANGES = np.array([[60, 81], [55, 74], [48, 69], [40, 62]])
# Key profiles, from the tonic up: Krumhansl & Kessler, "Tracing the dynamic changes in perceived tonal organization in
# a spatial representation of musical keys", Psychological Review 89(4), 1982.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

Keys = Sequence[tuple[int, bool]] | np.ndarray


def voices(rolls: roll_batches.Rolls) -> np.ndarray:
    """Returns the highest pitch that sounds in each voice and frame, -1 for a rest: int16[N, T, 4].

    Raises:
        ValueError: There are not four tracks.
    """
    if rolls.sounding.shape[1] != VOICES:
        raise ValueError(f"the number of tracks is {rolls.sounding.shape[1]}; a chorale must have {VOICES}")
    highest = rolls.sounding.shape[-1] - 1 - rolls.sounding[..., ::-1].argmax(-1)
    return np.where(rolls.sounding.any(-1), highest, -1).astype(np.int16).swapaxes(1, 2)


def estimate_keys(rolls: roll_batches.Rolls) -> np.ndarray:
    """Estimates the key of each piece: the one whose profile correlates best with the durations of pitch classes.

    This is Krumhansl & Schmuckler's method with the profiles of Krumhansl & Kessler. It often confuses keys that are a
    fifth apart, and relative keys. Only pitched tracks count. If there are none, or all pitch classes have the same
    duration, the result is C major.

    Returns:
        Pitch class of the tonic, and 1 for minor or 0 for major, int64[N, 2].
    """
    time = rolls.pitched().sounding.sum((1, 2))
    time = np.pad(time, ((0, 0), (0, -time.shape[1] % 12))).reshape(len(time), -1, 12).sum(1).astype(float)
    time -= time.mean(1, keepdims=True)
    profiles = np.array([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])
    profiles -= profiles.mean(1, keepdims=True)
    # The norm of `time` is the same for all keys of a piece.
    best = (time @ (profiles / np.linalg.norm(profiles, axis=1, keepdims=True)).T).argmax(1)
    return np.stack([best % 12, best // 12], 1)


def _parallels(pitch: np.ndarray, interval: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts parallel moves at an interval (modulo octaves), and all moves of two voices at once: int64[N] both."""
    moves, sounds = np.diff(pitch, axis=1), (pitch >= 0)[:, 1:] & (pitch >= 0)[:, :-1]
    upper, lower = np.triu_indices(VOICES, 1)
    both = (sounds & (moves != 0))[:, :, upper] & (sounds & (moves != 0))[:, :, lower]
    at_interval = np.abs(pitch[:, :, upper] - pitch[:, :, lower]) % 12 == interval
    same_direction = np.sign(moves[:, :, upper]) == np.sign(moves[:, :, lower])
    return (both & same_direction & at_interval[:, 1:] & at_interval[:, :-1]).sum((1, 2)), both.sum((1, 2))


def _leading_tones(pitch: np.ndarray, tonic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts leading tones that are not resolved, and all that should be: int64[N] both."""
    before, after = pitch[:, :-1], pitch[:, 1:]
    degree = (pitch - tonic[:, None, None]) % 12
    bass = (before[..., 3] >= 0) & (after[..., 3] >= 0) & (degree[:, :-1, 3] == 7) & (degree[:, 1:, 3] == 0)
    leading = bass[..., None] & (before >= 0) & (after >= 0) & (degree[:, :-1] == 11)
    leading[..., 3] = False
    step = after - before
    resolves = step == 1
    resolves[..., 1:3] |= step[..., 1:3] == -4
    return (leading & ~resolves).sum((1, 2)), leading.sum((1, 2))


def counts(rolls: roll_batches.Rolls, keys: Keys | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Counts the violations of each rule in each piece, and the cases in which it applies: int64[N] both.

    Args:
        rolls: Pieces of four monophonic tracks.
        keys: Pitch class of the tonic, and whether the key is minor, for each piece; by default estimated by
            `estimate_keys`.

    Returns:
        Violations and cases by rule:
        `parallel_fifths`: Moves of two voices in the same direction from a fifth to a fifth (or compound fifth), of all
            simultaneous moves of two voices. Each of the six pairs of voices counts.
        `parallel_octaves`: The same for octaves and unisons.
        `voice_crossing`: Frames in which a voice is below the next lower one, of all frames in which neighbouring
            voices sound.
        `spacing`: Frames in which soprano and alto, or alto and tenor, are more than an octave apart, of all frames in
            which either pair sounds.
        `range`: Sounding cells (voice and frame) outside the range of the voice, `RANGES`, of all sounding cells.
        `unresolved_leading_tone`: Leading tones in soprano, alto and tenor that neither rise a semitone nor, in alto
            and tenor, fall a major third, of all leading tones while the bass moves from the fifth to the first degree.

    Raises:
        ValueError: There are not four tracks, or the number of keys differs from that of pieces.
    """
    pitch = voices(rolls).astype(np.int64)
    key = (estimate_keys(rolls) if keys is None else np.asarray(keys, np.int64)).reshape(-1, 2)
    if len(key) != len(pitch):
        raise ValueError(f"the number of keys is {len(key)}; it must be the number of pieces, {len(pitch)}")
    sounds = pitch >= 0
    pairs, gap = sounds[..., :-1] & sounds[..., 1:], pitch[..., :-1] - pitch[..., 1:]
    outside = (pitch < RANGES[:, 0]) | (pitch > RANGES[:, 1])
    return {
        "parallel_fifths": _parallels(pitch, 7),
        "parallel_octaves": _parallels(pitch, 0),
        "voice_crossing": ((pairs & (gap < 0)).any(2).sum(1), pairs.any(2).sum(1)),
        "spacing": ((pairs & (gap > 12))[..., :2].any(2).sum(1), pairs[..., :2].any(2).sum(1)),
        "range": ((sounds & outside).sum((1, 2)), sounds.sum((1, 2))),
        "unresolved_leading_tone": _leading_tones(pitch, key[:, 0]),
    }


def statistics(rolls: roll_batches.Rolls, keys: Keys | None = None) -> dict[str, float]:
    """Returns the rate of violations of each rule over all pieces, in 0..1, NaN if there are no cases.

    Arguments, names and errors are those of `counts`.
    """
    totals = {name: (int(broken.sum()), int(cases.sum())) for name, (broken, cases) in counts(rolls, keys).items()}
    return {name: broken / cases if cases else float("nan") for name, (broken, cases) in totals.items()}
