"""A net over frames of one or more streams: one step of a stack a frame, then the streams one after the other.

The stack is any module that reads whole sequences and single steps by the same call (`nn/recurrent_stack.py`,
`nn/transformer_stack.py`).

The anchors of a stream's head (`nn/interval_head.py`) are its sounding note and the notes already drawn in the frame;
the match (`nn/features/voice_history.py`) proposes a token. A network that reads the key also sees and scores notes as
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
    """The net; `frame` and `stream` are its two halves.

    Attributes:
        vocabulary: Of tokens, with several streams.
        stack: The layers over frames: (float[B, T, E], carry, key) -> float[B, T, H], carry.
        reader: Reads the cells that are given ahead of their turn; None for a net that knows the past alone.
        conditions: Names of the conditions that are read.
        place: Whether it reads how many bars the piece has lasted, which a piece that ends wants to know.
        bars_left: Whether it may be told how many bars are left.
        phase: Whether it reads the frames since the piece began modulo 48, where no condition tells the beat.
        order: The streams in the order in which they are drawn.
        embed: Width E of a frame's embedding.
        head: Width D of a stream's head.
        feature_dropout: Share of input features dropped.
        dropout: Inside the heads.
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
        """Makes the layers."""
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
        """Whether the heads see features of the given cells (nn/features/lookahead.py)."""
        return self.reader is not None and self.reader.lookahead

    @property
    def by_degree(self) -> bool:
        """Whether notes are also seen and scored as degrees of the key."""
        return "key" in self.conditions

    def scores(self, j: int) -> interval_head.Scores:
        """Declares the scores of the stream that is drawn j-th."""
        anchors = ["mine", *(("drawn", u) for u in self.order[:j])]
        # With lookahead there are intervals to what comes next and to every voice, and a second match.
        anchors += ["next", *(("beside", u) for u in self.order[j + 1 :])] if self.lookahead else []
        proposals = ("match", "like") if self.lookahead else ("match",)
        return interval_head.Scores(self.vocabulary, tuple(anchors), proposals, self.by_degree)

    def _degree(self, *name: Any, of: inputs.Read) -> list[Feature]:
        return [inputs.degree(self.vocabulary, *name, of=of)] if self.by_degree else []

    def _conditions(self) -> list[Feature]:
        return [inputs.condition(self.vocabulary, name) for name in self.conditions]

    def _frame_wide(self) -> list[Feature]:
        """Declares what all streams of a frame share."""
        found = self._conditions()
        if self.place:
            found.append(inputs.classes(voice_history.PLACES, "place", read=field("place")))
        if self.bars_left:  # an unknown number of bars is one beyond the last class, and a row of zeros
            found.append(inputs.classes(voice_history.LEFT, "bars_left", read=field("bars_left")))
        if self.phase:
            found.append(inputs.classes(voice_history.PHASES, "phase", self.vocabulary.bar, read=field("phase")))
        match_length = inputs.classes(len(voice_history.MATCHES) + 1, "match_length", read=field("match_length"))
        return [*found, match_length]

    def _voice(self, s: int) -> list[Feature]:
        """Declares what the past of one stream says."""
        table, now, narrow = self.vocabulary, field("sounding", s), voice_history.NARROW
        return [
            inputs.ids(table, "previous", s, read=field("previous", s)),
            inputs.ids(table, "sounding", s, read=now),
            inputs.classes(len(voice_history.HOLDS) + 1, "hold", s, read=field("hold", s)),
            inputs.classes(voice_history.relations(narrow), "interval", s, read=field("interval", s)),
            inputs.step(table, narrow, "match", s, of=field("match", s), above=now),
            *self._degree("sounding", s, of=now),
        ]

    def frame_features(self) -> list[Feature]:
        """Declares what `frame` reads."""
        streams, sounds = self.vocabulary.streams, lambda s: field("sounding", s)
        found = [f for s in range(streams) for f in self._voice(s)] + self._frame_wide()
        for low in range(streams):
            for high in range(low):
                found.append(
                    inputs.step(
                        self.vocabulary, voice_history.WIDE, "chord", high, low, of=sounds(high), above=sounds(low)
                    )
                )
        return found

    def stream_features(self, j: int) -> list[Feature]:
        """Declares what `stream` reads for the stream that is drawn j-th."""
        s = self.order[j]
        found = self._voice(s) + self._frame_wide()
        for u in self.order[:j]:
            found += self._drawn(u, s)
        return found + (self._ahead(j) if self.lookahead else [])

    def _drawn(self, u: int, s: int) -> list[Feature]:
        """Declares what a stream of the same frame that is drawn already says to stream s."""
        table, token, now, before = self.vocabulary, field("drawn", u), field("now", u), field("sounding", u)
        found = [
            inputs.ids(table, "drawn", u, read=token),
            inputs.step(table, voice_history.NARROW, "drawn", u, of=now, above=before),
            inputs.step(table, voice_history.WIDE, "drawn to mine", u, of=now, above=field("sounding", s)),
            inputs.equal("drawn as matched", u, one=token, other=field("match", u)),
            *self._degree("drawn", u, of=now),
        ]
        return (
            [*found, inputs.equal("drawn as like", u, one=token, other=field("like", u))] if self.lookahead else found
        )

    def _ahead(self, j: int) -> list[Feature]:
        """Declares what the given cells say to the stream that is drawn j-th."""
        table, s, wide = self.vocabulary, self.order[j], voice_history.WIDE
        mine, comes, like = field("sounding", s), field("next", s), field("like", s)
        found = [
            inputs.ids(table, "next", s, read=comes),
            inputs.distance("away", s, read=field("away", s)),
            inputs.step(table, wide, "next", s, of=comes, above=mine),
            inputs.ids(table, "like", s, read=like),
            inputs.step(table, wide, "like", s, of=like, above=mine),
            *inputs.agreement(),
        ]
        for u in self.order[j + 1 :]:
            found.append(inputs.ids(table, "beside", u, read=field("given", u)))
            found.append(inputs.step(table, wide, "beside", u, of=field("given", u), above=mine))
        return found

    def given_features(self) -> list[Feature]:
        """Declares what the reader of given cells reads."""
        found = self._conditions()
        for s in range(self.vocabulary.streams):
            found.append(inputs.ids(self.vocabulary, "given", s, read=field("given", s)))
            found.append(inputs.ids(self.vocabulary, "given sounding", s, read=field("given_sounding", s)))
            found += self._degree("given", s, of=field("given_sounding", s))
        return found

    def axes(self) -> Axes:
        """Returns the labels of the parameters' axes: path -> axis -> labels."""
        drawn = tuple((s, d) for s in self.order for d in range(self.head))
        found: dict[str, dict[int, axis_labels.Labels]] = {
            "embedding/kernel": {0: inputs.labels(self.frame_features())},
            "context/bias": {0: drawn},
            "reader/embedding/kernel": {0: inputs.labels(self.given_features())},
        }
        for name in ("context", "skip", "heard_by_stream"):
            found[f"{name}/kernel"] = {1: drawn}
        for j, s in enumerate(self.order):
            found[f"present_{j}/kernel"] = {0: inputs.labels(self.stream_features(j))}
            found[f"outputs_{j}/kernel"] = {1: self.scores(j).labels(s)}
            found[f"outputs_{j}/bias"] = {0: self.scores(j).labels(s)}
        return found

    def read(self, batch: Mapping[str, AnyArray], dtype: Any, key: Key[Array, ""] | None) -> dict[str, Array]:
        """What the given cells say to each frame.

        Args:
            batch: `given` int32[B, T, S], V where a cell is free, and the conditions.
            dtype: Type of the computation.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            `heard` float[B, T, E], what the reader found, and with lookahead the features of nn/features/lookahead.py.
        """
        assert self.reader is not None
        t = voice_history.tables(self.vocabulary)
        known = {**batch, "given_sounding": given_reader.sounding(t, batch["given"])}
        heard = self.reader(known, self.given_features(), dtype, key)
        more = lookahead.over(t, batch["given"]) if self.lookahead else {}
        return {"heard": heard, **more}

    def frame(
        self, batch: Mapping[str, AnyArray], carry: Any, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T S D"], Any]:
        """What the past says to each stream of each frame.

        Args:
            batch: History features and conditions, int32[B, T, ...]; for a net that has a reader also what `read`
                gives.
            carry: The stack's state; its type is that of the computation.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, S, D], streams in the order in which they are drawn; the state after.
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
        """Logits of the stream that is drawn j-th.

        Args:
            z: float[B, T, D], its part of `frame`.
            batch: As in `frame`.
            tokens: int32[B, T, S]; only the streams drawn before are read.
            j: Place in the order.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, V].
        """
        t, s = voice_history.tables(self.vocabulary), self.order[j]
        keys = (None,) * 2 if key is None else tuple(jax.random.split(key))
        now = voice_history.sounding(t, tokens, batch["sounding"])
        known = {**batch, "drawn": tokens, "now": now}
        ones = inputs.one_hots(self.stream_features(j), known, self.feature_dropout, keys[0], z.dtype)
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
        """Logits of every stream of every frame given the ones before: float[B, T, S, V], streams as in the batch."""
        streams = self.vocabulary.streams
        keys = (None,) * (2 + streams) if key is None else tuple(jax.random.split(key, 2 + streams))
        if self.reader is not None:
            batch = {**batch, **self.read(batch, jax.tree.leaves(carry)[0].dtype, keys[-1])}
        z, _ = self.frame(batch, carry, keys[0])
        logits: list[Any] = [None] * streams
        for j, s in enumerate(self.order):
            logits[s] = self.stream(z[..., j, :], batch, batch["tokens"], j, keys[1 + j])
        return jnp.stack(logits, axis=-2)
