"""Adapters of melody-transformer, which was trained on folk tunes, for melodies of pop songs (a few hundred kilobytes).

musejax train pop-melody
musejax evaluate pop-melody --split test --json

Results of the shipped weights (eight bits): test .9175 nats per token (95 % interval over pieces .864 to .972);
melody-transformer without adapters has 1.231 (1.159 to 1.305). Validation 1.277 before and .946 after training, still
falling. Training took 15 minutes on one core of an AMD EPYC (Zen 4), shared with other work.
"""

from musejax.experiments import Experiment
from musejax.models import transformer
from musejax.training import adapters
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="pop-melody",
    data="pop909-melody",
    codec="melody-basic",
    model=transformer.MELODIES,
    init_from="melody-transformer",
    adapters=adapters.Config(rank=8),
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=30, weight_decay=0.01, ema_decay=0.99, final_fraction=0.05),
    training=Training(
        steps=500, batch_size=24, window=192, eval_every=100, eval_first=True, save_every=100, log_every=25,
        eval_batch_size=64,
    ),
)  # fmt: skip
