"""The fitted prior of a trained VAE: a normal distribution along the principal axes of its training pieces.

With a small KL weight the posteriors do not fill the standard normal prior, and decoded samples of that prior resemble
no piece: their parts do not agree on a key. Unconditional samples of a run therefore use a prior fitted after training
(Ghosh et al., 2020). It is stored in a file next to the checkpoints and is valid for the checkpoint of one step.
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
# Largest number of principal axes: the remaining ones describe details of individual pieces.
MAX_AXES = 64


def fit(model: Model, params: Any, state: Any, batches: Iterable[Batch]) -> dict[str, np.ndarray]:
    """Returns the mean and the principal axes of the posterior means of training pieces.

    Args:
        model: Model record with an encoder.
        params: Model parameters.
        state: Model state.
        batches: Batches of training pieces. Rows whose loss mask is empty are padding and are skipped.

    Returns:
        A dictionary with `mean`, float32[Z], and `axes`, float32[A, Z]. The axes are orthogonal, and the length of each
        is the standard deviation along it.

    Raises:
        ValueError: There are fewer than two pieces.
    """
    assert model.latent is not None and model.latent.encode is not None
    encode, posterior_means = jax.jit(model.latent.encode), []
    for batch in batches:
        means, _ = encode(params, state, {name: jnp.asarray(x) for name, x in batch.items()})
        posterior_means.append(np.asarray(means, np.float64)[np.asarray(batch["loss_mask"]).sum(1) > 0])
    vectors = np.concatenate(posterior_means) if posterior_means else np.zeros((0, model.latent.size))
    if len(vectors) < 2:
        raise ValueError(f"number of training pieces is {len(vectors)}; a prior needs at least 2")
    mean = vectors.mean(0)
    _, lengths, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    axes = (lengths[:, None] / np.sqrt(len(vectors) - 1) * axes)[:MAX_AXES]
    return {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32)}


def write(run: Path, prior: Mapping[str, Any], step: int) -> None:
    """Writes a prior to a run directory, atomically and in half precision.

    Args:
        run: Path of the run directory.
        prior: Mean and axes, as returned by `fit`.
        step: Step of the checkpoint for which the prior was fitted.
    """
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
    """Returns the prior of a run's checkpoint, or None if there is no readable prior for that step."""
    try:
        with np.load(io.BytesIO((run / FILE).read_bytes())) as file:
            if int(file["step"]) != step:
                return None
            return {name: jnp.asarray(file[name], jnp.float32) for name in ("mean", "axes")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
