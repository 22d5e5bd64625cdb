"""Magenta's basic_rnn on folk tunes: two LSTM layers of 128 units over 38 melody events, transposed to C.

musejax train melody-lstm
musejax evaluate melody-lstm --split test --json

Results of the shipped weights: test .8790 nats per token (95 % interval over pieces .8457 to .9138). Training took 23
minutes on one core of an AMD EPYC (Zen 4), shared with other work. Training windows begin anywhere in a tune, so a free
sample may begin anywhere in a bar. When these weights were trained, the input matrix was still initialised by the width
of the one-hot input; the initialisation is now wider (`ones` in nn/recurrent_stack.py), so a new run ends at a
different loss.
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
