"""Protocol `bl`, Piano-midi: an LSTM over 88-key frames, with keys independent given the past (class A1).

musejax train bl-piano-midi-lstm
musejax evaluate bl-piano-midi-lstm --data bl-piano-midi --split test --json

Results of the shipped weights: test 4.520 nats per frame (95 % interval over pieces 3.857 to 5.366), 4.518 without the
first frame of each piece; validation 6.220. Training took 7 minutes on one core of an AMD EPYC (Zen 4).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-piano-midi-lstm",
    data="bl-piano-midi",
    codec="pianoroll-88",
    model=dataclasses.replace(recurrent.KEYS, input_dropout=0.3, dropout=0.4, head_dropout=0.15),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=40, weight_decay=0.03, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=500, batch_size=16, window=128, eval_every=100, save_every=100),
)
