import subprocess
import sys

import pytest

from musejax import corpora, errors


def test_the_table_is_sound():
    for name, source in corpora.CORPORA.items():
        assert set(source.overlaps) <= set(corpora.CORPORA) - {name}
        assert all(name in corpora.CORPORA[other].overlaps for other in source.overlaps), name
        assert callable(source.load)
        assert source.summary
        assert source.terms


def test_importing_it_reads_no_music_package():
    code = "import sys, musejax.corpora; print({'note_seq', 'music21', 'symusic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["bach", "/no/such/folder", ""])
def test_an_unknown_name_lists_what_exists(name):
    with pytest.raises(errors.UserError) as e:
        corpora.load(name or "nothing")
    assert all(known in str(e.value) for known in corpora.CORPORA)
    assert "\n" not in str(e.value)
