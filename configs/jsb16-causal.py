"""The Transformer of jsb16-transformer without training to fill gaps, for comparison on the jsb16 benchmark.

musejax train jsb16-causal
musejax evaluate runs/jsb16-causal --data jsb16 --split valid --json

The best checkpoint, at step 1,250, reached .353 nats per note on the validation split during training. It is not
shipped.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="jsb16-causal",
    data="jsb16",
    codec="chorale-pitches",
    model=dataclasses.replace(transformer.VOICES, reader_layers=0),
    optimizer=Optimizer(learning_rate=1.5e-3, warmup_steps=150, weight_decay=0.1, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=1300, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
