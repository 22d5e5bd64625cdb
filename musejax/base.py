"""The record that every family fills, and the few values that travel between the parts.

A family bound to a config is one `Model`: a NamedTuple of pure functions, in the way of optax's
GradientTransformation. Nothing here knows a file, a NoteSequence or a training loop.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from flax import struct

from musejax.array_types import AnyArray, Array

Params = Any  # a pytree of float arrays
State = Any  # a pytree of what is not trained by gradient; {} when there is none
# (rows, positions to be drawn or 0 for whole sequences, params whose type is taken) -> a stack's state
Start = Callable[[int, int, Params], Any]
Batch = Mapping[str, Any]  # arrays of JAX or NumPy: tokens, loss_mask, one array a condition; leading axis B
# path of a parameter, such as `stack/layer_0/input` -> axis -> what stands at each place along it
Axes = Mapping[str, Mapping[int, tuple[Any, ...]]]
Metrics = dict[str, Array]  # scalars; `weight` counts the cells over which `loss` is a mean


@struct.dataclass
class Choice:
    """How a token is chosen from logits; None switches a filter off. Filters apply in this order.

    Attributes:
        temperature: Divides the logits; near 0 takes the likeliest token.
        top_k: Keeps the k likeliest tokens.
        top_p: Keeps the smallest set of tokens whose probability reaches p (Holtzman et al., 2020).
        min_p: Keeps tokens at least min_p times as likely as the likeliest (Nguyen et al., 2024).
    """

    temperature: float = 1.0
    top_k: int | None = struct.field(default=None, pytree_node=False)
    top_p: float | None = None
    min_p: float | None = None

    @property
    def sharp(self) -> bool:
        """Whether likely tokens are chosen more often than the model's own distribution says."""
        cuts = (self.top_k is not None, self.top_p is not None and self.top_p < 1.0, bool(self.min_p))
        return self.temperature < 1.0 or any(cuts)


# (frame, stream, values so far [N, L, ...] as drawn) -> bool, broadcast to [N, V]: what may stand there. A constraint
# with arrays in it is a `jax.tree_util.Partial`, so that new arrays do not compile anew. A family that draws cells in
# any order asks once for each cell, with zeros for the values.
Constraint = Callable[[Array, Array, Array], Array]


@struct.dataclass
class Request:
    """What to sample: one pytree of static shape.

    Attributes:
        num: Number of pieces, N.
        length: Number of frames T (tokens where tokens are not frames).
        choice: How a token is chosen.
        first: Index of the first piece: piece i of a larger request is drawn from `fold_in(key, first + i)`.
        given: Cells that are fixed, int32[N, T, S] (or [N, T]; uint8[N, T, V] for bits, float32 for rows of real
            numbers); None for a free sample.
        infill_mask: 1 where a cell is to be drawn, of given's shape ([N, T] for bits). A primer is a prefix of zeros.
            Of rows of real numbers [N, T], or [N, T, V] where their hits alone are given.
            A family that accompanies a track reads that track of `given` and needs no mask.
        conditions: One int32[N, T] array for each condition that the model was trained with. For a family that draws
            cells in any order also `pad_mask`, 1 in the frames of each piece; None where all are of it.
        constraint: Which tokens may stand where. A sampler says where it left nothing to draw: `blocked`, in what it
            returns.
        grammar: Keeps samples well-formed; it holds as the constraint does.
        rules: What should hold as well. A rule yields in a cell in which nothing else would be left, the last first.
        sampling: How a family draws that draws cells in any order (`decoding.gibbs.Sampling`); None for its own way.
    """

    num: int = struct.field(pytree_node=False)
    length: int = struct.field(pytree_node=False)
    choice: Choice = struct.field(default_factory=Choice)
    first: int = 0
    given: Array | None = None
    infill_mask: Array | None = None
    conditions: dict[str, Array] = struct.field(default_factory=dict)
    constraint: Constraint | None = None
    grammar: Constraint | None = None
    rules: tuple[Constraint, ...] = ()
    sampling: Any = struct.field(pytree_node=False, default=None)


class Decoder(NamedTuple):
    """What a family that decodes left to right offers to the sampler, to steering, scoring and reinforcement.

    Attributes:
        init_cache: (params, state, num, length in frames) -> cache, an explicit pytree of static shape. Every array in
            it of rank 1 or more has the N rows first; those of rank 0 serve all rows.
        step: (params, state, cache, previous token [N], pos, conditions of pos {name: [N]}) -> logits [N, V], cache.
            At pos 0 the previous token is `start`. For bits and rows of real numbers the token is a frame, [N, V].
        start: The id that stands before the first token.
        order: The streams of a frame in the order in which they are drawn; empty for the vocabulary's own.
        prepare: params -> the same laid out for a loop, which init_cache and step take in place of params; None where
            nothing is gained. A step without it gives the same and is slower.
        draw: (params, choice) -> how a value is drawn from a step's output (`decoding.draws.Draw`), where that output
            is neither the logits of one token nor of switches that are independent of each other.
        read: (params, state, cache, given int32[N, T, S], infill_mask int32[N, T, S], conditions {name: int32[N, T]})
            -> cache, for a net that reads given cells ahead of their turn; the sampler calls it once, before the loop.
            Without streams the cells are [N, T].
        logits: (params, state, batch) -> those of all cells in one pass, each given the true cells before, float[B, T,
            S, V] in the streams' own order ([B, L, V] of one stream); None where a cell is not one of V tokens.
    """

    init_cache: Callable[[Params, State, int, int], Any]
    step: Callable[..., tuple[Array, Any]]
    start: int
    order: tuple[int, ...] = ()
    prepare: Callable[[Params], Any] | None = None
    draw: Callable[[Params, Choice], Any] | None = None
    read: Callable[..., Any] | None = None
    logits: Callable[[Params, State, Batch], Array] | None = None


