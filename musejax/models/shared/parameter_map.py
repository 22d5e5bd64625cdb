"""Reparametrised models: every function of a model reads its parameters through one map.

`READS` declares how each field of a record reads parameters. A new field must be added there: `map_params` raises an
error for a field that is not declared.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any

from flax import struct

from musejax.array_types import Array
from musejax.base import Batch, Decoder, Info, Latent, Likelihood, Model, Params, State


class Reads(enum.Enum):
    """How a field of a record reads parameters.

    Attributes:
        NO: It does not read parameters.
        FIRST: A function with parameters as its first argument.
        LAYS_OUT: A function that rearranges parameters for a loop; FIRST functions also take its result.
        RECORD: A record with fields of its own.
        MAKES: A function that makes parameters.
        NAMES: Labels of the axes of parameters by path, which do not hold for the new parameters.
    """

    NO = enum.auto()
    FIRST = enum.auto()
    LAYS_OUT = enum.auto()
    RECORD = enum.auto()
    MAKES = enum.auto()
    NAMES = enum.auto()


READS: Mapping[type, Mapping[str, Reads]] = {
    Model: {
        "info": Reads.RECORD,
        "init": Reads.MAKES,
        "loss": Reads.FIRST,
        "sample": Reads.FIRST,
        "likelihood": Reads.RECORD,
        "decoder": Reads.RECORD,
        "latent": Reads.RECORD,
        "make_step": Reads.MAKES,
        "features": Reads.NO,
    },
    Info: {**dict.fromkeys(Info._fields, Reads.NO), "axes": Reads.NAMES},
    Decoder: {
        "init_cache": Reads.FIRST,
        "step": Reads.FIRST,
        "start": Reads.NO,
        "order": Reads.NO,
        "prepare": Reads.LAYS_OUT,
        "draw": Reads.FIRST,
        "read": Reads.FIRST,
        "logits": Reads.FIRST,
    },
    Likelihood: {"kind": Reads.NO, "nll": Reads.FIRST, "estimate": Reads.FIRST, "joint": Reads.NO},
    Latent: {
        "size": Reads.NO,
        "encode": Reads.FIRST,
        "decode": Reads.FIRST,
        "costs": Reads.FIRST,
        "length": Reads.NO,
        "parts": Reads.NO,
    },
}


@struct.dataclass
class _LaidOut:
    """Parameters that were mapped before a loop."""

    params: Any


def map_params(
    model: Model, init: Callable[[Array, Batch], tuple[Params, State]], to_params: Callable[[Params], Params]
) -> Model:
    """Reparametrises a model: its parameters become a function of new parameters.

    A loop over cells applies the map once before it starts, by `Decoder.prepare`.

    Args:
        model: The model.
        init: (key, batch) -> the new parameters and the state.
        to_params: The new parameters -> the parameters of `model`.

    Raises:
        ValueError: If the model has a training step of its own, which makes its parameters itself.
    """
    if model.make_step is not None:
        raise ValueError("the family has a training step of its own, which makes its parameters itself")

    def map_first(function: Callable) -> Callable:
        def mapped(params: Params, *args: Any, **options: Any) -> Any:
            return function(params.params if isinstance(params, _LaidOut) else to_params(params), *args, **options)

        return mapped

    def map_layout(prepare: Callable[[Params], Any] | None) -> Callable[[Params], _LaidOut]:
        return lambda params: _LaidOut(to_params(params) if prepare is None else prepare(to_params(params)))

    def map_record(value: Any) -> Any:
        make: Any = type(value)
        reads = READS[make]
        return make(**{name: map_field(reads[name], part) for name, part in value._asdict().items()})

    def map_field(reads: Reads, value: Any) -> Any:
        if reads is Reads.LAYS_OUT:
            return map_layout(value)
        if value is None or reads is Reads.NAMES:
            return None
        return {Reads.FIRST: map_first, Reads.RECORD: map_record}.get(reads, lambda value: value)(value)

    return map_record(model)._replace(init=init)
