"""A run as it is shipped."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp

from musejax import errors, runs
from musejax.runs import adapter_base
from musejax.training import checkpoints, priors, quantisation


def pack(run: runs.Run, out: Path, bits: int = 16, *, merge: bool = False) -> None:
    """Writes a run as it is shipped: rounded parameters, no optimiser state, no logs, nothing that only training reads.

    Args:
        run: The run.
        out: A directory that does not exist yet.
        bits: 16 for bfloat16; 8 for matrices of whole numbers with a scale a column.
        merge: Whether an adapted run becomes a run like any other; else its adapters are written alone.
    """
    if out.exists():
        raise errors.UserError(f"{out} exists; give a new directory")
    if merge and run.adapters is None:
        raise errors.UserError(f"{run.path} has no adapters to merge")
    params, scales, config = run.variables["params"], {}, dict(run.config)
    if merge:
        del config["adapters"]
    elif run.adapters is not None:
        params, named = run.adapters, config["adapters"]["base"]
        config["adapters"] = {**config["adapters"], "base": adapter_base.moved(named, run.path, out)}
    unread = run.model.info.training_only
    params, state = runs.without(params, unread), runs.without(run.variables["state"], (*unread, "latent_prior"))
    if unread:
        config["left_out"] = list(unread)
    if bits == 8:
        params, scales = quantisation.quantise(params, jnp.bfloat16)
    else:
        params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    checkpoints.write_model(out / "checkpoints" / "best" / str(run.step), params, state, scales)
    if "latent_prior" in run.variables["state"]:
        priors.write(out, run.variables["state"]["latent_prior"], run.step)
    runs.write_text(out / "run.json", json.dumps(config, indent=1) + "\n")
