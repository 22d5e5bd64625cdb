"""Models over other parameters: each function of a record reads its parameters through one map.

`READS` says of every field of a record how it reads parameters. A new field must be entered there: `map_params` refuses
a record with a field that it does not know.
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
        NO: It does not read any.
        FIRST: A function whose first argument they are.
        LAYS_OUT: A function from parameters to the same laid out for a loop, which FIRST functions take as well.
        RECORD: A record with fields of its own.
        MAKES: A function that makes them.
        NAMES: Labels of the axes of parameters by path, which other parameters do not have.
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
    """Parameters that went through the map before a loop."""

    params: Any


def map_params(
    model: Model, init: Callable[[Array, Batch], tuple[Params, State]], to_params: Callable[[Params], Params]
) -> Model:
    """Makes a model of other parameters, from which those of a given model follow.

    A loop over cells applies the map once before it begins, through `Decoder.prepare`.

    Args:
        model: The given model.
        init: (key, batch) -> the other parameters and the state.
        to_params: The other parameters -> the given model's.

    Raises:
        ValueError: The model has a training step of its own, which makes its parameters itself.
    """
    if model.make_step is not None:
        raise ValueError("the family has a training step of its own, which makes its parameters itself")

    def first(function: Callable) -> Callable:
        def mapped(params: Params, *args: Any, **options: Any) -> Any:
            return function(params.params if isinstance(params, _LaidOut) else to_params(params), *args, **options)

        return mapped

    def lays_out(prepare: Callable[[Params], Any] | None) -> Callable[[Params], _LaidOut]:
        return lambda params: _LaidOut(to_params(params) if prepare is None else prepare(to_params(params)))

    def record(value: Any) -> Any:
        make: Any = type(value)
        reads = READS[make]
        return make(**{name: field(reads[name], part) for name, part in value._asdict().items()})

    def field(reads: Reads, value: Any) -> Any:
        if reads is Reads.LAYS_OUT:
            return lays_out(value)
        if value is None or reads is Reads.NAMES:
            return None
        return {Reads.FIRST: first, Reads.RECORD: record}.get(reads, lambda kept: kept)(value)

    return record(model)._replace(init=init)
