"""The inputs and outputs of DeepBach's networks: features around a cell, output scores and axis labels."""

from typing import NamedTuple

from musejax import vocabulary as vocabularies
from musejax.base import Axes
from musejax.nn import interval_head
from musejax.nn.features import axis_labels, inputs, voice_history
from musejax.nn.features.inputs import Feature, field


class Shape(NamedTuple):
    """The inputs and outputs that all parts of a network share.

    Attributes:
        vocabulary: A vocabulary of tokens.
        sizes: Names and sizes of the conditions that the network reads; the id `size` stands for an unknown value.
        embed: Width of the embedding of a note or of a condition.
        intervals: Whether the network reads sounding notes and scores intervals.
    """

    vocabulary: vocabularies.Vocabulary
    sizes: tuple[tuple[str, int], ...]
    embed: int
    intervals: bool

    @property
    def by_degree(self) -> bool:
        """Whether notes are also read and scored as degrees of the key."""
        return self.intervals and "key" in dict(self.sizes)

    def scores(self) -> interval_head.Scores:
        """Declares the scores of the head of a voice."""
        others = (("now", u) for u in range(self.vocabulary.streams - 1))
        anchors = ("last", "next", *others) if self.intervals else ()
        return interval_head.Scores(self.vocabulary, anchors, by_degree=self.by_degree)

    def condition(self, name: str) -> axis_labels.Labels:
        """Returns the labels of those values of a condition that the network reads."""
        return axis_labels.condition(self.vocabulary, name)[: dict(self.sizes)[name]]

    def features(self) -> list[Feature]:
        """Declares the features around a cell; stream 0 is the voice of the cell, followed by the next voices."""
        table, narrow, wide = self.vocabulary, voice_history.NARROW, voice_history.WIDE
        last, after = field("last", 0), field("next", 0)
        features = [Feature(self.condition(name), field(name)) for name, _ in self.sizes]
        features += [inputs.ids(table, name, read=field(name, 0)) for name in ("before", "after", "last", "next")]
        features += [inputs.distance(name, read=field(name, 0)) for name in ("since", "away")]
        features.append(inputs.step(table, wide, "next", of=after, above=last))
        if self.by_degree:
            features += [inputs.degree(table, "last", of=last), inputs.degree(table, "next", of=after)]
        for u in range(table.streams - 1):
            now = field("now", 1 + u)
            features += [inputs.ids(table, name, u, read=field(name, 1 + u)) for name in ("tokens", "after", "now")]
            features.append(inputs.step(table, narrow, "now", u, of=now, above=field("last", 1 + u)))
            features.append(inputs.step(table, wide, "now to mine", u, of=now, above=last))
            features += [inputs.degree(table, "now", u, of=now)] if self.by_degree else []
        return features

    def axes(self, shared: bool) -> Axes:
        """Returns the labels of the parameters' axes: path -> axis -> labels.

        Args:
            shared: Whether all voices share the context layers, which then have no axis for voices.
        """
        labels: dict[str, dict[int, axis_labels.Labels]] = {}
        ids = axis_labels.events(self.vocabulary, none=True)
        for where, axis, fields in (
            ("context/past", 0 if shared else 1, ("tokens", "now")),
            ("context/future", 0 if shared else 1, ("tokens",)),
            ("voices/centre", 1, ("tokens",)),
        ):
            for name in fields:
                labels |= {f"{where}/{name}_{s}/table": {axis: ids} for s in range(self.vocabulary.streams)}
            for name, _ in self.sizes:
                labels[f"{where}/{name}/table"] = {axis: (*self.condition(name), (name, "none"))}
        labels["voices/present/kernel"] = {1: inputs.labels(self.features())}
        out = self.scores().labels()
        return {**labels, "voices/output/kernel": {2: out}, "voices/output/bias": {1: out}}
