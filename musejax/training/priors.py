"""Where the vectors of a trained VAE lie: a normal distribution along the main axes of those of its training pieces.

With a light KL term the posteriors do not fill the standard normal, and a draw from that is like no piece: its parts
do not agree on a key. Free samples of a run come from this distribution instead (a prior fitted after training, as in
Ghosh et al., 2020). It is a file beside the checkpoints, and holds for the checkpoint of its step.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax.base import Batch, Model

FILE = "prior.npz"
# Axes at most: those that follow hold what is particular to single pieces.
AXES = 64


def fit(model: Model, params: Any, state: Any, batches: Iterable[Batch]) -> dict[str, np.ndarray]:
    """The mean of the posterior means of pieces, and their main axes.

    Args:
        model: With an encoder.
        params: Its parameters.
        state: What it keeps beside them.
        batches: Training pieces; rows of which nothing is scored are padding.

    Returns:
        mean: float32[Z].
        axes: float32[A, Z], orthogonal, each as long as the standard deviation along it.

    Raises:
        ValueError: There are fewer than two pieces.
    """
    assert model.latent is not None and model.latent.encode is not None
    encode, found = jax.jit(model.latent.encode), []
    for batch in batches:
        means, _ = encode(params, state, {name: jnp.asarray(x) for name, x in batch.items()})
        found.append(np.asarray(means, np.float64)[np.asarray(batch["loss_mask"]).sum(1) > 0])
    vectors = np.concatenate(found) if found else np.zeros((0, model.latent.size))
    if len(vectors) < 2:
        raise ValueError(f"{len(vectors)} pieces; two or more are needed")
    mean = vectors.mean(0)
    _, lengths, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    axes = (lengths[:, None] / np.sqrt(len(vectors) - 1) * axes)[:AXES]
    return {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32)}


def write(run: Path, prior: Mapping[str, Any], step: int) -> None:
    """Puts it beside the checkpoints of a run, complete or not at all; numbers in half precision."""
    part, data = run / f".{FILE}", io.BytesIO()
    mean, axes = (np.asarray(prior[name], np.float16) for name in ("mean", "axes"))
    np.savez_compressed(data, step=step, mean=mean, axes=axes)
    try:
        part.write_bytes(data.getvalue())
        part.replace(run / FILE)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read(run: Path, step: int) -> dict[str, jax.Array] | None:
    """That of a run's checkpoint of a step; None where there is none, or none that can be read."""
    try:
        with np.load(io.BytesIO((run / FILE).read_bytes())) as file:
            if int(file["step"]) != step:
                return None
            return {name: jnp.asarray(file[name], jnp.float32) for name in ("mean", "axes")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
