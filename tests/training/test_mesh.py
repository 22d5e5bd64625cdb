"""One device and two: the same training, whether the compiler cuts the batch or each device takes its rows."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import toy

from musejax.training import mesh

CODE = """
import sys
from pathlib import Path
import jax
num, apart, folder = int(sys.argv[1]), sys.argv[2] == "apart", Path(sys.argv[3])
jax.config.update("jax_num_cpu_devices", num)
import numpy as np
import test_loop
import toy
from musejax.training import loop, mesh, step
model = toy.make(counts=not apart)
devices = mesh.make(mesh.choose_device_count(model, toy.source()[0], 4) if apart else None)
assert devices.size == num
s = step.make_step(model, test_loop.OPTIMIZER, steps=12, seed=0, devices=devices if apart else None)
result = loop.train(model, s, toy.plain_stream(), toy.validation, test_loop.TRAINING, folder / "run", devices)
leaf = result.train_state.params["table"]
assert len(leaf.devices()) == num
text = s.update.lower(result.train_state, mesh.shard(devices, toy.source()[0])).as_text()
assert ("all_reduce" in text) == (apart and num > 1), text
np.savez(folder / "out.npz", loss=result.best[0], **result.train_state.params)
"""


@pytest.mark.parametrize("how", ["together", "apart"])
def test_two_devices_train_as_one(tmp_path, how):
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    results = []
    for devices in ("1", "2"):
        folder = tmp_path / devices
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", CODE, devices, how, str(folder)], check=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "PYTHONPATH": paths}, capture_output=True,
        )  # fmt: skip
        results.append(dict(np.load(folder / "out.npz")))
    assert results[0].keys() == results[1].keys() == {"loss", "table", "bias"}
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], atol=1e-5, err_msg=name)


def test_cores_are_used_as_far_as_they_divide_the_rows(monkeypatch):
    cores = [jax.local_devices()[0]] * 6
    monkeypatch.setattr(jax, "local_devices", lambda: cores)
    example = toy.source()[0]
    assert [mesh.choose_device_count(toy.make(counts=False), example, rows) for rows in (1, 4, 7, 12)] == [1, 4, 1, 6]
    # What has statistics of the batch, or a step of its own, stays on one.
    assert mesh.choose_device_count(toy.make(), example, 12) == 1
    assert mesh.choose_device_count(toy.make(counts=False)._replace(make_step=lambda tools: None), example, 12) == 1
