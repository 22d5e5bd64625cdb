"""`maestro`: MAESTRO v3.0.0, piano performances with published splits, one group per composition (57 MB)."""

from musejax.corpora import corpus, download, published

FILE = download.Entry(
    name="maestro-v3.0.0-midi.zip",
    url="https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip",
    sha256="70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c",
)


def load(name: str, terms: str) -> corpus.Collection:
    """Returns the corpus; arguments and errors are those of `published.load`."""
    tables = ("maestro-v3.0.0.csv", "maestro-v3.0.0.json")
    group = ("canonical_composer", "canonical_title")
    return published.load(
        published.Set("MAESTRO v3", "maestro-v3.0.0", FILE, tables, "midi_filename", group), name, terms
    )
