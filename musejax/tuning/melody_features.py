"""What the music rules of RL Tuner find in melodies, as arrays over a batch.

After Jaques et al., "Sequence Tutor" (ICML 2017), and Magenta's `rl_tuner`, which goes through one melody in Python.
Corrected here, and why:

* Its ids 0 and 1 are named note-off and hold, and decoded the other way round; here an event is what its name says.
* The tonic counts in any octave, not as middle C alone. The last bar is on the tonic if the tonic begins it and nothing
  else begins after; there any hold counted, whatever it held.
* An interval is of the key if both notes are (tonic and third, tonic and fifth); there a fourth down from the tonic
  counted as a fifth of the key, and a third up from the third as one of the key, outside of it.
* The highest note is sought among notes; there a melody without any had one.

Kept, though it surprises: a frame in which a note is held counts as repeated from the sixth in a row on; a bar is four
frames at the end and eight in a motif; a leap that is answered by one back within six frames counts as neither resolved
nor doubled; the autocorrelation is of events numbered 0 for note-off, 1 for a hold, and from 2 (MIDI 48) for notes.
"""

import jax
import jax.numpy as jnp
from flax import struct

from musejax.base import Array
from musejax.theory import keys
from musejax.vocabulary import Vocabulary

# Frames of a motif, of the last bar, and before a leap back resolves one.
MOTIF, LAST, PATIENCE = 8, 4, 6
LEAP = 7  # semitones
LAGS = (1, 2, 3)


@struct.dataclass
class Melodies:
    """Melodies as events; a frame is an onset, a hold or a note-off.

    Attributes:
        tokens: int32[N, L].
        pitch: MIDI pitch where a note begins, else -1, int32[N, L].
        hold: Where nothing begins or ends, bool[N, L].
        off: Where a note ends, bool[N, L].
        last: Pitch of the last note that began before each frame, -1 where there is none, int32[N, L].
    """

    tokens: Array
    pitch: Array
    hold: Array
    off: Array
    last: Array

    @property
    def onset(self) -> Array:
        """Where a note begins, bool[N, L]."""
        return self.pitch >= 0


def check(vocabulary: Vocabulary) -> None:
    """Raises ValueError for a codec that is not one of a single melody."""
    rests = vocabulary.has("note_off") or vocabulary.has("rest")
    one = vocabulary.kind == "tokens" and vocabulary.streams == 1
    if not (one and rests and vocabulary.has("pitch") and vocabulary.has("hold")):
        raise ValueError(f"the music rules are for one melody; codec {vocabulary.name} is not one")


def read(vocabulary: Vocabulary, tokens: Array) -> Melodies:
    """Tokens int32[N, L] as events.

    Where the codec has a rest for each silent frame, the first of a row is the note-off and the others go on.
    """
    pitch = jnp.asarray(vocabulary.values("pitch"))[tokens]
    hold = tokens == vocabulary.id("hold")
    off = tokens == vocabulary.id("note_off" if vocabulary.has("note_off") else "rest")
    if not vocabulary.has("note_off"):
        again = off & jnp.pad(off, ((0, 0), (1, 0)))[:, :-1]
        hold, off = hold | again, off & ~again

    def remember(last: Array, now: Array) -> tuple[Array, Array]:
        return jnp.where(now >= 0, now, last), last

    _, last = jax.lax.scan(remember, jnp.full(len(tokens), -1, jnp.int32), pitch.T)
    return Melodies(tokens, pitch, hold, off, last.T)


def outside_key(m: Melodies, tonic: int) -> Array:
    """Where a note outside the major key begins, bool[N, L]."""
    return m.onset & ~jnp.asarray(keys.in_scale(tonic, keys.MAJOR))[m.pitch % 12]


def on_tonic(m: Melodies, tonic: int) -> Array:
    """Where the tonic stands at the first frame and in the last bar, bool[N, L]."""
    final = m.pitch.shape[1] - LAST
    struck = m.onset & (m.pitch % 12 == tonic)
    at = jnp.arange(m.pitch.shape[1])[None]
    # In the last bar: the tonic at its start, a hold, then holds or a note-off.
    kept = jnp.where(at == final, struck, jnp.where(at == final + 1, m.hold, ~m.onset))
    unbroken = jnp.cumprod(jnp.where(at < final, True, kept), axis=1) > 0
    return ((at == 0) & struck) | ((at >= final) & unbroken)


