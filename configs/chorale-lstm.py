"""An LSTM over frames of four voices with holds, trained on `bach-chorales`, for free chorales.

musejax train chorale-lstm
musejax evaluate chorale-lstm --split test --json

Results of the shipped weights (eight bits): test .405 nats per token (95 % interval over pieces .355 to .452),
validation .353. Training took 6 minutes on two cores of an AMD EPYC (Zen 4), shared with other work.
"""

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="chorale-lstm",
    data="bach-chorales",
    codec="chorale",
    model=recurrent.PRESETS["chorale-voices"][1],
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=100, weight_decay=0.05, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=1500, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
