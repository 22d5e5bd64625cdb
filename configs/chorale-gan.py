"""Two bars of four voices at once: MuseGAN over rolls of `bach-chorales`, one set of latent vectors for all voices.

musejax train chorale-gan
musejax sample chorale-gan --num 8 --out music
musejax evaluate chorale-gan --split test --json
musejax metrics music --reference bach-chorales:test --codec rolls-chorale
python -m benchmarks.gan_report chorale-gan

Result, from the weights as shipped (eight bits), beside held-out windows of two bars: MuseGAN's statistics are 4.5 %
off (EB, UPC, QN and DP as coded; the published nets are 24 to 73 % off their data), overlapped area .804. Training took
8 minutes on an NVIDIA H100 that fifteen other trainings shared; validation was best, .0755, at step 1,900.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import musegan
from musejax.training.settings import TWO_PLAYERS, Training

config = Experiment(
    name="chorale-gan",
    data="bach-chorales",
    codec="rolls-chorale",
    # A composer learns steadily; a hybrid is best after some hundred steps and then gets worse (docs/results/gan.md).
    model=dataclasses.replace(musegan.PRESETS["musegan-chorale"][1], width=128, critic_width=48),
    optimizer=dataclasses.replace(TWO_PLAYERS, schedule="cosine", final_fraction=0.1, ema_decay=0.998),
    training=Training(
        steps=2000, batch_size=320, window=32, bars=2, transpose=3, eval_every=100, save_every=100, log_every=20,
        eval_batch_size=256,
    ),
)  # fmt: skip
