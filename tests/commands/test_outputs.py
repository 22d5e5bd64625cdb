"""Where commands write: `--out` is a file or a folder by one rule, and no file is lost."""

import shutil

import pytest

from musejax import cli
from musejax.music import files

TUNE = "X:{n}\nT:Tune\nM:4/4\nL:1/4\nK:C\nC D E F|\n"


def run(*argv):
    with pytest.raises(SystemExit) as error:
        cli.main([str(a) for a in argv])
    return error.value.code or 0


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """One tune in each format, and two tunes in one file."""
    root = tmp_path_factory.mktemp("music")
    (root / "x.abc").write_text(TUNE.format(n=1))
    (root / "two.abc").write_text(TUNE.format(n=1) + TUNE.format(n=2))
    assert run("convert", root / "x.abc", "--to", "mid,musicxml", "--out", root) == 0
    return root


@pytest.fixture
def here(music, tmp_path, monkeypatch):
    """A folder with a/x.mid, b/x.abc, x.abc, x.musicxml, two.abc."""
    for name in ("a/x.mid", "b/x.abc", "x.abc", "x.musicxml", "two.abc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(music / name.rpartition("/")[2], tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def link_folder(here):
    (here / "link").symlink_to(here / "a")


def link_file(here):
    (here / "o").mkdir()
    (here / "o" / "x.mid").symlink_to(here / "a" / "x.mid")


def hard_link(here):
    (here / "o").mkdir()
    (here / "o" / "x.mid").hardlink_to(here / "a" / "x.mid")


def dangling(here):
    (here / "x.mid").symlink_to(here / "nowhere")


def other_case(here):
    shutil.copytree(here / "a", here / "c")
    (here / "c" / "x.mid").rename(here / "c" / "X.mid")


def unrelated(here):
    (here / "x.mid").write_bytes(b"mine")


def source(here):
    shutil.copy(here / "a" / "x.mid", here / "x.mid")


def folder_in_the_way(here):
    (here / "x.mid").mkdir()


def many(here):
    for suffix in ("mid", "musicxml", "wav"):
        (here / f"two-0001.{suffix}").write_bytes(b"mine")


def data_set(here):
    (here / "x.npz").write_bytes(b"mine")


REFUSED = [
    ("convert a/x.mid b/x.abc --out o", None, "two pieces would be written to o/x.mid"),
    ("convert a/x.mid x.musicxml --out o --to wav", None, "two pieces would be written to o/x.wav"),
    ("convert a/x.mid a/x.mid --out o", None, "two pieces would be written to o/x.mid"),
    ("convert a/x.mid c/X.mid --out o", other_case, "o/x.mid and o/X.mid are one file on some systems"),
    ("convert x.musicxml x.mid", source, "x.mid would overwrite the source x.mid; give another --out"),
    ("convert x.mid x.musicxml --overwrite", source, "x.mid would overwrite the source x.mid"),
    ("convert a/x.mid --out a", None, "a/x.mid would overwrite its source; give another --out"),
    ("convert a/x.mid --out link --overwrite", link_folder, "link/x.mid would overwrite its source"),
    ("convert link/x.mid --out a --overwrite", link_folder, "a/x.mid would overwrite its source"),
    ("convert a/x.mid --out o --overwrite", link_file, "o/x.mid would overwrite its source"),
    ("convert o/x.mid --out o --overwrite", link_file, "o/x.mid would overwrite its source"),
    ("convert a/x.mid --out o --overwrite", hard_link, "o/x.mid would overwrite its source"),
    ("convert x.abc", unrelated, "x.mid exists; give another --out, or --overwrite to replace it"),
    ("convert x.abc", dangling, "x.mid exists; give another --out"),
    ("convert x.abc --overwrite", folder_in_the_way, "x.mid is a folder; give another --out"),
    ("convert x.abc --out x.musicxml", None, "x.musicxml exists"),
    ("convert two.abc --to mid,musicxml,wav", many, "two-0001.mid and 2 more files exist"),
    ("convert x.abc two.abc --out song.mid", None, "--out song.mid is one file, and 2 files need a folder"),
    ("convert two.abc --out song.mid", None, "two.abc holds 2 pieces; give a folder as --out, not song.mid"),
    ("convert x.abc --out song.mid --to musicxml", None, "--out song.mid is one file, and --to musicxml needs a fold"),
    ("convert x.abc --out song.wav --to wav,mid", None, "--out song.wav is one file, and --to wav,mid needs a folder"),
    ("convert x.abc --out song.ogg", None, "the suffix '.ogg' names no format; use one of .abc, .mid"),
    ("convert x.abc --out song.mxl", None, "the suffix '.mxl' names no format"),
    ("render x.abc --out song.pdf", None, "the suffix '.pdf' names no format"),
    ("convert x.abc --out b/x.abc/o", None, "b/x.abc is a file, not a folder"),
    (f"convert x.abc --out {'y' * 252}.mid", None, "File name too long"),
    ("render x.abc x.musicxml --out o", None, "two pieces would be written to o/x.wav"),
    ("prepare x.npz --codec melody --out x.npz --overwrite", data_set, "x.npz would overwrite its source"),
]


@pytest.mark.parametrize(("command", "before", "says"), REFUSED, ids=[c for c, _, _ in REFUSED])
def test_what_would_be_lost_is_one_line_and_nothing_is_written(command, before, says, here, capfd):
    if before:
        before(here)
    found = contents(here)
    assert run(*command.split()) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and says in error
    assert contents(here) == found


def test_overwrite_replaces_what_is_not_a_source(here):
    unrelated(here)
    assert run("convert", "x.abc", "--overwrite") == 0
    assert len(files.read("x.mid")[0].notes) == 4


def test_overwrite_replaces_a_link_and_not_what_it_leads_to(here):
    (here / "mine.txt").write_text("mine")
    (here / "x.mid").symlink_to(here / "mine.txt")
    assert run("convert", "x.abc", "--overwrite") == 0
    assert (here / "mine.txt").read_text() == "mine" and not (here / "x.mid").is_symlink()


WRITTEN = [
    ("convert x.abc --out o/new/song.musicxml", ["o/new/song.musicxml"]),
    ("convert x.abc --out song.xml --to musicxml", ["song.xml"]),
    ("convert x.abc --out SONG.MID", ["SONG.MID"]),
    ("convert x.abc --out song.midi --to mid,mid", ["song.midi"]),
    ("convert x.abc --out song.wav", ["song.wav"]),
    ("render x.abc --out song.png", ["song.png"]),
    ("convert x.abc --out song.results", ["song.results/x.mid"]),
    ("convert x.abc --out v1.2", ["v1.2/x.mid"]),
    ("convert x.abc --out o.mid/", ["o.mid/x.mid"]),
    ("convert a/x.mid two.abc --out o", ["o/x.mid", "o/two-0001.mid", "o/two-0002.mid"]),
    ("convert x.abc x.musicxml --out o --to wav", None),
    ("convert x.musicxml x.abc --to wav --out x.wav", None),
    ("render two.abc --out o", ["o/two-0001.wav", "o/two-0001.png", "o/two-0002.wav", "o/two-0002.png"]),
]


@pytest.mark.parametrize(("command", "names"), WRITTEN, ids=[c for c, _ in WRITTEN])
def test_a_known_suffix_is_a_file_and_anything_else_a_folder(command, names, here):
    before = set(contents(here))
    assert run(*command.split()) == (0 if names else 2)
    assert set(contents(here)) - before == set(names or ())


def test_a_folder_that_exists_is_a_folder_whatever_its_name(here):
    (here / "songs.mid").mkdir()
    assert run("convert", "x.abc", "--out", "songs.mid") == 0
    assert (here / "songs.mid" / "x.mid").is_file()


def test_drawn_music_is_not_replaced_and_the_check_comes_before_the_work(here, capfd, monkeypatch):
    from musejax.generation import sampling

    short = ("--length", 32, "--min-length", 16)
    assert run("sample", "melody-lstm", *short, "--out", "song.mid", "--primer", "x.abc") == 0
    assert run("sample", "melody-lstm", *short, "--num", 2, "--out", "o") == 0
    first = contents(here)
    assert {"song.mid", "o/melody-lstm-0-000.mid", "o/melody-lstm-0-001.mid"} <= set(first)
    draw = sampling.draw_pieces
    monkeypatch.setattr(sampling, "draw_pieces", lambda *args, **kwargs: pytest.fail("it was drawn"))
    capfd.readouterr()
    for out, says in (
        ("song.mid", "song.mid exists; give another --out, or --overwrite to replace it"),
        ("o", "o/melody-lstm-0-000.mid exists"),
        ("x.musicxml", "x.musicxml exists"),
    ):
        assert run("sample", "melody-lstm", *short, "--seed", 0, "--out", out) == 2
        error = capfd.readouterr().err
        assert error.count("\n") == 1 and says in error
    primed = ("sample", "melody-lstm", "--primer", "x.musicxml", "--out", "x.musicxml", "--overwrite")
    assert run(*primed) == 2 and "x.musicxml would overwrite its source" in capfd.readouterr().err
    assert run("sample", "melody-lstm", "--num", 2, "--out", "y.mid") == 2
    assert "--out y.mid is one file, and --num 2 pieces need a folder" in capfd.readouterr().err
    assert contents(here) == first
    monkeypatch.setattr(sampling, "draw_pieces", draw)
    assert run("sample", "melody-lstm", *short, "--num", 2, "--out", "o", "--overwrite") == 0
    assert contents(here) == first


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("interpolate melody-vae-2bar x.abc x.musicxml --num 3 --out path.mid", "--num 3 pieces need a folder"),
        ("interpolate melody-vae-2bar x.abc x.musicxml --num 3", "melody-vae-2bar-0-001.mid exists"),
        ("reconstruct melody-vae-2bar x.abc --out x.musicxml", "x.musicxml exists"),
        ("reconstruct melody-vae-2bar x.abc --out x.ogg", "the suffix '.ogg' names no format"),
        ("reconstruct melody-vae-2bar x.abc", "x-melody-vae-2bar-0.mid exists"),
        ("reconstruct melody-vae-2bar x.musicxml --out x.musicxml --overwrite", "would overwrite its source"),
        ("personalize melody-vae-2bar a two.abc --num 2", "melody-vae-2bar-0-001.mid exists"),
        ("personalize melody-vae-2bar a --num 1 --out a/x.mid --overwrite", "a/x.mid would overwrite its source"),
        ("humanize melody-vae-2bar x.abc --out x.musicxml", "x.musicxml exists"),
        ("harmonize deep-bach x.abc", "x-deep-bach-0-000.mid exists"),
        ("infill coconet x.musicxml --bars 1 --then b/x.abc --out x.musicxml", "leave out bars, voices, keep and vary"),
        ("infill melody-lstm x.musicxml --bars 1 --out x.musicxml --overwrite", "would overwrite its source"),
        ("infill melody-lstm x.abc --then x.musicxml --out x.musicxml --overwrite", "overwrite the source x.musicxml"),
        ("accompany pop-transformer x.abc --out x.musicxml", "x.musicxml exists"),
        ("prepare a --codec melody --out there.npz", "there.npz exists; give another --out, or --overwrite"),
    ],
)
def test_every_command_that_writes_refuses(command, says, here, capfd):
    for name in ("melody-vae-2bar-0-001.mid", "x-melody-vae-2bar-0.mid", "x-deep-bach-0-000.mid", "there.npz"):
        (here / name).write_bytes(b"mine")
    found = contents(here)
    assert run(*command.split()) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and says in error
    assert contents(here) == found


def test_a_data_set_is_replaced_when_asked(here):
    (here / "there.npz").write_bytes(b"mine")
    (here / "a" / "long.abc").write_text(TUNE.format(n=1) + "C D E F|G A B c|" * 8)
    assert run("prepare", "a", "--codec", "melody", "--out", "there.npz", "--overwrite") == 0
    assert (here / "there.npz").read_bytes() != b"mine"
