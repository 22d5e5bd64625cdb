"""A Transformer that fills gaps and harmonises, on the training split of jsb16: it reads given cells ahead.

musejax train jsb16-transformer
musejax evaluate jsb16-transformer --data jsb16 --split test --given soprano --json

With nothing given it ends at .355 nats a note on the validation split, as training says, and still fell. Not shipped.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="jsb16-transformer",
    data="jsb16",
    codec="chorale-pitches",
    model=dataclasses.replace(transformer.VOICES, width=192, feed_forward=384, reader_layers=2),
    optimizer=Optimizer(learning_rate=1.5e-3, warmup_steps=150, weight_decay=0.1, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=1600, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
