"""One mesh for all local devices: batches are cut along `data`, everything else is copied to each device.

A CPU counts as one device for each of its cores, where JAX was told so before it began (`use_cores`): the products of
small nets are too small to be cut over cores one by one, and a batch is not.
"""

import contextlib
import math
import os
from typing import Any

import jax
import numpy as np

from musejax.base import Batch, Model

# Cores that a batch is cut over at most: the parts become small, and each core keeps its copy of the parameters.
MOST = 8


def use_cores() -> None:
    """Makes a device of each core of the CPU that this process may use; too late once JAX has begun."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", min(cores, MOST))


def dividing(rows: int) -> int:
    """Over how many of the local devices so many rows can be cut evenly."""
    return max(n for n in range(1, len(jax.local_devices()) + 1) if rows % n == 0)


def useful(model: Model, example: Batch, rows: int) -> int:
    """Over how many of the local devices a batch of so many rows is cut.

    All of them, but for cores of a CPU: as many as divide the rows, and one for a family with a training step of its
    own or with statistics of the whole batch, whose cores would wait for each other at every layer.
    """
    devices = jax.local_devices()
    if devices[0].platform != "cpu":
        return len(devices)
    if model.make_step is not None or jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0), example)[1]):
        return 1
    return dividing(rows)


def make(num: int | None = None) -> jax.sharding.Mesh:
    """A mesh with one axis, `data`, over the local devices, or the first `num` of them."""
    return jax.sharding.Mesh(np.asarray(jax.local_devices()[:num]), ("data",))


def replicate(mesh: jax.sharding.Mesh, tree: Any) -> Any:
    """The tree on every device."""
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def shard(mesh: jax.sharding.Mesh, batch: Any) -> Any:
    """A batch with its leading axis cut over the devices; whole on each where the axis does not divide."""
    size = math.prod(mesh.devices.shape)
    rows = {x.shape[0] for x in jax.tree.leaves(batch)}
    spec = jax.sharding.PartitionSpec("data") if all(r % size == 0 for r in rows) else jax.sharding.PartitionSpec()
    return jax.device_put(batch, jax.sharding.NamedSharding(mesh, spec))
