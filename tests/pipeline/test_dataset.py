import json

import numpy as np
import pytest
import toy

from musejax import errors, vocabulary
from musejax.corpora import preparation
from musejax.pipeline import dataset


def small():
    table = vocabulary.melody(60, 69)
    return dataset.Dataset("made", table, {"train": toy.items(4), "valid": toy.items(1, 5), "test": []}, {"used": 5})


def rewritten(path, change):
    """The file with its description changed."""
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files}
    meta = json.loads(arrays["meta"].tobytes())
    change(meta, arrays)
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(path, **arrays)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    data = small()
    data.save(tmp_path / "new" / "data.npz")
    again = dataset.load(tmp_path / "new" / "data.npz")
    assert (again.source, again.vocabulary, again.report) == (data.source, data.vocabulary, data.report)
    assert list(again.splits) == ["train", "valid", "test"]
    for split, items in data.splits.items():
        assert [(i.name, i.group) for i in again.splits[split]] == [(i.name, i.group) for i in items]
        for a, b in zip(again.splits[split], items, strict=True):
            np.testing.assert_array_equal(a.arrays["tokens"], b.arrays["tokens"])
            assert a.arrays["tokens"].dtype == np.int32
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["data.npz"]


def test_a_groove_keeps_its_fractions(tmp_path):
    frames = np.zeros((32, 27), np.float32)
    frames[::4, [0, 9, 18]] = 1, 0.25, -0.125
    items = [dataset.Item("a", "a", {"frames": frames})]
    dataset.Dataset("made", vocabulary.groove(), {"train": items}, {}).save(tmp_path / "data.npz")
    again = dataset.load(tmp_path / "data.npz").split("train")[0].arrays["frames"]
    np.testing.assert_array_equal(again, frames)
    assert again.dtype == np.float32
    frames[3, 4] = np.nan
    dataset.Dataset("made", vocabulary.groove(), {"train": items}, {}).save(tmp_path / "data.npz")
    with pytest.raises(errors.UserError, match="does not fit the vocabulary"):
        dataset.load(tmp_path / "data.npz")


def test_an_unknown_or_empty_split_is_an_error():
    with pytest.raises(errors.UserError, match="split 'best' is unknown; made has train, valid, test"):
        small().split("best")
    with pytest.raises(errors.UserError, match="no piece in its test split"):
        small().split("test")


BROKEN = {
    "another format": lambda meta, arrays: meta.update(format=99),
    "no splits": lambda meta, arrays: meta.pop("splits"),
    "an id outside the vocabulary": lambda meta, arrays: arrays["train/tokens"].__setitem__(3, 77),
    "a cut array": lambda meta, arrays: arrays.update({"train/tokens": arrays["train/tokens"][:-1]}),
    "a missing name": lambda meta, arrays: meta["splits"]["train"].pop(),
    "a missing array": lambda meta, arrays: arrays.pop("train/offsets"),
    "an unknown field": lambda meta, arrays: arrays.update({"train/colour": arrays["train/tokens"]}),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_description_is_a_user_error(fault, tmp_path):
    path = tmp_path / "data.npz"
    small().save(path)
    rewritten(path, BROKEN[fault])
    with pytest.raises(errors.UserError) as e:
        dataset.load(path)
    assert str(path) in str(e.value)
    assert "musejax prepare" in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", ["absent", "empty", "noise", "cut", "flipped", "an array", "a folder"])
def test_a_damaged_file_is_a_user_error(kind, tmp_path):
    path = tmp_path / "data.npz"
    small().save(path)
    whole = path.read_bytes()
    path.unlink()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 255
    if kind == "a folder":
        path.mkdir()
    elif kind == "an array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind != "absent":
        path.write_bytes({"empty": b"", "noise": b"PK noise", "cut": whole[:-40], "flipped": bytes(flipped)}[kind])
    with pytest.raises(errors.UserError, match="musejax prepare"):
        dataset.load(path)


def test_a_file_for_another_codec_or_version_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    small().save(path)
    with pytest.raises(errors.UserError, match="prepared for codec melody, not chorale"):
        preparation.prepare(str(path), "chorale", pytest.fail)
    rewritten(path, lambda meta, arrays: meta["vocabulary"].update(version=0))
    with pytest.raises(errors.UserError, match="version 0 of codec melody; this musejax has version 1; make it again"):
        preparation.prepare(str(path), "melody", pytest.fail)


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        small().save(tmp_path / "data.npz")
    assert not list(tmp_path.iterdir())
