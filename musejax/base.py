"""The interface of a model family, and the values that are passed between parts of the library.

A family bound to a config is one `Model`: a NamedTuple of pure functions, similar to optax's GradientTransformation.
Nothing here depends on files, NoteSequences or the training loop.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from flax import struct

from musejax.array_types import AnyArray, Array
from musejax.requests import Choice as Choice
from musejax.requests import Constraint as Constraint
from musejax.requests import Request as Request

Params = Any  # a pytree of float arrays
State = Any  # a pytree of variables that are not trained by gradient; {} if there are none
# (rows, positions to be sampled or 0 for whole sequences, params that set the type) -> initial state of a stack
Start = Callable[[int, int, Params], Any]
Batch = Mapping[str, Any]  # JAX or NumPy arrays with leading axis B: tokens, loss_mask, and one for each condition
# path of a parameter, such as `stack/layer_0/input` -> axis -> labels of the positions along it
Axes = Mapping[str, Mapping[int, tuple[Any, ...]]]
Metrics = dict[str, Array]  # scalars; `weight` is the number of cells over which `loss` is averaged


class Decoder(NamedTuple):
    """The step functions of a left-to-right family, for sampling, steering, scoring and reinforcement learning.

    Attributes:
        init_cache: (params, state, num, length in frames) -> cache, an explicit pytree of static shape. Arrays of rank
            1 or more have the N rows as their first axis; arrays of rank 0 are shared by all rows.
        step: (params, state, cache, previous token [N], pos, conditions of pos {name: [N]}) -> logits [N, V], cache.
            At pos 0 the previous token is `start`. For bits and rows of real numbers the token is a frame, [N, V].
        start: The id before the first token.
        order: The streams of a frame in sampling order; empty for the vocabulary's order.
        prepare: params -> parameters laid out for a loop, which init_cache and step accept in place of params; None if
            this saves nothing. A step without it gives the same result, but is slower.
        draw: (params, choice) -> the sampler of a value from the output of a step (`decoding.draws.Draw`); None if that
            output is the logits of one token or of independent bits.
        read: (params, state, cache, given int32[N, T, S], infill_mask int32[N, T, S], conditions {name: int32[N, T]})
            -> cache, for a network that reads all given cells beforehand; the sampler calls it once before the loop.
            Without streams the cells are [N, T].
        logits: (params, state, batch) -> the logits of all cells in one pass, each given the true cells before it,
            float[B, T, S, V] in the vocabulary's order of streams ([B, L, V] for one stream); None if a cell is not one
            of V tokens.
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
    """A likelihood of one of several kinds.

    Attributes:
        kind: `exact` (chain rule), `bound` (of a latent variable model), `orderless` or `pseudo`.
        nll: For an exact likelihood, (params, state, batch) -> nats per cell: [B, T, S], [B, L], or [B, T] for bits.
            For a pseudo-likelihood the same, with each cell given all others.
        estimate: For the other kinds, (params, state, key, batch) -> a random estimate of nats per piece, float[B]. For
            a bound it is the negative log of an importance weight, log q(z|x) - log p(x, z); otherwise it is an
            unbiased estimate of the cost of the piece.
        joint: Whether the cells of a frame are scored given each other; False if they are independent given the past
            (class A1 of protocol `bl`).
    """

    kind: Literal["exact", "bound", "orderless", "pseudo"]
    nll: Callable[[Params, State, Batch], Array] | None = None
    estimate: Callable[[Params, State, Array, Batch], Array] | None = None
    joint: bool = True


class Latent(NamedTuple):
    """The functions of a family with latent vectors, on which all latent operations build.

    Attributes:
        size: Size of a latent vector, Z.
        encode: (params, state, batch) -> mean and scale of a diagonal normal posterior, float[B, Z] each; None for a
            family without an encoder.
        decode: (params, state, key, z float[N, Z], request) -> pieces with these vectors, as `Model.sample` returns.
        costs: (params, state, batch, z float[B, Z]) -> nats of each cell given the vector and the true frames before
            it, and whether its likeliest value is right, float[B, T, S] each (S = 1 for bits, where a whole frame must
            be right); None if frames are real numbers, which are never exactly right, or if there is no likelihood.
        length: Largest number of frames of a piece; None if there is no limit.
        parts: Name -> first and end index of each part of z with a meaning of its own.
    """

    size: int
    encode: Callable[[Params, State, Batch], tuple[Array, Array]] | None
    decode: Callable[[Params, State, Array, Array, "Request"], dict[str, Array]]
    costs: Callable[[Params, State, Batch, Array], tuple[Array, Array]] | None = None
    length: int | None = None
    parts: Mapping[str, tuple[int, int]] = MappingProxyType({})


