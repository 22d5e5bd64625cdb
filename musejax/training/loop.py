"""The training loop for all models: it can be killed at any time, and resuming gives the same bits."""

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import jax

from musejax import errors
from musejax.base import Batch, Model, Step, TrainState
from musejax.pipeline import stream as streams
from musejax.training import checkpoints, logs, mesh
from musejax.training import settings as configs


class Result(NamedTuple):
    """The result of training.

    Attributes:
        train_state: Train state after the last step.
        step: Number of the last step.
        best: Best validation loss and the step at which it was reached, or None without an evaluation.
        stopped: Reason why training ended: `done`, `early` (patience ran out) or the name of a signal.
    """

    train_state: TrainState
    step: int
    best: tuple[float, int] | None
    stopped: str

    @property
    def learnt(self) -> bool:
        """Whether training improved on the initial weights; also True if these were not evaluated."""
        return self.best is None or self.best[1] > 0


@dataclasses.dataclass
class _Progress:
    """The loop's own state, which is saved in checkpoints."""

    best: float | None = None
    best_step: int = 0
    worse: int = 0  # evaluations since the best


class _Signals:
    """Turns SIGTERM and Ctrl-C into a flag that the loop checks between steps; a second signal acts immediately."""

    def __init__(self) -> None:
        self.received: str | None = None
        self._old: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        signal.signal(number, self._old[number])

    def __exit__(self, *exception: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)


def make_evaluate(model: Model) -> Callable[[Any, Any, Iterable[Batch]], dict[str, float]]:
    """Returns a function (params, state, batches) that computes the mean of each metric of the loss, weighted by cells.

    The random numbers of the loss differ between batches but are the same in each evaluation.
    """

    @jax.jit
    def evaluate_batch(params: Any, state: Any, batch: Batch, index: jax.Array) -> dict[str, jax.Array]:
        key = jax.random.fold_in(jax.random.key(0), index)
        _, (_, info) = model.loss(params, state, key, batch, step=0, train=False)
        return info

    def evaluate(params: Any, state: Any, batches: Iterable[Batch]) -> dict[str, float]:
        sums: dict[str, float] = {}
        weight = 0.0
        for index, batch in enumerate(batches):
            arrays = evaluate_batch(params, state, batch, jax.numpy.asarray(index))
            info = {k: float(v) for k, v in arrays.items()}
            w = info.pop("weight")
            weight += w
            for name, value in info.items():
                sums[name] = sums.get(name, 0.0) + value * w
        return {name: value / max(weight, 1.0) for name, value in sums.items()}

    return evaluate


def train(
    model: Model,
    step: Step,
    stream: streams.Stream,
    validation: Callable[[], Iterable[Batch]] | None,
    config: configs.Training,
    run: Path,
    devices: jax.sharding.Mesh | None = None,
) -> Result:
    """Trains until the last step, early stopping or a signal, starting from the run's last checkpoint if there is one.

    Args:
        model: Model record, used for evaluation.
        step: Training step of the model.
        stream: Stream of training batches, whose position is saved and restored.
        validation: Returns the validation batches, called for each evaluation; None for no evaluation.
        config: Settings of the loop.
        run: Path of the run directory.
        devices: Mesh over which batches are divided; None for a mesh over all local devices.

    Raises:
        errors.TrainingError: The loss is not finite, or a checkpoint cannot be written.
    """
    devices = devices or mesh.make()
    store = checkpoints.Checkpoints(run)
    example = next(stream)
    stream.set_state({"next_index": 0})
    ts = step.init(jax.random.key(config.seed), example)
    progress = _Progress()
    notes: list[str] = []
    restored = store.restore(jax.eval_shape(lambda: ts), notes.append)
    if restored is not None:
        ts = restored.train_state
        progress = _Progress(**restored.loop["progress"])
        stream.set_state(restored.loop["stream"])
        notes.append(f"resuming from step {restored.step}")
    log = logs.Logs(run, steps=config.steps, start=int(ts.step), tensorboard=config.tensorboard)
    for note in notes:
        log.say(note)
    try:
        with _Signals() as signals:
            return _run(model, step, stream, validation, config, mesh.replicate(devices, ts), devices, store, progress,
                        log, signals)  # fmt: skip
    except OSError as error:  # raised by the logs; checkpoints raise errors of their own
        last = store.latest()
        raise errors.TrainingError(
            f"{run} cannot be written ({error.strerror or error}); "
            + ("there is no checkpoint yet" if last is None else f"the last complete checkpoint is from step {last}")
        ) from error
    finally:
        with contextlib.suppress(OSError):
            log.close()


