"""What stands at each place along an axis of a parameter: by these labels weights move to a net over other events.

A net whose inputs are one-hots side by side, or whose outputs are logits of events, says beside its code which event
or class each place stands for (`base.Info.axes`). A label is the same in every net that means the same by it, wherever
the place lies.
"""

from collections.abc import Hashable

from musejax import vocabulary as vocabularies

Labels = tuple[Hashable, ...]


def classes(size: int, *name: Hashable) -> Labels:
    """Labels of numbered classes: (name, 0) to (name, size - 1)."""
    return tuple((*name, i) for i in range(size))


def events(
    vocabulary: vocabularies.Vocabulary, *name: Hashable, none: bool = False, stream: int | None = None
) -> Labels:
    """Labels of ids: (name, type, value) for each.

    Args:
        vocabulary: The table.
        *name: Of what the ids are.
        none: Whether the id V, for none, has a place behind them.
        stream: Whose own ids are meant; None for the whole table.
    """
    types = None if stream is None else vocabulary.types(stream)
    found = tuple(
        (*name, r.type, value)
        for r in vocabulary.ranges
        if types is None or r.type in types
        for value in range(r.min, r.max + 1)
    )
    return (*found, (*name, "none")) if none else found


def condition(vocabulary: vocabularies.Vocabulary, name: str, *where: Hashable) -> Labels:
    """Labels of the values of a condition; those of `beat` count frames, so they go with the grid."""
    grid = (vocabulary.frames_per_quarter,) if name == "beat" else ()
    return classes(dict(vocabulary.conditions)[name], *where, name, *grid)
