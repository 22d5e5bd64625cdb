"""A mesh over all local devices: batches are divided along the axis `data`, everything else is replicated.

`use_cores` makes each core of a CPU a device of its own. The matrix products of small networks are too small to be
divided over cores, but a batch can be.
"""

import contextlib
import math
import os
from typing import Any

import jax
import numpy as np

from musejax.base import Batch, Model

# Largest number of cores over which a batch is divided: with more, the parts become small, and each core needs its own
# copy of the parameters.
MAX_CORES = 8


def use_cores() -> None:
    """Makes each CPU core available to this process a JAX device; has no effect once JAX is initialised."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", min(cores, MAX_CORES))


def dividing(rows: int) -> int:
    """Returns the largest number of local devices that divides the given number of rows."""
    return max(n for n in range(1, len(jax.local_devices()) + 1) if rows % n == 0)


def choose_device_count(model: Model, example: Batch, rows: int) -> int:
    """Returns the number of local devices over which a training batch is divided.

    Accelerators are all used. Of the cores of a CPU, the largest number that divides `rows` is used, but only one for
    a family with its own training step or with batch statistics, whose cores would wait for each other at every layer.

    Args:
        model: Model record.
        example: Batch from which the model is initialised.
        rows: Number of rows in a training batch.
    """
    devices = jax.local_devices()
    if devices[0].platform != "cpu":
        return len(devices)
    if model.make_step is not None or jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0), example)[1]):
        return 1
    return dividing(rows)


def make(num: int | None = None) -> jax.sharding.Mesh:
    """Returns a mesh with one axis, `data`, over the first `num` local devices (all if None)."""
    return jax.sharding.Mesh(np.asarray(jax.local_devices()[:num]), ("data",))


def replicate(mesh: jax.sharding.Mesh, tree: Any) -> Any:
    """Returns the tree, copied to every device of the mesh."""
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def shard(mesh: jax.sharding.Mesh, batch: Any) -> Any:
    """Returns a batch whose leading axis is divided over the devices, or replicated if it cannot be divided evenly."""
    size = math.prod(mesh.devices.shape)
    rows = {x.shape[0] for x in jax.tree.leaves(batch)}
    spec = jax.sharding.PartitionSpec("data") if all(r % size == 0 for r in rows) else jax.sharding.PartitionSpec()
    return jax.device_put(batch, jax.sharding.NamedSharding(mesh, spec))
