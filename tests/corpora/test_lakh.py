import io
import json
import zipfile

import numpy as np
import pytest
from scipy import sparse

from musejax import codecs, corpora, errors
from musejax.corpora import lakh

RESOLUTION = 24


def archive(tracks, tempo, **info):
    """What pypianoroll saves: (name, program, is_drum, roll [T, 128]) of each track, with SciPy's own matrix."""
    arrays, told = {"tempo": tempo, "downbeat": np.arange(len(tempo)) % 96 == 0}, {"name": "song", **info}
    for i, (name, program, is_drum, roll) in enumerate(tracks):
        matrix = sparse.csc_matrix(roll)
        for part in ("data", "indices", "indptr"):
            arrays[f"pianoroll_{i}_csc_{part}"] = getattr(matrix, part)
        told[str(i)] = {"name": name, "program": program, "is_drum": is_drum, "shape": list(roll.shape)}
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    with zipfile.ZipFile(out, "a") as opened:
        opened.writestr("info.json", json.dumps(told))
    return out.getvalue()


def random_tracks(seed=0, frames=400):
    rng, out = np.random.default_rng(seed), []
    for name, program, is_drum in (("Drums", 0, True), ("Piano", 0, False), ("Bass", 32, False)):
        roll = np.zeros((frames, 128), np.uint8)
        for _ in range(40):
            start, pitch = rng.integers(0, frames - 30), rng.integers(30, 100)
            roll[start : start + rng.integers(1, 30), pitch] = rng.integers(1, 128)
        out.append((name, program, is_drum, roll))
    return out


@pytest.mark.parametrize("info", [{"beat_resolution": RESOLUTION}, {"resolution": RESOLUTION}])
def test_every_cell_of_the_rolls_comes_back_through_the_tempos(info):
    tracks = random_tracks()
    tempo = np.where(np.arange(400) < 100, 90.0, 133.0)
    sequence = lakh.to_sequence(archive(tracks, tempo, **info))
    assert [(t.time, t.qpm) for t in sequence.tempos] == [(0.0, 90.0), (pytest.approx(100 / 24 / 90 * 60), 133.0)]
    arrays = codecs.get("rolls-band").encode(sequence)[0]
    cells = arrays["frames"].reshape(-1, 5, 84)
    assert len(cells) >= 400 and not cells[400:].any()
    for track, (_, _, is_drum, roll) in zip((0, 1, 3), tracks, strict=True):
        lit = roll[:, 24:108] > 0
        lit[1:] &= ~lit[:-1] if is_drum else True
        np.testing.assert_array_equal(cells[:400, track], lit)
    assert arrays["beat"][[0, 95, 96]].tolist() == [0, 95, 0]


def test_velocities_are_kept_and_a_roll_without_them_has_one():
    roll = np.zeros((96, 128), np.uint8)
    roll[3:5, 60] = 17
    for kind, velocity in ((np.uint8, 17), (bool, lakh.VELOCITY)):
        track = ("Piano", 0, False, roll.astype(kind))
        (note,) = lakh.to_sequence(archive([track], np.full(96, 120.0), beat_resolution=24)).notes
        assert (note.pitch, note.velocity) == (60, velocity)
        assert (note.start_time, note.end_time) == (pytest.approx(3 / 48), pytest.approx(5 / 48))


def test_a_folder_is_read_and_damaged_files_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    monkeypatch.setenv("MUSEJAX_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / lakh.FOLDER / "A" / "B"
    folder.mkdir(parents=True)
    good = archive(random_tracks(), np.full(400, 120.0), beat_resolution=24)
    silent = archive([("Piano", 0, False, np.zeros((96, 128), bool))], np.full(96, 120.0), beat_resolution=24)
    for name, data in (("one", good), ("two", silent), ("three", good[:-200]), ("four", b"noise")):
        (folder / f"{name}.npz").write_bytes(data)
    found = corpora.load("lakh-5")
    assert [p.name for p in found.pieces] == ["lakh/A/B/one.npz"]
    assert found.report.to_json() == {
        "used": 1, "discarded": {"it has no notes": 1, "not a pypianoroll archive": 2}, "files": [], "losses": []
    }  # fmt: skip
    monkeypatch.setattr(lakh, "read", lambda task: pytest.fail("read again"))
    assert [p.name for p in corpora.load("lakh-5").pieces] == ["lakh/A/B/one.npz"]


def test_where_it_is_not_there_the_address_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    with pytest.raises(errors.UserError, match="get lpd-5-cleansed from https://salu133445.github.io"):
        corpora.load("lakh-5")
