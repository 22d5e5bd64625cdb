"""The example pieces, which the documentation relies on."""

import pytest

from musejax import cli
from musejax.music import exact_times, files, voices_and_bars


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that the command writes."""
    out = tmp_path_factory.mktemp("examples") / "pieces"
    with pytest.raises(SystemExit) as end:
        cli.main(["examples", str(out)])
    assert end.value.code == 0
    return out


def test_every_example_is_read_without_a_remark_and_has_whole_bars(folder):
    paths = sorted(path for path in folder.rglob("*") if path.suffix in files.SUFFIXES)
    assert len(paths) == 15 and len(list((folder / "tunes").iterdir())) == 10
    for path in paths:
        remarks: list[str] = []
        (sequence,) = files.read(path, remark=remarks.append)
        assert not remarks, remarks
        assert sequence.sequence_metadata.title
        bars = voices_and_bars.bars(sequence, exact_times.read(sequence))
        full = bars[1].length
        assert all(bar.length == full for bar in bars[1:]), path
        # The last bar and the pickup make up one.
        times = exact_times.read(sequence)
        end = times.quarters(max(note.end_time for note in sequence.notes))
        assert bars[0].length == full or end - bars[-1].start == full - bars[0].length, path


def test_the_examples_have_what_the_documentation_says(folder):
    def kinds(name):
        (sequence,) = files.read(folder / name)
        texts = {a.text.split(":")[0] for a in sequence.text_annotations if not a.text.startswith("measure")}
        return texts & {"lyric", "fermata"}, [info.name for info in sequence.part_infos], sequence

    assert kinds("old-hundredth.abc")[0] == {"lyric", "fermata"}
    assert kinds("ode-to-joy.abc")[0] == set()
    assert kinds("amazing-grace.abc")[0] == {"lyric"}
    words, names, chorale = kinds("chorale.musicxml")
    assert words == {"lyric", "fermata"} and names == ["Soprano", "Alto", "Tenor", "Bass"]
    assert len(chorale.notes) == 4 * 32
    song = kinds("song.mid")[2]
    assert any(note.is_drum for note in song.notes) and len({note.instrument for note in song.notes}) == 4


def test_a_second_call_writes_nothing(folder):
    with pytest.raises(SystemExit) as end:
        cli.main(["examples", str(folder)])
    assert end.value.code == 0


def test_examples_are_not_written_over(folder, capsys):
    (folder / "song.mid").write_bytes(b"mine")
    with pytest.raises(SystemExit) as end:
        cli.main(["examples", str(folder)])
    assert end.value.code == 2
    assert "--overwrite" in capsys.readouterr().err
