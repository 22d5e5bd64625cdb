"""Settings of a training run, as frozen dataclasses whose fields can be overridden on the command line."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Settings of the optimiser and its learning-rate schedule.

    Attributes:
        name: `adamw`, `adam` (no weight decay) or `muon` (optax.contrib; Muon for matrices, AdamW for the rest).
        learning_rate: Peak learning rate.
        warmup_steps: Number of steps of linear warm-up from 0.
        schedule: Schedule after warm-up: `cosine` to `final_fraction` of the peak at the last step, or `constant`.
        final_fraction: Final learning rate of the cosine schedule, as a fraction of the peak.
        weight_decay: Decoupled weight decay, applied to matrices only.
        b1: Decay rate of Adam's first moment.
        b2: Decay rate of Adam's second moment.
        clip: Largest global norm of the gradient; 0 disables clipping.
        accumulate: Number of micro-batches per step, whose gradients are averaged by weight.
        precision: Type in which the loss is computed; parameters stay float32.
        ema_decay: Decay of the moving average of parameters that is evaluated and saved; 0 disables it.
        freeze: Patterns, such as `stack/*`, of the paths of parameters that are not trained.
        unfreeze: STEP:PATTERN, such as `200:stack/layer_1/*`: matching parameters are frozen before that step and
            trained from then on, even if they match `freeze`. If several patterns match, the earliest step counts.
        restored_rate: Factor of the learning rate for parameters that were restored unchanged from another run.
    """

    name: Literal["adamw", "adam", "muon"] = "adamw"
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    final_fraction: float = 0.05
    weight_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.99
    clip: float = 1.0
    accumulate: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    ema_decay: float = 0.0
    freeze: tuple[str, ...] = ()
    unfreeze: tuple[str, ...] = ()
    restored_rate: float = 1.0


# For GANs, after Gulrajani et al. (2017): low momentum and no clipping, plus a moving average of the generator.
TWO_PLAYERS = Optimizer(
    name="adam", learning_rate=1e-3, warmup_steps=50, schedule="constant", b1=0.5, b2=0.9, clip=0.0, ema_decay=0.995
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of the training loop.

    Attributes:
        steps: Total number of optimiser updates.
        batch_size: Number of windows in a batch, over all devices. A GAN divides it among the updates of its critic.
        window: Length of a window in frames (in tokens, if the codec has no frames).
        bars: If positive, the music is cut into non-overlapping windows of this many bars of 4/4 (`pipeline.windows`),
            and `window` must have the same length. If 0, pieces are kept whole, and windows begin anywhere.
        context: Number of leading frames of a window inside a piece that the model reads but that are not scored.
        transpose: Largest transposition of a training window, up or down, in semitones.
        eval_every: Number of steps between evaluations on the validation split.
        eval_first: Whether the initial weights are evaluated too; weights of another run may be the best ones.
        eval_batch_size: Number of rows in an evaluation batch.
        patience: Number of evaluations without a better loss after which training stops; 0 disables early stopping.
        hold_out: Smallest number of melody groups in the validation split. If a small corpus has fewer, whole pieces
            are moved there from its training split (`pipeline.holdout`); 0 moves none.
        log_every: Number of steps between lines of metrics.
        save_every: Number of steps between checkpoints.
        seed: Seed of all random choices of the run.
        tensorboard: Whether metrics are also written for TensorBoard (needs tensorboardX).
    """

    steps: int = 1000
    batch_size: int = 16
    window: int = 128
    bars: int = 0
    context: int = 0
    transpose: int = 0
    eval_every: int = 200
    eval_first: bool = False
    eval_batch_size: int = 16
    patience: int = 0
    hold_out: int = 0
    log_every: int = 20
    save_every: int = 200
    seed: int = 0
    tensorboard: bool = False
