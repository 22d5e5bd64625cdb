"""Checkpoints of a run: the last two and the best, each complete or absent, each with a digest of its content.

Orbax writes into a temporary folder and renames it, so a kill during a save leaves the checkpoint before. A digest
in the same folder tells a damaged checkpoint from a good one, which Orbax does not.
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
    """What `Checkpoints.restore` found.

    Attributes:
        train_state: As it was saved.
        loop: The loop's own state: data position, best loss, patience.
        step: Its step.
    """

    train_state: TrainState
    loop: dict[str, Any]
    step: int


def digest(tree: Any) -> str:
    """SHA-256 over the path, type, shape and bytes of every leaf."""
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
    """What training needs beyond what evaluation reads."""
    rest = {"step": ts.step, "opt_state": ts.opt_state}
    return rest if ts.ema is None else {**rest, "params": ts.params}


class Checkpoints:
    """The checkpoints below one run directory."""

    def __init__(self, run: Path):
        """Opens (and creates where needed) `run`/checkpoints."""
        ocp = _orbax()
        options = ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        root = run.absolute() / "checkpoints"
        self._managers = {kind: ocp.CheckpointManager(root / kind, options=options) for kind in KINDS}

    def save(self, kind: str, ts: TrainState, loop: dict[str, Any]) -> None:
        """Writes a checkpoint of `last` or `best`; `best` keeps only what evaluation reads.

        Raises:
            errors.TrainingError: It could not be written; names the last complete one.
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
            # Only after a resume: steps that are done again, or damaged ones. Orbax would not write below them.
            for later in [s for s in manager.all_steps() if s >= step]:
                manager.delete(later)
            if not manager.save(step, args=ocp.args.Composite(**items, meta=ocp.args.JsonSave(meta))):
                raise ValueError("it was passed over")
        except Exception as error:  # tensorstore reports a full disk as ValueError
            good = max((s for s in manager.all_steps() if s != step), default=None)
            raise errors.TrainingError(
                f"the checkpoint of step {step} could not be written ({_reason(error)}); "
                + (f"the last complete one is of step {good}" if good is not None else "there is none before it")
            ) from error

    def latest(self) -> int | None:
        """The step of the newest complete checkpoint of `last`."""
        return max(self._managers["last"].all_steps(), default=None)

    def restore(self, like: TrainState, say: Callable[[str], None]) -> Restored | None:
        """The newest good checkpoint of `last`, or None when there is none at all.

        Args:
            like: A train state of the wanted structure and shapes.
            say: Is told of every damaged checkpoint that was passed over.

        Raises:
            errors.TrainingError: There are checkpoints, and none is good.
        """
        steps = sorted(self._managers["last"].all_steps(), reverse=True)
        parent = Path(self._managers["last"].directory)
        for step in steps:
            folder = parent / str(step)
            try:
                parts = _read(folder, {"model": {"params": like.averaged, "state": like.state}, "train": _rest(like)})
                loop = _meta(folder)["loop"]
            except Exception as error:
                say(f"checkpoint {folder.name} is damaged ({_reason(error)}); going back to the one before it")
                continue
            averaged, rest = parts["model"]["params"], parts["train"]
            params, ema = (averaged, None) if like.ema is None else (rest["params"], averaged)
            ts = TrainState(rest["step"], params, parts["model"]["state"], rest["opt_state"], ema)
            return Restored(ts, loop, step)
        if steps:
            raise errors.TrainingError(f"every checkpoint below {parent} is damaged; start in another --workdir")
        return None


