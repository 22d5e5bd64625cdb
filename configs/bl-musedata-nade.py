"""Protocol `bl`, MuseData: an LSTM over 88-key frames, with keys conditioned on lower keys (class A2).

musejax train bl-musedata-nade
musejax evaluate bl-musedata-nade --data bl-musedata --split test --json

Results of the shipped weights: test 4.028 nats per frame (95 % interval over pieces 3.680 to 4.348), 4.020 without the
first frame of each piece. Training took 16 minutes on two shared cores of an AMD EPYC (Zen 4).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-musedata-nade",
    data="bl-musedata",
    codec="pianoroll-88",
    model=dataclasses.replace(
        recurrent.PRESETS["pianoroll-nade"][1], input_dropout=0.15, dropout=0.25, head_dropout=0.1
    ),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=40, weight_decay=0.01, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=800, batch_size=16, window=128, eval_every=200, save_every=200),
)
