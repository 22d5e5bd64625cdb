"""What a training run can set: frozen dataclasses, every field overridable on the command line."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The optimiser and its schedule.

    Attributes:
        name: `adamw`, `adam` (no weight decay) or `muon` (optax.contrib; matrices by Muon, the rest by AdamW).
        learning_rate: Peak rate.
        warmup_steps: Steps of linear warm-up from 0.
        schedule: After warm-up: `cosine` to `final_fraction` of the peak at the last step, or `constant`.
        final_fraction: Where the cosine ends, as a fraction of the peak.
        weight_decay: Decoupled decay, on matrices only.
        b1: First-moment decay of Adam.
        b2: Second-moment decay of Adam.
        clip: Largest global norm of the gradient; 0 switches clipping off.
        accumulate: Micro-batches a step: the batch is cut in so many parts, their gradients averaged by weight.
        precision: Type in which the loss is computed; parameters stay float32.
        ema_decay: Decay of the average of parameters that is evaluated and kept; 0 switches it off.
        freeze: Patterns, such as `stack/*`, of the paths of parameters that stay as they are.
        unfreeze: STEP:PATTERN, such as `200:stack/layer_1/*`: these are frozen before that step, and train from it on,
            whether `freeze` names them or not; of several steps the first counts.
        restored_rate: Factor of the learning rate for what came from another run as it was.
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


# For two players, after Gulrajani et al. (2017): no momentum to speak of, no clipping; and an average of the generator.
TWO_PLAYERS = Optimizer(
    name="adam", learning_rate=1e-3, warmup_steps=50, schedule="constant", b1=0.5, b2=0.9, clip=0.0, ema_decay=0.995
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The loop.

    Attributes:
        steps: Optimiser updates in all.
        batch_size: Windows in a batch, over all devices. A GAN cuts it into a part for each update of its critic.
        window: Frames in a window (tokens where tokens are not frames).
        bars: Cuts the music into windows of so many bars of 4/4, each once (`pipeline.windows`); `window` must be as
            long. 0 leaves pieces whole, and windows begin anywhere.
        context: Leading frames of a window inside a piece that are read but not scored.
        transpose: Largest transposition of a training window either way, in semitones.
        eval_every: Steps between evaluations on the validation split.
        eval_first: Whether the weights that training starts from are evaluated too; those of another run may be best.
        eval_batch_size: Rows of an evaluation batch.
        patience: Evaluations without a better loss after which training stops; 0 never stops early.
        hold_out: Fewest melody groups to validate on: where a small set has fewer, whole pieces are taken out of its
            training split (`pipeline.holdout`); 0 takes none.
        log_every: Steps between lines of metrics.
        save_every: Steps between checkpoints.
        seed: Root of every random choice of the run.
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
