"""Rules of four-part writing, counted over chorales. NumPy only.

The rules are those of common textbooks (Aldwell & Schachter, "Harmony and Voice Leading", 4th ed., 2011, on
four-part writing), each brought into a form that can be counted: no chords are analysed, a piece has one key, and
nothing is excused by a phrase end or an embellishing tone. So Bach himself breaks each of them now and then, and a rate
means something only beside that of real chorales.

Voices are soprano, alto, tenor and bass, in this order. A move is what happens between two neighbouring frames; a
repeated note is no move, and there is none into or out of a rest.
"""

from collections.abc import Sequence

import numpy as np

from musejax.evaluation import note_rolls as roll_batches

VOICES = 4
# Lowest and highest pitch of each voice: C4-A5, G3-D5, C3-A4, E2-D4.
RANGES = np.array([[60, 81], [55, 74], [48, 69], [40, 62]])
# Stability of each degree, from the tonic up: Krumhansl & Kessler, "Tracing the dynamic changes in perceived tonal
# organization in a spatial representation of musical keys", Psychological Review 89(4), 1982.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

Keys = Sequence[tuple[int, bool]] | np.ndarray


def voices(rolls: roll_batches.Rolls) -> np.ndarray:
    """The pitch that sounds in each voice and frame, -1 for a rest; the highest if there are several.

    Returns:
        int16[N, T, 4].

    Raises:
        ValueError: There are not four tracks.
    """
    if rolls.sounding.shape[1] != VOICES:
        raise ValueError(f"a chorale has {VOICES} tracks, not {rolls.sounding.shape[1]}")
    highest = rolls.sounding.shape[-1] - 1 - rolls.sounding[..., ::-1].argmax(-1)
    return np.where(rolls.sounding.any(-1), highest, -1).astype(np.int16).swapaxes(1, 2)


def estimate_keys(rolls: roll_batches.Rolls) -> np.ndarray:
    """The key of each piece: the one whose profile correlates best with the time that each pitch class sounds.

    Krumhansl & Schmuckler's method with the profiles of Krumhansl & Kessler. Often wrong by a fifth or between relative
    keys. Pitched tracks alone count; a piece without any, or with all classes alike, is said to be in C major.

    Returns:
        int64[N, 2]: the tonic's pitch class, and 1 for minor or 0 for major.
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
    """Moves in parallel at an interval (modulo octaves) by piece, and moves of two voices at once: int64[N] both."""
    moves, sounds = np.diff(pitch, axis=1), (pitch >= 0)[:, 1:] & (pitch >= 0)[:, :-1]
    upper, lower = np.triu_indices(VOICES, 1)
    both = (sounds & (moves != 0))[:, :, upper] & (sounds & (moves != 0))[:, :, lower]
    apart = np.abs(pitch[:, :, upper] - pitch[:, :, lower]) % 12 == interval
    same_way = np.sign(moves[:, :, upper]) == np.sign(moves[:, :, lower])
    return (both & same_way & apart[:, 1:] & apart[:, :-1]).sum((1, 2)), both.sum((1, 2))


def _leading_tones(pitch: np.ndarray, tonic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leading tones that do not resolve, and all that should, by piece: int64[N] both."""
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
    """For each rule how often each piece breaks it, and how often it could have: int64[N] both.

    Args:
        rolls: Four monophonic tracks.
        keys: Each piece's tonic (pitch class) and whether it is minor; by default estimated by `estimate_keys`.

    Returns:
        `parallel_fifths`: of all moves of two voices at once (each of the six pairs by itself), those from a fifth to a
            fifth, octaves between disregarded, with both voices in the same direction.
        `parallel_octaves`: likewise of octaves and unisons.
        `voice_crossing`: of all frames in which neighbouring voices sound, those in which one is below the next.
        `spacing`: of all frames in which soprano and alto or alto and tenor sound, those in which they are more than an
            octave apart.
        `range`: of all sounding cells (voice and frame), those outside the voice's range, `RANGES`.
        `unresolved_leading_tone`: of all leading tones in soprano, alto and tenor while the bass goes from the fifth
            degree to the first, those that neither go up a semitone nor, in alto and tenor, fall a major third.

    Raises:
        ValueError: There are not four tracks, or not one key a piece.
    """
    pitch = voices(rolls).astype(np.int64)
    key = (estimate_keys(rolls) if keys is None else np.asarray(keys, np.int64)).reshape(-1, 2)
    if len(key) != len(pitch):
        raise ValueError(f"{len(pitch)} pieces need as many keys, not {len(key)}")
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
    """How often each rule is broken where it could be, over all pieces together: 0..1, NaN where it never could be.

    Arguments, names and errors are those of `counts`.
    """
    totals = {name: (int(broken.sum()), int(cases.sum())) for name, (broken, cases) in counts(rolls, keys).items()}
    return {name: broken / cases if cases else float("nan") for name, (broken, cases) in totals.items()}
