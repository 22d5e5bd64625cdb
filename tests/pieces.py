"""Small pieces to steer by, tiny models that read them, and what must hold of the results."""

import collections
import dataclasses
import functools

import numpy as np
import tiny

import musejax
from musejax import codecs, zoo
from musejax.decoding import constraints
from musejax.music import noteseq, timing

BAR = 16
BARS = 3
TUNE = [74, 76, 78, 79, 81, 79, 78, 76, 74, 78, 81, 74]
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
CENTRES = (72, 66, 58, 50)
# A change of tempo in the middle of a bar.
TEMPOS = ((0.0, 96.0), (1.9, 132.0))


@functools.cache
def loaded(preset):
    """A tiny preset as if it had been trained."""
    t = tiny.make("recurrent", preset)
    described = {"data": {}}
    codec = codecs.get(t.vocabulary.name)
    return zoo.Loaded(t.model, {"params": t.params, "state": t.state}, codec, described, preset)


def only(table, *tokens):
    """Nothing but these tokens."""
    return constraints.by_stream(np.isin(np.arange(table.size), tokens)[None])


def anything(table):
    """Allows all tokens: the same program as `only`, compiled once for both."""
    return only(table, *range(table.size))


def quiet(text):
    raise AssertionError(f"nothing was to be said, but: {text}")


def heard(sequence, *indices):
    """What makes notes what they are, as a multiset."""
    notes = sequence.notes if not indices else [sequence.notes[i] for i in indices[0]]
    return collections.Counter(
        (n.pitch, n.start_time, n.end_time, n.velocity, n.instrument, n.part, n.program) for n in notes
    )


def empty(tempos=TEMPOS):
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=480)
    for time, qpm in tempos:
        sequence.tempos.add(time=time, qpm=qpm)
    sequence.time_signatures.add(numerator=4, denominator=4)
    sequence.key_signatures.add(key=7)
    sequence.text_annotations.add(time=0.5, text="fermata")
    sequence.text_annotations.add(time=1.0, text="dolce")
    return sequence


def seconds(sequence, frames):
    return timing.to_seconds(sequence, np.atleast_1d(np.asarray(frames, float)) / 4)


def add(sequence, first, last, pitch, voice=0, early=0.0, late=0.0, velocity=80):
    """A note from frame to frame, moved off the grid by shares of a frame."""
    start, end = seconds(sequence, [max(first + early, 0.0), last + late])
    sequence.notes.add(
        start_time=start, end_time=end, pitch=pitch, velocity=velocity, instrument=voice, program=19
    )  # fmt: skip
    sequence.total_time = max(sequence.total_time, end)


def random_voice(sequence, rng, voice, frames=BARS * BAR):
    """Notes, rests and repeated notes of one voice, off the grid; the frames in which each begins."""
    at, begun, pitch = 0, [], CENTRES[voice]
    while at < frames:
        length = min(int(rng.integers(1, 14)), frames - at)
        if rng.random() > 0.15 or at + length >= frames:
            pitch = pitch if rng.random() < 0.3 else CENTRES[voice] + int(rng.integers(-5, 6))
            early, late = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)
            # The last frame of the piece stays the same for all, so that all share one compiled sampler.
            late = min(late, -0.01) if at + length == frames else late
            add(sequence, at, at + length, pitch, voice, early, late, int(rng.integers(30, 100)))
            begun.append(at)
        at += length
    return begun


def random_chorale(seed):
    rng, sequence = np.random.default_rng(seed), empty()
    begun = []
    for voice, name in enumerate(VOICES):
        sequence.instrument_infos.add(instrument=voice, name=name)
        begun += [(frame, voice) for frame in random_voice(sequence, rng, voice)]
    return sequence, begun


def check_kept(source, result, kept):
    """The kept notes are there, in order; all that is not a note is as it was. The new notes come back."""
    assert not heard(source, kept) - heard(result)
    assert [result.notes[i] for i in range(len(kept))] == [source.notes[i] for i in kept]
    for field in ("tempos", "time_signatures", "key_signatures", "text_annotations"):
        assert list(getattr(result, field)) == list(getattr(source, field))
    return result.notes[len(kept) :]


def overlaps(sequence, voice):
    """Where two notes of a voice sound at once: the onsets of both."""
    notes = sorted((n.start_time, n.end_time) for n in sequence.notes if n.instrument == voice)
    return {(a[0], b[0]) for a, b in zip(notes, notes[1:]) if b[0] < a[1]}


def melody(pitches, frames=4, instrument=0):
    sequence = empty()
    for i, pitch in enumerate(pitches):
        add(sequence, i * frames, (i + 1) * frames, pitch, instrument, velocity=50 + i)
    return sequence


def chorale_roll(seed, bars=2):
    """Four voices, a note a quarter each: bool[T, 4, 46]."""
    rng = np.random.default_rng(seed)
    out = np.zeros((16 * bars, 4, 46), bool)
    for track in range(4):
        keys = np.repeat(rng.integers(6 * (3 - track), 6 * (3 - track) + 20, 4 * bars), 4)
        out[np.arange(16 * bars), track, keys] = True
    return out


def sequences(function, *args, **options):
    """The sequences of the pieces of a public function; fields of `Sampling` may stand among its options."""
    names = {field.name for field in dataclasses.fields(musejax.Sampling)} & set(options)
    how = musejax.Sampling(**{name: options.pop(name) for name in names})
    return [piece.sequence for piece in function(*args, how=how, **options)]


sample = functools.partial(sequences, musejax.sample)
harmonize = functools.partial(sequences, musejax.harmonize)
infill = functools.partial(sequences, musejax.infill)
accompany = functools.partial(sequences, musejax.accompany)
