"""Timing of the same work done by musejax and by a peer, in separate processes that take turns.

A `Job` is built inside its worker process, which is pinned to the same processor cores as all others before anything is
imported. The variants of one side (eager, compiled, ...) are tried first, and the fastest is measured. Then the two
sides take turns, A B A B. A turn during which other processes of the machine use more than `FOREIGN` of a core is
dropped, whichever side it belongs to, and the number of dropped turns is reported.

With `--gpu`, both sides run on the GPU in float32 with TF32 products, JAX's default there. All programs are then
compiled at the same time before the first turn, each in its own process, because compilation takes longest.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import workers

# Idle seconds between turns: OpenMP's threads keep spinning for .2 seconds after their work.
PAUSE = 0.25
# Share of a core that other processes may use during a turn.
FOREIGN = 0.1
PACKAGES = ("musejax", "jax", "jaxlib", "flax", "optax", "numpy", "torch")


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: Name of the row on the command line.
        tokens: Number of tokens that one call processes or generates.
        ours: The job of musejax.
        theirs: The jobs of the peer.
    """

    name: str
    tokens: int
    ours: workers.Side
    theirs: workers.Side


def _summary(times: list[float], tokens: int) -> dict[str, Any]:
    ms = sorted(t * 1e3 for t in times)
    low, median, high = statistics.quantiles(ms, n=4) if len(ms) > 1 else ms * 3
    return {
        "median_ms": round(median, 3),
        "min_ms": round(ms[0], 3),
        "quartiles_ms": [round(low, 3), round(high, 3)],
        "calls": len(ms),
        "tokens_per_second": round(tokens / median * 1e3),
    }


class Pair(NamedTuple):
    """A row with both sides built and warm: for each side, its worker, its fastest job, and the timings of all jobs."""

    row: Row
    ours: tuple[workers.Worker, str, dict[str, Any]]
    theirs: tuple[workers.Worker, str, dict[str, Any]]


def prepare(rows: Sequence[Row], cores: Sequence[int], gpu: bool) -> list[Pair]:
    """Builds both sides of the rows, one after the other, or all at once on a machine with a GPU."""
    started = [
        workers.Worker(side, cores, gpu=gpu, peer=peer)
        for row in rows
        for peer, side in ((False, row.ours), (True, row.theirs))
    ]
    with futures.ThreadPoolExecutor(len(started) if gpu else 1) as pool:
        ready = [workers.fastest(each) for each in pool.map(workers.compiled, started)]
    return [Pair(row, ready[2 * i], ready[2 * i + 1]) for i, row in enumerate(rows)]


def measure(pair: Pair, seconds: float) -> dict[str, Any]:
    """Returns one row of the report.

    The sides alternate until each has had undisturbed turns for half of `seconds`, or `seconds` are over. If a side has
    fewer than three undisturbed calls, all of its calls count, and `quiet` is false.
    """
    sides = {"ours": pair.ours, "theirs": pair.theirs}
    kept: dict[str, list[float]] = {name: [] for name in sides}
    rest: dict[str, list[float]] = {name: [] for name in sides}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and min(sum(t) for t in kept.values()) < seconds / 2:
        for name, (worker, job, _) in sides.items():
            time.sleep(PAUSE)
            times, foreign = worker.times(job, "run", workers.TURN)
            (kept if foreign < FOREIGN else rest)[name] += times
    for worker, _, _ in sides.values():
        worker.close()
    quiet = all(len(t) >= 3 for t in kept.values())
    times = kept if quiet else {name: kept[name] + rest[name] for name in kept}
    parts = {}
    for name, (_, job, seen) in sides.items():
        parts[name] = {
            "variant": job,
            **_summary(times[name], pair.row.tokens),
            "dropped": len(rest[name]),
            "compile_s": seen[job]["compile_s"],
            "variants": seen,
        }
    ratio = parts["theirs"]["median_ms"] / parts["ours"]["median_ms"]
    return {
        "name": pair.row.name,
        "ratio": round(ratio, 3),
        "quiet": quiet,
        "musejax": parts["ours"],
        "torch": parts["theirs"],
    }


@contextlib.contextmanager
def _quietened(command: str | None) -> Iterator[None]:
    """Runs a command during the body; it is ready when it prints a line, and ends when its input closes."""
    if command is None:
        yield
        return
    with subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()


def machine(cores: Sequence[int], gpu: bool) -> dict[str, Any]:
    """Returns a description of the machine."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {"processor": model, "threads": len(cores), "memory_gb": round(memory), "system": platform.system()}
    if gpu:
        import torch  # pyright: ignore[reportMissingImports]

        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the relevant packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(rows: Sequence[Row], check: Callable[[], str], doc: str) -> int:
    """Runs the command line of a benchmark and returns the exit status."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the report; its rows that are not timed now are kept")
    parser.add_argument(
        "--rows", nargs="+", choices=[r.name for r in rows], metavar="NAME", help="rows to time (default: all)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds per row, without compilation")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="cores that both sides may use")
    parser.add_argument("--quiet", metavar="CMD", help="a command that keeps the machine quiet until its input closes")
    parser.add_argument("--gpu", action="store_true", help="run both sides on the GPU")
    parser.add_argument("--check", action="store_true", help="only check that the twin is the same network")
    args = parser.parse_args()
    try:
        importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        sys.stderr.write("the benchmarks need PyTorch: pip install 'torch>=2.4'\n")
        return 2
    if args.check:
        sys.stdout.write(check() + "\n")
        return 0
    cores = sorted(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))
    cores = cores[: args.threads]
    report: dict[str, Any] = {"machine": machine(cores, args.gpu), "versions": versions(), "rows": []}
    known = json.loads(args.json.read_text())["rows"] if args.json and args.json.exists() else []
    done = {row["name"]: row for row in known}
    chosen = [row for row in rows if not args.rows or row.name in args.rows]
    # With a --quiet command, all rows are built first, so that the command runs only during the timings.
    for group in [chosen] if args.quiet or args.gpu else [[row] for row in chosen]:
        pairs = prepare(group, cores, args.gpu)
        with _quietened(args.quiet):
            for pair in pairs:
                done[pair.row.name] = measure(pair, args.seconds)
                sys.stdout.write(line(done[pair.row.name]) + "\n")
                sys.stdout.flush()
                if args.json:
                    report["rows"] = [done[r.name] for r in rows if r.name in done]
                    args.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def line(result: dict[str, Any]) -> str:
    """Returns a readable line for a row."""
    ours, peer = result["musejax"], result["torch"]
    return (
        f"{result['name']:24} musejax {ours['median_ms']:9.1f} ms (min {ours['min_ms']:.1f}, {ours['calls']} calls, "
        f"compile {ours['compile_s']:.1f} s)  {peer['variant']} {peer['median_ms']:9.1f} ms (min {peer['min_ms']:.1f}, "
        f"{peer['calls']} calls)  ratio {result['ratio']:.2f}{'' if result['quiet'] else '  DISTURBED'}"
    )