class Likelihood(NamedTuple):
    """A likelihood and what kind of likelihood it is.

    Attributes:
        kind: `exact` (chain rule), `bound` (of a latent variable model), `orderless` or `pseudo`.
        nll: For an exact likelihood: (params, state, batch) -> nats a cell: [B, T, S], [B, L], or [B, T] for bits. Of a
            pseudo-likelihood the same, each cell given all others.
        estimate: For the other kinds: (params, state, key, batch) -> nats a piece, float[B], of one random draw: of a
            bound the negative logarithm of an importance weight, log q(z|x) - log p(x, z); else an estimate of the
            piece's cost that is right on average.
        joint: Whether the cells of a frame are scored given each other; False where they are independent given the
            past (class A1 of protocol `bl`).
    """

    kind: Literal["exact", "bound", "orderless", "pseudo"]
    nll: Callable[[Params, State, Batch], Array] | None = None
    estimate: Callable[[Params, State, Array, Batch], Array] | None = None
    joint: bool = True


class Latent(NamedTuple):
    """What a family with a latent vector offers: everything that is done with latents builds on these.

    Attributes:
        size: Z.
        encode: (params, state, batch) -> mean, scale of a diagonal normal, float[B, Z] each; None for a family that
            draws vectors but finds none for a piece.
        decode: (params, state, key, z float[N, Z], request) -> as `Model.sample`, of pieces with these vectors.
        costs: (params, state, batch, z float[B, Z]) -> nats of each cell given the vector and the true frames before,
            and whether its likeliest value is right, float[B, T, S] each (S = 1 for bits, whose frames are right
            whole); None where frames are real numbers, which are not right or wrong, or there is no likelihood.
        length: The frames of a vector's piece, at most; None where it has as many as are asked for.
        parts: Name -> first and end index of what in z has a meaning of its own.
    """

    size: int
    encode: Callable[[Params, State, Batch], tuple[Array, Array]] | None
    decode: Callable[[Params, State, Array, Array, "Request"], dict[str, Array]]
    costs: Callable[[Params, State, Batch, Array], tuple[Array, Array]] | None = None
    length: int | None = None
    parts: Mapping[str, tuple[int, int]] = MappingProxyType({})


class Tools(NamedTuple):
    """What the settings of a run's optimiser come to, for a family that makes its own training step.

    Attributes:
        optimizer: (updates a step, factor of the learning rate) -> an optax optimiser under the run's schedule, which
            counts steps, however many updates one has.
        learning_rate: step -> the rate of a factor of 1.
        average: (average so far or None, params, step) -> the average after the step; None where the run keeps none.
        cast: params -> the same in the type in which the run computes.
        root: The key of which that of step n is fold_in(root, n).
    """

    optimizer: Callable[[int, float], Any]
    learning_rate: Callable[[Array], Array]
    average: Callable[[Params | None, Params, Array], Params | None]
    cast: Callable[[Params], Params]
    root: Array


class Step(NamedTuple):
    """Training as two pure functions.

    Attributes:
        init: (key, batch) -> TrainState.
        update: (train_state, batch) -> (train_state, info); one step, its state donated once it is compiled. Of the
            info `loss` and `grad_norm` must be finite for training to go on, so they cover all that is trained.
    """

    init: Callable[[Array, Batch], "TrainState"]
    update: Callable[["TrainState", Batch], tuple["TrainState", Metrics]]


