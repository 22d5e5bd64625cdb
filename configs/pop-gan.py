"""MuseGAN on four-bar rolls of melody, bridge and piano from `pop909`, with shared and private latent vectors.

musejax train pop-gan
musejax sample pop-gan --num 8 --out music
musejax evaluate pop-gan --split test --json
musejax metrics music --reference pop909:test --codec rolls-pop
python -m benchmarks.gan_report pop-gan

Results of the shipped weights (eight bits), compared with held-out windows of four bars: MuseGAN's statistics differ by
21.4 % (EB, UPC, QN and DP as in its code; those of the published nets differ from their data by 24 to 73 %), and the
overlapped area is .671. Training was stopped at step 1,771 after 8 minutes on an NVIDIA H100 shared with fifteen other
trainings; the best validation score, .954, was at step 1,700. A composer of half the width (`--model.form composer
--model.width 64 --model.critic-width 24 --training.steps 1500`, 68 minutes on one core of an Intel Xeon) reached .797
in validation, but 39.7 % and .585.
"""

import dataclasses

from musejax.experiments import Experiment
from musejax.models import musegan
from musejax.training.settings import TWO_PLAYERS, Training

config = Experiment(
    name="pop-gan",
    data="pop909",
    codec="rolls-pop",
    model=dataclasses.replace(musegan.PRESETS["musegan-pop"][1], width=128, critic_width=48),
    optimizer=dataclasses.replace(TWO_PLAYERS, schedule="cosine", final_fraction=0.1, ema_decay=0.998),
    training=Training(
        steps=1800, batch_size=160, window=64, bars=4, transpose=5, eval_every=100, save_every=100, log_every=20,
        eval_batch_size=256,
    ),
)  # fmt: skip
