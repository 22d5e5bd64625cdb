"""Jobs of musejax in the speed benchmarks, for any family: a training step, and generation of whole pieces."""

from typing import Any

from benchmarks import workers


def batch(vocabulary: int, rows: int, length: int) -> dict[str, Any]:
    """Returns random tokens, all of which are scored."""
    import numpy as np

    tokens = np.random.default_rng(0).integers(0, vocabulary, (rows, length)).astype(np.int32)
    ones = np.ones((rows, length), np.int32)
    return {"tokens": tokens, "loss_mask": ones, "pad_mask": ones}


def training(model: Any, data: dict[str, Any], **fields: Any) -> workers.Job:
    """Returns a training step: loss, gradients, clipping and Adam; `fields` are those of `settings.Optimizer`.

    The batch is distributed over the cores as in `musejax train`.
    """
    import jax

    from musejax.training import mesh, settings, step

    mesh.use_cores()
    devices = mesh.make(mesh.choose_device_count(model, data, len(next(iter(data.values())))))
    optimizer = settings.Optimizer(name="adam", schedule="constant", warmup_steps=0, **fields)
    steps = step.make_step(model, optimizer, steps=1000, seed=0, devices=devices)
    state = [mesh.replicate(devices, steps.init(jax.random.key(0), data))]
    data = mesh.shard(devices, data)

    def run() -> None:
        state[0], info = steps.update(state[0], data)
        jax.block_until_ready((state[0], info))

    return workers.Job(run)


def generation(model: Any, vocabulary: int, num: int, length: int, field: str = "tokens") -> workers.Job:
    """Returns a job that samples pieces, with another seed for each call; `field` is the field of the cells.

    Pieces are distributed over the cores as in `musejax sample`.
    """
    import jax
    import numpy as np

    from musejax.base import Request
    from musejax.generation import samplers
    from musejax.training import mesh

    mesh.use_cores()
    params, state = model.init(jax.random.key(0), batch(vocabulary, 1, 2))
    sample, request = samplers.compiled(model.sample), Request(num=num, length=length)
    seeds = iter(range(1 << 30))
    return workers.Job(lambda: np.asarray(sample(params, state, jax.random.key(next(seeds)), request)[field]))
