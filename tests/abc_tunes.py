"""Small tunes in ABC, and what is read of them, in quarters."""

import numpy as np

from musejax.music import abc_reading, loss_counts, score_annotations, timing

HEAD = "M:4/4\nL:1/4\nK:C"


def text(body, head=HEAD):
    return f"X:1\nT:Tune\n{head}\n{body}\n"


def read(body, head=HEAD, losses=None):
    return abc_reading.abc_to_sequence(text(body, head), losses=losses)


def remarks(body, head=HEAD):
    """What the reader says of a tune."""
    losses = loss_counts.Losses()
    read(body, head, losses)
    return loss_counts.remarks(losses)


def quarters(sequence, seconds):
    return [round(q, 7) for q in timing.to_quarters(sequence, np.array(list(seconds), float)).tolist()]


def notes(sequence, part=None):
    """Pitch, onset and end of each note, by onset and pitch."""
    chosen = [n for n in sequence.notes if part in (None, n.part)]
    starts, ends = (quarters(sequence, (getattr(n, f) for n in chosen)) for f in ("start_time", "end_time"))
    return sorted(zip([n.pitch for n in chosen], starts, ends), key=lambda note: (note[1], note[0], note[2]))


def pitches(sequence, part=None):
    return [pitch for pitch, _, _ in notes(sequence, part)]


def lengths(sequence, part=None):
    return [round(end - start, 5) for _, start, end in notes(sequence, part)]


def annotations(sequence):
    """Place and text of each annotation."""
    return list(
        zip(
            quarters(sequence, (a.time for a in sequence.text_annotations)), [a.text for a in sequence.text_annotations]
        )
    )


def bar_lines(sequence):
    return [place for place, text in annotations(sequence) if text == score_annotations.BAR_LINE]


def lyrics(sequence):
    """Place and text of each syllable."""
    mark = score_annotations.LYRIC
    return [(place, text.removeprefix(mark)) for place, text in annotations(sequence) if text.startswith(mark)]


def metres(sequence):
    marks = sequence.time_signatures
    return list(zip(quarters(sequence, (s.time for s in marks)), [(s.numerator, s.denominator) for s in marks]))


def keys(sequence):
    """Place, tonic and whether it is minor of each key."""
    marks = sequence.key_signatures
    return list(zip(quarters(sequence, (k.time for k in marks)), [(k.key, k.mode == k.MINOR) for k in marks]))


def tempos(sequence):
    return list(zip(quarters(sequence, (t.time for t in sequence.tempos)), [round(t.qpm, 6) for t in sequence.tempos]))
