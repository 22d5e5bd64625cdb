"""The config of a DeepBach."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a DeepBach.

    Attributes:
        conditions: Conditions that the network reads, from `fermata`, `beat` and `key`; empty for none.
        condition_dropout: Share of training pieces whose conditions are hidden.
        beats: Number of values of the beat: 4 for the 16ths of a quarter note, 32 for those of a bar.
        embed: Width of the embedding of a note or a condition.
        num_layers: Number of LSTM layers in each direction.
        hidden: Units in each LSTM layer.
        width: Units of the other layers.
        context: Number of frames on either side of a cell that its layers read; 0 for the whole piece.
        shared: Whether all voices share the LSTM layers, which then read a piece once.
        intervals: Whether the networks read the note that sounds during a hold, and score intervals to nearby notes.
        hide: Share of training rows in which a random share of the surrounding cells is hidden.
        dropout: Dropout rate of the LSTM layers' outputs, and with `intervals` in the heads.
        share: Share of a voice's cells that are sampled in one Gibbs step.
        heat: Initial sampling temperature, relative to that of the request; it falls to 1.
        steps: Number of Gibbs steps, each of which samples one voice.
    """

    conditions: tuple[str, ...] = ("fermata", "beat", "key")
    condition_dropout: float = 0.0
    beats: int = 4
    embed: int = 20
    num_layers: int = 2
    hidden: int = 256
    width: int = 256
    context: int = 16
    shared: bool = False
    intervals: bool = False
    hide: float = 0.0
    dropout: float = 0.5
    share: float = 0.5
    heat: float = 1.5
    steps: int = 96
