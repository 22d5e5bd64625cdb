"""The stage that a command is in, shown on a terminal with the time since it began."""

import contextlib
import sys
import time
from collections.abc import Iterator

from musejax import stages

# Seconds below which a stage is not worth a word.
SHORT = 0.05


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Shows the stages within the context on a terminal, and their times when they are over; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield
        return
    import rich.console
    import rich.progress

    console = rich.console.Console(stderr=True)
    bar = rich.progress.Progress(
        rich.progress.SpinnerColumn(),
        rich.progress.TextColumn("{task.description}"),
        rich.progress.TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    times: dict[str, float] = {}
    running: list[rich.progress.TaskID] = []

    @contextlib.contextmanager
    def observe(name: str) -> Iterator[None]:
        # An inner stage is shown in place of the outer one, whose time goes on.
        for task in running:
            bar.update(task, visible=False)
        running.append(bar.add_task(name, total=None))
        begun = time.monotonic()
        try:
            yield
        finally:
            times[name] = times.get(name, 0.0) + time.monotonic() - begun
            bar.remove_task(running.pop())
            if running:
                bar.update(running[-1], visible=True)

    with bar, stages.observed(observe):
        yield
    words = [f"{name} {seconds:.1f} s" for name, seconds in times.items() if seconds >= SHORT]
    if words:
        console.print(", ".join(words), style="dim", highlight=False)
