"""What well-formed tokens of codec `tracks` are, in plain Python and apart from what writes and draws them."""

import statistics

from musejax import codecs

CODEC = codecs.get("tracks")
VOCABULARY = CODEC.vocabulary
TRACKS = 3
TOPS = {
    "density": [0, 2, 4, 6, 8, 11, 14, 17, 21],
    "polyphony": [0, 1.25, 2.25, 2.75, 3.25],
    "duration": [0, 1, 2, 3, 6],
}


def bins(notes):
    """Density, polyphony and duration of notes (position, pitch, length)."""
    if not notes:
        return [0, 0, 0]
    sounding = {at + i for at, _, length in notes for i in range(length)}
    lengths = [length for _, _, length in notes]
    measures = (len(notes), sum(lengths) / len(sounding), statistics.median(lengths))
    return [sum(measure > top for top in TOPS[name]) for name, measure in zip(TOPS, measures, strict=True)]


def write(bars, said=bins):
    """Tokens of bars (size, [notes of each track]), END included; `said` gives the controls of notes."""
    events = []
    for size, tracks in bars:
        events.append(("bar", size))
        for track, notes in enumerate(tracks):
            events.append(("track", track))
            events += zip(TOPS, said(notes), strict=True)
            for at in sorted({at for at, _, _ in notes}):
                events.append(("position", at))
                for _, pitch, length in sorted(n for n in notes if n[0] == at):
                    events += [("pitch", pitch), ("length", length)]
    return [VOCABULARY.id(*event) for event in [*events, ("end", 0)]]


def parse(tokens):
    """Bars (size, [(controls, notes) of each track]) of tokens, which must be well-formed; the last may break off.

    Raises:
        AssertionError: They are not.
    """
    events = [VOCABULARY.event(token) for token in tokens]
    bars, place = [], 0

    def take(kind):
        nonlocal place
        if place == len(events):
            raise EOFError
        found, value = events[place]
        assert found == kind, f"{found} where {kind} belongs"
        place += 1
        return value

    def follows(kind):
        return place < len(events) and events[place][0] == kind

    try:
        while not follows("end"):
            size = take("bar")
            tracks = []
            bars.append((size, tracks))
            for track in range(TRACKS):
                assert take("track") == track
                controls, notes = [take(name) for name in TOPS], []
                tracks.append((controls, notes))
                assert len({control > 0 for control in controls}) == 1
                before = -1
                while follows("position"):
                    position = take("position")
                    assert before < position < size
                    before, lowest = position, -1
                    pitch = take("pitch")
                    while True:
                        assert pitch > lowest
                        notes.append((position, pitch, take("length")))
                        lowest = pitch
                        if not follows("pitch"):
                            break
                        pitch = take("pitch")
                if place == len(events):
                    raise EOFError
                assert bool(notes) == (controls[0] > 0)
        assert all(kind == "end" for kind, _ in events[place:])
    except EOFError:
        pass
    return bars
