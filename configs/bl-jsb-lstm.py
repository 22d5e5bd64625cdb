"""Protocol `bl`, JSB chorales by quarters: an LSTM over 88-key frames, with keys independent given the past (class A1).

musejax train bl-jsb-lstm
musejax evaluate bl-jsb-lstm --data bl-jsb --split test --json

Results of the shipped weights: test 7.674 nats per frame (95 % interval over pieces 7.356 to 7.988), 7.685 without the
first frame of each piece. Training took 3 minutes on one core of an AMD EPYC (Zen 4).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-jsb-lstm",
    data="bl-jsb",
    codec="pianoroll-88",
    model=dataclasses.replace(recurrent.KEYS, input_dropout=0.3, dropout=0.45, head_dropout=0.1),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=20, weight_decay=0.03, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=360, batch_size=32, window=64, eval_every=60, save_every=60),
)
