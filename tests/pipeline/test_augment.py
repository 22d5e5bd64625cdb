import numpy as np
import pytest

from musejax import codecs, vocabulary
from musejax.pipeline import augment, dataset


@pytest.mark.parametrize("name", ["melody", "melody-100", "performance", "chorale", "chorale-pitches"])
@pytest.mark.parametrize("semitones", [-5, -1, 3])
def test_pitches_move_and_everything_else_stays(name, semitones):
    table = codecs.get(name).vocabulary
    inside = []
    for token in range(table.size):
        kind, value = table.event(token)
        moves = kind in ("pitch", "note_on") or (kind == "note_off" and table.range(kind).size > 1)
        r = table.range(kind)
        if moves and r.min <= value + semitones <= r.max:
            inside.append((token, table.id(kind, value + semitones)))
        elif not moves:
            inside.append((token, token))
    before, after = np.array(inside).T
    moved = augment.transpose({"tokens": before.astype(np.int32)}, table, semitones)
    np.testing.assert_array_equal(moved["tokens"], after)


def test_a_key_signature_moves_along_the_circle_of_fifths():
    table = vocabulary.chorale()
    arrays = {"tokens": np.full((3, 4), 20, np.int32), "key": np.array([7, 8, 4]), "beat": np.arange(3)}
    up = augment.transpose(arrays, table, 2)  # C, G and E flat a tone up are D, A and F
    np.testing.assert_array_equal(up["key"] - 7, [2, 3, -1])
    np.testing.assert_array_equal(up["beat"], arrays["beat"])
    back = augment.transpose(up, table, -2)
    np.testing.assert_array_equal(back["tokens"], arrays["tokens"])
    np.testing.assert_array_equal(back["key"], arrays["key"])


def test_a_key_signature_stays_in_the_table():
    table = vocabulary.chorale()
    arrays = {"tokens": np.full((15, 4), 20, np.int32), "key": np.arange(15)}
    for k in range(-6, 7):
        key = augment.transpose(arrays, table, k)["key"]
        assert key.min() >= 0 and key.max() < vocabulary.KEYS
        np.testing.assert_array_equal((key - arrays["key"] - 7 * k) % 12, 0)


@pytest.mark.parametrize("name", ["melody-basic", "chorale", "performance", "trio"])
def test_limits_never_leave_the_table(name):
    table = codecs.get(name).vocabulary
    rng = np.random.default_rng(0)
    for _ in range(20):
        tokens = rng.integers(0, table.size, 6).astype(np.int32)
        item = dataset.Item("a", "a", {"tokens": tokens})
        low, high = augment.limits(item, table, 6)
        assert -6 <= low <= 0 <= high <= 6
        for k in range(low, high + 1):
            moved = augment.transpose(item.arrays, table, k)["tokens"]
            assert moved.min() >= 0 and moved.max() < table.size
        wider = [k for k in (low - 1, high + 1) if abs(k) <= 6]
        for k in wider:
            assert augment.transpose(item.arrays, table, k)["tokens"].min() < 0


def test_bits_roll_within_the_keyboard():
    table = vocabulary.pianoroll()
    frames = np.zeros((5, 88), np.int32)
    frames[:, [2, 40, 85]] = 1
    item = dataset.Item("a", "a", {"frames": frames, "beat": np.arange(5)})
    assert augment.limits(item, table, 6) == (-2, 2)
    moved = augment.transpose(item.arrays, table, 2)
    np.testing.assert_array_equal(np.flatnonzero(moved["frames"][0]), [4, 42, 87])
    np.testing.assert_array_equal(moved["beat"], np.arange(5))


@pytest.mark.parametrize("name", ["drums", "drums-bits", "groove"])
def test_drums_are_not_transposed(name):
    table = codecs.get(name).vocabulary
    field = "tokens" if table.kind == "tokens" else "frames"
    item = dataset.Item("a", "a", {field: np.ones((4,) if field == "tokens" else (4, table.size), np.int32)})
    assert augment.limits(item, table, 6) == (0, 0)


def test_derived_fields_move_as_if_derived_from_moved_music():
    import jax

    from musejax.nn.features import voice_history

    table = vocabulary.chorale()
    t = voice_history.tables(table)
    frames = np.random.default_rng(1).integers(10, 14, (1, 24, 4)).astype(np.int32)
    over = jax.jit(lambda x: voice_history.read_all(t, x))
    arrays = {"tokens": frames, **{k: np.asarray(v) for k, v in over(frames).items()}}
    moved = augment.transpose(arrays, table, 3)
    for name, value in over(moved["tokens"]).items():
        np.testing.assert_array_equal(moved[name], value, err_msg=name)
