"""An untrained VAE of two bars of melody, as it would come from a run, and tunes for it."""

import functools

import jax
import numpy as np
import tiny

from musejax import codecs, zoo
from musejax.models import music_vae


@functools.cache
def loaded(codec="melody-90", bars=2, conditions=()):
    """A VAE of two bars, untrained."""
    coder = codecs.get(codec)
    shape = music_vae.Config(latent=4, encoder_hidden=6, hidden=8, num_layers=1, conditions=conditions)
    model = music_vae.make(shape, coder.vocabulary)
    params, state = model.init(jax.random.key(0), tiny.random_batch(coder.vocabulary, 2, 4))
    params = jax.tree.map(lambda p: p * 4, params)
    # Far apart, so that near temperature 0 there is one likeliest token.
    params["decoders_0"]["output"] = jax.tree.map(lambda p: p * 300, params["decoders_0"]["output"])
    config = {"training": {"bars": bars}, "data": {}, "model": {"conditions": list(conditions)}}
    return zoo.Loaded(model, {"params": params, "state": state}, coder, config, "small")


def tune(*pitches, codec="melody-90"):
    """Quarters, one after the other."""
    coder = codecs.get(codec)
    tokens = np.full(4 * len(pitches), coder.vocabulary.id("hold"), np.int32)
    tokens[::4] = [coder.vocabulary.id("pitch", p) for p in pitches]
    return coder.decode({"tokens": tokens}, 90.0)
