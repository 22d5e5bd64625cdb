# pyright: reportMissingImports=false
"""Speed of the Gibbs families: training steps and sampling of Coconet and DeepBach, against PyTorch.

    python -m benchmarks.gibbs --json OUT.json [--rows NAME ...]
    python -m benchmarks.gibbs --check

Both sides have Coconet's grid of 3 x 3 convolutions with batch normalisation, and DeepBach's four models with windows
of 16 frames on either side, in float32 on the same cores. A training step is loss, gradients, clipping and Adam,
without dropout; Coconet's hides random sets of cells. Sampling is 64 steps of Gibbs sampling on both sides: blocks
under Yao's schedule, or voice by voice. The rows `whole-...` are DeepBach's with layers that read a piece once from end
to end in place of a window for every cell; their peer is the one with windows, which does not have this way.
"""

import functools
import importlib.util
import sys
from typing import Any

from benchmarks import harness, workers

ROWS_OF_BATCH, FRAMES, NUM, STEPS = 8, 64, 4, 64
# Layers and filters of Coconet; units of DeepBach's LSTM and other layers.
GRID, HIDDEN = (16, 32), 128


def _grid() -> Any:
    from musejax import codecs
    from musejax.models import coconet

    config = coconet.Config(num_layers=GRID[0], width=GRID[1], steps=STEPS)
    return coconet.make(config, codecs.get("chorale-pitches").vocabulary)


def _voices(context: int) -> Any:
    from musejax import codecs
    from musejax.models import deep_bach

    config = deep_bach.Config(hidden=HIDDEN, width=HIDDEN, context=context, dropout=0.0, steps=STEPS)
    return deep_bach.make(config, codecs.get("chorale").vocabulary)


def _batch(model: Any, name: str, rows: int, frames: int) -> dict[str, Any]:
    import numpy as np

    from musejax import codecs

    table, rng = codecs.get(name).vocabulary, np.random.default_rng(0)
    data = table.example_batch(rows, frames)
    # Without END, which a DeepBach is not scored on.
    data["tokens"] = rng.integers(0, table.size - table.has("end"), data["tokens"].shape).astype(np.int32)
    for condition, size in table.conditions:
        data[condition] = rng.integers(0, size, (rows, frames)).astype(np.int32)
    return data


def training(threads: int, *, net: str, context: int = 16) -> workers.Job:
    """Our training step."""
    from benchmarks import jobs

    model, codec = (_grid(), "chorale-pitches") if net == "grid" else (_voices(context), "chorale")
    return jobs.training(model, _batch(model, codec, ROWS_OF_BATCH, FRAMES))


def sampling(threads: int, *, net: str, context: int = 16) -> workers.Job:
    """Our sampler."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from musejax.base import Request
    from musejax.generation import samplers
    from musejax.training import mesh

    mesh.use_cores()
    model, codec = (_grid(), "chorale-pitches") if net == "grid" else (_voices(context), "chorale")
    data = _batch(model, codec, NUM, FRAMES)
    params, state = model.init(jax.random.key(0), data)
    told = {name: jnp.asarray(data[name]) for name in ("beat", "fermata", "key") if name in data}
    sample, request = samplers.compiled(model.sample), Request(num=NUM, length=FRAMES, conditions=told)
    seeds = iter(range(1 << 30))
    return workers.Job(lambda: np.asarray(sample(params, state, jax.random.key(next(seeds)), request)["tokens"]))


def grid_shape() -> Any:
    """The twin's shape of our Coconet."""
    from benchmarks import twins_gibbs

    return twins_gibbs.GridShape(*GRID, streams=4, pitches=46)


def voice_shape() -> Any:
    """The twin's shape of our DeepBach."""
    from benchmarks import twins_gibbs

    return twins_gibbs.VoiceShape(49, (4, 2, 15), 20, 2, HIDDEN, HIDDEN, 16)


def _twin(kind: str, threads: int, **options: Any) -> workers.Job:
    from benchmarks import twins_gibbs

    shape = grid_shape() if kind.startswith("grid") else voice_shape()
    return getattr(twins_gibbs, kind)(threads, shape=shape, frames=FRAMES, **options)


