"""A step with weights laid out beforehand computes what the net computes over a whole sequence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import codecs
from musejax.models import recurrent

CONFIGS = {
    "one-hot": ("melody", recurrent.Config()),
    "scalar": ("melody", recurrent.Config(inputs="scalar", num_layers=1)),
    "embed": ("melody", recurrent.Config(inputs="embed")),
    "gru": ("melody", recurrent.Config(inputs="embed", cell="gru", num_layers=3)),
    "tied": ("melody", recurrent.Config(inputs="embed", tied=True)),
    "residual": ("melody", recurrent.Config(num_layers=3, residual=True, layer_norm=True)),
    "streams": ("chorale", recurrent.Config(inputs="embed", conditions=("key", "beat"))),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("prepared", [True, False])
def test_steps_give_the_likelihood_of_the_sequence(name, prepared):
    codec, config = CONFIGS[name]
    vocabulary = codecs.get(codec).vocabulary
    model = recurrent.make(recurrent.dataclasses.replace(config, hidden=12, embed=7), vocabulary)
    pair = model.decoder
    assert model.likelihood is not None and pair is not None and pair.prepare is not None
    batch = {k: jnp.asarray(v) for k, v in tiny.random_batch(vocabulary, rows=3, frames=4).items()}
    params, state = model.init(jax.random.key(0), batch)
    params = jax.tree.map(lambda p: p + 0.1 * jax.random.normal(jax.random.key(p.size), p.shape), params)
    expected = np.asarray(model.likelihood.nll(params, state, batch)).reshape(3, -1)
    streams, tokens = vocabulary.streams, batch["tokens"].reshape(3, -1)
    used = pair.prepare(params) if prepared else params
    cache, previous = pair.init_cache(used, state, 3, 4), jnp.full((3,), pair.start)
    for pos in range(tokens.shape[1]):
        here = {n: batch[n][:, pos // streams] for n in config.conditions}
        logits, cache = pair.step(used, state, cache, previous, jnp.asarray(pos), here)
        previous = tokens[:, pos]
        nll = -jax.nn.log_softmax(logits)[jnp.arange(3), previous]
        np.testing.assert_allclose(nll, expected[:, pos], rtol=1e-4, atol=1e-5)
