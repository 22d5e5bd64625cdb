import shutil

import jax
import numpy as np
import pytest

from musejax import errors
from musejax.training import checkpoints, quantisation

RNG = np.random.default_rng(0)
PARAMS = {
    "dense": {"kernel": RNG.normal(size=(80, 60)).astype(np.float32), "bias": np.ones(60, np.float32)},
    "heads": RNG.normal(size=(3, 40, 50)).astype(np.float32) * np.linspace(0.01, 5, 50, dtype=np.float32),
    "small": RNG.normal(size=(4, 5)).astype(np.float32),
}


def test_matrices_come_back_to_half_a_step_of_their_column():
    rounded, scales = quantisation.quantise(PARAMS, np.float32)
    assert rounded["dense"]["kernel"].dtype == rounded["heads"].dtype == np.int8
    assert sorted(scales) == ["dense.kernel", "heads"]
    back = quantisation.restore(rounded, scales)
    for was, now in ((PARAMS["dense"]["kernel"], back["dense"]["kernel"]), (PARAMS["heads"], back["heads"])):
        off = np.abs(was - np.asarray(now)).reshape(-1, was.shape[-1]).max(0)
        step = np.abs(was).reshape(-1, was.shape[-1]).max(0) / 127
        assert (off <= 0.51 * step).all() and (off > 0.3 * step).all()
    np.testing.assert_array_equal(back["small"], PARAMS["small"])


def test_a_column_of_zeros_stays_zero():
    rounded, scales = quantisation.quantise({"w": np.zeros((64, 64), np.float32)}, np.float32)
    np.testing.assert_array_equal(quantisation.restore(rounded, scales)["w"], 0)


def test_a_checkpoint_in_eight_bits_is_read_as_floats_and_its_scales_are_checked(tmp_path):
    rounded, scales = quantisation.quantise(PARAMS, np.float32)
    folder = tmp_path / "checkpoints" / "best" / "7"
    checkpoints.write_model(folder, rounded, {}, scales)
    like = jax.eval_shape(lambda: jax.tree.map(jax.numpy.asarray, PARAMS)), {}
    params, _, step = checkpoints.load(tmp_path, like, pytest.fail)
    assert step == 7 and params["heads"].dtype == np.float32
    np.testing.assert_allclose(params["heads"], quantisation.restore(rounded, scales)["heads"])
    shutil.rmtree(folder)
    checkpoints.write_model(folder, rounded, {}, {**scales, "heads": 2 * scales["heads"]})
    other = tmp_path / "other" / "checkpoints" / "best" / "7"
    checkpoints.write_model(other, rounded, {}, scales)
    shutil.rmtree(other / "scales")
    shutil.copytree(folder / "scales", other / "scales")
    said = []
    with pytest.raises(errors.UserError, match="every checkpoint is damaged"):
        checkpoints.load(tmp_path / "other", like, said.append)
    assert "does not match its digest" in said[0]
