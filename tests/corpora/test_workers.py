"""Worker processes end with their parent, and say nothing of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUNE = "X:1\nM:4/4\nL:1/4\nK:C\n" + "C D E F|G A B c|" * 8 + "\n"
# A command that a shell runs in the background is started with SIGINT ignored.
TWO_WORKERS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from musejax import cli
from musejax.corpora import parallel
parallel.processors = lambda: 2
cli.main()
"""
SLOW = """
import os, pathlib, sys, time
from musejax.corpora import parallel
if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    import slow
    parallel.read_all(slow.read, [sys.argv[1]] * 40, 2)
"""
READER = """
import os, pathlib, time
def read(folder):
    (pathlib.Path(folder) / f"{os.getpid()}.begun").touch()
    time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def group(leader):
    """Processes of a process group that have not ended."""
    out = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(state[2]) == leader and state[0] != "Z":
                out.append(int(folder.name))
    return out


def workers(leader):
    """Those that are workers."""
    out = []
    for number in group(leader):
        try:
            command = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            continue
        out += [number] if b"spawn_main" in command else []
    return out


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def start(*argv):
    return subprocess.Popen(
        [sys.executable, *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "whole_group", "status", "says"),
    [
        (signal.SIGTERM, False, 143, "musejax prepare: terminated\n"),
        (signal.SIGINT, True, 130, "musejax prepare: interrupted\n"),
    ],
)
def test_a_command_that_is_stopped_says_one_line_and_leaves_no_process(number, whole_group, status, says, tmp_path):
    folder = tmp_path / "tunes"
    folder.mkdir()
    for i in range(64):
        (folder / f"{i}.abc").write_text(TUNE)
    out = tmp_path / "out" / "tunes.npz"
    process = start("-c", TWO_WORKERS, "prepare", folder, "--codec", "melody", "--out", out)
    try:
        until(lambda: workers(process.pid) or process.poll() is not None)
        (os.killpg if whole_group else os.kill)(process.pid, number)
        _, error = process.communicate(timeout=120)
        assert (process.returncode, error) == (status, says)
        until(lambda: not group(process.pid))
        assert not out.parent.exists()
    finally:
        for left in group(process.pid):
            os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_at_work_end_when_a_script_that_started_them_is_killed(number, tmp_path):
    (tmp_path / "slow.py").write_text(READER)
    (tmp_path / "script.py").write_text(SLOW)
    process = start(tmp_path / "script.py", tmp_path)
    try:
        until(lambda: len(list(tmp_path.glob("*.begun"))) == 2 or process.poll() is not None)
        os.kill(process.pid, number)
        process.communicate(timeout=120)
        assert process.returncode == -number
        until(lambda: not group(process.pid))
    finally:
        for left in group(process.pid):
            os.kill(left, signal.SIGKILL)
