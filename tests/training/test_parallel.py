"""One device and two: the same training."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

CODE = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import numpy as np
import test_loop
from pathlib import Path
from musejax.training import mesh
result = test_loop.train(Path(sys.argv[2]) / "run", model=test_loop.toy.make())
assert mesh.make().devices.size == int(sys.argv[1])
leaf = result.train_state.params["table"]
assert len(leaf.devices()) == int(sys.argv[1])
np.savez(Path(sys.argv[2]) / "out.npz", loss=result.best[0], **result.train_state.params)
"""


def test_two_devices_train_as_one(tmp_path):
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    results = []
    for devices in ("1", "2"):
        folder = tmp_path / devices
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", CODE, devices, str(folder)], check=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}, capture_output=True,
        )  # fmt: skip
        results.append(dict(np.load(folder / "out.npz")))
    assert results[0].keys() == results[1].keys() == {"loss", "table", "bias"}
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], atol=1e-5, err_msg=name)
