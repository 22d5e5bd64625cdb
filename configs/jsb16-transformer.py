"""A Transformer over frames of four voices that is also trained to fill gaps and to harmonise, for the jsb16 benchmark.

musejax train jsb16-transformer
musejax evaluate jsb16-transformer --data jsb16 --split valid --json
musejax evaluate jsb16-transformer --data jsb16 --split test --given soprano --json

Results of the shipped weights (eight bits): validation .3440 nats per note (95 % interval over pieces .3212 to .3692),
test .3541 (.3279 to .3829). Training took 30 minutes on one core of an AMD EPYC (Zen 4), shared with other work. With
dropout .4 and weight decay .1 the validation loss fell to .3447 by step 2,000 of 3,600 and then rose. It was trained on
single gaps, longer than those that training samples now (nn/given_reader.py).
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="jsb16-transformer",
    data="jsb16",
    codec="chorale-pitches",
    model=dataclasses.replace(transformer.VOICES, dropout=0.5, head_dropout=0.5),
    optimizer=Optimizer(learning_rate=1.5e-3, warmup_steps=150, weight_decay=0.3, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=2600, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