def _row(name: str, job: Any, net: str, context: int = 16) -> harness.Row:
    kind = f"{net}_{job.__name__}"
    how: dict[str, Any] = {"batch": ROWS_OF_BATCH} if job is training else {"num": NUM, "steps": STEPS}
    if kind == "voice_sampling":
        how["share"] = 0.5
    theirs = {
        variant: functools.partial(_twin, kind, **how, compiled=compiled)
        for variant, compiled in (("eager", False), ("compiled", True))
    }
    ours = {"jit": functools.partial(job, net=net, **({} if net == "grid" else {"context": context}))}
    rows = ROWS_OF_BATCH if job is training else NUM
    return harness.Row(name, rows * FRAMES * 4, workers.Side(ours), workers.Side(theirs))


ROWS = [
    _row("coconet-step", training, "grid"),
    _row("coconet-sample", sampling, "grid"),
    _row("deep-bach-step", training, "voice"),
    _row("deep-bach-sample", sampling, "voice"),
    _row("whole-deep-bach-step", training, "voice", 0),
    _row("whole-deep-bach-sample", sampling, "voice", 0),
]


def check() -> str:
    """Outputs of nets and twins with the same weights; of Coconet also loss and gradients in training.

    Raises:
        AssertionError: They are not those of one network.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np
    import torch

    from benchmarks import twins_gibbs as twin
    from musejax import codecs
    from musejax.models.coconet import networks as coconet
    from musejax.nn import losses

    def moved(params: Any) -> Any:
        """Far enough from the start of training for every weight to have a say."""
        return jax.tree.map(lambda p: p + 0.1 * jax.random.normal(jax.random.key(p.size), p.shape), params)

    model, lines = _grid(), []
    data = _batch(model, "chorale-pitches", 2, 12)
    params, state = model.init(jax.random.key(1), data)
    params, tokens = moved(params), data["tokens"]
    hidden = np.random.default_rng(1).random(tokens.shape) < 0.5
    weights = (hidden / hidden.sum()).astype(np.float32)
    net = coconet.Grid(codecs.get("chorale-pitches").vocabulary, *GRID, True)

    def ours_of(p: Any) -> Any:
        real = jnp.ones(tokens.shape[:2], bool)
        args = (tokens, jnp.asarray(hidden), real, {}, jnp.float32, None)
        out, _ = net.apply({"params": p, **state}, *args, mutable=["batch_stats"])
        return (losses.categorical_nll(out, tokens) * weights).sum()

    ours, grads = jax.tree.map(np.asarray, jax.jit(jax.value_and_grad(ours_of))(params))
    grid = twin.load_grid(twin.Grid(grid_shape()), jax.tree.map(np.asarray, params)).train()
    theirs = twin.grid_loss(grid, *(torch.from_numpy(x) for x in (tokens.astype(np.int64), hidden, weights)))
    theirs.backward()
    np.testing.assert_allclose(ours, theirs.item(), rtol=1e-5)
    worst, count = twin.apart(grid, grads), sum(p.size for p in jax.tree.leaves(params))
    assert worst < 1e-3, worst
    assert count == sum(p.numel() for p in grid.parameters())
    lines.append(f"coconet: loss {ours:.6f} and {theirs.item():.6f}, gradients differ by {worst:.1e} at most")

    model = _voices(16)
    data = _batch(model, "chorale", 2, 40)
    params, state = model.init(jax.random.key(1), data)
    params = moved(params)
    costs = np.asarray(jax.jit(model.likelihood.nll)(params, state, data))
    voices = [twin.Voice(voice_shape(), i).eval() for i in range(4)]
    twin.load_voices(voices, jax.tree.map(np.asarray, params), ("beat", "fermata", "key"))
    notes = torch.from_numpy(data["tokens"].astype(np.int64))
    told = torch.from_numpy(np.stack([data["beat"] % 4, data["fermata"], data["key"]], -1).astype(np.int64))
    with torch.inference_mode():
        logits = torch.stack([voice(notes, told) for voice in voices], 2).log_softmax(-1)
    nats = -logits.gather(-1, notes[..., None])[..., 0].numpy()
    worst, count = float(np.abs(nats - costs).max()), sum(p.size for p in jax.tree.leaves(params))
    assert worst < 1e-3, worst
    assert count == sum(p.numel() for v in voices for n, p in v.named_parameters() if "bias_hh" not in n)
    lines.append(f"deep-bach: {count} parameters on both sides, costs of cells differ by {worst:.1e} at most")
    return "\n".join(lines)


if __name__ == "__main__":
    # Nothing is timed before the twin has been shown to be the same network, which takes exact products: on a CPU.
    if not {"--check", "-h", "--help", "--gpu"} & set(sys.argv[1:]) and importlib.util.find_spec("torch"):
        sys.stdout.write(check() + "\n")
    sys.exit(harness.main(ROWS, check, __doc__ or ""))
