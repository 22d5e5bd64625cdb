"""Figures that others have published, beside which ours stand; (m) marks one that no source could be found for.

Nats a note (`jsb16`) or a frame (`bl`), on the test splits unless the remark says otherwise.
"""

from typing import NamedTuple


class Figure(NamedTuple):
    """One model of a table.

    Attributes:
        model: Its name.
        values: As printed, one a column; empty where none was published.
        remark: What differs in protocol.
    """

    model: str
    values: tuple[str, ...]
    remark: str = ""


SETS = ("bl-jsb", "bl-nottingham", "bl-musedata", "bl-piano-midi")

JSB16 = (
    Figure("per-voice Markov and beat position", (".731", ".699"), "computed on this file"),
    Figure("BachBot (Liang et al., 2017)", (".477", ""), "its own data"),
    Figure(
        "Transformer / Music Transformer (Huang et al., 2019)",
        ("", ".417 / .335 (m)"),
        "a reproduction gave 3.4 to 3.7",
    ),
    Figure(
        "Coconet, chronological (Huang et al., 2017)", (".436 (m)", ""), "conditions on its own choices within a frame"
    ),
    Figure("TonicNet (Peracha, 2019)", (".317", ""), "over five tokens, the first a chord label of the same frame"),
)

INDEPENDENT = (
    Figure("Bernoulli unigram", ("11.09", "10.26", "11.52", "11.05"), "computed on these files"),
    Figure("first-order Markov by key", ("10.49", "5.15", "8.56", "8.27"), "computed on these files"),
    Figure("RNN (Boulanger-Lewandowski et al., 2012)", ("8.71", "4.46", "8.13", "8.37")),
    Figure("tanh (Chung et al., 2014)", ("9.10", "3.13", "6.23", "9.03")),
    Figure("GRU (Chung et al., 2014)", ("8.54", "3.23", "5.99", "8.82")),
    Figure("LSTM (Chung et al., 2014)", ("8.67", "3.20", "6.23", "9.03")),
    Figure("LSTM (Bai et al., 2018)", ("8.45", "3.29", "", "")),
    Figure("GRU (Bai et al., 2018)", ("8.43", "3.46", "", "")),
    Figure("TCN (Bai et al., 2018)", ("8.10", "3.07", "", "")),
)

JOINT = (
    Figure("RNN-RBM (Boulanger-Lewandowski et al., 2012)", ("6.27", "2.39 (m)", "6.01", "7.09 (m)"), "estimates"),
    Figure("RNN-NADE (Boulanger-Lewandowski et al., 2012)", ("5.56", "2.31", "5.60", "7.05 (m)")),
)

BOUNDS = (
    Figure("STORN", ("6.91", "2.85", "6.16", "7.13")),
    Figure("DMM-Aug", ("6.29", "2.68", "6.36", "7.59")),
    Figure("NASMC", ("3.99", "2.72", "6.89", "7.61")),
)
