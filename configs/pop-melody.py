"""Melodies of pop songs: adapters of melody-transformer, which was trained on folk tunes, in some hundred kilobytes.

musejax train pop-melody
musejax evaluate pop-melody --split test --json
"""

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.config import Optimizer, Training
from musejax.tuning import lora

config = Experiment(
    name="pop-melody",
    data="pop909-melody",
    codec="melody-basic",
    model=transformer.MELODIES,
    init_from="melody-transformer",
    adapters=lora.Config(rank=8),
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=30, weight_decay=0.01, ema_decay=0.99, final_fraction=0.05),
    training=Training(
        steps=500, batch_size=24, window=192, eval_every=100, eval_first=True, save_every=100, log_every=25,
        eval_batch_size=64,
    ),
)  # fmt: skip
