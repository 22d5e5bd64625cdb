"""The grid of 16ths, on which most music is read: the frames of a quarter note and of a bar."""

# Frames of a quarter note, and of a bar of 4/4.
QUARTER = 4
BAR = 16


def bar_length(numerator: int, denominator: int) -> int:
    """Returns the frames of a bar of a time signature, at least one."""
    return max(1, round(BAR * numerator / denominator))
