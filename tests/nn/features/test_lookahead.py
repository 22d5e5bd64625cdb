"""What given cells say directly: the next one in each voice, and what a like passage has in a gap's place."""

import jax.numpy as jnp
import numpy as np
import pytest

from musejax import vocabulary
from musejax.nn.features import lookahead, voice_history

CHORALE = vocabulary.chorale(holds=False, name="chorale-pitches")
T = voice_history.tables(CHORALE)
FREE = CHORALE.size


def music(frames: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(1, CHORALE.size, (1, frames, 4)).astype(np.int32)


def over(given: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in lookahead.read_all(T, jnp.asarray(given)).items()}


def test_the_next_given_cell_of_each_voice_is_told_with_the_class_of_its_distance():
    given = np.full((1, 10, 4), FREE, np.int32)
    given[0, 6, 0], given[0, 9, 0], given[0, 2, 3] = 11, 12, 13
    found = over(given)
    np.testing.assert_array_equal(found["next"][0, :, 0], [11] * 6 + [12] * 3 + [FREE])
    np.testing.assert_array_equal(found["away"][0, :, 0], [5, 4, 4, 3, 2, 1, 3, 2, 1, 0])
    np.testing.assert_array_equal(found["next"][0, :3, 3], [13, 13, FREE])
    assert (found["next"][0, :, 1] == FREE).all() and (found["away"][0, :, 1] == 0).all()


@pytest.mark.parametrize("given_side", ["before", "after", "both", "other voices"])
def test_a_repeated_passage_is_offered_for_a_gap_wherever_the_two_are_seen_to_agree(given_side):
    piece = music()
    piece[:, 40:56] = piece[:, 8:24]
    given = piece.copy()
    gap, voices = slice(14, 18), slice(0, 4)
    if given_side == "before":
        given[:, 18:24] = FREE
    elif given_side == "after":
        given[:, :14] = FREE
    elif given_side == "other voices":
        voices = slice(1, 3)
        given[:, 8:14], given[:, 18:24] = FREE, FREE
    given[:, gap, voices] = FREE
    found = over(given)
    np.testing.assert_array_equal(found["like"][:, gap, voices], piece[:, gap, voices])
    if given_side != "other voices":
        assert (found["agree_before"][:, gap] > 0).all() == (given_side != "after")
        assert (found["agree_after"][:, gap] > 0).all() == (given_side != "before")


def test_a_passage_that_differs_in_a_given_cell_is_not_offered_past_that_cell():
    piece = music()
    piece[:, 40:56] = piece[:, 8:24]
    piece[:, 46, 2] = 1 + piece[:, 46, 2] % (CHORALE.size - 1)
    given = piece.copy()
    given[:, 14:16, :2] = FREE  # at frame 14 the tenor says that the passage is another one
    given[:, 12:14, :2] = FREE
    found = over(given)
    assert (found["like"][0, 14] == FREE).all()
    np.testing.assert_array_equal(found["like"][0, 12:14, :2], piece[0, 12:14, :2])


def test_nothing_is_offered_where_nothing_or_everything_is_given():
    found = over(np.full((1, 24, 4), FREE, np.int32))
    assert (found["like"] == FREE).all() and not found["agree_before"].any() and not found["agree_after"].any()
    assert (over(music(4))["like"] == FREE).all()  # shorter than any distance at which a passage is sought
