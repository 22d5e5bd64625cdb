import os
import subprocess
import sys
from pathlib import Path

import pytest

from musejax import errors
from musejax.corpora import parallel


def halve(n):
    if n % 2:
        raise errors.UserError("odd")
    os.write(1, b"noise of a reader")
    return n // 2


def crash_on_three(n):
    if n == 3:
        os._exit(1)
    return n


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_and_reasons_are_counted(processes, capfd):
    results = parallel.read_all(halve, list(range(40)), processes)
    assert results == [n // 2 if n % 2 == 0 else "odd" for n in range(40)]
    assert capfd.readouterr().out == ""
    found, report = parallel.sift(results)
    assert found == list(range(20))
    assert report.to_json() == {"used": 20, "discarded": {"odd": 20}}


def test_a_crash_costs_one_item():
    assert parallel.read_all(crash_on_three, list(range(6)), processes=2) == [0, 1, 2, parallel.CRASHED, 4, 5]


def test_a_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from musejax.corpora import parallel\nprint('once')\nprint(sum(parallel.read_all(abs, [-1] * 40, 2)))\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root}
    )
    assert (done.stdout, done.returncode) == ("once\n40\n", 0), done.stderr
