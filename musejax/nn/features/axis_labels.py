"""Labels of the positions along the axes of a parameter, by which weights are moved to a network with other events.

A network whose inputs are concatenated one-hots, or whose outputs are logits of events, declares which event or class
each position of an axis stands for (`base.Info.axes`). The same event or class has the same label in every network, at
whatever position.
"""

from collections.abc import Hashable

from musejax import vocabulary as vocabularies

Labels = tuple[Hashable, ...]


def classes(size: int, *name: Hashable) -> Labels:
    """Returns the labels of numbered classes: (name, 0) to (name, size - 1)."""
    return tuple((*name, i) for i in range(size))


def events(
    vocabulary: vocabularies.Vocabulary, *name: Hashable, none: bool = False, stream: int | None = None
) -> Labels:
    """Returns the labels of ids: (name, type, value) for each.

    Args:
        vocabulary: The vocabulary of the ids.
        *name: Name of the feature or output.
        none: Whether the id V, which stands for no event, has a label at the end.
        stream: Stream whose ids are labelled; None for the whole vocabulary.
    """
    types = None if stream is None else vocabulary.types(stream)
    labels = tuple(
        (*name, r.type, value)
        for r in vocabulary.ranges
        if types is None or r.type in types
        for value in range(r.min, r.max + 1)
    )
    return (*labels, (*name, "none")) if none else labels


def condition(vocabulary: vocabularies.Vocabulary, name: str, *where: Hashable) -> Labels:
    """Returns the labels of the values of a condition; labels of `beat`, which counts frames, contain the grid."""
    grid = (vocabulary.frames_per_quarter,) if name == "beat" else ()
    return classes(dict(vocabulary.conditions)[name], *where, name, *grid)
