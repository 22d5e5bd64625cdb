"""Checkpoints of a run: the last two and the best two, each written atomically and with a digest of its content.

Orbax writes into a temporary folder and renames it, so a kill during a save leaves the previous checkpoint intact. The
digest in the same folder reveals damaged checkpoints, which Orbax does not detect.
"""

import functools
import hashlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from musejax import errors
from musejax.base import Params, State, TrainState
from musejax.training import quantisation

KINDS = ("best", "last")


class Restored(NamedTuple):
    """A checkpoint that was restored.

    Attributes:
        train_state: Train state as it was saved.
        loop: State of the training loop: data position, best loss, patience.
        step: Step of the checkpoint.
    """

    train_state: TrainState
    loop: dict[str, Any]
    step: int


def digest(tree: Any) -> str:
    """Returns the SHA-256 hash of the path, type, shape and bytes of every leaf."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def _orbax() -> Any:
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.ERROR)  # orbax logs every save
    return ocp


def _abstract(tree: Any) -> Any:
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), tree)


def _rest(ts: TrainState) -> dict[str, Any]:
    """Returns the parts of a train state that training needs but evaluation does not."""
    rest = {"step": ts.step, "opt_state": ts.opt_state}
    return rest if ts.ema is None else {**rest, "params": ts.params}


class Checkpoints:
    """The checkpoints of one run directory."""

    def __init__(self, run: Path):
        """Opens `run`/checkpoints, which is created if it does not exist."""
        ocp = _orbax()
        options = ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        root = run.absolute() / "checkpoints"
        self._managers = {kind: ocp.CheckpointManager(root / kind, options=options) for kind in KINDS}

    def save(self, kind: str, ts: TrainState, loop: dict[str, Any]) -> None:
        """Writes a checkpoint.

        Args:
            kind: `last`, or `best`, which stores only what evaluation needs.
            ts: Train state.
            loop: State of the training loop.

        Raises:
            errors.TrainingError: The checkpoint cannot be written. The message names the last complete one.
        """
        ocp = _orbax()
        step = int(ts.step)
        manager = self._managers[kind]
        parts = {"model": {"params": ts.averaged, "state": ts.state}}
        if kind == "last":
            parts["train"] = _rest(ts)
        parts = jax.tree.map(np.asarray, parts)
        items = {name: ocp.args.StandardSave(part) for name, part in parts.items()}
        meta = {"loop": loop, "digests": {name: digest(part) for name, part in parts.items()}}
        try:
            # After a resume, later checkpoints may exist (repeated or damaged ones). Orbax writes only newer steps.
            for later in [s for s in manager.all_steps() if s >= step]:
                manager.delete(later)
            if not manager.save(step, args=ocp.args.Composite(**items, meta=ocp.args.JsonSave(meta))):
                raise ValueError("Orbax skipped it")
        except Exception as error:  # tensorstore reports a full disk as ValueError
            good = max((s for s in manager.all_steps() if s != step), default=None)
            raise errors.TrainingError(
                f"the checkpoint of step {step} could not be written ({_reason(error)}); "
                + (f"the last complete one is from step {good}" if good is not None else "there is no earlier one")
            ) from error

    def latest(self) -> int | None:
        """Returns the step of the newest complete `last` checkpoint, or None if there is none."""
        return max(self._managers["last"].all_steps(), default=None)

    def restore(self, like: TrainState, say: Callable[[str], None]) -> Restored | None:
        """Returns the newest intact `last` checkpoint, or None if there are no checkpoints.

        Args:
            like: Train state with the expected structure and shapes.
            say: Receives a message for each damaged checkpoint that is skipped.

        Raises:
            errors.TrainingError: There are checkpoints, but all are damaged.
        """
        steps = sorted(self._managers["last"].all_steps(), reverse=True)
        parent = Path(self._managers["last"].directory)
        for step in steps:
            folder = parent / str(step)
            try:
                parts = _read(folder, {"model": {"params": like.averaged, "state": like.state}, "train": _rest(like)})
                loop = _meta(folder)["loop"]
            except Exception as error:
                say(f"checkpoint {folder.name} is damaged ({_reason(error)}); using the one before it")
                continue
            averaged, rest = parts["model"]["params"], parts["train"]
            params, ema = (averaged, None) if like.ema is None else (rest["params"], averaged)
            ts = TrainState(rest["step"], params, parts["model"]["state"], rest["opt_state"], ema)
            return Restored(ts, loop, step)
        if steps:
            raise errors.TrainingError(f"every checkpoint in {parent} is damaged; give another --workdir")
        return None


def load(run: Path, like: tuple[Params, State], say: Callable[[str], None]) -> tuple[Params, State, int]:
    """Returns the parameters, the state and the step of a run's newest intact `best` checkpoint, or else `last` one.

    Args:
        run: Path of the run directory.
        like: Parameters and state with the expected structure, shapes and types; stored values are cast to these types.
        say: Receives a message for each damaged checkpoint that is skipped.

    Raises:
        errors.UserError: There is no intact checkpoint.
    """
    expected = {"model": {"params": like[0], "state": like[1]}}
    any_damaged = False
    for kind in KINDS:
        root = run / "checkpoints" / kind
        names = (p.name for p in root.iterdir()) if root.is_dir() else ()
        for step in sorted((int(n) for n in names if n.isdigit()), reverse=True):
            try:
                model = _read((root / str(step)).absolute(), expected)["model"]
            except Exception as error:
                any_damaged = True
                say(f"{kind} checkpoint {step} of {run} is damaged ({_reason(error)}); using the one before it")
                continue
            return model["params"], model["state"], step
    problem = "every checkpoint is damaged" if any_damaged else "there is no checkpoint"
    raise errors.UserError(f"{run}: {problem}; train it with `musejax train`")


def write_model(folder: Path, params: Params, state: State, scales: dict[str, np.ndarray] | None = None) -> None:
    """Writes only parameters and state, as a checkpoint folder that `load` reads (for shipped runs).

    Args:
        folder: Folder of the step, such as `run/checkpoints/best/1200`.
        params: Parameters, in the types in which they are stored.
        state: Model state.
        scales: Scales of eight-bit arrays, as returned by `quantisation.quantise`.
    """
    ocp = _orbax()
    parts: dict[str, Any] = {"model": jax.tree.map(np.asarray, {"params": params, "state": state})}
    if scales:
        parts["scales"] = scales
    items = {name: ocp.args.StandardSave(part) for name, part in parts.items()}
    items["meta"] = ocp.args.JsonSave({"loop": {}, "digests": {name: digest(part) for name, part in parts.items()}})
    ocp.Checkpointer(ocp.CompositeCheckpointHandler()).save(folder.absolute(), args=ocp.args.Composite(**items))
    for mark in folder.rglob("commit_success.txt"):
        mark.write_text("\n")  # Orbax writes an absolute path into this file, but reads only whether it exists


def _meta(folder: Path) -> dict[str, Any]:
    ocp = _orbax()
    args = ocp.args.Composite(meta=ocp.args.JsonRestore())
    return ocp.Checkpointer(ocp.CompositeCheckpointHandler()).restore(folder, args=args)["meta"]


@functools.cache
def _ignore_late_reads() -> None:
    """Suppresses error traces of tensorstore: when one read fails, the other reads report to a closed event loop.

    The traces come from threads that nobody waits for, so the hook, which drops only this message, stays installed.
    """
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook = hook


def _read(folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Reads parts of a checkpoint, checks their digests and casts them to the types of `expected`."""
    ocp = _orbax()
    _ignore_late_reads()
    digests = _meta(folder)["digests"]
    out = {}
    for name, tree in expected.items():
        handler = ocp.Checkpointer(ocp.StandardCheckpointHandler())
        target = tree
        if name == "model":  # a tree of dictionaries, possibly stored with fewer bits
            metadata = handler.metadata(folder / name).item_metadata
            if metadata is None:
                raise ValueError("its arrays cannot be read")
            stored = jax.tree.leaves(metadata.tree)
            if [tuple(x.shape) for x in jax.tree.leaves(tree)] != [tuple(x.shape) for x in stored]:
                raise ValueError("its shapes are those of another model")
            types = jax.tree.unflatten(jax.tree.structure(tree), [x.dtype for x in stored])
            target = jax.tree.map(lambda x, d: jax.ShapeDtypeStruct(x.shape, d), tree, types)
        part = handler.restore(folder / name, args=ocp.args.StandardRestore(_abstract(target)))
        _check_digest(part, digests[name])
        if name == "model" and "scales" in digests:
            scales = handler.restore(folder / "scales")
            _check_digest(scales, digests["scales"])
            part = {**part, "params": quantisation.restore(part["params"], scales)}
        out[name] = jax.tree.map(lambda x, like: x.astype(like.dtype), part, tree)
    return out


def _check_digest(part: Any, expected: str) -> None:
    if digest(part) != expected:
        raise ValueError("its content does not match its digest")


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
