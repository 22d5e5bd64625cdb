"""Writes training metrics as JSON lines, for TensorBoard and as a progress line on the terminal."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Logs:
    """Writes `metrics.jsonl` (and TensorBoard events) and shows progress on standard error."""

    def __init__(self, run: Path, *, steps: int, start: int, tensorboard: bool):
        """Opens the logs of a run and drops lines of steps after `start`, which were lost in a kill.

        Args:
            run: Path of the run directory.
            steps: Total number of steps.
            start: Step from which training starts or resumes.
            tensorboard: Whether to also write TensorBoard events.
        """
        path = run / "metrics.jsonl"
        kept = [line for line in _lines(path) if _step(line) <= start]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(line + "\n" for line in kept))
        temporary.replace(path)
        self._file = path.open("a")
        self._board = None
        if tensorboard:
            import tensorboardX

            self._board = tensorboardX.SummaryWriter(str(run / "tensorboard"))
        self._progress = None
        self._steps = steps
        if sys.stderr.isatty():
            import rich.console
            import rich.progress

            self._progress = rich.progress.Progress(
                rich.progress.TextColumn("step {task.completed}/{task.total}"),
                rich.progress.BarColumn(bar_width=20),
                rich.progress.TimeElapsedColumn(),
                rich.progress.TextColumn("remaining"),
                rich.progress.TimeRemainingColumn(),
                rich.progress.TextColumn("{task.fields[text]}"),
                console=rich.console.Console(stderr=True),
            )
            self._task = self._progress.add_task("", total=steps, completed=start, text="")
            self._progress.start()

    def write(self, step: int, part: str, values: dict[str, float]) -> None:
        """Writes the metrics of a step.

        Args:
            step: Number of the step.
            part: `train` or `valid`.
            values: Metrics by name.
        """
        self._file.write(json.dumps({"step": step, "part": part, "time": round(time.time(), 3), **values}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{part}/{name}", value, step)
        text = f"{part} " + " ".join(f"{_SHOWN[k]} {_short(v)}" for k, v in values.items() if k in _SHOWN)
        if self._progress is not None:
            self._progress.update(self._task, completed=step, text=text)
        if self._progress is None or part == "valid":  # A terminal keeps a line for each evaluation.
            self.say(f"step {step}/{self._steps} {text}")

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows the name of a stage while it runs, and then how long it took.

        Args:
            name: Name of the stage, such as `compiling the training step`.
        """
        begin = time.perf_counter()
        if self._progress is None:
            self.say(name)
        else:
            self._progress.update(self._task, text=name)
        yield
        self.say(f"{name}: {time.perf_counter() - begin:.1f} s")
        if self._progress is not None:
            self._progress.update(self._task, text="")

    def say(self, text: str) -> None:
        """Prints one line to standard error."""
        if self._progress is not None:
            self._progress.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        """Ends the progress bar and closes the files."""
        if self._progress is not None:
            self._progress.stop()
        if self._board is not None:
            self._board.close()
        self._file.close()


# Metrics that are shown on the terminal, and their names there.
_SHOWN = {"loss": "loss", "best": "best", "tokens_per_second": "tokens/s"}


def _lines(path: Path) -> list[str]:
    """Returns the complete lines of a file; a last line without a newline was cut off by a kill."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def _step(line: str) -> float:
    """Returns the step of a line, or infinity if the line cannot be parsed."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _short(value: Any) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"
