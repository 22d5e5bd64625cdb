"""Folk tunes: a Transformer over melody events transposed to C, which also fills gaps.

musejax train melody-transformer
musejax evaluate melody-transformer --split test --json

No run of it has been trained to its end yet.
"""

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="melody-transformer",
    data="folk-tunes",
    codec="melody-basic",
    model=transformer.MELODIES,
    optimizer=Optimizer(learning_rate=1.5e-3, warmup_steps=150, weight_decay=0.1, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=1500, batch_size=24, window=192, eval_every=250, save_every=250, log_every=50, eval_batch_size=64
    ),
)
