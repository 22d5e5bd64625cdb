"""A data set of arrays with a vocabulary of its own, without a codec: knight's moves on a chessboard.

python my_arrays.py
musejax train melody-lstm --data knights.npz --codec knights --workdir r
musejax sample r --num 4 --out drawn
"""

from pathlib import Path

import numpy as np

from musejax.pipeline.dataset import Dataset, Item
from musejax.vocabulary import EventRange, Vocabulary

# 64 squares and END: 65 ids. With frames_per_quarter = 0, tokens are events rather than frames of a grid.
KNIGHTS = Vocabulary(
    name="knights", version=1, ranges=(EventRange("square", 0, 63), EventRange("end")), frames_per_quarter=0
)
MOVES = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]


def walk(rng: np.random.Generator, steps: int = 30) -> np.ndarray:
    """Returns the squares that a knight visits, followed by END: int32[steps + 1]."""
    place, squares = rng.integers(0, 8, 2), []
    for _ in range(steps):
        squares.append(8 * place[0] + place[1])
        moves = [place + move for move in MOVES if ((place + move >= 0) & (place + move < 8)).all()]
        place = moves[rng.integers(len(moves))]
    return np.array([*squares, KNIGHTS.id("end")], np.int32)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    walks = [Item(f"walk {i}", group=f"walk {i}", arrays={"tokens": walk(rng)}) for i in range(240)]
    splits = {"train": walks[:200], "valid": walks[200:220], "test": walks[220:]}
    Dataset("knights", KNIGHTS, splits, report={}).save(Path("knights.npz"))
