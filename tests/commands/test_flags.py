"""Every declared option has a flag with the same default, and its help."""

import argparse

import pytest

from musejax import cli
from musejax.api import completion, files, latents, measuring, sampling, training
from musejax.commands import flags
from musejax.options import declaration
from musejax.options.sampling import Sampling

COMMANDS = {
    "sample": sampling.sample,
    "harmonize": completion.harmonize,
    "infill": completion.infill,
    "accompany": completion.accompany,
    "reconstruct": latents.reconstruct,
    "humanize": latents.humanize,
    "interpolate": latents.interpolate,
    "personalize": latents.personalize,
    "evaluate": measuring.evaluate,
    "metrics": measuring.metrics,
    "pack": training.pack,
    "prepare": files.prepare,
}


def actions(command):
    (commands,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {flag: action for action in commands.choices[command]._actions for flag in action.option_strings}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_is_a_flag(command):
    targets = [COMMANDS[command]] + ([Sampling] if command in ("sample", "harmonize", "infill", "accompany") else [])
    known = actions(command)
    for target in targets:
        for name, option in declaration.declared(target).items():
            action = known[f"--{name.replace('_', '-')}"]
            default = declaration.default(target, name)
            assert action.default == (None if default is declaration.REQUIRED else default)
            assert action.help.startswith(option.text.split(". ")[0].rstrip(".").replace("%", "%%"))
            assert not action.help.endswith(".")


def test_defaults_are_shown_once():
    assert actions("sample")["--num"].help == "Number of pieces (default: 1)"
    assert actions("sample")["--temperature"].help.endswith("(default: 1)")
    assert actions("sample")["--width"].help.count("(default") == 1


def test_values_are_checked_and_named_as_in_python():
    args = cli.parser().parse_args(["sample", "m", "--num", "3", "--top-p", "0.5", "--as-written"])
    values = flags.values(args, sampling.sample, ("primer",))
    assert values["num"] == 3 and values["as_written"] and "primer" not in values
    assert flags.sampling(args) == Sampling(top_p=0.5)
