import io
import sys

import numpy as np
import pytest

from musejax import errors
from musejax.rendering import audio, mp3


def test_the_sound_survives(chorale):
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(io.BytesIO(mp3.to_bytes(chorale)))
    plain = audio.to_samples(chorale)
    assert rate == audio.SAMPLE_RATE and samples.shape[1] == 2
    assert abs(len(samples) - len(plain)) < rate / 10
    size = min(len(samples), len(plain))
    loudness = [np.abs(sound[:size, 0]).reshape(-1) for sound in (samples, plain)]
    assert np.corrcoef(*loudness)[0, 1] > 0.5


def test_a_missing_package_is_named(chorale, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(errors.UserError, match=r'pip install "soundfile>=0.13"'):
        mp3.to_bytes(chorale)
