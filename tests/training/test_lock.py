"""A run directory that is being trained in takes no second training, and a killed training leaves no lock behind."""

import signal
import subprocess
import sys
import threading

import pytest

from musejax import errors
from musejax.training import lock

HOLDER = """
import sys, time
from pathlib import Path
from musejax.training import lock

with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a directory."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


def test_another_process_is_kept_out_until_the_first_is_killed(holder, tmp_path):
    with (
        pytest.raises(errors.UserError, match="another training is writing to .*run; wait until it ends"),
        lock.hold(tmp_path / "run"),
    ):
        pass
    with lock.hold(tmp_path / "other"):
        pass
    holder.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    holder.wait()
    with lock.hold(tmp_path / "run"):
        pass


def test_another_thread_is_kept_out_too(tmp_path):
    said = []

    def second():
        try:
            with lock.hold(tmp_path / "run"):
                said.append("held")
        except errors.UserError as error:
            said.append(str(error))

    with lock.hold(tmp_path / "run"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "another training" in said[0]
    second()
    assert said[1] == "held"


def test_a_lock_is_dropped_when_training_fails(tmp_path):
    with pytest.raises(RuntimeError), lock.hold(tmp_path / "run"):
        raise RuntimeError
    with lock.hold(tmp_path / "run"):
        pass


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(errors.UserError, match="cannot be created .*; give another --workdir"),
        lock.hold(tmp_path / "file" / "run"),
    ):
        pass


def test_a_file_system_without_locks_does_not_stop_training(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock, "_lock", refuse)
    with lock.hold(tmp_path / "run"):
        pass
