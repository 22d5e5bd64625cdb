"""Every field that `musejax train X --fields` prints can be given in the form in which it is printed."""

import dataclasses
import shlex
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from musejax import cli, errors
from musejax.experiments import experiment as experiments
from musejax.experiments import fields, starting_weights
from musejax.tuning.tuning_settings import Tuning


def read(name):
    experiment = experiments.read(name)
    return experiment if experiment.model is not None else starting_weights.completed(experiment, "melody-lstm")


def kinds():
    """One experiment of each set of fields: those that differ in values alone are read in the same way."""
    found = {}
    for name in experiments.names():
        experiment = read(name)
        found.setdefault((type(experiment.model), type(experiment.tuning)), name)
    return sorted(found.values())


def reread(experiment, lines):
    """The experiment with options as a shell would pass them."""
    args, rest = cli.parser().parse_known_args(
        ["train", "x", *(w for line in lines for w in shlex.split(line, comments=True))]
    )
    return fields.override(starting_weights.completed(experiment, args.init_from), rest)


def other(value, name="", hint=None):
    """Another value of the same kind for every field, of the kinds that are hard to write."""
    if dataclasses.is_dataclass(value):
        hints = get_type_hints(type(value))
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **{n: other(field, n, hints[n]) for n, field in fields.items()})
    if get_origin(hint) is Literal:
        return next(choice for choice in get_args(hint) if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 3 if isinstance(value, int) else -1e-5 - value / 7
    if name in ("conditions", "order"):
        return () if value else ("key", "beat") if name == "conditions" else (0, 2, 1)
    if isinstance(value, tuple):
        return (("variety", -1e-5),) if name == "rewards" else ("stack/*", "a b")
    return value if value is None else f'{value}\'s "other"'


@pytest.mark.parametrize("name", kinds())
def test_what_is_printed_is_read_again(name):
    experiment = read(name)
    changed = other(experiment)
    for before, wanted in ((changed, experiment), (experiment, changed)):
        assert reread(before, fields.describe(wanted)) == wanted


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_prints_every_field(name):
    experiment = read(name)
    lines = [line.partition("  # ")[0] for line in fields.describe(experiment)]
    printed = {line.split()[0].partition("=")[0] for line in lines}
    for part in (experiment.model, experiment.optimizer, experiment.training, experiment.adapters, experiment.tuning):
        for field in dataclasses.fields(part) if part is not None else ():
            if not dataclasses.is_dataclass(getattr(part, field.name)):
                assert any(line.endswith("." + field.name.replace("_", "-")) for line in printed)
    assert not any("None" in line or "(" in line for line in lines)


def test_meanings_choices_and_defaults_are_printed():
    lines = fields.describe(experiments.read("quickstart"))
    (cell,) = (line for line in lines if line.startswith("--model.cell "))
    assert cell.partition("  # ")[2].strip().endswith("(lstm, gru)")
    (batch,) = (line for line in lines if line.startswith("--training.batch-size "))
    assert batch.endswith("[default: 16]") and "batch" in batch.partition("  # ")[2]


SWITCHES = [
    (["--training.tensorboard", "True"], True), (["--training.tensorboard", "true"], True),
    (["--training.tensorboard=1"], True), (["--training.tensorboard"], True),
    (["--training.tensorboard", "--training.steps", "3"], True), (["--training.tensorboard", "yes"], True),
    (["--training.tensorboard", "False"], False), (["--training.no-tensorboard"], False),
    (["--training.tensorboard=no"], False), (["--training.eval_first", "True", "--training.tensorboard", "0"], False),
]  # fmt: skip


@pytest.mark.parametrize(("options", "wanted"), SWITCHES, ids=[" ".join(o) for o, _ in SWITCHES])
def test_a_switch_is_given_with_or_without_a_value(options, wanted):
    experiment = read("quickstart")
    for default in (False, True):
        training = dataclasses.replace(experiment.training, tensorboard=default)
        changed = fields.override(dataclasses.replace(experiment, training=training), options)
        assert changed.training.tensorboard is wanted


def test_another_word_for_a_switch_is_refused():
    for options in (["--training.tensorboard", "maybe"], ["--training.tensorboard="]):
        with pytest.raises(errors.UserError, match="--training.tensorboard is '(maybe)?'; give True or False"):
            fields.override(read("quickstart"), options)
    with pytest.raises(errors.UserError, match=r"--training.tensorbord.*--fields"):
        fields.override(read("quickstart"), ["--training.tensorbord", "True"])


def test_small_and_negative_numbers_are_no_options():
    experiment = dataclasses.replace(read("quickstart"), tuning=Tuning(base="melody-lstm"))
    options = ["--tuning.rules.key", "-1e-05", "--optimizer.learning-rate", "3E-4", "--tuning.rewards", "rules", "-2"]
    found = fields.override(experiment, options)
    assert found.tuning.rules.key == -1e-5 and found.optimizer.learning_rate == 3e-4
    assert found.tuning.rewards == (("rules", -2.0),)


def test_fields_are_printed_with_what_is_replaced(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "quickstart", "--fields", "--training.steps", "17"])
    lines = [line.partition("  # ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert "--training.steps 17" in lines and "--training.tensorboard False" in lines
