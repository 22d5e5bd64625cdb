"""Magenta's basic_rnn on folk tunes: two LSTM layers of 128 over 38 melody events, transposed to C.

musejax train melody-lstm
musejax evaluate melody-lstm --split test --json

Result, from the weights as shipped: test .8790 nats a token (95 % interval over pieces .8457 to .9138). Training took
23 minutes on one core of an AMD EPYC (Zen 4), shared with other work. Windows begin anywhere in a tune, so a free
sample may begin anywhere in a bar. The weights were trained when the input matrix still began by the width of the
one-hot; training now begins it wider (`ones` in nn/recurrent_stack.py), so that a new run ends at another figure.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="melody-lstm",
    data="folk-tunes",
    codec="melody-basic",
    model=dataclasses.replace(recurrent.PRESETS["basic-rnn"][1], dropout=0.1),
    optimizer=Optimizer(learning_rate=5e-3, warmup_steps=100, clip=5.0, ema_decay=0.998),
    training=Training(
        steps=1800, batch_size=64, window=192, eval_every=300, save_every=300, log_every=50, eval_batch_size=64
    ),
)
