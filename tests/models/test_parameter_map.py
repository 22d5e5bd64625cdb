"""Every field of a record that reads parameters reads them through the map, also one that is added later."""

import re
from typing import NamedTuple, get_args, get_type_hints

import jax
import jax.numpy as jnp
import pytest

from musejax import base
from musejax.base import Decoder, Info, Latent, Likelihood, Model
from musejax.models.shared import parameter_map
from musejax.models.shared.parameter_map import READS, Reads

RECORDS = [Model, Info, Decoder, Likelihood, Latent]
OTHER, INNER, LAID_OUT = "other parameters", "mapped parameters", "laid out"
every_record = pytest.mark.parametrize("record", RECORDS, ids=[r.__name__ for r in RECORDS])


def documented(record):
    """What the docstring says of each field."""
    text = " ".join(record.__doc__.partition("Attributes:")[2].split())
    names = "|".join(record._fields)
    parts = re.split(rf"\b({names}): ", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@every_record
def test_every_field_is_entered(record):
    assert list(READS[record]) == list(record._fields)
    assert list(documented(record)) == list(record._fields)


@every_record
def test_what_is_said_to_take_params_is_mapped(record):
    for name, about in documented(record).items():
        takes = bool(re.search(r"\(params[,)]|\bparams ->|\(params whose", about))
        assert takes == (READS[record][name] in (Reads.FIRST, Reads.LAYS_OUT)), f"{record.__name__}.{name}: {about}"


def test_records_within_records_are_entered():
    for name, hint in get_type_hints(Model).items():
        inner = [c for c in (hint, *get_args(hint)) if isinstance(c, type) and hasattr(c, "_fields")]
        assert (READS[Model][name] is Reads.RECORD) == bool(inner)
        assert all(c in READS for c in inner)
    named = {c for c in vars(base).values() if isinstance(c, type) and hasattr(c, "_fields")}
    assert named - set(READS) == {base.Tools, base.Step, base.Family}, (
        "a new record of functions: enter it, or name it here"
    )


def probe(record, calls):
    """A record whose functions note what they are given."""

    def note(name, *args, **options):
        calls[record, name] = args, options
        return LAID_OUT if READS[record][name] is Reads.LAYS_OUT else name

    filled = {}
    for name, reads in READS[record].items():
        if reads in (Reads.FIRST, Reads.LAYS_OUT):
            filled[name] = lambda *args, name=name, **options: note(name, *args, **options)
        elif reads is Reads.RECORD:
            inner = next(r for r in RECORDS if r.__name__.lower() == name)
            filled[name] = probe(inner, calls)
        else:
            filled[name] = None if name == "make_step" else f"{record.__name__}.{name}"
    return record(**filled)


def mapped(calls):
    return parameter_map.map_params(probe(Model, calls), lambda key, batch: "new", {OTHER: INNER}.__getitem__)


def part(model, record):
    return model if record is Model else getattr(model, record.__name__.lower())


@every_record
def test_every_function_is_called_with_mapped_parameters(record):
    calls = {}
    found, given = part(mapped(calls), record), part(probe(Model, {}), record)
    for name, reads in READS[record].items():
        value = getattr(found, name)
        if reads is Reads.FIRST:
            value(OTHER, 1, option=2)
            assert calls[record, name] == ((INNER, 1), {"option": 2})
        elif reads is Reads.NO:
            assert value == getattr(given, name)
    assert mapped({}).init(None, None) == "new" and mapped({}).info.axes is None


def test_a_loop_maps_once_and_its_functions_take_what_was_laid_out():
    calls = {}
    pair = mapped(calls).decoder
    ready = pair.prepare(OTHER)
    assert calls[Decoder, "prepare"] == ((INNER,), {})
    for name in ("init_cache", "step", "draw", "read", "logits"):
        getattr(pair, name)(ready, 1)
        assert calls[Decoder, name] == ((LAID_OUT, 1), {})
    bare = probe(Model, calls)
    bare = bare._replace(decoder=bare.decoder._replace(prepare=None))
    pair = parameter_map.map_params(bare, lambda key, batch: "new", {OTHER: INNER}.__getitem__).decoder
    pair.step(pair.prepare(OTHER), 1)
    assert calls[Decoder, "step"] == ((INNER, 1), {})


def test_what_was_laid_out_passes_through_compiled_functions():
    model = probe(Model, {})
    pair = model.decoder._replace(prepare=None, step=lambda params, x: params * x)
    model = parameter_map.map_params(model._replace(decoder=pair), lambda key, batch: (), lambda other: other + 1)
    pair = model.decoder
    ready = jax.jit(pair.prepare)(jnp.asarray(1.0))
    assert jax.jit(pair.step)(ready, 3.0) == 6.0 == jax.jit(pair.step)(jnp.asarray(1.0), 3.0)


def test_absent_functions_stay_absent():
    model = probe(Model, {})
    model = model._replace(likelihood=None, latent=None, decoder=model.decoder._replace(logits=None))
    found = parameter_map.map_params(model, lambda key, batch: "new", {OTHER: INNER}.__getitem__)
    assert found.likelihood is None and found.latent is None and found.decoder.logits is None


def test_a_field_that_is_not_entered_is_refused():
    class Longer(NamedTuple):
        kind: str
        nll: object
        gradient: object

    longer = Longer("exact", None, lambda params: params)
    with pytest.raises(KeyError):
        parameter_map.map_params(
            probe(Model, {})._replace(likelihood=longer), lambda key, batch: "new", lambda other: other
        )


def test_a_family_with_a_step_of_its_own_is_refused():
    model = probe(Model, {})._replace(make_step=lambda tools: None)
    with pytest.raises(ValueError, match="training step of its own"):
        parameter_map.map_params(model, lambda key, batch: "new", lambda other: other)