def _run(
    model: Model,
    step: Step,
    stream: streams.Stream,
    validation: Callable[[], Iterable[Batch]] | None,
    config: configs.Training,
    ts: TrainState,
    devices: jax.sharding.Mesh,
    store: checkpoints.Checkpoints,
    progress: _Progress,
    log: logs.Logs,
    signals: _Signals,
) -> Result:
    evaluate = make_evaluate(model)
    at = first = saved = int(ts.step)
    has_checkpoint = at > 0
    pending: tuple[int, dict[str, jax.Array]] | None = None  # metrics are read one step late
    since, cells = time.perf_counter(), 0.0
    is_new = True  # The first evaluation includes compilation.

    def check(values: dict[str, float], when: int) -> None:
        for name in ("reward", "loss", "grad_norm"):
            if not math.isfinite(values.get(name, 0.0)):
                last = (
                    f"the last good checkpoint is from step {saved}" if has_checkpoint else "there is no checkpoint yet"
                )
                hint = "Try a lower --optimizer.learning-rate or a smaller --optimizer.clip"
                if name == "reward":
                    hint = "A reward must be finite for every piece"
                raise errors.TrainingError(f"{name} is {values[name]} at step {when}; {last}. {hint}")

    def save() -> None:
        nonlocal saved, has_checkpoint
        loop = {"progress": dataclasses.asdict(progress), "stream": stream.get_state()}
        store.save("last", ts, loop)
        saved, has_checkpoint = at, True

    def finish(stopped: str) -> Result:
        if saved != at:
            save()
        return Result(ts, at, None if progress.best is None else (progress.best, progress.best_step), stopped)

    def read_pending() -> None:
        nonlocal pending, since, cells
        if pending is None:
            return
        when, info = pending
        values = {k: float(v) for k, v in info.items()}
        pending = None
        check(values, when)
        cells += values.pop("weight")
        if when % config.log_every == 0:
            now = time.perf_counter()
            log.write(when, "train", {**values, "tokens_per_second": cells / max(now - since, 1e-9)})
            since, cells = now, 0.0

    def validate() -> None:
        nonlocal progress, since, is_new
        assert validation is not None
        pause = time.perf_counter()
        with log.stage("compiling the evaluation") if is_new else contextlib.nullcontext():
            values = evaluate(ts.averaged, ts.state, (mesh.shard(devices, batch) for batch in validation()))
        is_new = False
        check(values, at)
        if progress.best is None or values["loss"] < progress.best:
            progress = dataclasses.replace(progress, best=values["loss"], best_step=at, worse=0)
            store.save("best", ts, {"validation": values})
        else:
            progress = dataclasses.replace(progress, worse=progress.worse + 1)
        assert progress.best is not None
        log.write(at, "valid", {**values, "best": progress.best})
        since += time.perf_counter() - pause

    if at == 0 and config.eval_first and validation is not None:
        validate()
    while at < config.steps:
        if config.patience and progress.worse >= config.patience:
            return finish("early")
        batch = mesh.shard(devices, next(stream))
        if at == first:
            with log.stage("compiling the training step"):
                ts, info = step.update(ts, batch)
                jax.block_until_ready(info)
            since = time.perf_counter()  # The speed excludes compilation.
        else:
            ts, info = step.update(ts, batch)
        read_pending()
        at += 1
        pending = (at, info)
        due = at % config.eval_every == 0 or at == config.steps
        if due or at % config.save_every == 0 or signals.received:
            read_pending()
        if due and validation is not None:
            validate()
        if at % config.save_every == 0:
            save()
        if signals.received:
            return finish(signals.received)
    return finish("done")
