"""The jsb16 benchmark: an LSTM over frames of four voices.

    musejax train jsb16-lstm
"""

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="jsb16-lstm",
    data="jsb16",
    codec="chorale-pitches",
    model=recurrent.PRESETS["chorale-voices"][1],
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=100, weight_decay=0.02, ema_decay=0.998, final_fraction=0.02),
    training=Training(steps=1200, batch_size=6, window=192, transpose=6, eval_every=150, save_every=150),
)
