"""Features of melodies that the music rules of RL Tuner use, as arrays over a batch.

After Jaques et al., "Sequence Tutor" (ICML 2017), and Magenta's `rl_tuner`, which processes one melody in Python.
These errors of Magenta's are corrected here:

* Its ids 0 and 1 are named note-off and hold, but decoded the other way round.
* Only middle C counts as the tonic; here the tonic of any octave does. Any hold in the last bar counts as the tonic;
  here the last bar must begin with the tonic, and no other note may begin in it.
* A fourth down from the tonic counts as a fifth of the key, and a third up from the third as a third of the key,
  although it may leave the key. Here the two notes must be tonic and third, or tonic and fifth.
* A melody without notes has a highest note; here it has none.

These surprising properties are kept: a held frame counts as repeated from the sixth in a row on; a bar has four frames
at the end and eight in a motif; a leap followed within six frames by a leap back is neither resolved nor doubled; the
autocorrelation uses 0 for note-off, 1 for a hold, and numbers from 2 (MIDI pitch 48) on for notes.
"""

import jax
import jax.numpy as jnp
from flax import struct

from musejax.base import Array
from musejax.theory import keys
from musejax.vocabulary import Vocabulary

# Lengths in frames of a motif and of the last bar, and the number of frames after which a leap back is a resolution.
MOTIF, LAST, PATIENCE = 8, 4, 6
LEAP = 7  # semitones
LAGS = (1, 2, 3)


@struct.dataclass
class Melodies:
    """A batch of melodies, whose frames are onsets, holds or note-offs.

    Attributes:
        tokens: Tokens, int32[N, L].
        pitch: MIDI pitch in frames where a note begins, else -1, int32[N, L].
        hold: True in frames where no note begins or ends, bool[N, L].
        off: True in frames where a note ends, bool[N, L].
        last: Pitch of the last note that began before each frame, -1 if there is none, int32[N, L].
    """

    tokens: Array
    pitch: Array
    hold: Array
    off: Array
    last: Array

    @property
    def onset(self) -> Array:
        """True in frames where a note begins, bool[N, L]."""
        return self.pitch >= 0


def check(vocabulary: Vocabulary) -> None:
    """Raises ValueError if the codec is not one for a single melody."""
    rests = vocabulary.has("note_off") or vocabulary.has("rest")
    one = vocabulary.kind == "tokens" and vocabulary.streams == 1
    if not (one and rests and vocabulary.has("pitch") and vocabulary.has("hold")):
        raise ValueError(f"the codec is {vocabulary.name}; the music rules need a codec for a single melody")


def read(vocabulary: Vocabulary, tokens: Array) -> Melodies:
    """Returns the melodies of tokens int32[N, L].

    If the codec has a rest token for each silent frame, the first of several in a row is a note-off, the others are
    holds.
    """
    pitch = jnp.asarray(vocabulary.values("pitch"))[tokens]
    hold = tokens == vocabulary.id("hold")
    off = tokens == vocabulary.id("note_off" if vocabulary.has("note_off") else "rest")
    if not vocabulary.has("note_off"):
        repeated_rest = off & jnp.pad(off, ((0, 0), (1, 0)))[:, :-1]
        hold, off = hold | repeated_rest, off & ~repeated_rest

    def advance(last: Array, now: Array) -> tuple[Array, Array]:
        return jnp.where(now >= 0, now, last), last

    _, last = jax.lax.scan(advance, jnp.full(len(tokens), -1, jnp.int32), pitch.T)
    return Melodies(tokens, pitch, hold, off, last.T)


def outside_key(m: Melodies, tonic: int) -> Array:
    """Returns True in frames where a note outside the major key begins, bool[N, L]."""
    return m.onset & ~jnp.asarray(keys.in_scale(tonic, keys.MAJOR))[m.pitch % 12]


def on_tonic(m: Melodies, tonic: int) -> Array:
    """Returns True in the first frame if the tonic begins there, and in frames of the last bar it fills, bool[N, L]."""
    final = m.pitch.shape[1] - LAST
    begins = m.onset & (m.pitch % 12 == tonic)
    frame = jnp.arange(m.pitch.shape[1])[None]
    # The last bar must begin with the tonic and a hold, followed by holds or a note-off.
    allowed = jnp.where(frame == final, begins, jnp.where(frame == final + 1, m.hold, ~m.onset))
    unbroken = jnp.cumprod(jnp.where(frame < final, True, allowed), axis=1) > 0
    return ((frame == 0) & begins) | ((frame >= final) & unbroken)


