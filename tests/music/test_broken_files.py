"""A folder in which some files cannot be read: each is counted and listed, and the others are used."""

import json
import os
import struct

import pytest

from musejax import cli, errors
from musejax.corpora import folder
from musejax.music import files, midi_reading
from musejax.pipeline import dataset

BARS = ["C D E F|G A B c|", "c B A G|F E D C|", "E G c e|d B G D|", "A c e c|F A c A|"]
TEMPO = "it has a tempo of 0 microseconds per quarter note"
TICKS = "it has 0 ticks per quarter note"
BUG = "could not be read (MemoryError: no room)"
LATIN = os.fsdecode(b"caf\xe9.abc")
CONFIG = """
from musejax.experiments import Experiment
from musejax.models import recurrent
from musejax.training.settings import Training

config = Experiment(name="tiny", data="mine", codec="melody", model=recurrent.Config(hidden=4, num_layers=1),
    training=Training(steps=1, batch_size=2, window=16, eval_every=1, save_every=1, log_every=1))
"""


def tune(number):
    return "X:1\nM:4/4\nL:1/4\nK:C\n" + "".join(BARS[(number + i * i) % 4] for i in range(8)) + "\n"


def midi_bytes(division=96, tempo=500_000):
    events = b"\x00\xff\x51\x03" + tempo.to_bytes(3, "big") + b"\x00\x90\x3c\x40\x60\x80\x3c\x00\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, division) + b"MTrk" + struct.pack(">I", len(events)) + events


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of four tunes, one of a name that is not UTF-8, and of files of which each fails in another way."""
    root = tmp_path / "mine"
    (root / "sub").mkdir(parents=True)
    for number in range(3):
        (root / f"{number}.abc").write_text(tune(number))
    (root / LATIN).write_text(tune(3))
    (root / "tempo.mid").write_bytes(midi_bytes(tempo=0))
    (root / "ticks.mid").write_bytes(midi_bytes(division=0))
    (root / "sub" / "ticks\n.mid").write_bytes(midi_bytes(division=0))
    (root / "bug.mid").write_bytes(midi_bytes())
    (root / "deep.mid").write_bytes(midi_bytes())
    (root / os.fsdecode(b"\xff.mid")).write_bytes(b"noise")
    read = midi_reading.midi_to_sequence

    def broken(data):
        raise MemoryError("no room") if next(calls) == "bug" else RecursionError("too deep")

    calls = iter(["bug", "deep"] * 9)
    monkeypatch.setattr(
        midi_reading,
        "midi_to_sequence",
        lambda data, **say: broken(data) if data == midi_bytes() else read(data, **say),
    )
    monkeypatch.chdir(tmp_path)
    return root


FAILED = {
    "bug.mid": BUG,
    "deep.mid": "could not be read (RecursionError: too deep)",
    "sub/ticks\\n.mid": TICKS,
    "tempo.mid": TEMPO,
    "ticks.mid": TICKS,
    "\\xff.mid": "it does not begin like a MIDI file (MThd)",
}


def run(*argv):
    with pytest.raises(SystemExit) as error:
        cli.main([str(a) for a in argv])
    return error.value.code or 0


def counted(lines, where="mine"):
    """Checks that what was passed over is counted in one line and listed in those behind it."""
    at = next(i for i, line in enumerate(lines) if f"{where}: passed over 6" in line)
    assert f"2 x {TICKS}" in lines[at] and f"1 x {BUG}" in lines[at]
    assert sorted(lines[at + 1 : at + 7]) == sorted(f"{file}: {reason}" for file, reason in FAILED.items())


def listed(report):
    assert {f["file"]: f["reason"] for f in report["files"]} == FAILED
    assert report["discarded"][TICKS] == 2 and sum(report["discarded"].values()) == 6


def test_a_file_of_a_name_that_is_not_utf_8_is_read(mine):
    (sequence,) = files.read(mine / LATIN)
    assert sequence.filename == "caf\\xe9.abc" and len(sequence.notes) == 64


@pytest.mark.parametrize(
    ("data", "says"), [(midi_bytes(0), TICKS), (midi_bytes(tempo=0), TEMPO)], ids=["ticks", "tempo"]
)
def test_a_single_file_is_one_line(data, says, tmp_path, capfd):
    (tmp_path / "x.mid").write_bytes(data)
    assert run("convert", tmp_path / "x.mid", "--out", tmp_path / "out") == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and f"x.mid: {says}; give a valid MIDI" in error


def test_what_a_reader_did_not_foresee_is_one_line(mine, capfd):
    assert run("convert", mine / "bug.mid", "--out", "out") == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and f"bug.mid: {BUG}; give a valid MIDI" in error


def test_a_data_set_is_made_of_the_others_and_lists_what_failed(mine, capfd):
    assert run("prepare", "mine", "--codec", "melody", "--out", "mine.npz", "--json") == 0
    captured = capfd.readouterr()
    listed(json.loads(captured.out))
    data = dataset.load(mine.parent / "mine.npz")
    listed(data.report)
    assert sorted(i.name for items in data.splits.values() for i in items) == [
        "0.abc", "1.abc", "2.abc", "caf\\xe9.abc",
    ]  # fmt: skip
    assert run("prepare", "mine", "--codec", "melody", "--out", "again.npz") == 0
    counted(capfd.readouterr().err.splitlines())


def test_a_piece_that_spoils_a_codec_does_not_cost_the_others(mine, monkeypatch):
    from musejax import codecs, corpora
    from musejax.corpora import preparation

    codec = codecs.get("melody")

    def encode(sequence):
        return codec.encode(sequence) if sequence.filename != "1.abc" else [{"tokens": [0] // 0}]  # type: ignore

    corpus = corpora.load(mine)
    variants = codec._replace(encode=encode, variants=lambda sequence: [sequence])
    data = preparation.encode(corpus, "melody", variants, print)
    assert data.report["used"] == 3
    (failed,) = (f for f in data.report["files"] if f["file"] == "1.abc")
    assert failed["reason"].startswith("could not be read as melody (TypeError: ")


def test_nothing_usable_is_one_line_with_counts_by_reason(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").mkdir()
    for number in range(40):
        (tmp_path / "bad" / f"{number}.mid").write_bytes(midi_bytes(0) if number else midi_bytes(tempo=0))
    for argv in (
        ["prepare", "bad", "--codec", "melody", "--out", "bad.npz"],
        ["metrics", "bad", "--reference", "bad"],
        ["personalize", "melody-vae-2bar", "bad"],
        ["train", "quickstart", "--data", "bad", "--workdir", "run"],
    ):
        assert run(*argv) == 2
        error = capfd.readouterr().err
        assert error.count("\n") == 1 and f"none of 40 files could be used (39 x {TICKS}; 1 x {TEMPO})" in error
    assert [p.name for p in tmp_path.iterdir()] == ["bad"]


def test_statistics_are_of_the_others_and_list_what_failed(mine, capfd):
    assert run("metrics", "mine", "--reference", "mine", "--json") == 0
    captured = capfd.readouterr()
    counted(captured.err.splitlines())
    told = json.loads(captured.out)["passed_over"]
    listed(told["generated"])
    listed(told["reference"])
    assert set(told) == {"generated", "reference"}


def test_training_uses_the_others_and_keeps_their_names_out_of_the_run(mine, capfd):
    (mine.parent / "tiny.py").write_text(CONFIG)
    assert run("train", "tiny.py", "--workdir", "run") == 0
    counted(capfd.readouterr().err.splitlines())
    described = json.loads((mine.parent / "run" / "run.json").read_text())
    assert described["data"]["report"]["discarded"][TICKS] == 2
    assert "tempo.mid" not in json.dumps(described)


def test_pieces_are_like_the_others(mine, capfd):
    assert run("personalize", "melody-vae-2bar", "mine", "--num", 1, "--steps", 2, "--out", "like") == 0
    counted(capfd.readouterr().err.splitlines())


def test_a_fault_that_one_piece_shows_does_not_cost_the_others(mine, monkeypatch):
    from musejax.reports import metrics

    on_grid = metrics.on_grid
    monkeypatch.setattr(metrics, "on_grid", lambda s, grid: 1 // 0 if s.filename == "1.abc" else on_grid(s, grid))
    lines = []
    assert len(metrics.read("mine", None, 4, lines.append)) == 3
    assert any(line.startswith("1.abc: could not be read (ZeroDivisionError") for line in lines)


def test_the_list_is_that_of_the_folder(mine):
    report = folder.load(mine).report
    assert dict(report.files) == FAILED
    with pytest.raises(errors.UserError, match="could not be read"):
        files.read(mine / "bug.mid")
