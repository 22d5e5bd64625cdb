import contextlib
import functools
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import toy

from musejax import errors
from musejax.training import checkpoints, settings, step

LOOP = {"progress": {"best": None, "best_step": 0, "worse": 0}, "stream": {"next_index": 0}}


@functools.cache
def trained_step():
    return step.make_step(toy.make(), settings.Optimizer(ema_decay=0.5), steps=9, seed=0)


def state(at):
    ts = trained_step().init(jax.random.key(at), toy.source()[0])
    return ts.replace(step=ts.step + at)


def saved(run, *steps):
    store = checkpoints.Checkpoints(run)
    for at in steps:
        store.save("last", state(at), {**LOOP, "at": at})
        store.save("best", state(at), {})
    return run / "checkpoints"


def flip(folder):
    for file in (p for p in (folder / "model").rglob("*") if p.is_file() and p.parent.name == "d"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 255
        file.write_bytes(bytes(data))


def truncate(folder):
    for file in (p for p in (folder / "model").rglob("*") if p.is_file() and p.parent.name == "d"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(folder):
    for file in [p for p in folder.rglob("*") if p.is_file()]:
        file.write_bytes(b"")


DAMAGE = {
    "a flipped byte": flip,
    "cut files": truncate,
    "empty files": empty,
    "no arrays": lambda folder: shutil.rmtree(folder / "model"),
    "no digests": lambda folder: shutil.rmtree(folder / "meta"),
    "an empty folder": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
}


def test_what_is_saved_is_what_is_restored_and_two_are_kept(tmp_path):
    root = saved(tmp_path, 1, 2, 3)
    restored = checkpoints.Checkpoints(tmp_path).restore(state(0), pytest.fail)
    assert restored is not None and restored.step == 3 and restored.loop == {**LOOP, "at": 3}
    assert checkpoints.digest(restored.train_state) == checkpoints.digest(state(3))
    assert sorted(p.name for p in (root / "last").iterdir()) == ["2", "3"]


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it_and_said(kind, tmp_path):
    root = saved(tmp_path, 1, 2)
    DAMAGE[kind](root / "last" / "2")
    DAMAGE[kind](root / "best" / "2")
    said = []
    store = checkpoints.Checkpoints(tmp_path)
    restored = store.restore(state(0), said.append)
    assert restored is not None and restored.step == 1
    assert checkpoints.digest(restored.train_state) == checkpoints.digest(state(1))
    assert len(said) == 1 and said[0].startswith("checkpoint 2 is damaged (") and "\n" not in said[0]
    store.save("last", state(2), LOOP)  # the damaged one is replaced
    again = checkpoints.Checkpoints(tmp_path).restore(state(0), pytest.fail)
    assert again is not None and again.step == 2

    said.clear()
    like = jax.eval_shape(lambda: (state(0).params, state(0).state))
    params, _, at = checkpoints.load(tmp_path, like, said.append)
    assert at == 1 and checkpoints.digest(params) == checkpoints.digest(state(1).averaged)
    assert len(said) == 1 and "best checkpoint 2" in said[0] and "using the one before it" in said[0]


def test_after_a_fall_back_a_checkpoint_below_the_damaged_one_can_be_written(tmp_path):
    root = saved(tmp_path, 2, 6)
    flip(root / "last" / "6")
    store = checkpoints.Checkpoints(tmp_path)
    assert store.restore(state(0), lambda text: None) is not None
    store.save("last", state(4), LOOP)
    restored = checkpoints.Checkpoints(tmp_path).restore(state(0), pytest.fail)
    assert restored is not None and restored.step == 4


def test_when_all_are_damaged_it_is_an_error(tmp_path):
    root = saved(tmp_path, 1, 2)
    for folder in [*(root / "last").iterdir(), *(root / "best").iterdir()]:
        flip(folder)
    said = []
    with pytest.raises(errors.TrainingError, match="every checkpoint in .* is damaged; give another --workdir"):
        checkpoints.Checkpoints(tmp_path).restore(state(0), said.append)
    assert len(said) == 2
    like = jax.eval_shape(lambda: (state(0).params, state(0).state))
    with pytest.raises(errors.UserError, match="every checkpoint is damaged"):
        checkpoints.load(tmp_path, like, said.append)


def test_a_run_without_checkpoints(tmp_path):
    assert checkpoints.Checkpoints(tmp_path).restore(state(0), pytest.fail) is None
    with pytest.raises(errors.UserError, match="there is no checkpoint; train it"):
        checkpoints.load(tmp_path / "none", ({}, {}), pytest.fail)


def test_another_models_checkpoint_is_not_read(tmp_path):
    saved(tmp_path, 1)
    like = ({"table": jax.ShapeDtypeStruct((3, 3), np.float32), "bias": jax.ShapeDtypeStruct((3,), np.float32)}, {})
    with pytest.raises(errors.UserError, match="every checkpoint is damaged"):
        checkpoints.load(tmp_path, like, lambda text: None)


@pytest.fixture
def full_disk(tmp_path):
    """A file system of a megabyte, or a skip where none can be made."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        made = sys.platform == "linux" and subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def check_failed_save(run, store):
    with pytest.raises(errors.TrainingError) as e:
        store.save("last", state(2), LOOP)
    message = str(e.value)
    assert message.startswith("the checkpoint of step 2 could not be written (")
    assert message.endswith("; the last complete one is from step 1") and "\n" not in message
    restored = checkpoints.Checkpoints(run).restore(state(0), pytest.fail)
    assert restored is not None and restored.step == 1


def test_a_full_disk_stops_training_and_leaves_the_checkpoint_before(full_disk):
    store = checkpoints.Checkpoints(full_disk)
    store.save("last", state(1), LOOP)
    with (full_disk / "filling").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"0" * 512):
            pass
    check_failed_save(full_disk, store)


def test_a_write_that_fails_stops_training_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    import orbax.checkpoint as ocp

    store = checkpoints.Checkpoints(tmp_path)
    store.save("last", state(1), LOOP)

    def fails(*args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: no space\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(ocp.JsonCheckpointHandler, "save", fails)
        patch.setattr(ocp.JsonCheckpointHandler, "async_save", fails)
        check_failed_save(tmp_path, store)
    checkpoints.Checkpoints(tmp_path).save("last", state(2), LOOP)
    assert not [p for p in (tmp_path / "checkpoints").rglob("*") if "tmp" in p.name]


def test_the_first_write_that_fails_says_that_there_is_none_before(tmp_path, monkeypatch):
    import orbax.checkpoint as ocp

    def fails(*args, **kwargs):
        raise OSError("no space")

    monkeypatch.setattr(ocp.JsonCheckpointHandler, "save", fails)
    monkeypatch.setattr(ocp.JsonCheckpointHandler, "async_save", fails)
    with pytest.raises(errors.TrainingError, match="there is no earlier one"):
        checkpoints.Checkpoints(tmp_path).save("last", state(1), LOOP)