class Tools(NamedTuple):
    """The optimiser settings of a run as functions, for a family that makes its own training step.

    Attributes:
        optimizer: (updates per step, factor of the learning rate) -> an optax optimiser with the run's schedule, which
            counts steps rather than updates.
        learning_rate: step -> the learning rate for a factor of 1.
        average: (average so far or None, params, step) -> the average after the step; None if the run keeps no average.
        cast: params -> the parameters in the run's compute type.
        root: A random key; the key of step n is fold_in(root, n).
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
        update: (train_state, batch) -> (train_state, info), one step; its compiled form donates the state. Training
            stops if `loss` or `grad_norm` in info is not finite, so these must cover everything that is trained.
    """

    init: Callable[[Array, Batch], "TrainState"]
    update: Callable[["TrainState", Batch], tuple["TrainState", Metrics]]


class Info(NamedTuple):
    """The properties and abilities of a model as data; code outside of a family reads these instead of its config.

    Attributes:
        config: The family's frozen config dataclass.
        conditions: Names of the vocabulary's conditions that the model reads.
        drops_conditions: Whether conditions were sometimes hidden in training, so that classifier-free guidance works.
        piece_frames: Number of frames in a piece, for a family that samples all cells at once; 0 for a family that
            samples cell by cell, to any length. A family that samples all cells at once ignores `choice` and
            `constraint`.
        batch_parts: Number of equal parts into which a training step splits its batch.
        samplers: The samplers of a family that samples cells in any order (`decoding.gibbs.SAMPLERS`), its default
            first. The length of a piece is then fixed before sampling.
        sampling_steps: Default number of steps of these samplers.
        plans_bars: Whether the model can be conditioned on a number of bars (condition `bars_left`).
        reads_place: Whether it reads the number of bars since the start of the piece.
        given_track: Name of the track that it accompanies; empty for a model that samples all tracks.
        humanizes: Whether it performs given hits, and samples only their velocities and timing.
        training_only: Top-level names in params and state that only training reads (the critic of a GAN); packed runs
            do not contain them.
        family: Name of the family; `Family.build` fills in this field and the next one.
        vocabulary: The table of the token ids that the model reads and writes.
        axes: () -> the labels of axes that are laid out by events or conditions (`nn/features/axis_labels.py`), by
            which weights are moved to a network over another vocabulary; paths that the network does not have are
            ignored. None for a family without labels.
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
        info: Properties and abilities of the model.
        init: (key, batch) -> params, state.
        loss: `(params, state, key, batch, *, step, train)` -> loss, (state, metrics). Validation calls it with
            train=False; the best checkpoint is the one with the lowest loss. A family with its own `make_step` trains
            with other losses.
        sample: (params, state, key, request) -> arrays that the codec decodes, and, for a family with a likelihood,
            `log_prob` [N], the log-likelihood in nats of the sampled cells under the unmodified model.
        likelihood: The likelihood, or None.
        decoder: The step functions of a left-to-right family, or None.
        latent: The functions of a family with latent vectors, or None.
        make_step: Tools -> Step (of functions that are not compiled), for families whose training needs more than one
            loss and one optimiser; else None.
        features: Batch of whole pieces -> the batch with features of the past of each frame. Training calls it once for
            each piece, before cutting windows, so that a window has features of the past outside of it. The model adds
            the features itself if they are missing.
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
    """A family of models, as the registry stores it.

    Attributes:
        name: Its name in run.json and on the command line.
        config: Its frozen config dataclass, in which every field has a default.
        make: (config, vocabulary) -> Model; raises ValueError with a message of one line if they do not fit.
        presets: Name -> (codec, config) of the models that `create` makes.
        tiny: Config -> a config with the smallest sizes that run all of its code, for tests.
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
    """The state of training.

    Attributes:
        step: Number of steps so far, int32[].
        params: Parameters, float32.
        state: Variables that are not trained by gradient.
        opt_state: State of the optimiser.
        ema: Exponential moving average of params, which evaluation and sampling use, or None.
    """

    step: Array
    params: Params
    state: State
    opt_state: Any
    ema: Params = None

    @property
    def averaged(self) -> Params:
        """The parameters to evaluate and to save: the average if there is one, else `params`."""
        return self.params if self.ema is None else self.ema