def repeated(m: Melodies) -> Array:
    """Where an event is repeated excessively, bool[N, L].

    Since another pitch began: a note for the sixth time, or for the eighth where there are holds or note-offs between;
    a hold for the sixth time in a row, or the eighth with a note-off between; a note-off for the third.
    """
    num = len(m.pitch)

    def advance(state: tuple[Array, ...], now: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        pitch, notes, between, holds, offs = state
        new, hold, off = now
        onset, gap = new >= 0, holds + offs > 0
        same = onset & (new == pitch)
        note = same & (notes > jnp.where(between | gap, 6, 4))
        found = note | (hold & (holds > jnp.where(offs > 0, 6, 4))) | (off & (offs > 1))
        notes = jnp.where(onset, jnp.where(same, notes + 1, 1), notes)
        between = jnp.where(onset, (same & between) | gap, between)  # since a note of another pitch began
        holds = jnp.where(onset, 0, holds + hold)
        offs = jnp.where(onset, 0, offs + off)
        return (jnp.where(onset, new, pitch), notes, between, holds, offs), found

    none = jnp.zeros(num, jnp.int32)
    first = (jnp.full(num, -1, jnp.int32), none, jnp.zeros(num, bool), none, none)
    _, found = jax.lax.scan(advance, first, (m.pitch.T, m.hold.T, m.off.T))
    return found.T


def _windows(x: Array, fill: int) -> Array:
    """The last `MOTIF` values at each frame, oldest first: [N, L, MOTIF] of [N, L]."""
    padded = jnp.pad(x, ((0, 0), (MOTIF - 1, 0)), constant_values=fill)
    return jnp.stack([padded[:, j : j + x.shape[1]] for j in range(MOTIF)], axis=-1)


def motif(m: Melodies) -> Array:
    """How many pitches differ among those that began in the last 8 frames; 0 before there are 8. int32[N, L]."""
    window = _windows(m.pitch, -1)
    same = window[..., :, None] == window[..., None, :]
    earlier = jnp.tri(MOTIF, k=-1, dtype=bool)[None, None]
    different = ((window >= 0) & ~(same & earlier).any(-1)).sum(-1)
    return jnp.where(jnp.arange(m.pitch.shape[1])[None] >= MOTIF - 1, different, 0)


def repeated_motif(m: Melodies) -> Array:
    """Where the last 8 frames are a motif that stands event by event before them, bool[N, L]."""
    length = m.tokens.shape[1]
    equal = m.tokens[:, :, None] == m.tokens[:, None, :]
    for by in (1, 2, 4):  # runs of 2, 4, 8 equal events that end at each pair of frames
        equal = equal & jnp.pad(equal, ((0, 0), (by, 0), (by, 0)))[:, :length, :length]
    before = jnp.tri(length, k=-MOTIF, dtype=bool)[None]
    return (motif(m) >= 3) & (equal & before).any(-1)


def leaps(m: Melodies) -> Array:
    """1 where a leap is resolved, -1 where one is doubled, else 0: int32[N, L].

    A leap is a fifth or more. It is resolved once the melody has come back, without another leap, to the note from
    which it leapt or beyond, or by a leap back after more than 6 frames; and doubled by another in its direction.
    """
    num = len(m.pitch)

    def advance(state: tuple[Array, ...], now: tuple[Array, Array]) -> tuple[tuple[Array, ...], Array]:
        direction, origin, since = state
        new, last = now
        onset = (new >= 0) & (last >= 0)
        leap = onset & (jnp.abs(new - last) >= LEAP)
        way = jnp.sign(new - last)
        back = leap & (direction == -way)
        doubled = leap & (direction == way)
        begun = leap & (direction == 0)
        returned = jnp.where(direction > 0, new <= origin, new >= origin) & (direction != 0) & onset & ~leap
        out = jnp.where(doubled, -1, (returned | (back & (since > PATIENCE))).astype(jnp.int32))
        direction = jnp.where(begun, way, jnp.where(back | returned, 0, direction))
        return (direction, jnp.where(begun, last, origin), jnp.where(leap, 0, since + 1)), out

    none = jnp.zeros(num, jnp.int32)
    _, found = jax.lax.scan(advance, (none, none, none), (m.pitch.T, m.last.T))
    return found.T


def autocorrelation(m: Melodies, lag: int) -> Array:
    """The coefficient of the events up to each frame with themselves `lag` frames before; 0 for constant ones."""
    x = jnp.where(m.onset, m.pitch - 46, jnp.where(m.hold, 1, 0)).astype(jnp.float32)
    count = jnp.arange(1, x.shape[1] + 1, dtype=jnp.float32)[None]
    total, squares = jnp.cumsum(x, 1), jnp.cumsum(x * x, 1)
    spread = count * squares - total * total  # count^2 times the variance: a whole number
    mean = total / count
    shifted = jnp.pad(x, ((0, 0), (lag, 0)))[:, : x.shape[1]]
    early = jnp.pad(total, ((0, 0), (lag, 0)))[:, : x.shape[1]]  # of all but the last `lag`
    late = total - total[:, lag - 1 : lag]  # of all but the first
    products = jnp.cumsum(x * shifted, 1) - mean * (early + late) + (count - lag) * mean * mean
    defined = (spread > 0.5) & (count > lag)
    return jnp.where(defined, count * products / jnp.where(defined, spread, 1.0), 0.0)


def unique(m: Melodies) -> tuple[Array, Array]:
    """Whether the highest note of each melody begins once, and the lowest: bool[N] each."""
    high = m.pitch.max(1, keepdims=True)
    low = jnp.where(m.onset, m.pitch, 128).min(1, keepdims=True)
    some = m.onset.any(1)
    return some & ((m.pitch == high).sum(1) == 1), some & ((m.pitch == low).sum(1) == 1)
