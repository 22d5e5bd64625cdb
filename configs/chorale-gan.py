"""Two bars of four voices at once: MuseGAN over rolls of `bach-chorales`, with deterministic binary neurons.

musejax train chorale-gan
musejax sample runs/chorale-gan --num 8 --out music
musejax metrics music --reference bach-chorales:test
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import musegan
from musejax.training.config import TWO_PLAYERS, Training

config = Experiment(
    name="chorale-gan",
    data="bach-chorales",
    codec="rolls-chorale",
    model=dataclasses.replace(musegan.PRESETS["musegan-chorale"][1], refine_after=2000, refine_alone=True),
    optimizer=dataclasses.replace(
        TWO_PLAYERS, learning_rate=5e-4, schedule="cosine", final_fraction=0.1, ema_decay=0.998
    ),
    training=Training(
        steps=3000, batch_size=160, window=32, bars=2, transpose=3, eval_every=100, save_every=100, log_every=20,
        eval_batch_size=256,
    ),
)  # fmt: skip
