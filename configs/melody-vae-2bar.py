"""Two bars of melody in a latent vector: MusicVAE over windows of `folk-tunes` that no split shares in any key.

musejax train melody-vae-2bar
musejax evaluate melody-vae-2bar --split test --json
musejax interpolate melody-vae-2bar A.mid B.mid --num 9
"""

from musejax.experiments import Experiment
from musejax.models import music_vae
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="melody-vae-2bar",
    data="folk-tunes",
    codec="melody-90",
    model=music_vae.Config(latent=128, encoder_hidden=256, conditions=("beat",), beta_rate=0.999),
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=200, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=4500, batch_size=128, window=32, bars=2, transpose=6, eval_every=250, save_every=250, log_every=50,
        eval_batch_size=256,
    ),
)  # fmt: skip
