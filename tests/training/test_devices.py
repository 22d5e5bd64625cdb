"""Pieces that two devices share out are those that one draws."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jax.numpy as jnp
import numpy as np
import tiny
from musejax import codecs
from musejax.base import Request
from musejax.generation import samplers
from musejax.models import recurrent

vocabulary = codecs.get("chorale").vocabulary
config = recurrent.Config(net="frame", hidden=6, embed=5, head=5, num_layers=1, conditions=("key",))
model = recurrent.make(config, vocabulary)
data = tiny.random_batch(vocabulary, 4, 8)
params, state = jax.device_put(model.init(jax.random.key(0), data), jax.local_devices()[0])
free = (np.random.default_rng(0).random(data["tokens"].shape) < 0.7).astype(np.int32)
conditions = {name: jnp.asarray(data[name]) for name, _ in vocabulary.conditions}
whole = Request(num=4, length=8, first=2, given=jnp.asarray(data["tokens"]), infill_mask=jnp.asarray(free),
                conditions=conditions)
odd = Request(num=3, length=8, conditions={name: c[:3] for name, c in conditions.items()})
sample, plain = samplers.compiled(model.sample), jax.jit(model.sample)
for request, devices in ((whole, 2), (odd, 1)):
    found, expected = (run(params, state, jax.random.key(1), request) for run in (sample, plain))
    assert len(found["tokens"].devices()) == devices
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
"""


def test_devices_share_pieces_out():
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths, "XLA_FLAGS": ""}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
