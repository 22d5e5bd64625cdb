"""Reads the end of a four-part piece: its last chord, and the cadence that leads there. NumPy only.

Chords are read frame by frame (16ths) from the pitch classes that sound, as degrees in semitones above a tonic. No
rhythm or metre is looked at, and no voice is named but the bass.
"""

import numpy as np

from musejax.theory import keys

# Semitones above the root: major or minor third, fifth.
_MAJOR_THIRD, _MINOR_THIRD, _FIFTH = 4, 3, 7
# Frames before the last chord in which the chord that leads to it is looked for: a half note. Passing notes,
# suspensions and anticipations between the two are no chord of `CADENCES`, and are passed over.
APPROACH = 8
# The chords that lead to a tonic chord: name of the cadence, degrees that must sound, and degrees that may sound, in
# semitones above the tonic. The first that fits counts. A dominant may lack its third or its fifth, and a subdominant
# may be minor.
CADENCES = (
    ("V7-I", frozenset({7, 11, 5}), frozenset({7, 11, 2, 5})),
    ("V7-I", frozenset({7, 2, 5}), frozenset({7, 11, 2, 5})),
    ("V-I", frozenset({7, 11}), frozenset({7, 11, 2})),
    ("V-I", frozenset({7, 2}), frozenset({7, 11, 2})),
    ("vii-I", frozenset({11, 5}), frozenset({11, 2, 5, 8, 9})),
    ("IV-I", frozenset({5, 9}), frozenset({5, 9, 0})),
    ("IV-I", frozenset({5, 8}), frozenset({5, 8, 0})),
)
NAMES = ("V-I", "V7-I", "vii-I", "IV-I")
DOMINANT = ("V-I", "V7-I", "vii-I")


def last_chord(pitch: np.ndarray) -> np.ndarray:
    """Returns the pitches of the last frame in which anything sounds: int[K], lowest first; empty for silence.

    Args:
        pitch: int[T, 4], -1 where a voice rests.
    """
    sounds = np.flatnonzero((pitch >= 0).any(axis=1))
    return np.sort(pitch[sounds[-1]][pitch[sounds[-1]] >= 0]) if len(sounds) else np.zeros(0, int)


def triad_root(chord: np.ndarray) -> tuple[int, bool] | None:
    """Returns the root of a major or minor triad, and whether it is minor; None for any other chord.

    Args:
        chord: int[K], pitches. Root and third must sound, the fifth may be missing, and nothing else may sound.
    """
    classes = {int(p) % 12 for p in chord}
    for root in sorted(classes):
        above = {(p - root) % 12 for p in classes}
        for third in (_MAJOR_THIRD, _MINOR_THIRD):
            if third in above and above <= {0, third, _FIFTH}:
                return root, third == _MINOR_THIRD
    return None


def ends_on_triad_of_key(pitch: np.ndarray, sharps: int) -> bool:
    """Returns whether the last chord is a triad of a key signature, inverted or not.

    Its root and fifth are notes of the scale, and so is its third, or the third is major where the scale has a minor
    one (a Picardy third).

    Args:
        pitch: int[T, 4], -1 where a voice rests.
        sharps: The key signature, negative for flats.
    """
    chord = last_chord(pitch)
    found = triad_root(chord)
    if found is None:
        return False
    scale = keys.in_scale(keys.tonic(sharps), keys.MAJOR)
    root, is_minor = found
    third = _MINOR_THIRD if is_minor else _MAJOR_THIRD
    natural = _MAJOR_THIRD if scale[(root + _MAJOR_THIRD) % 12] else _MINOR_THIRD
    return bool(scale[root] and scale[(root + _FIFTH) % 12] and (third == natural or not is_minor))


def ends_on_tonic(pitch: np.ndarray, tonics: tuple[tuple[int, bool], ...]) -> bool:
    """Returns whether the last chord is a tonic triad with the tonic in the bass.

    Args:
        pitch: int[T, 4], -1 where a voice rests.
        tonics: Pitch class of each tonic that counts, and whether its key is minor. The third of a minor key's last
            chord may be major.
    """
    chord = last_chord(pitch)
    found = triad_root(chord)
    return found is not None and any(
        found[0] == tonic == chord[0] % 12 and (minor or not found[1]) for tonic, minor in tonics
    )


def cadence(pitch: np.ndarray, tonic: int, minor: bool) -> str | None:
    """Returns the name of the cadence that ends a piece: one of `NAMES`, or None.

    The last chord is a tonic triad with the tonic in the bass. It begins with the first of the last frames in which
    nothing but notes of that triad sounds. Of the `APPROACH` frames before that, the last that is a chord of `CADENCES`
    names the cadence.

    Args:
        pitch: int[T, 4], -1 where a voice rests.
        tonic: Pitch class of the tonic.
        minor: Whether the key is minor; its last chord may be major.
    """
    if not ends_on_tonic(pitch, ((tonic, minor),)):
        return None
    triad = {0, _MAJOR_THIRD, _FIFTH} | ({_MINOR_THIRD} if minor else set())
    sounding = [frozenset((p - tonic) % 12 for p in frame[frame >= 0].tolist()) for frame in pitch]
    last = len(sounding)
    while last and sounding[last - 1] <= triad:
        last -= 1
    for degrees in sounding[max(last - APPROACH, 0) : last][::-1]:
        for name, required, allowed in CADENCES:
            if required <= degrees <= allowed:
                return name
    return None
