# pyright: reportMissingImports=false
"""Speed of the VAE family: a training step, and sampling of two-bar melodies, against PyTorch.

    python -m benchmarks.latent --json OUT.json [--rows NAME ...]
    python -m benchmarks.latent --check

Both sides use the preset mel-2bar-small (90 tokens, 32 frames, z of size 256, a bidirectional LSTM encoder of 512 units
and a 2 x 256 LSTM decoder with z concatenated to every input), in float32 on the same cores. A training step consists
of loss, gradients, clipping and Adam at batch size 512. In `step` the decoder reads the true frames; in
`step-scheduled` half of its inputs are sampled from it: the peer samples them in its differentiated loop over cells,
ours in a separate pass. Sampling decodes 512 pieces from the prior; ours also returns their log-likelihood. The rows
`small-...` are the same with 16 pieces.
"""

import functools
import importlib.util
import sys
from typing import Any

from benchmarks import harness, jobs, workers

LENGTH = 32
VOCABULARY = 90
BATCHES = {"": 512, "small-": 16}
# Share of the decoder's inputs that are sampled in `step-scheduled`.
SHARE = 0.5


def _config(share: float | None) -> Any:
    import dataclasses

    from musejax.models import music_vae

    return dataclasses.replace(
        music_vae.MELODY_2BAR, sampling="none" if share is None else "constant", sampling_rate=share or 0.0
    )


def _model(share: float | None = None, **fields: Any) -> Any:
    import dataclasses

    from musejax import codecs
    from musejax.models import music_vae

    return music_vae.make(dataclasses.replace(_config(share), **fields), codecs.get("melody-90").vocabulary)


def training(threads: int, *, batch: int, share: float | None) -> workers.Job:
    """Returns the job of our training step."""
    return jobs.training(_model(share), jobs.batch(VOCABULARY, batch, LENGTH))


def generation(threads: int, *, num: int) -> workers.Job:
    """Returns the job of our sampler."""
    return jobs.generation(_model(), VOCABULARY, num, LENGTH)


def shape(config: Any) -> Any:
    """Returns the shape of our config in the twin's terms."""
    from benchmarks import twins_latent

    fields = (config.latent, config.encoder_hidden, config.hidden, config.num_layers, config.max_beta, config.beta_rate)
    return twins_latent.Shape(VOCABULARY, *fields)


def _twin(kind: str, threads: int, **options: Any) -> workers.Job:
    from benchmarks import twins_latent

    return getattr(twins_latent, kind)(threads, shape=shape(_config(None)), length=LENGTH, **options)


def _step_row(name: str, batch: int, share: float | None) -> harness.Row:
    theirs = {
        f"compiled {compiled}" if compiled else "eager": functools.partial(
            _twin, "training", batch=batch, share=share, compiled=compiled
        )
        for compiled in (("", "whole") if share is None else ("", "frame", "whole"))
    }
    ours = {"jit": functools.partial(training, batch=batch, share=share)}
    return harness.Row(name, batch * LENGTH, workers.Side(ours), workers.Side(theirs))


def _sample_row(name: str, num: int) -> harness.Row:
    theirs = {
        f"{'compiled' if compiled else 'eager'} {loop}, {draw}": functools.partial(
            _twin, "generation", num=num, loop=loop, draw=draw, compiled=compiled
        )
        # torch.compile breaks its graph at nn.LSTM, so only the loop over cells benefits from it.
        for loop, compiled in (("layers", False), ("cells", False), ("cells", True))
        for draw in ("multinomial", "gumbel")
    }
    ours = {"jit": functools.partial(generation, num=num)}
    return harness.Row(name, num * LENGTH, workers.Side(ours), workers.Side(theirs))


ROWS = [
    row
    for prefix, batch in BATCHES.items()
    for row in (
        _step_row(f"{prefix}step", batch, None),
        _step_row(f"{prefix}step-scheduled", batch, SHARE),
        _sample_row(f"{prefix}sample", batch),
    )
]


def check() -> str:
    """Compares loss and gradients of network and twin with the same weights and noise, and the twin's two loops.

    Raises:
        AssertionError: The two networks differ.
    """
    import jax
    import numpy as np
    import torch
    from torch.nn import functional

    from benchmarks import twins_latent as twin
    from musejax.models.music_vae import scheduled_sampling

    model, data = _model(latent=8, encoder_hidden=24, hidden=16), jobs.batch(VOCABULARY, 4, 12)
    params, state = model.init(jax.random.key(1), data)
    # Far enough from the initialisation for every weight to matter.
    params = jax.tree.map(lambda p: p + 0.1 * jax.random.normal(jax.random.key(p.size), p.shape), params)
    key, lines = jax.random.key(0), []
    noise = np.array(jax.random.normal(jax.random.fold_in(key, 0), (4, 8)))
    tokens = torch.from_numpy(data["tokens"].T.astype(np.int64))
    hot = functional.one_hot(tokens, VOCABULARY).float()
    count = sum(p.size for p in jax.tree.leaves(params))
    for train, step in ((False, 0), (True, 20_000)):

        def ours_of(p: Any, train: bool = train, step: int = step) -> Any:
            return model.loss(p, state, key, data, step=step, train=train)[0]

        ours, grads = jax.tree.map(np.asarray, jax.jit(jax.value_and_grad(ours_of))(params))
        net = twin.load(twin.Net(shape(model.info.config)), jax.tree.map(np.asarray, params))
        assert count == sum(p.numel() for n, p in net.named_parameters() if "bias_hh" not in n)
        # In float32, which rounds the rate itself.
        risen = float(1 - np.float32(model.info.config.beta_rate) ** np.float32(step)) if train else 1.0
        theirs = twin.loss(net.shape, net(hot, torch.from_numpy(noise)), tokens, risen)
        theirs.backward()
        np.testing.assert_allclose(ours, theirs.item(), rtol=1e-5)
        worst = twin.apart(net, grads)
        assert worst < 1e-4, worst
        said = "training" if train else "evaluation"
        lines.append(f"{said}: loss {ours:.6f} and {theirs.item():.6f}, gradients differ by {worst:.1e} at most")
        with torch.inference_mode():
            whole = net(hot, torch.from_numpy(noise))
            none = torch.zeros(hot.shape[:2], dtype=torch.bool)
            torch.testing.assert_close(twin.Scheduled(net)(hot, torch.from_numpy(noise), none), whole)
            z = whole[1]
            state_of = tuple(torch.stack(x) for x in zip(*net.begin(z), strict=True))
            for before, logits in zip(twin.shifted(hot), net.decode(twin.shifted(hot), z), strict=True):
                out, state_of = net.decoder(torch.cat([before, z], -1)[None], state_of)
                torch.testing.assert_close(net.output(out[0]), logits)
    assert float(scheduled_sampling.sampled_share(_config(SHARE), 7)) == SHARE
    lines.append(f"{count} parameters on both sides; without a draw scheduled sampling gives the same logits")
    return "\n".join(lines)


if __name__ == "__main__":
    # Before any timing, the twin is shown to be the same network, on a CPU because this requires exact products.
    if not {"--check", "-h", "--help", "--gpu"} & set(sys.argv[1:]) and importlib.util.find_spec("torch"):
        sys.stdout.write(check() + "\n")
    sys.exit(harness.main(ROWS, check, __doc__ or ""))
