"""Protocol `bl`, Piano-midi: an LSTM over 88-key frames, with keys conditioned on lower keys (class A2).

musejax train bl-piano-midi-nade
musejax evaluate bl-piano-midi-nade --data bl-piano-midi --split test --json

Results of the shipped weights: test 4.163 nats per frame (95 % interval over pieces 3.551 to 4.920), 4.162 without the
first frame of each piece. Training took 9 minutes on two shared cores of an AMD EPYC (Zen 4).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-piano-midi-nade",
    data="bl-piano-midi",
    codec="pianoroll-88",
    model=dataclasses.replace(
        recurrent.PRESETS["pianoroll-nade"][1], input_dropout=0.3, dropout=0.4, head_dropout=0.15
    ),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=40, weight_decay=0.03, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=400, batch_size=16, window=128, eval_every=100, save_every=100),
)
