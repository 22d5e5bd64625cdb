"""Packs a run for shipping."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp

from musejax import errors, runs
from musejax.runs import adapter_base
from musejax.training import checkpoints, priors, quantisation


def pack(run: runs.Run, out: Path, bits: int = 16, *, merge: bool = False) -> None:
    """Writes a run for shipping: rounded parameters, without optimiser state, logs and parts that only training uses.

    Args:
        run: The run.
        out: Path of a new directory.
        bits: 16 for bfloat16; 8 for integer matrices with a scale per column.
        merge: Whether to merge the adapters of an adapted run into its base; otherwise only the adapters are written.

    Raises:
        errors.UserError: The directory exists, or there are no adapters to merge.
    """
    if out.exists():
        raise errors.UserError(f"{out} exists; give a new directory")
    if merge and run.adapters is None:
        raise errors.UserError(f"{run.path} has no adapters to merge")
    params, scales, config = run.variables["params"], {}, dict(run.config)
    if merge:
        del config["adapters"]
    elif run.adapters is not None:
        params, base = run.adapters, config["adapters"]["base"]
        config["adapters"] = {**config["adapters"], "base": adapter_base.relocate(base, run.path, out)}
    unused = run.model.info.training_only
    params, state = runs.without(params, unused), runs.without(run.variables["state"], (*unused, "latent_prior"))
    if unused:
        config["left_out"] = list(unused)
    if bits == 8:
        params, scales = quantisation.quantise(params, jnp.bfloat16)
    else:
        params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    checkpoints.write_model(out / "checkpoints" / "best" / str(run.step), params, state, scales)
    if "latent_prior" in run.variables["state"]:
        priors.write(out, run.variables["state"]["latent_prior"], run.step)
    runs.write_text(out / "run.json", json.dumps(config, indent=1) + "\n")
