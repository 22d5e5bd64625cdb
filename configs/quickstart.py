"""A small chorale network on `bach-chorales`, trained in two minutes on two cores, and samples from it.

musejax train quickstart
musejax sample runs/quickstart --out music
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="quickstart",
    data="bach-chorales",
    codec="chorale",
    model=dataclasses.replace(
        recurrent.PRESETS["chorale-voices"][1],
        hidden=128,
        embed=96,
        head=96,
        dropout=0.2,
        recurrent_dropout=0.2,
        head_dropout=0.2,
    ),
    optimizer=Optimizer(learning_rate=4e-3, warmup_steps=20, weight_decay=0.02, ema_decay=0.98),
    training=Training(
        steps=1000, batch_size=6, window=128, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
