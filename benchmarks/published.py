"""Published figures with which musejax is compared; (m) marks one that could not be confirmed in a source.

Nats per note (`jsb16`) or per frame (`bl`), on the test splits unless the remark says otherwise.
"""

from typing import NamedTuple


class Figure(NamedTuple):
    """A model in a table.

    Attributes:
        model: Name of the model.
        values: The figures as printed, one per column; empty if none was published.
        remark: Differences in protocol.
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

# Mean over all orders of cells.
ORDERLESS = (Figure("Coconet (Huang et al., 2017)", (".238 (m) or less", ""), "64 layers of 128"),)

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


class Tracks(NamedTuple):
    """A model in MuseGAN's table, or the data with which the models are compared.

    Attributes:
        model: Name of the model.
        eb: Empty bars in per cent, of bass, drums, guitar, piano and strings.
        upc: Pitch classes per bar, of the same tracks without drums.
        qn: Qualified notes in per cent, of the same tracks without drums.
        dp: Hits on the drum pattern in per cent.
    """

    model: str
    eb: tuple[float, ...]
    upc: tuple[float, ...]
    qn: tuple[float, ...]
    dp: float


# Five-track Lakh piano-rolls (Dong et al., 2018), statistics as coded; closer to the data is better.
MUSEGAN_DATA = Tracks(
    "training data", (8.06, 8.06, 19.4, 24.8, 10.1), (1.71, 3.08, 3.28, 3.38), (90.0, 81.9, 88.4, 89.6), 88.6
)
MUSEGAN = (
    Tracks("jamming", (6.59, 2.33, 18.3, 22.6, 6.10), (1.53, 3.69, 4.13, 4.09), (71.5, 56.6, 62.2, 63.1), 93.2),
    Tracks("composer", (0.01, 28.9, 1.34, 0.02, 0.01), (2.51, 4.20, 4.89, 5.19), (49.5, 47.4, 49.9, 52.5), 75.3),
    Tracks("hybrid", (2.14, 29.7, 11.7, 17.8, 6.04), (2.35, 4.76, 5.45, 5.24), (44.6, 43.2, 45.5, 52.0), 71.3),
)