def repeated(m: Melodies) -> Array:
    """Returns True in frames whose event is repeated excessively, bool[N, L].

    Repetitions of a note are counted from the last change of pitch, and those of holds and note-offs from the last
    onset. A note is excessive from the sixth on, or the eighth with holds or note-offs in between; a hold from the
    sixth on, or the eighth with a note-off in between; and a note-off from the third on.
    """
    num = len(m.pitch)

    def advance(state: tuple[Array, ...], now: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        pitch, notes, between, holds, offs = state
        new, hold, off = now
        onset, gap = new >= 0, holds + offs > 0
        same = onset & (new == pitch)
        note = same & (notes > jnp.where(between | gap, 6, 4))
        excessive = note | (hold & (holds > jnp.where(offs > 0, 6, 4))) | (off & (offs > 1))
        notes = jnp.where(onset, jnp.where(same, notes + 1, 1), notes)
        between = jnp.where(onset, (same & between) | gap, between)  # between notes of the current pitch
        holds = jnp.where(onset, 0, holds + hold)
        offs = jnp.where(onset, 0, offs + off)
        return (jnp.where(onset, new, pitch), notes, between, holds, offs), excessive

    zeros = jnp.zeros(num, jnp.int32)
    initial = (jnp.full(num, -1, jnp.int32), zeros, jnp.zeros(num, bool), zeros, zeros)
    _, excessive = jax.lax.scan(advance, initial, (m.pitch.T, m.hold.T, m.off.T))
    return excessive.T


def _windows(x: Array, fill: int) -> Array:
    """Returns the last `MOTIF` values at each frame, oldest first: [N, L] -> [N, L, MOTIF]."""
    padded = jnp.pad(x, ((0, 0), (MOTIF - 1, 0)), constant_values=fill)
    return jnp.stack([padded[:, j : j + x.shape[1]] for j in range(MOTIF)], axis=-1)


def motif(m: Melodies) -> Array:
    """Returns the number of different pitches that began in the last 8 frames, 0 in the first 7 frames: int32[N, L]."""
    window = _windows(m.pitch, -1)
    same = window[..., :, None] == window[..., None, :]
    earlier = jnp.tri(MOTIF, k=-1, dtype=bool)[None, None]
    different = ((window >= 0) & ~(same & earlier).any(-1)).sum(-1)
    return jnp.where(jnp.arange(m.pitch.shape[1])[None] >= MOTIF - 1, different, 0)


def repeated_motif(m: Melodies) -> Array:
    """Returns True in frames where the last 8 frames are a motif that also occurs earlier, bool[N, L]."""
    length = m.tokens.shape[1]
    equal = m.tokens[:, :, None] == m.tokens[:, None, :]
    for shift in (1, 2, 4):  # whether the last 2, 4 and 8 events are equal at each pair of frames
        equal = equal & jnp.pad(equal, ((0, 0), (shift, 0), (shift, 0)))[:, :length, :length]
    earlier = jnp.tri(length, k=-MOTIF, dtype=bool)[None]
    return (motif(m) >= 3) & (equal & earlier).any(-1)


def leaps(m: Melodies) -> Array:
    """Returns 1 in frames where a leap is resolved, -1 where one is doubled, else 0: int32[N, L].

    A leap is an interval of a fifth or more. It is resolved when the melody returns, without another leap, to the note
    before the leap or beyond, or when it leaps back after more than 6 frames. It is doubled by another leap in the same
    direction.
    """
    num = len(m.pitch)

    def advance(state: tuple[Array, ...], now: tuple[Array, Array]) -> tuple[tuple[Array, ...], Array]:
        direction, origin, since = state
        new, last = now
        onset = (new >= 0) & (last >= 0)
        leap = onset & (jnp.abs(new - last) >= LEAP)
        sign = jnp.sign(new - last)
        back = leap & (direction == -sign)
        doubled = leap & (direction == sign)
        begun = leap & (direction == 0)
        returned = jnp.where(direction > 0, new <= origin, new >= origin) & (direction != 0) & onset & ~leap
        out = jnp.where(doubled, -1, (returned | (back & (since > PATIENCE))).astype(jnp.int32))
        direction = jnp.where(begun, sign, jnp.where(back | returned, 0, direction))
        return (direction, jnp.where(begun, last, origin), jnp.where(leap, 0, since + 1)), out

    zeros = jnp.zeros(num, jnp.int32)
    _, outcomes = jax.lax.scan(advance, (zeros, zeros, zeros), (m.pitch.T, m.last.T))
    return outcomes.T


def autocorrelation(m: Melodies, lag: int) -> Array:
    """Returns the autocorrelation at a lag, in frames, of the events up to each frame; 0 if they are constant."""
    x = jnp.where(m.onset, m.pitch - 46, jnp.where(m.hold, 1, 0)).astype(jnp.float32)
    count = jnp.arange(1, x.shape[1] + 1, dtype=jnp.float32)[None]
    total, squares = jnp.cumsum(x, 1), jnp.cumsum(x * x, 1)
    spread = count * squares - total * total  # count^2 times the variance, an integer
    mean = total / count
    shifted = jnp.pad(x, ((0, 0), (lag, 0)))[:, : x.shape[1]]
    early = jnp.pad(total, ((0, 0), (lag, 0)))[:, : x.shape[1]]  # sum of all but the last `lag` events
    late = total - total[:, lag - 1 : lag]  # sum of all but the first `lag` events
    products = jnp.cumsum(x * shifted, 1) - mean * (early + late) + (count - lag) * mean * mean
    defined = (spread > 0.5) & (count > lag)
    return jnp.where(defined, count * products / jnp.where(defined, spread, 1.0), 0.0)


def unique(m: Melodies) -> tuple[Array, Array]:
    """Returns whether the highest and the lowest pitch of each melody begin only once, bool[N] each."""
    high = m.pitch.max(1, keepdims=True)
    low = jnp.where(m.onset, m.pitch, 128).min(1, keepdims=True)
    has_notes = m.onset.any(1)
    return has_notes & ((m.pitch == high).sum(1) == 1), has_notes & ((m.pitch == low).sum(1) == 1)
