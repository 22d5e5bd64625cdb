"""Times one piece of work done by musejax and by a peer: side by side, in turn, each in a process of its own.

A `Job` is built inside its worker process, which is given the same processor cores as every other before anything is
imported. The ways of one side (eager, compiled, ...) are tried first and the fastest of them is measured. Then the two
sides take turns, A B A B. A turn during which other processes of the machine took more than `FOREIGN` of a core is
dropped, on whichever side it falls, and the number of dropped turns is reported.
"""

import argparse
import contextlib
import gc
import importlib.metadata
import json
import multiprocessing
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

# A turn repeats its call for at least this long, in seconds.
TURN = 0.3
# Between turns nothing is done for so many seconds: OpenMP's threads go on spinning for .2 after their work.
PAUSE = 0.25
# Share of a core that other processes may take during a turn.
FOREIGN = 0.1
PACKAGES = ("musejax", "jax", "jaxlib", "flax", "optax", "numpy", "torch")


class Job(NamedTuple):
    """Work that is ready to be timed.

    Attributes:
        run: One call; it returns when its result is there.
        brief: A shorter call of the same kind, by which rivals are compared; None for `run` itself.
    """

    run: Callable[[], Any]
    brief: Callable[[], Any] | None = None


class Side(NamedTuple):
    """One of the two that are compared.

    Attributes:
        builds: Ways to do the work by their names: (threads) -> Job, called in the worker process, so each must be
            importable there. The fastest counts.
    """

    builds: Mapping[str, Callable[[int], Job]]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: By which it is chosen.
        tokens: What one call processes or makes.
        ours: musejax.
        theirs: The other side.
    """

    name: str
    tokens: int
    ours: Side
    theirs: Side


def _serve(pipe: Connection, builds: Mapping[str, Callable[[int], Job]], cores: Sequence[int]) -> None:
    """A worker: answers (name, what, seconds) with the times of its calls."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    jobs: dict[str, Job] = {}
    while True:
        try:
            name, what, seconds = pipe.recv()
        except EOFError:
            return
        try:
            if name not in jobs:
                jobs[name] = builds[name](len(cores))
            call = (jobs[name].brief if what == "brief" else None) or jobs[name].run
            cpu, times = time.process_time(), []
            while not times or sum(times) < seconds:
                begin = time.perf_counter()
                call()
                times.append(time.perf_counter() - begin)
            pipe.send((times, time.process_time() - cpu))
        except Exception:
            pipe.send(traceback.format_exc().strip().splitlines()[-1][:200])
        gc.collect()


class Worker:
    """The process of one side."""

    def __init__(self, side: Side, cores: Sequence[int]):
        """Starts it."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, side.builds, cores), daemon=True)
        self._process.start()
        theirs.close()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process ended") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def times(self, name: str, what: str = "run", seconds: float = 0.0) -> tuple[list[float], float]:
        """Seconds of each call of a job, and the share of a core that other processes took meanwhile."""
        busy, begin = _busy(), time.perf_counter()
        self._pipe.send((name, what, seconds))
        times, cpu = self._answer()
        return times, (_busy() - busy - cpu) / (time.perf_counter() - begin)

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join()


def _busy() -> float:
    """Seconds that all cores together have worked; 0 where the system does not say."""
    try:
        user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _start(side: Side, cores: Sequence[int]) -> tuple[Worker, str, dict[str, Any]]:
    """A worker after its warm-up, the name of its fastest job by brief calls, and what was seen of each."""
    worker = Worker(side, cores)
    seen: dict[str, Any] = {}
    for name in side.builds:
        try:
            first = worker.times(name, "brief")[0][0]
            warm = min(worker.times(name, "brief")[0] + worker.times(name, "brief", TURN)[0])
        except RuntimeError as error:
            seen[name] = {"failed": str(error)}
            continue
        seen[name] = {"compile_s": round(max(first - warm, 0.0), 2), "brief_ms": round(warm * 1e3, 3)}
    works = {name: facts["brief_ms"] for name, facts in seen.items() if "brief_ms" in facts}
    if not works:
        raise RuntimeError(f"nothing works: {seen}")
    return worker, min(works, key=works.__getitem__), seen


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
    """A row whose two sides are built and warm: for each its worker, its fastest job, what was seen of all."""

    row: Row
    ours: tuple[Worker, str, dict[str, Any]]
    theirs: tuple[Worker, str, dict[str, Any]]


def prepare(row: Row, cores: Sequence[int]) -> Pair:
    """Builds both sides."""
    return Pair(row, _start(row.ours, cores), _start(row.theirs, cores))


def measure(pair: Pair, seconds: float) -> dict[str, Any]:
    """One row of the report.

    The sides alternate until each has had half of `seconds` of undisturbed turns, or `seconds` are over. Where a side
    has fewer than three undisturbed calls all of them count, and `quiet` is false.
    """
    sides = {"ours": pair.ours, "theirs": pair.theirs}
    kept: dict[str, list[float]] = {name: [] for name in sides}
    rest: dict[str, list[float]] = {name: [] for name in sides}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and min(sum(t) for t in kept.values()) < seconds / 2:
        for name, (worker, job, _) in sides.items():
            time.sleep(PAUSE)
            times, foreign = worker.times(job, "run", TURN)
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
    """Runs a command meanwhile; it has done its work when it prints a line, and ends when its input closes."""
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


def machine(cores: Sequence[int]) -> dict[str, Any]:
    """What the figures were taken on."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": model, "threads": len(cores), "memory_gb": round(memory), "system": platform.system()}


def versions() -> dict[str, str]:
    """Of Python and the packages that matter; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(rows: Sequence[Row], check: Callable[[], str], doc: str) -> int:
    """The command line of a benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the report; rows that are in it and not timed now are kept")
    parser.add_argument("--rows", nargs="+", choices=[r.name for r in rows], metavar="NAME", help="default: all")
    parser.add_argument("--seconds", type=float, default=20.0, help="time a row takes, without compilation")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="cores that both sides may use")
    parser.add_argument("--quiet", metavar="CMD", help="a command that keeps the machine quiet until its input closes")
    parser.add_argument("--check", action="store_true", help="show that the twin is the same network, and end")
    args = parser.parse_args()
    try:
        importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        sys.stderr.write("the benchmarks need PyTorch: pip install 'musejax[bench]'\n")
        return 2
    if args.check:
        sys.stdout.write(check() + "\n")
        return 0
    cores = sorted(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))
    cores = cores[: args.threads]
    report: dict[str, Any] = {"machine": machine(cores), "versions": versions(), "rows": []}
    known = json.loads(args.json.read_text())["rows"] if args.json and args.json.exists() else []
    done = {row["name"]: row for row in known}
    chosen = [row for row in rows if not args.rows or row.name in args.rows]
    # Under a --quiet command all rows are built first, so that it is needed for the timings alone.
    for group in [chosen] if args.quiet else [[row] for row in chosen]:
        pairs = [prepare(row, cores) for row in group]
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
    """A row for people."""
    ours, peer = result["musejax"], result["torch"]
    return (
        f"{result['name']:24} musejax {ours['median_ms']:9.1f} ms (min {ours['min_ms']:.1f}, {ours['calls']} calls, "
        f"compile {ours['compile_s']:.1f} s)  {peer['variant']} {peer['median_ms']:9.1f} ms (min {peer['min_ms']:.1f}, "
        f"{peer['calls']} calls)  ratio {result['ratio']:.2f}{'' if result['quiet'] else '  DISTURBED'}"
    )
