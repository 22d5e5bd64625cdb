"""Every preset of the zoo at a size that compiles quickly, made once a session and shared by all tests."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax import codecs, registry, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Batch, Model, Request
from musejax.training import settings, step

FAMILIES = sorted(registry.names("family"))
PRESETS = [(f, p) for f in FAMILIES for p in registry.get("family", f).presets]
FRAMES = 10


class Tiny(NamedTuple):
    """A small copy of a preset, initialised."""

    model: Model
    config: Any
    vocabulary: vocabularies.Vocabulary
    batch: dict[str, np.ndarray]
    params: Any
    state: Any


@functools.cache
def bind(family: str, preset: str) -> tuple[Model, Any, vocabularies.Vocabulary]:
    """The preset with its widths and its depth shrunk, every other field as it is; its config and its vocabulary."""
    record = registry.get("family", family)
    codec, full = record.presets[preset]
    vocabulary = codecs.get(codec).vocabulary
    small = record.tiny(full)
    return record.build(small, vocabulary), small, vocabulary


def _forms() -> list[tuple[str, str]]:
    """Presets that differ in more than widths and rates: of those that do not, one stands for all."""
    found: dict[Any, tuple[str, str]] = {}
    for family, preset in PRESETS:
        _, small, vocabulary = bind(family, preset)
        fields = dataclasses.asdict(small).items()
        table = "rolls" if vocabulary.tracks else vocabulary.name
        form = (family, table, tuple((k, v) for k, v in fields if not isinstance(v, float)))
        found.setdefault(form, (family, preset))
    return list(found.values())


FORMS = _forms()


def _traits(family: str, preset: str) -> set[Any]:
    """What a preset does: the kind of its frames, and for each field of its config its choice or whether it is 0."""
    _, small, vocabulary = bind(family, preset)
    out: set[Any] = {(family, vocabulary.kind, vocabulary.streams > 1, bool(vocabulary.tracks))}
    for name, value in dataclasses.asdict(small).items():
        out.add((family, name, value if isinstance(value, (str, bool)) else bool(value)))
    return out


def _cover() -> list[tuple[str, str]]:
    """A few forms that have all traits between them: the contracts of the others are slow checks."""
    traits = {form: _traits(*form) for form in FORMS}
    left, found = set().union(*traits.values()), []
    while left:
        found.append(max(FORMS, key=lambda form: len(traits[form] & left)))
        left -= traits[found[-1]]
    return found


COVER = _cover()


def parameters(forms: list[tuple[str, str]]) -> list[Any]:
    """Forms for `pytest.mark.parametrize`, those outside of COVER marked slow."""
    return [pytest.param(*form, id=form[1], marks=() if form in COVER else pytest.mark.slow) for form in forms]


LEFT_TO_RIGHT = [(f, p) for f, p in FORMS if bind(f, p)[0].decoder is not None]


@functools.cache
def make(family: str, preset: str) -> Tiny:
    """A bound preset, initialised."""
    model, small, vocabulary = bind(family, preset)
    batch = random_batch(vocabulary, rows=3, frames=FRAMES)
    params, state = filled(model, batch)
    return Tiny(model, small, vocabulary, batch, params, state)


def filled(model: Model, batch: Batch, scale: float = 0.5) -> Any:
    """Random params and state of the shapes that `init` gives, without the seconds that compiling it takes.

    Scales, variances and scalars are 1, biases, means and other vectors 0; the rest is drawn as LeCun does, times
    `scale`.
    """
    rng = np.random.default_rng(0)

    def fill(path: Any, like: Any) -> jax.Array:
        name = path[-1].key
        if name in ("scale", "var") or not like.ndim:
            return jnp.ones(like.shape)
        if name in ("bias", "mean") or like.ndim < 2:
            return jnp.zeros(like.shape)
        return jnp.asarray(rng.uniform(-1, 1, like.shape) * scale * (3 / like.shape[-2]) ** 0.5, jnp.float32)

    return jax.tree_util.tree_map_with_path(fill, jax.eval_shape(model.init, jax.random.key(0), batch))


def compiled(model: Model) -> Model:
    """The model with its functions compiled: of an eager call each operation is compiled by itself."""
    score = model.likelihood
    if score is not None:
        jitted = {name: jax.jit(f) for name in ("nll", "estimate") if (f := getattr(score, name)) is not None}
        score = score._replace(**jitted)
    loss = jax.jit(model.loss, static_argnames="train")
    return model._replace(init=jax.jit(model.init), loss=loss, likelihood=score)


def field(vocabulary: vocabularies.Vocabulary) -> str:
    """The field of a batch that has its cells."""
    return "tokens" if vocabulary.kind == "tokens" else "frames"


def random_grooves(rng: np.random.Generator, rows: int, frames: int) -> np.ndarray:
    """Rows of the codec `groove`: float32[B, T, 27]."""
    hit = rng.random((rows, frames, 9)) < 0.3
    played = np.stack([np.ones(hit.shape), rng.integers(1, 128, hit.shape) / 127, rng.random(hit.shape) - 0.5])
    return np.concatenate(played * hit, axis=-1).astype(np.float32)


def random_batch(vocabulary: vocabularies.Vocabulary, rows: int, frames: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch of random cells, its last two frames padding in the last row."""
    rng = np.random.default_rng(seed)
    batch = vocabulary.example_batch(rows, frames)
    if vocabulary.kind == "groove":
        batch["frames"] = random_grooves(rng, rows, frames)
    else:
        high = 2 if vocabulary.kind == "bits" else vocabulary.size
        batch[field(vocabulary)] = rng.integers(0, high, batch[field(vocabulary)].shape).astype(np.int32)
    for name, size in vocabulary.conditions:
        batch[name] = rng.integers(0, size, (rows, frames)).astype(np.int32)
    batch["loss_mask"][-1, -2:] = batch["pad_mask"][-1, -2:] = 0
    return batch


@functools.cache
def trained_step(family: str, preset: str):
    """The compiled training step of a tiny preset."""
    return step.make_step(make(family, preset).model, settings.Optimizer(warmup_steps=1), steps=10, seed=0)


@functools.cache
def loss(family: str, preset: str):
    """Its compiled validation loss: (params, state, key, batch) -> nats."""
    model = make(family, preset).model
    return jax.jit(lambda *args: model.loss(*args, step=0, train=False)[0])


@functools.cache
def sampler(family: str, preset: str):
    """Its compiled sampler."""
    return jax.jit(make(family, preset).model.sample)


@functools.cache
def scorer(family: str, preset: str):
    """Its compiled likelihood."""
    score = make(family, preset).model.likelihood
    assert score is not None
    return jax.jit(score.nll)


def request(vocabulary: vocabularies.Vocabulary, num: int, frames: int = FRAMES) -> Request:
    """A free sample."""
    conditions = codecs.free_conditions(vocabulary, num, frames)
    return Request(num=num, length=frames, conditions={k: jnp.asarray(v) for k, v in conditions.items()})


def shipped() -> list[str]:
    """Names of the runs that come with the package."""
    return zoo.list_models(shipped=True)
