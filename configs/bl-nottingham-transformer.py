"""Protocol `bl`, Nottingham: a Transformer over 88-key frames, with keys conditioned on lower keys (class A2).

musejax train bl-nottingham-transformer
musejax evaluate bl-nottingham-transformer --data bl-nottingham --split test --json

Results of the shipped weights (eight bits; best checkpoint at step 1,000): test 1.118 nats per frame (95 % interval
over pieces 1.017 to 1.222), 1.103 without the first frame of each piece. Training took 12 minutes on one core of an AMD
EPYC (Zen 4), shared with other work.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="bl-nottingham-transformer",
    data="bl-nottingham",
    codec="pianoroll-88",
    model=dataclasses.replace(transformer.KEYS, input_dropout=0.1, dropout=0.2, head_dropout=0.05),
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=60, weight_decay=0.02, ema_decay=0.99, final_fraction=0.01),
    training=Training(steps=1200, batch_size=16, window=128, eval_every=200, save_every=200),
)
