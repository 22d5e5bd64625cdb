"""NoteSequence to MP3, a tenth of the size of WAV; needs the extra `mp3` (the package soundfile)."""

import io
from typing import TYPE_CHECKING

from musejax import errors
from musejax.rendering import audio

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def to_bytes(sequence: "NoteSequence") -> bytes:
    """Returns the MP3 file of a sequence: 44.1 kHz, stereo.

    Raises:
        errors.UserError: soundfile is not installed, or as for `audio.to_samples`.
    """
    try:
        import soundfile
    except ImportError:
        raise errors.UserError('MP3 needs soundfile; install it with `pip install "soundfile>=0.13"`') from None
    out = io.BytesIO()
    soundfile.write(out, audio.to_samples(sequence), audio.SAMPLE_RATE, format="MP3")
    return out.getvalue()
