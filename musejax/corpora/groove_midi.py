"""`groove-midi`: the Groove MIDI Dataset v1.0.0, drum performances of ten drummers to a metronome (3 MB).

The splits are those published by its authors, and every performance forms its own group.
"""

from musejax.corpora import corpus, download, published

FILE = download.Entry(
    name="groove-v1.0.0-midionly.zip",
    url="https://storage.googleapis.com/magentadata/datasets/groove/groove-v1.0.0-midionly.zip",
    sha256="651cbc524ffb891be1a3e46d89dc82a1cecb09a57c748c7b45b844c4841dcc1e",
    size=3260318,
)


def load(name: str, terms: str) -> corpus.Collection:
    """Returns the corpus; arguments and errors are those of `published.load`."""
    groove = published.Set("the Groove MIDI Dataset", "groove", FILE, ("info.csv",), "midi_filename", ("id",))
    return published.load(groove, name, terms)
