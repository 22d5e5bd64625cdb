"""Protocol `bl`, JSB chorales by quarters: a Transformer over 88-key frames, each key given those below it (class A2).

musejax train bl-jsb-transformer
musejax evaluate bl-jsb-transformer --data bl-jsb --split test --json
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="bl-jsb-transformer",
    data="bl-jsb",
    codec="pianoroll-88",
    model=dataclasses.replace(transformer.KEYS, input_dropout=0.3, dropout=0.45),
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=60, weight_decay=0.05, ema_decay=0.98, final_fraction=0.01),
    training=Training(steps=500, batch_size=32, window=64, eval_every=50, save_every=100),
)
