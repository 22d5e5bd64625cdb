"""Four bars of melody, bridge and piano at once: MuseGAN over rolls of `pop909`, with deterministic binary neurons.

musejax train pop-gan
musejax sample runs/pop-gan --num 8 --out music
musejax metrics music --reference pop909:test --codec rolls-pop
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import musegan
from musejax.training.config import TWO_PLAYERS, Training

config = Experiment(
    name="pop-gan",
    data="pop909",
    codec="rolls-pop",
    model=dataclasses.replace(musegan.PRESETS["musegan-pop"][1], refine_after=1000),
    optimizer=TWO_PLAYERS,
    training=Training(
        steps=3000, batch_size=160, window=64, bars=4, transpose=5, eval_every=100, save_every=100, log_every=20,
        eval_batch_size=256,
    ),
)  # fmt: skip
