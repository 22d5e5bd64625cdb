"""A Transformer over frames of four voices with holds, trained on `bach-chorales`, for free and constrained chorales.

musejax train chorale-transformer
musejax evaluate chorale-transformer --split test --json
musejax harmonize chorale-transformer MELODY.mid

Results of the shipped weights (eight bits; best checkpoint at step 2,000): test .4088 nats per token (95 % interval
over pieces .3597 to .4552), validation .3526. Training took 26 minutes on one core of an AMD EPYC (Zen 4), shared with
other work. The model was trained on single gaps, longer than those that training samples now (nn/given_reader.py).
"""

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="chorale-transformer",
    data="bach-chorales",
    codec="chorale",
    model=transformer.CHORALES,
    optimizer=Optimizer(learning_rate=1.5e-3, warmup_steps=150, weight_decay=0.1, ema_decay=0.998, final_fraction=0.02),
    training=Training(
        steps=3000, batch_size=6, window=192, context=16, transpose=6, eval_every=250, save_every=250, log_every=50
    ),
)
