"""An LSTM over frames of four voices, trained only on the training split of the jsb16 benchmark.

musejax train jsb16-lstm
musejax evaluate jsb16-lstm --data jsb16 --split test --json

Results of the shipped weights: test .3489 nats per note (95 % interval over pieces .3221 to .3771), validation .3423.
Training took 8 minutes on one core of an AMD EPYC (Zen 4).
"""

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="jsb16-lstm",
    data="jsb16",
    codec="chorale-pitches",
    model=recurrent.VOICES,
    optimizer=Optimizer(learning_rate=3e-3, warmup_steps=100, weight_decay=0.05, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=1300, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
