# pyright: reportMissingImports=false
"""Speed of the recurrent family: a training step, and generation of whole melodies, against PyTorch.

    python -m benchmarks.recurrent --json OUT.json [--rows NAME ...]
    python -m benchmarks.recurrent --check

Both sides use the 130 tokens of the melody codec, an embedding as wide as the two recurrent layers, float32 and the
same cores. A training step consists of loss, gradients, clipping and Adam. Generation samples 256 tokens per melody,
with a cached state on both sides; ours also returns the log-likelihood of the samples.
"""

import functools
import sys
from typing import Any

from benchmarks import harness, jobs, workers

LENGTH = 256  # tokens per generated melody
VOCABULARY = 130


def _model(cell: str, hidden: int) -> Any:
    from musejax import vocabulary
    from musejax.models import recurrent

    config = recurrent.Config(cell=cell, hidden=hidden, embed=hidden, inputs="embed")  # type: ignore[arg-type]
    return recurrent.make(config, vocabulary.melody())


def training(threads: int, *, cell: str, hidden: int, batch: int, length: int) -> workers.Job:
    """Returns the job of our training step."""
    return jobs.training(_model(cell, hidden), jobs.batch(VOCABULARY, batch, length))


def generation(threads: int, *, cell: str, hidden: int, num: int) -> workers.Job:
    """Returns the job of our sampler."""
    return jobs.generation(_model(cell, hidden), VOCABULARY, num, LENGTH)


def _step_row(cell: str, hidden: int, batch: int, length: int) -> harness.Row:
    options = {"cell": cell, "hidden": hidden, "batch": batch, "length": length}
    theirs = {
        name: functools.partial(_twin, "training", **options, compiled=compiled)
        for name, compiled in (("eager", False), ("compiled", True))
    }
    ours = {"jit": functools.partial(training, **options)}
    return harness.Row(f"step-{cell}-{hidden}", batch * length, workers.Side(ours), workers.Side(theirs))


def _sample_row(cell: str, hidden: int, num: int) -> harness.Row:
    options = {"cell": cell, "hidden": hidden, "num": num}
    theirs = {
        f"{'compiled' if compiled else 'eager'} {loop}, {draw}": functools.partial(
            _twin, "generation", **options, length=LENGTH, loop=loop, draw=draw, compiled=compiled
        )
        # torch.compile breaks its graph at nn.LSTM, so only the loop over cells benefits from it.
        for loop, compiled in (("layers", False), ("cells", False), ("cells", True))
        for draw in ("multinomial", "gumbel")
    }
    graphs = functools.partial(
        _twin, "generation", **options, length=LENGTH, loop="cells", draw="gumbel", compiled=True, graphs=True
    )
    on_gpu = {name: each for name, each in theirs.items() if name.startswith("eager")}
    on_gpu["compiled cells, gumbel, graphs"] = graphs
    ours = {"jit": functools.partial(generation, **options)}
    return harness.Row(f"sample-{cell}-{hidden}-{num}", num * LENGTH, workers.Side(ours), workers.Side(theirs, on_gpu))


def _twin(kind: str, threads: int, **options: Any) -> workers.Job:
    from benchmarks import twins

    return getattr(twins, kind)(threads, vocabulary=VOCABULARY, **options)


ROWS = [
    *(_step_row(cell, *shape) for shape in ((512, 64, 128), (128, 128, 64)) for cell in ("lstm", "gru")),
    *(_sample_row("lstm", hidden, num) for hidden in (512, 128) for num in (1, 64, 1024)),
]


def check() -> str:
    """Compares loss and gradients of network and twin with the same weights, and the logits of the twin's two loops.

    Raises:
        AssertionError: The two networks differ.
    """
    import jax
    import numpy as np
    import torch

    from benchmarks import twins

    lines = []
    for cell in ("lstm", "gru"):
        model, data = _model(cell, 32), jobs.batch(VOCABULARY, 4, 12)
        params, state = model.init(jax.random.key(1), data)
        loss = jax.value_and_grad(
            lambda p: model.loss(p, state, jax.random.key(0), data, step=0, train=False)[0]  # noqa: B023
        )
        ours, grads = jax.tree.map(np.asarray, loss(params))
        net = twins.load(twins.Net(cell, VOCABULARY, 32), jax.tree.map(np.asarray, params))
        tokens = torch.from_numpy(data["tokens"].T.astype(np.int64))
        theirs = twins.loss(net, tokens, VOCABULARY)
        theirs.backward()
        np.testing.assert_allclose(ours, theirs.item(), rtol=1e-5)
        errors = jax.tree.map(lambda a, b: np.abs(a - b).max() / np.abs(a).max(), grads, twins.gradients(net))
        worst = max(jax.tree.leaves(errors))
        assert worst < 1e-4, errors
        with torch.inference_mode():
            previous = twins.shifted(tokens, VOCABULARY)
            whole, cells = net(previous), twins.Cells(net)
            zeros = torch.zeros(4, 32)
            states: Any = [(zeros, zeros) if cell == "lstm" else zeros] * 2
            for at, before in enumerate(previous):
                logits, states = cells(before, states)
                torch.testing.assert_close(logits, whole[at])
        lines.append(f"{cell}: loss {ours:.6f} and {theirs.item():.6f}, gradients differ by {worst:.1e} at most")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(harness.main(ROWS, check, __doc__ or ""))
