"""Four voices in any order: Coconet over the jsb16 benchmark's training split, with a net that a CPU can train.

musejax train coconet
musejax evaluate runs/coconet --data jsb16 --split test --samples 16 --json
musejax harmonize runs/coconet melody.mid --out chorale.mid
"""

from musejax.experiments import Experiment
from musejax.models import coconet
from musejax.training.config import Optimizer, Training

config = Experiment(
    name="coconet",
    data="jsb16",
    codec="chorale-pitches",
    model=coconet.FRAMES,
    optimizer=Optimizer(learning_rate=2e-3, warmup_steps=150, weight_decay=0.1, ema_decay=0.998, final_fraction=0.02),
    training=Training(steps=8000, batch_size=12, window=128, transpose=6, eval_every=500, save_every=500, log_every=50),
)