def load(run: Path, like: tuple[Params, State], say: Callable[[str], None]) -> tuple[Params, State, int]:
    """The parameters and state to use of a run: the best checkpoint, else an older best, else the last.

    Args:
        run: The run directory.
        like: Params and state of the wanted structure and shapes; the stored type of numbers is kept as float32.
        say: Is told of every damaged checkpoint that was passed over.

    Raises:
        errors.UserError: There is no good checkpoint.
    """
    wanted = {"model": {"params": like[0], "state": like[1]}}
    found = False
    for kind in KINDS:
        root = run / "checkpoints" / kind
        names = (p.name for p in root.iterdir()) if root.is_dir() else ()
        for step in sorted((int(n) for n in names if n.isdigit()), reverse=True):
            found = True
            try:
                model = _read((root / str(step)).absolute(), wanted)["model"]
            except Exception as error:
                say(f"{kind} checkpoint {step} of {run} is damaged ({_reason(error)}); using the one before it")
                continue
            return model["params"], model["state"], step
    what = "every checkpoint is damaged" if found else "there is no checkpoint"
    raise errors.UserError(f"{run}: {what}; train it with `musejax train`")


def write_model(folder: Path, params: Params, state: State, scales: dict[str, np.ndarray] | None = None) -> None:
    """Writes params and state alone as a checkpoint folder that `load` reads (for shipped runs).

    Args:
        folder: The folder of the step, as `run/checkpoints/best/1200`.
        params: Of the type in which they are to be stored.
        state: Beside them.
        scales: Of arrays of eight bits, as `quantisation.quantise` gives them.
    """
    ocp = _orbax()
    parts: dict[str, Any] = {"model": jax.tree.map(np.asarray, {"params": params, "state": state})}
    if scales:
        parts["scales"] = scales
    items = {name: ocp.args.StandardSave(part) for name, part in parts.items()}
    items["meta"] = ocp.args.JsonSave({"loop": {}, "digests": {name: digest(part) for name, part in parts.items()}})
    ocp.Checkpointer(ocp.CompositeCheckpointHandler()).save(folder.absolute(), args=ocp.args.Composite(**items))
    for mark in folder.rglob("commit_success.txt"):
        mark.write_text("\n")  # Orbax writes the absolute path of this machine into it and reads only that it is there


def _meta(folder: Path) -> dict[str, Any]:
    ocp = _orbax()
    args = ocp.args.Composite(meta=ocp.args.JsonRestore())
    return ocp.Checkpointer(ocp.CompositeCheckpointHandler()).restore(folder, args=args)["meta"]


@functools.cache
def _ignore_late_reads() -> None:
    """Keeps tensorstore's traces off the screen: when one read fails, the others report to a loop that is closed.

    They come from threads that nothing waits for, so the hook stays; it drops that one message.
    """
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook = hook


def _read(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Reads parts of a checkpoint and checks their digests; floats come in the type that `wanted` has."""
    ocp = _orbax()
    _ignore_late_reads()
    digests = _meta(folder)["digests"]
    out = {}
    for name, tree in wanted.items():
        handler = ocp.Checkpointer(ocp.StandardCheckpointHandler())
        target = tree
        if name == "model":  # a tree of dictionaries, perhaps stored in a smaller type
            metadata = handler.metadata(folder / name).item_metadata
            if metadata is None:
                raise ValueError("its arrays cannot be read")
            stored = jax.tree.leaves(metadata.tree)
            if [tuple(x.shape) for x in jax.tree.leaves(tree)] != [tuple(x.shape) for x in stored]:
                raise ValueError("its shapes are those of another model")
            types = jax.tree.unflatten(jax.tree.structure(tree), [x.dtype for x in stored])
            target = jax.tree.map(lambda x, d: jax.ShapeDtypeStruct(x.shape, d), tree, types)
        part = handler.restore(folder / name, args=ocp.args.StandardRestore(_abstract(target)))
        _compare(part, digests[name])
        if name == "model" and "scales" in digests:
            scales = handler.restore(folder / "scales")
            _compare(scales, digests["scales"])
            part = {**part, "params": quantisation.restore(part["params"], scales)}
        out[name] = jax.tree.map(lambda x, like: x.astype(like.dtype), part, tree)
    return out


def _compare(part: Any, expected: str) -> None:
    if digest(part) != expected:
        raise ValueError("its content does not match its digest")


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
