import io
import wave

import numpy as np
import pytest

from musejax import errors
from musejax.music import noteseq
from musejax.rendering import audio

_PEAK = 10 ** (-1 / 20)


@pytest.fixture(params=["soundfont", "sines"])
def source(request, monkeypatch):
    """Both ways to a sound; the fall-back by hiding the font."""
    if request.param == "sines":
        monkeypatch.setattr(audio, "soundfont", lambda: None)
    elif audio.soundfont() is None:
        pytest.skip("this pretty_midi has no TimGM6mb.sf2")
    return request.param


def test_loud_enough_without_clipping_and_as_long_as_the_music(source, chorale):
    samples = audio.to_samples(chorale)
    assert samples.dtype == np.float32 and samples.shape[1] == 2
    assert np.abs(samples).max() == pytest.approx(_PEAK, rel=1e-4)
    assert np.sqrt((samples**2).mean()) > 0.02
    seconds = len(samples) / audio.SAMPLE_RATE
    assert chorale.total_time <= seconds + 1e-3 <= chorale.total_time + 1
    assert np.abs(samples[-1]).max() < 1e-4
    assert np.array_equal(samples, audio.to_samples(chorale))


def test_notes_sound_at_their_pitch_and_time(source):
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=69, velocity=90, start_time=1.0, end_time=2.0, program=73)
    samples = audio.to_samples(sequence)
    rate = audio.SAMPLE_RATE
    assert np.abs(samples[: round(0.99 * rate)]).max() < 1e-3
    heard = samples[round(1.3 * rate) : round(1.9 * rate), 0]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.fft.rfftfreq(len(heard), 1 / rate)[spectrum.argmax()] == pytest.approx(440, abs=4)


def test_the_pedal_holds_notes_and_drums_ring(polyphony):
    with_pedal = audio.to_samples(polyphony)
    del polyphony.control_changes[:]
    without = audio.to_samples(polyphony)
    assert np.isfinite(with_pedal).all()
    at = slice(round(1.75 * audio.SAMPLE_RATE), round(1.95 * audio.SAMPLE_RATE))
    assert np.abs(with_pedal[at] - without[at]).max() > 0.01


def test_the_file_is_16_bit_stereo(chorale):
    with wave.open(io.BytesIO(audio.to_bytes(chorale))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 44100)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(data.astype(int)).max() == round(_PEAK * 32767)


def test_an_endless_note_is_refused():
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=60, velocity=80, end_time=1e6)
    with pytest.raises(errors.UserError, match="at most 3600"):
        audio.to_samples(sequence)
