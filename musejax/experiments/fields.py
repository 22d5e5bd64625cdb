"""The fields of an experiment as options: how they are listed, and how they are read again."""

import contextlib
import dataclasses
import io
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from musejax import errors
from musejax.experiments import experiment as experiments
from musejax.experiments import field_meanings

# Columns after which `describe` does not align meanings.
WIDTH = 44
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def describe(experiment: experiments.Experiment) -> list[str]:
    """Returns a line for each field: the option with its value, as a shell reads it, and what the field means.

    Fields that no option can set are left out: those of a model that comes from another run, or of a tuning that there
    is not.
    """
    rows = []
    for name, value, meaning in _leaves(experiment):
        if value is None or (name == "codec" and not value):
            continue
        words = [_word(x) for x in _flat(value)]
        sign = "=" if isinstance(value, str) and value.startswith("-") else " "
        rows.append((f"--{name}{sign}{' '.join(words)}".rstrip(), meaning))
    width = min(max(len(option) for option, _ in rows), WIDTH)
    return [f"{option:{width}}  # {meaning}".rstrip() if meaning else option for option, meaning in rows]


def flags(values: Mapping[str, Any]) -> list[str]:
    """Returns fields and their values as command-line options.

    Args:
        values: Such as `{"training.steps": 100, "model.layers": (64, 64)}`.
    """
    out = []
    for name, value in values.items():
        words = [np.format_float_positional(x) if isinstance(x, float) else str(x) for x in _flat(value)]
        out += [f"--{name.replace('_', '-')}={words[0]}"] if len(words) == 1 else [f"--{name}", *words]
    return out


def override(experiment: experiments.Experiment, options: list[str]) -> experiments.Experiment:
    """Returns the experiment with fields replaced by command-line options.

    Raises:
        errors.UserError: An option names no field, or its value does not fit; one line.
    """
    import tyro

    # The model is a config of one family: the union of all families' would become subcommands.
    cls = type(experiment)
    model = ("model", type(experiment.model), dataclasses.field(default=experiment.model))
    tuned: Any = tyro.conf.Suppress[None] if experiment.tuning is None else type(experiment.tuning)
    fields = [model, ("tuning", tuned, dataclasses.field(default=experiment.tuning))]
    narrow: Any = dataclasses.make_dataclass(cls.__name__, fields, bases=(cls,), frozen=True, kw_only=True)
    options = _switched(_positional(options), {name for name, x, _ in _leaves(experiment) if isinstance(x, bool)})
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught), contextlib.redirect_stdout(caught):
            result = tyro.cli(narrow, default=narrow(**vars(experiment)), args=options)
    except SystemExit:
        raise errors.UserError(f"{_message(caught.getvalue())}; `--fields` lists what can be set") from None
    return cls(**vars(result))


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yields name, value and meaning of each field of a dataclass and of those in it."""
    texts, few = field_meanings.meanings(type(value)), field_meanings.choices(type(value))
    for field in dataclasses.fields(value):
        name, inner = prefix + field.name.replace("_", "-"), getattr(value, field.name)
        if dataclasses.is_dataclass(inner):
            yield from _leaves(inner, name + ".")
            continue
        text = texts.get(field.name, "")
        if field.name in few:
            text += f" ({', '.join(str(choice) for choice in few[field.name])})"
        if field.default is not dataclasses.MISSING and field.default != inner:
            text += f" [default: {_shown(field.default)}]"
        yield name, inner, text.strip()


def _shown(value: Any) -> str:
    return " ".join(str(x) for x in _flat(value)) or "none"


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _flat(part)
    else:
        yield value


def _word(value: Any) -> str:
    if isinstance(value, float) and value < 0:
        return np.format_float_positional(value)  # -1e-05 would be read as an option
    return shlex.quote(str(value))


def _positional(options: list[str]) -> list[str]:
    """Options with negative numbers in the form that is not mistaken for an option: -0.00001 for -1e-05."""
    return [
        np.format_float_positional(float(text)) if re.fullmatch(r"-[\d.]+[eE][-+]?\d+", text) else text
        for text in options
    ]


def _switched(options: list[str], switches: set[str]) -> list[str]:
    """Options with `--x True` and `--x=False` in tyro's own form, `--x` and `--no-x`."""
    out, rest = [], list(options)
    while rest:
        option, equals, text = rest.pop(0).partition("=")
        name = option.removeprefix("--").replace("_", "-")
        if not option.startswith("--") or name not in switches:
            out.append(option + equals + text)
            continue
        if not equals:
            text = rest.pop(0) if rest and not rest[0].startswith("--") else "True"
        if text.lower() not in _WORDS:
            raise errors.UserError(f"{option} is {text!r}; give True or False")
        group, dot, last = name.rpartition(".")
        out.append(f"--{group}{dot}{'' if _WORDS[text.lower()] else 'no-'}{last}")
    return out


def _message(text: str) -> str:
    """One line of a framed message of tyro's: what is wrong, and the options that it may have meant."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    parts = [" ".join(p.split()) for p in re.split(r"[-\u2500]{5,}|[\u2500-\u257f]", text) if p.strip()]
    meant = [m for p in parts if p.startswith("Perhaps") for m in re.findall(r"--[\w.-]+", p)]
    message = parts[1] if len(parts) > 1 else " ".join(parts)
    return message.rstrip(".") + (f" (perhaps {' or '.join(meant)})" if meant else "")
