import pytest

from musejax.theory import sixteenths


@pytest.mark.parametrize(
    ("numerator", "denominator", "frames"), [(4, 4, 16), (3, 4, 12), (6, 8, 12), (2, 2, 16), (3, 2, 24), (1, 64, 1)]
)
def test_a_bar_has_whole_16ths(numerator, denominator, frames):
    assert sixteenths.bar_length(numerator, denominator) == frames


def test_a_bar_is_four_quarters():
    assert sixteenths.BAR == 4 * sixteenths.QUARTER == sixteenths.bar_length(4, 4)
