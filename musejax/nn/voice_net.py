"""A network over frames of one or more streams: one step of a stack per frame, then the streams one after the other.

The stack is any module that reads whole sequences and single steps by the same call (`nn/recurrent_stack.py`,
`nn/transformer_stack.py`).

The anchors of a stream's head (`nn/interval_head.py`) are its sounding note and the notes already sampled in the frame;
the match (`nn/features/voice_history.py`) proposes a token. A network that reads the key also reads and scores notes as
degrees above the tonic.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.base import Axes
from musejax.nn import dropout as dropouts
from musejax.nn import given_reader, interval_head
from musejax.nn.features import axis_labels, inputs, lookahead, voice_history
from musejax.nn.features.inputs import Feature, field


class VoiceNet(nn.Module):
    """A network over frames; `frame` runs once per frame and `stream` once per stream of the frame.

    Attributes:
        vocabulary: A vocabulary of tokens, with one or more streams.
        stack: The layers over frames: (float[B, T, E], carry, key) -> float[B, T, H], carry.
        reader: Reader of the given cells; None for a network that reads the past alone.
        conditions: Names of the conditions that the network reads.
        place: Whether it reads the number of bars since the start, with which a piece can end at a plausible length.
        bars_left: Whether it can be conditioned on the number of bars left.
        phase: Whether it reads the number of frames since the start modulo 48, for pieces without a beat condition.
        order: The streams in the order in which they are sampled.
        embed: Width E of a frame's embedding.
        head: Width D of a stream's head.
        feature_dropout: Dropout rate of the input features.
        dropout: Dropout rate inside the heads.
    """

    vocabulary: vocabularies.Vocabulary
    stack: nn.Module
    reader: given_reader.Reader | None
    conditions: tuple[str, ...]
    place: bool
    bars_left: bool
    phase: bool
    order: tuple[int, ...]
    embed: int
    head: int
    feature_dropout: float
    dropout: float

    def setup(self) -> None:
        """Creates the layers."""
        streams = self.vocabulary.streams
        wide = nn.initializers.normal(0.2)
        self.embedding = nn.Dense(self.embed, kernel_init=wide)
        self.context = nn.Dense(streams * self.head)
        self.skip = nn.Dense(streams * self.head, use_bias=False)
        if self.reader is not None:
            self.heard = nn.Dense(self.embed, use_bias=False)
            self.heard_by_stream = nn.Dense(streams * self.head, use_bias=False)
        self.present = [nn.Dense(self.head, use_bias=False, kernel_init=wide) for _ in range(streams)]
        self.norms = [nn.LayerNorm() for _ in range(streams)]
        small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
        self.outputs = [nn.Dense(self.scores(j).size, kernel_init=small) for j in range(streams)]

    @property
    def lookahead(self) -> bool:
        """Whether the heads read features of the given cells (nn/features/lookahead.py)."""
        return self.reader is not None and self.reader.lookahead

    @property
    def by_degree(self) -> bool:
        """Whether notes are also read and scored as degrees of the key."""
        return "key" in self.conditions

    def scores(self, j: int) -> interval_head.Scores:
        """Declares the scores of the j-th stream in sampling order."""
        anchors = ["mine", *(("drawn", u) for u in self.order[:j])]
        # Lookahead adds intervals to the next given note and to given notes of the other voices, and a second match.
        anchors += ["next", *(("beside", u) for u in self.order[j + 1 :])] if self.lookahead else []
        proposals = ("match", "like") if self.lookahead else ("match",)
        return interval_head.Scores(self.vocabulary, tuple(anchors), proposals, self.by_degree)

    def _degree_features(self, *name: Any, of: inputs.Read) -> list[Feature]:
        return [inputs.degree(self.vocabulary, *name, of=of)] if self.by_degree else []

    def _condition_features(self) -> list[Feature]:
        return [inputs.condition(self.vocabulary, name) for name in self.conditions]

    def _shared_features(self) -> list[Feature]:
        """Declares the features that all streams of a frame share."""
        features = self._condition_features()
        if self.place:
            features.append(inputs.classes(voice_history.PLACES, "place", read=field("place")))
        if self.bars_left:  # an unknown number of bars is one beyond the last class, and a row of zeros
            features.append(inputs.classes(voice_history.LEFT, "bars_left", read=field("bars_left")))
        if self.phase:
            features.append(inputs.classes(voice_history.PHASES, "phase", self.vocabulary.bar, read=field("phase")))
        match_length = inputs.classes(len(voice_history.MATCHES) + 1, "match_length", read=field("match_length"))
        return [*features, match_length]

    def _voice_features(self, s: int) -> list[Feature]:
        """Declares the features of the past of one stream."""
        table, now, narrow = self.vocabulary, field("sounding", s), voice_history.NARROW
        return [
            inputs.ids(table, "previous", s, read=field("previous", s)),
            inputs.ids(table, "sounding", s, read=now),
            inputs.classes(len(voice_history.HOLDS) + 1, "hold", s, read=field("hold", s)),
            inputs.classes(voice_history.num_interval_classes(narrow), "interval", s, read=field("interval", s)),
            inputs.step(table, narrow, "match", s, of=field("match", s), above=now),
            *self._degree_features("sounding", s, of=now),
        ]

    def frame_features(self) -> list[Feature]:
        """Declares the features that `frame` reads."""
        streams, sounds = self.vocabulary.streams, lambda s: field("sounding", s)
        features = [f for s in range(streams) for f in self._voice_features(s)] + self._shared_features()
        for low in range(streams):
            for high in range(low):
                features.append(
                    inputs.step(
                        self.vocabulary, voice_history.WIDE, "chord", high, low, of=sounds(high), above=sounds(low)
                    )
                )
        return features

    def stream_features(self, j: int) -> list[Feature]:
        """Declares the features that `stream` reads for the j-th stream in sampling order."""
        s = self.order[j]
        features = self._voice_features(s) + self._shared_features()
        for u in self.order[:j]:
            features += self._sampled_features(u, s)
        return features + (self._lookahead_features(j) if self.lookahead else [])

    def _sampled_features(self, u: int, s: int) -> list[Feature]:
        """Declares the features for stream s of the already sampled stream u of the same frame."""
        table, token, now, before = self.vocabulary, field("drawn", u), field("now", u), field("sounding", u)
        features = [
            inputs.ids(table, "drawn", u, read=token),
            inputs.step(table, voice_history.NARROW, "drawn", u, of=now, above=before),
            inputs.step(table, voice_history.WIDE, "drawn to mine", u, of=now, above=field("sounding", s)),
            inputs.equal("drawn as matched", u, one=token, other=field("match", u)),
            *self._degree_features("drawn", u, of=now),
        ]
        return (
            [*features, inputs.equal("drawn as like", u, one=token, other=field("like", u))]
            if self.lookahead
            else features
        )

    def _lookahead_features(self, j: int) -> list[Feature]:
        """Declares the features of the given cells for the j-th stream in sampling order."""
        table, s, wide = self.vocabulary, self.order[j], voice_history.WIDE
        mine, comes, like = field("sounding", s), field("next", s), field("like", s)
        features = [
            inputs.ids(table, "next", s, read=comes),
            inputs.distance("away", s, read=field("away", s)),
            inputs.step(table, wide, "next", s, of=comes, above=mine),
            inputs.ids(table, "like", s, read=like),
            inputs.step(table, wide, "like", s, of=like, above=mine),
            *inputs.agreement(),
        ]
        for u in self.order[j + 1 :]:
            features.append(inputs.ids(table, "beside", u, read=field("given", u)))
            features.append(inputs.step(table, wide, "beside", u, of=field("given", u), above=mine))
        return features

    def given_features(self) -> list[Feature]:
        """Declares the features that the reader of given cells reads."""
        features = self._condition_features()
        for s in range(self.vocabulary.streams):
            features.append(inputs.ids(self.vocabulary, "given", s, read=field("given", s)))
            features.append(inputs.ids(self.vocabulary, "given sounding", s, read=field("given_sounding", s)))
            features += self._degree_features("given", s, of=field("given_sounding", s))
        return features

    def axes(self) -> Axes:
        """Returns the labels of the parameters' axes: path -> axis -> labels."""
        units = tuple((s, d) for s in self.order for d in range(self.head))
        axes: dict[str, dict[int, axis_labels.Labels]] = {
            "embedding/kernel": {0: inputs.labels(self.frame_features())},
            "context/bias": {0: units},
            "reader/embedding/kernel": {0: inputs.labels(self.given_features())},
        }
        for name in ("context", "skip", "heard_by_stream"):
            axes[f"{name}/kernel"] = {1: units}
        for j, s in enumerate(self.order):
            axes[f"present_{j}/kernel"] = {0: inputs.labels(self.stream_features(j))}
            axes[f"outputs_{j}/kernel"] = {1: self.scores(j).labels(s)}
            axes[f"outputs_{j}/bias"] = {0: self.scores(j).labels(s)}
        return axes

    def read(self, batch: Mapping[str, AnyArray], dtype: Any, key: Key[Array, ""] | None) -> dict[str, Array]:
        """Summarises the given cells for each frame.

        Args:
            batch: `given` int32[B, T, S], V where a cell is free, and the conditions.
            dtype: Type of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            `heard` float[B, T, E], the output of the reader, and with lookahead the features of
            nn/features/lookahead.py.
        """
        assert self.reader is not None
        t = voice_history.tables(self.vocabulary)
        fields = {**batch, "given_sounding": given_reader.sounding_tokens(t, batch["given"])}
        summary = self.reader(fields, self.given_features(), dtype, key)
        more = lookahead.read_all(t, batch["given"]) if self.lookahead else {}
        return {"heard": summary, **more}

    def frame(
        self, batch: Mapping[str, AnyArray], carry: Any, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T S D"], Any]:
        """Computes the context of each stream of each frame from the past.

        Args:
            batch: History features and conditions, int32[B, T, ...], and for a network with a reader the output of
                `read`.
            carry: The state of the stack, whose type is that of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, S, D], with streams in sampling order, and the new state.
        """
        streams, dtype = self.vocabulary.streams, jax.tree.leaves(carry)[0].dtype
        keys = (None,) * 3 if key is None else tuple(jax.random.split(key, 3))
        x = self.embedding(inputs.one_hots(self.frame_features(), batch, self.feature_dropout, keys[0], dtype))
        if self.reader is not None:
            x = x + self.heard(batch["heard"])
        y = dropouts.drop(x, self.feature_dropout, keys[1], (x.shape[0], 1, x.shape[2]))
        h, carry = self.stack(y, carry, keys[2])
        z = self.context(h) + self.skip(x)
        if self.reader is not None:
            z = z + self.heard_by_stream(batch["heard"])
        return z.reshape(*z.shape[:-1], streams, self.head), carry

    def stream(
        self,
        z: Float[Array, "B T D"],
        batch: Mapping[str, AnyArray],
        tokens: Int[AnyArray, "B T S"],
        j: int,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T V"]:
        """Returns the logits of the j-th stream in sampling order.

        Args:
            z: float[B, T, D], the output of `frame` for this stream.
            batch: As in `frame`.
            tokens: int32[B, T, S]; only the streams sampled before this one are read.
            j: Index in the sampling order.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, V].
        """
        t, s = voice_history.tables(self.vocabulary), self.order[j]
        keys = (None,) * 2 if key is None else tuple(jax.random.split(key))
        now = voice_history.sounding(t, tokens, batch["sounding"])
        fields = {**batch, "drawn": tokens, "now": now}
        ones = inputs.one_hots(self.stream_features(j), fields, self.feature_dropout, keys[0], z.dtype)
        y = z + self.present[j](ones)
        y = dropouts.drop(nn.silu(self.norms[j](y)), self.dropout, keys[1])
        anchors = [batch["sounding"][..., s], *(now[..., u] for u in self.order[:j])]
        proposals = [batch["match"][..., s]]
        if self.lookahead:
            anchors += [batch["next"][..., s], *(batch["given"][..., u] for u in self.order[j + 1 :])]
            proposals.append(batch["like"][..., s])
        scores, signature = self.outputs[j](y).astype(jnp.float32), batch["key"] if self.by_degree else None
        return self.scores(j).logits(scores, anchors, proposals, signature)

    def __call__(
        self, batch: Mapping[str, AnyArray], carry: Any, key: Key[Array, ""] | None
    ) -> Float[Array, "B T S V"]:
        """Returns the logits of each cell given the cells before it, float[B, T, S, V], streams as in the batch."""
        streams = self.vocabulary.streams
        keys = (None,) * (2 + streams) if key is None else tuple(jax.random.split(key, 2 + streams))
        if self.reader is not None:
            batch = {**batch, **self.read(batch, jax.tree.leaves(carry)[0].dtype, keys[-1])}
        z, _ = self.frame(batch, carry, keys[0])
        logits: list[Any] = [None] * streams
        for j, s in enumerate(self.order):
            logits[s] = self.stream(z[..., j, :], batch, batch["tokens"], j, keys[1 + j])
        return jnp.stack(logits, axis=-2)
