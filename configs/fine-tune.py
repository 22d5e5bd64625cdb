"""Fine-tuning of any run on a few pieces of your own; model, codec and windows are those of the initial run.

musejax train fine-tune --init-from melody-lstm --data my_midis/
musejax train fine-tune --init-from melody-lstm --data my_midis/ --adapters.rank 4

Three melody groups are held out of training, whole, where the folder's own validation split has fewer; they are scored
every ten steps, and training stops when eight scores in a row are no better (docs/how-to/fine-tuning.md).
"""

from musejax.experiments import Experiment
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="fine-tune",
    data="",
    codec="",
    model=None,
    optimizer=Optimizer(learning_rate=3e-4, warmup_steps=10, schedule="constant", weight_decay=0.01, ema_decay=0.9),
    training=Training(
        steps=400,
        batch_size=8,
        eval_every=10,
        eval_first=True,
        patience=8,
        hold_out=3,
        log_every=10,
        save_every=100,
    ),
)
