"""What stands along the axes of Coconet's and DeepBach's nets: the counterpart of their one-hots and heads, in order.

A test takes the weights of a net to one whose events stand in another order, and finds the same costs there.
"""

from collections.abc import Hashable

from musejax import vocabulary as vocabularies
from musejax.base import Axes
from musejax.nn import ahead, coconet, deep_bach, history, labels, nearby

AWAY = len(ahead.AWAY) + 1
DEGREES = 13


def _ids(vocabulary: vocabularies.Vocabulary, *name: Hashable) -> labels.Labels:
    return labels.events(vocabulary, *name, none=True)


def _wide(*name: Hashable) -> labels.Labels:
    return labels.classes(history.relations(history.WIDE), *name, "step", history.WIDE)


def _narrow(*name: Hashable) -> labels.Labels:
    return labels.classes(history.relations(history.NARROW), *name, "step", history.NARROW)


def _intervals(vocabulary: vocabularies.Vocabulary, anchors: list[Hashable]) -> labels.Labels:
    size = vocabulary.range("pitch").size
    return tuple((anchor, interval) for anchor in anchors for interval in range(1 - size, size))


def grid(net: coconet.Grid) -> Axes:
    """Path -> axis -> labels: convolutions reach as far as there are pitches, so rests alone have places."""
    first = net.vocabulary.start("pitch")
    others = tuple(label for s in range(net.vocabulary.streams) for label in labels.events(net.vocabulary, s)[:first])
    return {"rest/kernel": {1: others}, "rest/bias": {0: others}}


def frames(net: coconet.Frames) -> Axes:
    """Path -> axis -> labels of Coconet's smaller net."""
    table, streams = net.vocabulary, range(net.vocabulary.streams)
    shared = tuple(label for name in net.conditions for label in labels.condition(table, name))
    shared += labels.classes(len(ahead.AGREE) + 1, "agree_before") + labels.classes(len(ahead.AGREE) + 1, "agree_after")

    def cell(*s: Hashable) -> labels.Labels:
        """`Frames._cells`."""
        return (
            *_ids(table, "given", *s),
            *_ids(table, "last", *s),
            *labels.classes(AWAY, "since", *s),
            *_ids(table, "next", *s),
            *labels.classes(AWAY, "away", *s),
            *_wide("next", *s),
            *_ids(table, "like", *s),
            *_wide("like", *s),
        )

    read = tuple(label for s in streams for label in cell(s)) + shared
    read += tuple(label for s in streams for u in range(s) for label in _wide("chord", u, s))
    present, others = cell() + shared, range(len(streams) - 1)
    for u in others:
        present += (*_wide("beside", u), *_narrow("heard", u), *_wide("coming", u), *labels.classes(2, "as like", u))
    out = labels.events(table)
    out += _intervals(table, ["last", "next", *(("heard", u) for u in others), *(("coming", u) for u in others)])
    out += (*labels.classes(len(nearby.SPANS) + 1, "share"), ("like",))
    return {
        "embedding/kernel": {0: read},
        "heads/present/kernel": {1: present},
        "heads/output/kernel": {2: out},
        "heads/output/bias": {1: out},
    }


def voices(shape: deep_bach.Shape, shared: bool) -> Axes:
    """Path -> axis -> labels of DeepBach's nets.

    Args:
        shape: What they know of the music.
        shared: Whether all voices share the layers of the context, which then have no axis of voices.
    """
    table, others = shape.vocabulary, range(shape.vocabulary.streams - 1)
    sizes = dict(shape.sizes)
    told = {name: labels.condition(table, name)[:n] for name, n in sizes.items()}
    found: dict[str, dict[int, labels.Labels]] = {}

    def inputs(where: str, axis: int, fields: tuple[str, ...]) -> None:
        for field in fields:
            for s in range(table.streams):
                found[f"{where}/{field}_{s}/table"] = {axis: _ids(table)}
        for name in sizes:
            found[f"{where}/{name}/table"] = {axis: (*told[name], (name, "none"))}

    inputs("context/past", 0 if shared else 1, ("tokens", "now"))
    inputs("context/future", 0 if shared else 1, ("tokens",))
    inputs("voices/centre", 1, ("tokens",))
    out = labels.events(table)
    if shape.intervals:
        out += _intervals(table, ["last", "next", *(("now", u) for u in others)])
        out += labels.classes(DEGREES - 1, "degree") if "key" in sizes else ()
    present = tuple(label for name in sizes for label in told[name])
    present += tuple(label for name in ("before", "after", "last", "next") for label in _ids(table, name))
    present += (*labels.classes(AWAY, "since"), *labels.classes(AWAY, "away"), *_wide("next"))
    degree = "key" in sizes
    present += (
        (*labels.classes(DEGREES, "last", "degree"), *labels.classes(DEGREES, "next", "degree")) if degree else ()
    )
    for u in others:
        present += (*_ids(table, "tokens", u), *_ids(table, "after", u), *_ids(table, "now", u))
        present += (*_narrow("now", u), *_wide("now to mine", u))
        present += labels.classes(DEGREES, "now", u, "degree") if degree else ()
    found["voices/present/kernel"] = {1: present}
    return {**found, "voices/output/kernel": {2: out}, "voices/output/bias": {1: out}}
