"""The grid of 16ths, which most representations use: the number of frames in a quarter note and in a bar."""

# Number of frames in a quarter note, and in a 4/4 bar.
QUARTER = 4
BAR = 16


def bar_length(numerator: int, denominator: int) -> int:
    """Returns the number of frames in a bar of a time signature, at least 1."""
    return max(1, round(BAR * numerator / denominator))
