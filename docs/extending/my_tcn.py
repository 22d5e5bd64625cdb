"""A custom family: a causal convolutional network (TCN; Bai et al., 2018) over the tokens of any codec.

musejax train my_tcn.py --workdir r
musejax sample r --plugin my_tcn.py --num 2 --out music
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.base import Family, Model
from musejax.experiments import Experiment
from musejax.models.shared import token_model
from musejax.training.settings import Optimizer, Training
from musejax.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of the network, and the conditions that it reads (none here)."""

    num_layers: int = 5
    width: int = 64
    kernel: int = 3
    dropout: float = 0.1
    conditions: tuple[str, ...] = ()
    condition_dropout: float = 0.0


class Net(nn.Module):
    """Dilated causal convolutions with residual connections; layer i reads (kernel - 1) 2^i positions back."""

    config: Config
    size: int

    @nn.compact
    def __call__(self, previous: Any, before: Any, conditions: Any, carry: Any, key: Any) -> Any:
        """Maps token ids int32[B, L] and the carry of each layer to logits [B, L, V] and the new carry."""
        x, after = nn.Embed(self.size + 1, self.config.width)(previous), []
        for i, past in enumerate(carry):
            past = jnp.concatenate([past, x.astype(past.dtype)], axis=1)
            after.append(past[:, x.shape[1] :])
            h = nn.Conv(self.config.width, (self.config.kernel,), kernel_dilation=2**i, padding="VALID")(past)
            drop = nn.Dropout(self.config.dropout, deterministic=key is None)
            x = x + drop(nn.relu(h), rng=None if key is None else jax.random.fold_in(key, i))
        return nn.Dense(self.size)(x), tuple(after)


def make(config: Config, vocabulary: Vocabulary) -> Model:
    """Makes a model of the network; the carry of a layer is the past input that its kernel reads."""

    def start(num: int, length: int, params: Any) -> Any:
        dtype = jnp.float32 if params is None else jax.tree.leaves(params)[0].dtype
        reach = [(config.kernel - 1) * 2**i for i in range(config.num_layers)]
        return tuple(jnp.zeros((num, n, config.width), dtype) for n in reach)

    return token_model.make(config, Net(config, vocabulary.size), start, vocabulary)


FAMILY = Family("tcn", Config, make)
config = Experiment(
    name="my-tcn", data="folk-tunes", codec="melody-basic", model=Config(), optimizer=Optimizer(learning_rate=2e-3),
    training=Training(steps=300, batch_size=32, window=128, eval_every=100, save_every=100, log_every=20),
)  # fmt: skip
