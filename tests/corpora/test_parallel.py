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
    return n // 2


def crash_on_three(n):
    if n == 3:
        os._exit(1)
    return n


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_and_reasons_are_counted(processes):
    results = parallel.read_all(halve, list(range(40)), processes)
    assert results == [n // 2 if n % 2 == 0 else "odd" for n in range(40)]
    found, report = parallel.sift(results)
    assert found == list(range(20))
    assert report.to_json() == {"used": 20, "discarded": {"odd": 20}, "files": [], "losses": []}


def stumble(n):
    if n == 1:
        return 1 // 0
    if n == 2:
        return stumble(n)
    if n == 3:
        raise MemoryError
    if n == 4:
        raise ValueError("two\nlines \ud800" + "x" * 500)
    return n


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_of_a_reader_costs_one_item(processes):
    results = parallel.read_all(stumble, list(range(6)), processes)
    assert (results[0], results[5]) == (0, 5)
    assert results[1] == "could not be read (ZeroDivisionError: integer division or modulo by zero)"
    assert results[2].startswith("could not be read (RecursionError: maximum recursion depth exceeded")
    assert results[3] == "could not be read (MemoryError)"
    assert results[4].startswith("could not be read (ValueError: two lines \\ud800xxx") and len(results[4]) < 200


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
