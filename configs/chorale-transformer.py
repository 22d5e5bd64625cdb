"""Chorales to listen to and to steer: a Transformer over frames of four voices with holds, on `bach-chorales`.

musejax train chorale-transformer
musejax evaluate chorale-transformer --split test --json
musejax harmonize chorale-transformer MELODY.mid

It ends at .365 nats a token on the validation split, as training says, and still fell. Not shipped.
"""

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="chorale-transformer",
    data="bach-chorales",
    codec="chorale",
    model=transformer.CHORALES,
    optimizer=Optimizer(learning_rate=1.5e-3, warmup_steps=150, weight_decay=0.1, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=1400, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
