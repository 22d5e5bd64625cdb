"""One mesh for all local devices: batches are cut along `data`, everything else is copied to each device."""

import math
from typing import Any

import jax
import numpy as np


def make() -> jax.sharding.Mesh:
    """A mesh with one axis, `data`, over the local devices."""
    return jax.sharding.Mesh(np.asarray(jax.local_devices()), ("data",))


def replicate(mesh: jax.sharding.Mesh, tree: Any) -> Any:
    """The tree on every device."""
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def shard(mesh: jax.sharding.Mesh, batch: Any) -> Any:
    """A batch with its leading axis cut over the devices; whole on each where the axis does not divide."""
    size = math.prod(mesh.devices.shape)
    rows = {x.shape[0] for x in jax.tree.leaves(batch)}
    spec = jax.sharding.PartitionSpec("data") if all(r % size == 0 for r in rows) else jax.sharding.PartitionSpec()
    return jax.device_put(batch, jax.sharding.NamedSharding(mesh, spec))
