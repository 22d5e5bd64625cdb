"""Processes in which work is timed; each is pinned to the same cores before anything is imported."""

import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

# Minimum length of a turn, which repeats its call, in seconds.
TURN = 0.3


class Job(NamedTuple):
    """Work that is ready to be timed.

    Attributes:
        run: Makes one call, and returns when the result is ready.
        brief: A shorter call of the same kind, for choosing the fastest variant; None for `run` itself.
    """

    run: Callable[[], Any]
    brief: Callable[[], Any] | None = None


class Side(NamedTuple):
    """One of the two sides that are compared.

    Attributes:
        builds: Variants of the work by name, (threads) -> Job. They are called in the worker process, so each must be
            importable there. The fastest one counts.
        on_gpu: The variants for a GPU, if they differ; empty for `builds`.
    """

    builds: Mapping[str, Callable[[int], Job]]
    on_gpu: Mapping[str, Callable[[int], Job]] = {}


def _on_gpu() -> Callable[[], None]:
    """Makes PyTorch create all tensors on the GPU, and returns a function that waits for the GPU."""
    import torch  # pyright: ignore[reportMissingImports]

    torch.set_default_device("cuda")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    return torch.cuda.synchronize


def _serve(
    pipe: Connection, builds: Mapping[str, Callable[[int], Job]], cores: Sequence[int], gpu: bool, peer: bool
) -> None:
    """Runs the worker process, which answers requests (name, what, seconds) with the times of its calls."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    wait = _on_gpu() if gpu and peer else lambda: None
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
                wait()
                times.append(time.perf_counter() - begin)
            pipe.send((times, time.process_time() - cpu))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])
        gc.collect()


class Worker:
    """The process of one side."""

    def __init__(self, side: Side, cores: Sequence[int], *, gpu: bool, peer: bool):
        """Starts the process."""
        context = multiprocessing.get_context("spawn")
        self.builds = side.on_gpu or side.builds if gpu else side.builds
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.builds, cores, gpu, peer), daemon=True)
        self._process.start()
        theirs.close()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the worker process ended unexpectedly") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def times(self, name: str, what: str = "run", seconds: float = 0.0) -> tuple[list[float], float]:
        """Returns the seconds of each call of a job, and the share of a core that other processes used meanwhile."""
        busy, begin = _busy(), time.perf_counter()
        self._pipe.send((name, what, seconds))
        times, cpu = self._answer()
        return times, (_busy() - busy - cpu) / (time.perf_counter() - begin)

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join()


def _busy() -> float:
    """Returns the seconds for which all cores together have worked, or 0 if the system does not report them."""
    try:
        user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


class Ready(NamedTuple):
    """A worker whose jobs are compiled.

    Attributes:
        worker: The worker process.
        first: Seconds of the first call of each job, including compilation.
        failed: Errors of the jobs that failed.
    """

    worker: Worker
    first: dict[str, float]
    failed: dict[str, str]


def compiled(worker: Worker) -> Ready:
    """Calls each job of a worker once, which compiles it."""
    first: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in worker.builds:
        try:
            first[name] = worker.times(name, "brief")[0][0]
        except RuntimeError as error:
            failed[name] = str(error)
    return Ready(worker, first, failed)


def fastest(ready: Ready) -> tuple[Worker, str, dict[str, Any]]:
    """Returns a worker, the name of its fastest job by brief calls, and the results of all jobs."""
    worker = ready.worker
    seen: dict[str, Any] = {name: {"failed": why} for name, why in ready.failed.items()}
    for name, first in ready.first.items():
        warm = min(worker.times(name, "brief")[0] + worker.times(name, "brief", TURN)[0])
        seen[name] = {"compile_s": round(max(first - warm, 0.0), 2), "brief_ms": round(warm * 1e3, 3)}
    works = {name: facts["brief_ms"] for name, facts in seen.items() if "brief_ms" in facts}
    if not works:
        raise RuntimeError(f"all jobs failed: {seen}")
    return worker, min(works, key=works.__getitem__), seen
