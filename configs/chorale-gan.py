"""MuseGAN on two-bar rolls of four voices from `bach-chorales`, with latent vectors shared by all voices.

musejax train chorale-gan
musejax sample chorale-gan --num 8 --out music
musejax evaluate chorale-gan --split test --json
musejax metrics music --reference bach-chorales:test --codec rolls-chorale
python -m benchmarks.gan_report chorale-gan

Results of the shipped weights (eight bits), compared with held-out windows of two bars: MuseGAN's statistics differ by
4.5 % (EB, UPC, QN and DP as in its code; those of the published nets differ from their data by 24 to 73 %), and the
overlapped area is .804. Training took 8 minutes on an NVIDIA H100 shared with fifteen other trainings; the best
validation score, .0755, was at step 1,900.
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