class Info(NamedTuple):
    """What a model is and can do, as data: code outside of a family asks nothing else of its config.

    Attributes:
        config: The family's frozen config dataclass.
        conditions: Names of the vocabulary's conditions that the model reads.
        drops_conditions: Whether it was trained without its conditions now and then, so that they can be weighed
            (classifier-free guidance).
        piece_frames: Frames of a piece, of a family that draws all of its cells at once; 0 for one that draws cell by
            cell, to any length. What is drawn at once is not chosen by token: such a family reads no `choice` or
            `constraint`.
        batch_parts: Number of equal parts into which a training step cuts its batch.
        samplers: The samplers of a family that draws cells in any order (`decoding.gibbs.SAMPLERS`), its own first. The
            length of a piece is then fixed before it is drawn.
        sampling_steps: Default number of steps of these samplers.
        plans_bars: Whether the model can be asked for a number of bars (condition `bars_left`).
        reads_place: Whether it reads how far a piece has come.
        given_track: Name of the track that it accompanies; empty for a model that draws all tracks.
        humanizes: Whether it plays given hits, and draws their velocities and timing alone.
        training_only: Names at the top of params and state that only training reads (the critic of a GAN); a packed run
            is without them.
        family: Name of the family; `Family.build` fills it in, and the next field.
        vocabulary: The table of the token ids that the model reads and writes.
        axes: () -> the labels of axes that are laid out by events or conditions (`nn/features/axis_labels.py`), by
            which weights move to a network over another vocabulary; paths that the network does not have are passed
            over. None for a family that does not say.
    """

    config: Any
    conditions: tuple[str, ...] = ()
    drops_conditions: bool = False
    piece_frames: int = 0
    batch_parts: int = 1
    samplers: tuple[str, ...] = ()
    sampling_steps: int = 0
    plans_bars: bool = False
    reads_place: bool = False
    given_track: str = ""
    humanizes: bool = False
    training_only: tuple[str, ...] = ()
    family: str = ""
    vocabulary: Any = None
    axes: Callable[[], Axes] | None = None


class Model(NamedTuple):
    """A family bound to a config and a vocabulary.

    Attributes:
        info: What the model is and can do.
        init: (key, batch) -> params, state.
        loss: `(params, state, key, batch, *, step, train)` -> loss, (state, metrics). Validation takes it with
            train=False; the best checkpoint is the one where it is least. A family with its own `make_step` trains by
            other losses.
        sample: (params, state, key, request) -> arrays that the codec decodes, and of a family with a likelihood
            `log_prob` [N], that of what was drawn in nats, under the model as it is; of the likelihood's own kind.
        likelihood: The likelihood, where the family has one.
        decoder: The pair of functions of a left-to-right family.
        latent: The latent vector of a family that has one.
        make_step: Tools -> Step (of plain functions), where one loss and one optimiser do not describe training.
        features: Batch of whole pieces -> the same with what the model derives from the past of each frame. Training
            calls it once for each piece, before windows are cut, so that a window knows the past that it was cut from;
            a batch without these fields is completed by the model itself.
    """

    info: Info
    init: Callable[[Array, Batch], tuple[Params, State]]
    loss: Callable[..., tuple[Array, tuple[State, Metrics]]]
    sample: Callable[[Params, State, Array, Request], dict[str, Array]]
    likelihood: Likelihood | None = None
    decoder: Decoder | None = None
    latent: Latent | None = None
    make_step: Callable[[Tools], Step] | None = None
    features: Callable[[Batch], dict[str, AnyArray]] | None = None

    def example_batch(self, rows: int = 2, frames: int | None = None) -> dict[str, AnyArray]:
        """Returns a batch of zeros with the fields, shapes and types that the model trains on.

        Args:
            rows: Number of pieces, B.
            frames: Frames (or tokens) of each, T; by default those that the model is made for, else 32.

        Returns:
            The arrays of `Vocabulary.example_batch`.
        """
        fixed = self.info.piece_frames or (self.latent.length if self.latent is not None else None)
        return self.info.vocabulary.example_batch(rows, frames or fixed or 32)


class Family(NamedTuple):
    """A family of models: what the registry knows of it.

    Attributes:
        name: Its name in run.json and on the command line.
        config: Its frozen config dataclass; every field has a default.
        make: (config, vocabulary) -> Model; raises ValueError with one line where they do not fit each other.
        presets: Name -> (codec, config) of the models that `create` makes.
        tiny: Config -> the same at the smallest sizes that run all of its code, for tests.
    """

    name: str
    config: type
    make: Callable[[Any, Any], Model]
    presets: Mapping[str, tuple[str, Any]] = MappingProxyType({})
    tiny: Callable[[Any], Any] = lambda config: config

    record_kind = "family"

    def build(self, config: Any, vocabulary: Any) -> Model:
        """Returns the model of a config, with the family and the vocabulary in its `info`.

        Args:
            config: An instance of the family's config.
            vocabulary: The `Vocabulary` that the model reads and writes.

        Raises:
            ValueError: They do not fit each other.
        """
        model = self.make(config, vocabulary)
        return model._replace(info=model.info._replace(family=self.name, vocabulary=vocabulary))


@struct.dataclass
class TrainState:
    """Everything that training changes.

    Attributes:
        step: Updates done, int32[].
        params: What the gradient trains, float32.
        state: What it does not.
        opt_state: The optimiser's.
        ema: Exponential moving average of params, or None; evaluation and sampling use it when it is there.
    """

    step: Array
    params: Params
    state: State
    opt_state: Any
    ema: Params = None

    @property
    def averaged(self) -> Params:
        """The parameters to evaluate and to keep: the average where there is one."""
        return self.params if self.ema is None else self.ema
