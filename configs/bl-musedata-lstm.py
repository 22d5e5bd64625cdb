"""Protocol `bl`, MuseData: an LSTM over 88-key frames, with keys independent given the past (class A1).

musejax train bl-musedata-lstm
musejax evaluate bl-musedata-lstm --data bl-musedata --split test --json

Results of the shipped weights: test 4.950 nats per frame (95 % interval over pieces 4.442 to 5.383), 4.943 without the
first frame of each piece. Training took 11 minutes on one core of an AMD EPYC (Zen 4).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-musedata-lstm",
    data="bl-musedata",
    codec="pianoroll-88",
    model=dataclasses.replace(recurrent.KEYS, input_dropout=0.15, dropout=0.25, head_dropout=0.1),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=40, weight_decay=0.01, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=800, batch_size=16, window=128, eval_every=400, save_every=400),
)
