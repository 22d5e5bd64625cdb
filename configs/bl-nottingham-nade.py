"""Protocol `bl`, Nottingham: an LSTM over 88-key frames, with keys conditioned on lower keys (class A2).

musejax train bl-nottingham-nade
musejax evaluate bl-nottingham-nade --data bl-nottingham --split test --json

Results of the shipped weights: test 1.039 nats per frame (95 % interval over pieces .947 to 1.131), 1.024 without the
first frame of each piece. Training took 19 minutes on two shared cores of an AMD EPYC (Zen 4).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-nottingham-nade",
    data="bl-nottingham",
    codec="pianoroll-88",
    model=dataclasses.replace(
        recurrent.PRESETS["pianoroll-nade"][1], input_dropout=0.1, dropout=0.2, head_dropout=0.05
    ),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=40, weight_decay=0.01, ema_decay=0.99, final_fraction=0.01),
    training=Training(steps=1200, batch_size=16, window=128, eval_every=300, save_every=300),
)
