"""Protocol `bl`, JSB chorales by quarters: a Transformer over 88-key frames, keys conditioned on lower keys (class A2).

musejax train bl-jsb-transformer
musejax evaluate bl-jsb-transformer --data bl-jsb --split test --json

Results of the shipped weights (eight bits; best checkpoint at step 300): test 5.446 nats per frame (95 % interval over
pieces 5.136 to 5.779), 5.434 without the first frame of each piece. Training took 4 minutes on one core of an AMD EPYC
(Zen 4), shared with other work.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-jsb-transformer",
    data="bl-jsb",
    codec="pianoroll-88",
    model=dataclasses.replace(transformer.KEYS, input_dropout=0.3, dropout=0.45),
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=60, weight_decay=0.05, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=500, batch_size=32, window=64, eval_every=50, save_every=100),
)
