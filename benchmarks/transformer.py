# pyright: reportMissingImports=false
"""Speed of the Transformer family: a training step, and generation of whole performances, against PyTorch.

    python -m benchmarks.transformer --json OUT.json [--rows NAME ...]
    python -m benchmarks.transformer --check

Both sides use the 388 tokens of the performance codec, pre-norm blocks with GELU, float32 and the same cores. A
training step consists of loss, gradients, clipping and Adam. Generation samples each token from the softmax, with
cached keys and values on both sides; ours also returns the log-likelihood of the samples. In the rows named
`recompute`, the peer has no cache and reads the whole prefix for each token. If such a name ends in a number, both
sides sample that number of tokens instead of 1,024, for which the peer would take minutes.
"""

import functools
import importlib.util
import sys
from typing import Any

from benchmarks import harness, jobs, workers

LENGTH = 1024  # tokens of a generated performance
VOCABULARY = 388
# name -> width, heads, feed-forward units; 4 layers
SIZES = {"256": (256, 8, 1024), "128": (128, 4, 512)}


def _model(size: str, length: int, relative: bool = False) -> Any:
    from musejax import vocabulary
    from musejax.models import transformer

    width, heads, units = SIZES[size]
    config = transformer.Config(
        num_layers=4, width=width, heads=heads, feed_forward=units, gated=False, span=length, max_distance=length,
        positions="relative" if relative else "rotary",
    )  # fmt: skip
    return transformer.make(config, vocabulary.performance(32))


def training(threads: int, *, size: str, batch: int, length: int, relative: bool) -> workers.Job:
    """Returns the job of our training step."""
    return jobs.training(_model(size, length, relative), jobs.batch(VOCABULARY, batch, length))


def generation(threads: int, *, size: str, num: int, length: int) -> workers.Job:
    """Returns the job of our sampler."""
    return jobs.generation(_model(size, length), VOCABULARY, num, length)


def _twin(kind: str, threads: int, *, size: str, length: int, relative: bool = False, **options: Any) -> workers.Job:
    from benchmarks import twins_transformer

    shape = twins_transformer.Shape(4, *SIZES[size], length, relative)
    return getattr(twins_transformer, kind)(threads, shape=shape, vocabulary=VOCABULARY, **options)


def _step_row(size: str, batch: int, length: int, relative: bool = False) -> harness.Row:
    options = {"size": size, "batch": batch, "length": length, "relative": relative}
    theirs = {
        name: functools.partial(_twin, "training", **options, compiled=compiled)
        for name, compiled in (("eager", False), ("compiled", True))
    }
    graphs = {"compiled, graphs": functools.partial(_twin, "training", **options, compiled=True, graphs=True)}
    ours = {"jit": functools.partial(training, **options)}
    name = f"step-{size}{'-relative' if relative else ''}"
    return harness.Row(name, batch * length, workers.Side(ours), workers.Side(theirs, theirs | graphs))


def _sample_row(size: str, num: int, length: int = LENGTH, *, recompute: bool = False) -> harness.Row:
    options = {"size": size, "num": num, "length": length}
    ways = {"eager recompute": ("recompute", False)}
    if not recompute:
        ways = {"eager": ("beside", False), "compiled": ("beside", True), "compiled, masked": ("within", True)}
    theirs = {
        name: functools.partial(_twin, "generation", **options, loop=loop, compiled=compiled)
        for name, (loop, compiled) in ways.items()
    }
    on_gpu = {name: each for name, each in theirs.items() if name.startswith("eager")}
    if not recompute:
        graphs = functools.partial(_twin, "generation", **options, loop="within", compiled=True, graphs=True)
        on_gpu["compiled, masked, graphs"] = graphs
    ours = {"jit": functools.partial(generation, **options)}
    name = f"sample-{size}-{num}{'-recompute' if recompute else ''}{f'-{length}' if length != LENGTH else ''}"
    return harness.Row(name, num * length, workers.Side(ours), workers.Side(theirs, on_gpu))


ROWS = [
    _step_row("256", 8, 512),
    _step_row("128", 8, 256),
    _step_row("128", 8, 256, relative=True),
    *(_sample_row(*shape) for shape in (("128", 1), ("128", 64), ("256", 1))),
    _sample_row("128", 1, recompute=True),
    _sample_row("128", 64, 128, recompute=True),
    _sample_row("256", 1, 256, recompute=True),
]


def check() -> str:
    """Compares logits of network, twin and the twin's loops with the same weights, and the numbers of parameters.

    Raises:
        AssertionError: The two networks differ.
    """
    import jax
    import numpy as np
    import torch

    from benchmarks import twins_transformer as twin
    from musejax import vocabulary
    from musejax.models import transformer

    lines, length = [], 40
    for size in SIZES:
        for relative in (False, True):
            model, data = _model(size, length, relative), jobs.batch(VOCABULARY, 2, length)
            params, _ = model.init(jax.random.key(1), data)
            params = jax.tree.map(lambda p: p + 0.02 * jax.random.normal(jax.random.key(p.size), p.shape), params)
            net = twin.Net(twin.Shape(4, *SIZES[size], length, relative), VOCABULARY).eval()
            count = sum(p.size for p in jax.tree.leaves(params))
            assert count == sum(p.numel() for p in net.parameters())
            twin.load(net, jax.tree.map(np.asarray, params))
            previous = np.pad(data["tokens"], ((0, 0), (1, 0)), constant_values=VOCABULARY)[:, :-1]
            ours = transformer.TokenNet(model.info.config, vocabulary.performance(32)).apply(
                {"params": params},
                previous,
                None,
                {},
                transformer.transformer_stack.initial(model.info.config, 2),
                None,
            )[0]
            before = torch.from_numpy(previous.astype(np.int64))
            with torch.inference_mode():
                theirs = net(before)
                worst = np.abs(np.asarray(ours) - theirs.numpy()).max()
                assert worst < 1e-4, worst
                if not relative:
                    caches = net.cache(2), net.cache(2)
                    for pos in range(length):
                        at = torch.tensor([pos])
                        torch.testing.assert_close(net.beside(before[:, pos], caches[0], pos), theirs[:, pos])
                        torch.testing.assert_close(net.within(before[:, pos], caches[1], at), theirs[:, pos])
            kind = "relative" if relative else "rotary"
            lines.append(f"{size}, {kind}: {count} parameters on both sides, logits differ by {worst:.1e} at most")
    return "\n".join(lines)


if __name__ == "__main__":
    # Before any timing, the twin is shown to be the same network, on a CPU because this requires exact products.
    if not {"--check", "-h", "--help", "--gpu"} & set(sys.argv[1:]) and importlib.util.find_spec("torch"):
        sys.stdout.write(check() + "\n")
    sys.exit(harness.main(ROWS, check, __doc__ or ""))
