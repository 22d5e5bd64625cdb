"""What stands along the axes of `nn.voices.VoiceNet`: the counterpart of its one-hots and heads, part by part.

A test takes the weights of a net to one whose events stand in another order, and finds the same likelihood there.
"""

from musejax import vocabulary as vocabularies
from musejax.base import Axes
from musejax.nn import ahead, history, labels, voices


def axes(net: voices.VoiceNet) -> Axes:
    """Path -> axis -> labels, of a net and its reader."""
    vocabulary, order = net.vocabulary, net.order
    streams = range(vocabulary.streams)
    found: dict[str, dict[int, labels.Labels]] = {"embedding/kernel": {0: _frame(net)}}
    drawn = tuple((s, d) for s in order for d in range(net.head))
    for name in ("context", "skip", "heard_by_stream"):
        found[f"{name}/kernel"] = {1: drawn}
    found["context/bias"] = {0: drawn}
    for j in streams:
        found[f"present_{j}/kernel"] = {0: _present(net, j)}
        found[f"outputs_{j}/kernel"] = {1: _outputs(net, j)}
        found[f"outputs_{j}/bias"] = {0: _outputs(net, j)}
    given = tuple(label for name in net.conditions for label in labels.condition(vocabulary, name))
    for s in streams:
        given += _ids(vocabulary, "given", s) + _ids(vocabulary, "given sounding", s) + _degree(net, "given", s)
    return {**found, "reader/embedding/kernel": {0: given}}


def _ids(vocabulary: vocabularies.Vocabulary, what: str, s: int) -> labels.Labels:
    return labels.events(vocabulary, what, s, none=True)


def _degree(net: voices.VoiceNet, what: str, s: int) -> labels.Labels:
    return labels.classes(13, what, s, "degree") if net.by_degree else ()


def _steps(width: int, *name: object) -> labels.Labels:
    return labels.classes(history.relations(width), *name, "step", width)


def _voice(net: voices.VoiceNet, s: int) -> labels.Labels:
    """`VoiceNet._voice`."""
    return (
        *_ids(net.vocabulary, "previous", s),
        *_ids(net.vocabulary, "sounding", s),
        *labels.classes(len(history.HOLDS) + 1, "hold", s),
        *labels.classes(history.relations(history.NARROW), "interval", s),
        *_steps(history.NARROW, "match", s),
        *_degree(net, "sounding", s),
    )


def _conditions(net: voices.VoiceNet) -> labels.Labels:
    """`VoiceNet._conditions`."""
    found = tuple(label for name in net.conditions for label in labels.condition(net.vocabulary, name))
    bar = net.vocabulary.bar
    found += labels.classes(history.PLACES, "place") if net.place else ()
    # An unknown number of bars is one beyond the last class, and a row of zeros.
    found += labels.classes(history.LEFT, "bars_left") if net.bars_left else ()
    return found + (labels.classes(history.PHASES, "phase", bar) if net.phase else ())


def _match_length() -> labels.Labels:
    return labels.classes(len(history.MATCHES) + 1, "match_length")


def _frame(net: voices.VoiceNet) -> labels.Labels:
    """What `VoiceNet.frame` reads."""
    streams = net.vocabulary.streams
    found = tuple(label for s in range(streams) for label in _voice(net, s))
    found += _conditions(net) + _match_length()
    for low in range(streams):
        for high in range(low):
            found += _steps(history.WIDE, "chord", high, low)
    return found


def _present(net: voices.VoiceNet, j: int) -> labels.Labels:
    """What `VoiceNet.stream` reads besides."""
    s = net.order[j]
    found = _voice(net, s) + _conditions(net) + _match_length()
    for u in net.order[:j]:
        found += _ids(net.vocabulary, "drawn", u)
        found += _steps(history.NARROW, "drawn", u) + _steps(history.WIDE, "drawn to mine", u)
        found += labels.classes(2, "drawn as matched", u) + _degree(net, "drawn", u)
        found += labels.classes(2, "drawn as like", u) if net.lookahead else ()
    return found + (_ahead(net, j) if net.lookahead else ())


def _ahead(net: voices.VoiceNet, j: int) -> labels.Labels:
    """`VoiceNet._ahead`."""
    s = net.order[j]
    found = _ids(net.vocabulary, "next", s) + labels.classes(len(ahead.AWAY) + 1, "away", s)
    found += _steps(history.WIDE, "next", s)
    found += _ids(net.vocabulary, "like", s) + _steps(history.WIDE, "like", s)
    found += labels.classes(len(ahead.AGREE) + 1, "agree_before") + labels.classes(len(ahead.AGREE) + 1, "agree_after")
    for u in net.order[j + 1 :]:
        found += _ids(net.vocabulary, "beside", u) + _steps(history.WIDE, "beside", u)
    return found


def _outputs(net: voices.VoiceNet, j: int) -> labels.Labels:
    """What `VoiceNet.stream` scores: events, intervals to each anchor, the matches, degrees."""
    s, size = net.order[j], net.vocabulary.range("pitch").size
    anchors = ["mine", *(("drawn", u) for u in net.order[:j])]
    anchors += ["next", *(("beside", u) for u in net.order[j + 1 :])] if net.lookahead else []
    found = labels.events(net.vocabulary, s)
    found += tuple((s, anchor, interval) for anchor in anchors for interval in range(1 - size, size))
    found += tuple((s, name) for name in (("match", "like") if net.lookahead else ("match",)))
    return found + (labels.classes(12, s, "degree") if net.by_degree else ())
