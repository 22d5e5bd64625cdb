"""Magenta's performance_with_dynamics on POP909's piano tracks: three LSTM layers of 512 units over 388 events.

musejax train performance-lstm
musejax evaluate runs/performance-lstm --split test --json

Results: test 2.239 nats per token (95 % interval over the 378 segments of 30 s 2.201 to 2.276), validation 2.209.
Training took an hour on two cores of an AMD EPYC (Zen 4), shared with other work; 11,200 windows are a third of an
epoch over the data at five tempos. The validation loss was still falling at the end.
"""

from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="performance-lstm",
    data="pop909-piano",
    codec="performance",
    model=recurrent.PRESETS["performance-with-dynamics"][1],
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=30, clip=3.0),
    training=Training(
        steps=700, batch_size=16, window=512, transpose=3, eval_every=100, save_every=50, eval_batch_size=32
    ),
)
