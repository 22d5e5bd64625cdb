"""Kills training with SIGKILL at random moments, resumes it, and compares the result with that of an unkilled run.

    python -m benchmarks.kill_resume --runs 20

Every kill happens after the first checkpoint; an unfinished folder shows that it happened during a save. The exit
status is 0 only if all runs end with bitwise equal parameters, optimiser state and best checkpoint.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from musejax import vocabulary
from musejax.pipeline import dataset

CONFIG = """
from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="kill",
    data={data!r},
    codec="melody",
    model=recurrent.Config(hidden=48, dropout=0.2),
    optimizer=Optimizer(ema_decay=0.9),
    training=Training(steps={steps}, batch_size=8, window=24, transpose=3, eval_every=20, save_every=4, log_every=4),
)
"""


def make_data(path: Path) -> None:
    """Writes forty random melodies as a prepared data set."""
    rng = np.random.default_rng(0)
    table = vocabulary.melody()
    items = [
        dataset.Item(f"tune {i}", f"tune {i}", {"tokens": rng.integers(40, 90, 40 + i).astype(np.int32)})
        for i in range(40)
    ]
    splits = {"train": items[:32], "valid": items[32:36], "test": items[36:]}
    dataset.Dataset("random melodies", table, splits, {"used": 40, "discarded": {}}).save(path)


def start(config: Path, workdir: Path) -> subprocess.Popen[bytes]:
    """Starts `musejax train` in a separate process."""
    command = [sys.executable, "-m", "musejax.cli", "train", str(config), "--workdir", str(workdir)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def first_checkpoint(workdir: Path) -> bool:
    """Returns whether there is a complete checkpoint."""
    return any(p.name.isdigit() for p in (workdir / "checkpoints" / "last").glob("*"))


def digests(workdir: Path) -> dict[str, dict[str, str]]:
    """Returns the digests, written with the arrays, of the newest checkpoint of each kind, by step."""
    out = {}
    for kind in ("last", "best"):
        newest = max((workdir / "checkpoints" / kind).glob("[0-9]*"), key=lambda p: int(p.name))
        meta = json.loads((newest / "meta" / "metadata").read_text())
        out[kind] = {"step": newest.name, **meta["digests"]}
    return out


def killed_run(config: Path, workdir: Path, wait: float) -> bool:
    """Kills a run `wait` seconds after its first checkpoint and resumes it; returns whether a save was interrupted."""
    process = start(config, workdir)
    while not first_checkpoint(workdir):
        if process.poll() is not None:
            raise SystemExit("training ended before its first checkpoint")
        time.sleep(0.002)
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        shutil.rmtree(workdir)  # it finished before the kill: repeat with an earlier kill
        return killed_run(config, workdir, wait / 2)
    cut = any("orbax-checkpoint-tmp" in p.name for p in (workdir / "checkpoints").rglob("*"))
    if start(config, workdir).wait():
        raise SystemExit("resuming failed")
    return cut


def check(runs: int, steps: int, seed: int) -> int:
    """Makes the runs, prints one line of JSON, and returns 0 if all results are equal."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root / "data.npz")
        config = root / "kill.py"
        config.write_text(CONFIG.format(data=str(root / "data.npz"), steps=steps))
        process = start(config, root / "whole")
        while not first_checkpoint(root / "whole") and process.poll() is None:
            time.sleep(0.002)
        began = time.perf_counter()
        if process.wait():
            raise SystemExit("the run without a kill failed")
        lasts = time.perf_counter() - began
        wanted = digests(root / "whole")
        alike = cut = 0
        for i in range(runs):
            cut += killed_run(config, root / str(i), rng.uniform(0, lasts))
            same = digests(root / str(i)) == wanted
            alike += same
            print(f"run {i + 1}/{runs}: {'alike' if same else 'DIFFERENT'}", file=sys.stderr, flush=True)
        print(json.dumps({"runs": runs, "alike": alike, "killed_inside_a_save": cut, "steps": steps}))
    return 0 if alike == runs else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sys.exit(check(args.runs, args.steps, args.seed))
