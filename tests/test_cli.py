"""The command line: bad input is one line and exit status 2, nothing is left behind; and what good input gives."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import musejax
from musejax import cli, codecs, corpora, errors, registry, vocabulary
from musejax.pipeline import augment, dataset, windows
from musejax.reports import evaluate

CONFIG = """
from musejax.experiments import Experiment
from musejax.models import music_vae, recurrent
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name={name!r},
    data={data!r},
    codec={codec!r},
    model=recurrent.Config(hidden=8, num_layers=1),
    optimizer=Optimizer(warmup_steps=1),
    training=Training(steps=4, batch_size=4, window=16, eval_every=2, save_every=2, log_every=2),
)
"""
ABC = "X:1\nT:Tune\nM:4/4\nL:1/4\nQ:1/4=120\nK:C\n{notes}|\n"


def prepared(path, table, source, high):
    rng = np.random.default_rng(0)

    def items(n):
        out = []
        for i in range(n):
            shape = (20 + i, table.streams) if table.streams > 1 else (20 + i,)
            arrays = {"tokens": rng.integers(2, high, shape).astype(np.int32)}
            arrays |= {name: np.arange(20 + i, dtype=np.int32) % size for name, size in table.conditions}
            out.append(dataset.Item(f"{source} {i}", str(i), arrays))
        return out

    dataset.Dataset(source, table, {"train": items(8), "valid": items(2), "test": items(3)}, {"used": 13}).save(path)


def bars(root):
    """Tunes of three bars whose windows of two bars are shared, in other keys, and a run trained on these windows."""
    table = codecs.get("melody-90").vocabulary
    rng = np.random.default_rng(3)
    first, second, third, fourth = np.where(rng.random((4, 16)) < 0.5, rng.integers(30, 50, (4, 16)), 0)
    for bar in (first, second, third, fourth):
        bar[0] = 40

    def item(name, *parts, up=0):
        tokens = np.concatenate(parts).astype(np.int32)
        beat = np.arange(len(tokens), dtype=np.int32) % 16
        return dataset.Item(name, name, {"tokens": np.where(tokens > 1, tokens + up, tokens), "beat": beat})

    splits = {
        "train": [item("a", first, second, third), item("b", first, second, fourth, up=2)],
        "valid": [item("c", second, third, first, up=-3)],
        "test": [item("d", second, fourth, first, up=5), item("e", third, first, first)],
    }
    dataset.Dataset("bars", table, splits, {"used": 5}).save(root / "bars.npz")
    text = CONFIG.format(name="bars", data=str(root / "bars.npz"), codec="melody-90")
    (root / "bars.py").write_text(text.replace("window=16", "window=32, bars=2"))
    assert run("train", root / "bars.py", "--workdir", root / "bars") == 0
    net = "music_vae.Config(latent=4, encoder_hidden=6, hidden=8, num_layers=1)"
    text = (root / "bars.py").read_text().replace("recurrent.Config(hidden=8, num_layers=1)", net)
    (root / "vae.py").write_text(text.replace("name='bars'", "name='vae'"))
    assert run("train", root / "vae.py", "--workdir", root / "vae") == 0


def run(*argv):
    """The exit status of one command in this process."""
    with pytest.raises(SystemExit) as e:
        cli.main([str(a) for a in argv])
    return e.value.code or 0


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with two small trained runs, their data, and files of every bad kind."""
    root = tmp_path_factory.mktemp("made")
    chorale = vocabulary.chorale()
    prepared(root / "tunes.npz", vocabulary.melody(), "tunes", 90)
    prepared(root / "chorales.npz", chorale, "bach-chorales", 40)
    prepared(root / "jsb16-as-chorales.npz", chorale, "jsb16", 40)
    for name, codec in (("tunes", "melody"), ("chorales", "chorale")):
        (root / f"{name}.py").write_text(CONFIG.format(name=name, data=str(root / f"{name}.npz"), codec=codec))
        assert run("train", root / f"{name}.py", "--workdir", root / name) == 0
    bars(root)
    (root / "empty.mid").write_bytes(b"")
    (root / "noise.mid").write_bytes(b"MThd noise")
    (root / "tune.abc").write_text(ABC.format(notes="C D E F"))
    (root / "chords.abc").write_text(ABC.format(notes="[CE] D E F"))
    (root / "duet.abc").write_text(ABC.format(notes="V:1\nC D E F|\nV:2\nC D E F"))
    (root / "low.abc").write_text(ABC.format(notes="C,,,,D,,,,E,,,,F,,,,"))
    (root / "notes.txt").write_text("no music")
    (root / "folder").mkdir()
    (root / "folder" / "noise.mid").write_bytes(b"noise")
    (root / "folder" / "empty.mid").write_bytes(b"")
    (root / "plain").mkdir()
    (root / "tune-folder").mkdir()
    shutil.copy(root / "tune.abc", root / "tune-folder" / "tune.abc")
    assert run("convert", root / "tune.abc", "--out", root) == 0
    (root / "noise.npz").write_bytes(b"noise")
    (root / "empty.py").write_text("x = 1\n")
    (root / "broken.py").write_text("import nothing_of_this_name\n")
    (root / "sgd.py").write_text((root / "tunes.py").read_text().replace("Optimizer(", "Optimizer(name='sgd', "))
    for name, change in {
        "newer": lambda d: d.update(format=99),
        "codec-version": lambda d: d["vocabulary"].update(version=0),
        "family": lambda d: d.update(family="organ"),
        "field": lambda d: d["model"].update(reeds=3),
        "no-model": lambda d: d.pop("model"),
    }.items():
        shutil.copytree(root / "tunes", root / name)
        described = json.loads((root / name / "run.json").read_text())
        change(described)
        (root / name / "run.json").write_text(json.dumps(described))
    shutil.copytree(root / "tunes", root / "cut-json")
    (root / "cut-json" / "run.json").write_text('{"format": 1, "na')
    shutil.copytree(root / "tunes", root / "no-checkpoint")
    shutil.rmtree(root / "no-checkpoint" / "checkpoints")
    return root


TRAIN = ["train", "{root}/tunes.py", "--workdir", "new"]
BARS = ["train", "{root}/bars.py", "--workdir", "new"]
SAMPLE = ["sample", "{root}/tunes"]
PATH = ["interpolate", "{root}/vae", "{root}/tune.mid", "{root}/tune.mid"]
HARMONIZE = ["harmonize", "{root}/chorales"]
TUNE = [*HARMONIZE, "{root}/tune.mid"]
INFILL = ["infill", "{root}/tunes", "{root}/tune.mid"]
PREPARE = ["prepare", "{root}/bars.npz", "--codec", "melody-90", "--out", "x.npz"]
EVALUATE = ["evaluate", "{root}/tunes", "--data", "{root}/tunes.npz"]
# The command, and what its one line must hold.
BAD = [
    ([], "required: COMMAND"),
    (["compose"], "invalid choice: 'compose'"),
    (["list", "--colour"], "no option '--colour'"),
    (["sample"], "required: MODEL"),
    # Models
    (["sample", "no-such"], "no run directory or shipped model 'no-such'"),
    (["sample", "basic-rnn"], "basic-rnn is a preset without trained weights"),
    (["sample", "{root}/plain"], "is not a run directory: it has no run.json"),
    (["sample", "{root}/cut-json"], "run.json cannot be read"),
    (["sample", "{root}/newer"], "run format 99; this musejax reads format 1"),
    (["sample", "{root}/codec-version"], "version 0 of codec melody; this musejax has version 1"),
    (["sample", "{root}/family"], "family 'organ' is unknown; the families are coconet"),
    (["sample", "{root}/field"], "unknown fields reeds"),
    (["evaluate", "{root}/no-model", "--data", "{root}/tunes.npz"], "damaged: it has no 'model'"),
    (["sample", "{root}/no-checkpoint"], "there is no checkpoint; train it"),
    # Sampling
    ([*SAMPLE, "--num", "0"], "--num 0: it must be at least 1"),
    ([*SAMPLE, "--num", "two"], "invalid int value: 'two'"),
    ([*SAMPLE, "--length", "0"], "--length 0"),
    ([*SAMPLE, "--width", "0"], "--width 0"),
    ([*SAMPLE, "--seed", "-1"], "--seed -1"),
    ([*SAMPLE, "--seed", str(2**70)], "it must be from 0 to 4294967295"),
    ([*SAMPLE, "--temperature", "0"], "--temperature 0.0: it must be above 0"),
    ([*SAMPLE, "--temperature", "nan"], "--temperature nan"),
    ([*SAMPLE, "--top-k", "0"], "--top-k 0: it must be at least 1"),
    ([*SAMPLE, "--top-p", "1.5"], "--top-p 1.5: it must be above 0 and at most 1"),
    ([*SAMPLE, "--min-p", "0"], "--min-p 0.0"),
    ([*SAMPLE, "--qpm", "0"], "--qpm 0.0"),
    ([*SAMPLE, "--scale", "H:dur"], "--scale H:dur: give a tonic"),
    ([*SAMPLE, "--key", "H"], "--key H: give a tonic"),
    ([*SAMPLE, "--key", "G:dorian"], "--key G:dorian: the mode is major or minor"),
    ([*SAMPLE, "--key", "G"], "tunes is not conditioned on a key; a scale constrains"),
    ([*SAMPLE, "--pitches", "90-60"], "--pitches 90-60: give two MIDI pitches"),
    ([*SAMPLE, "--formats", "ogg"], "format 'ogg' is unknown; the formats are mid"),
    ([*SAMPLE, "--formats", ","], "no format given"),
    ([*SAMPLE, "--colour", "red"], "sample has no option '--colour'"),
    ([*SAMPLE, "--out", "{root}/notes.txt/x", "--length", "8"], "notes.txt"),
    ([*SAMPLE, "--primer", "none.mid"], "none.mid: No such file or directory"),
    ([*SAMPLE, "--primer", "{root}/empty.mid"], "the file is empty"),
    ([*SAMPLE, "--primer", "{root}/noise.mid"], "noise.mid"),
    ([*SAMPLE, "--primer", "{root}/notes.txt"], "the suffix '.txt' is not one of"),
    (["sample", "{root}/chorales", "--primer", "{root}/low.abc"], "the primer does not fit codec chorale of chorales"),
    ([*SAMPLE, "--primer", "{root}/tune.abc", "--length", "4"], "--length 4: the primer alone has 16 frames"),
    ([*SAMPLE, "--beam", "2", "--num", "2"], "--beams 2: a beam search returns one piece, and num is 2"),
    ([*SAMPLE, "--beam", "0"], "--beams 0: it must be at least 1"),
    ([*SAMPLE, "--guidance", "nan"], "--guidance nan: it must be at least 0"),
    ([*SAMPLE, "--guidance", "2"], "guidance needs a model with conditions and condition_dropout above 0"),
    ([*SAMPLE, "--chord-frames", "0"], "--chord-frames 0: it must be at least 1"),
    ([*SAMPLE, "--chords", "C H"], "--chords C H: chord 'H' is unknown"),
    ([*SAMPLE, "--density", "8-4"], "--density 8-4: give the least and most onsets in a bar"),
    ([*SAMPLE, "--density", "20-30"], "--density 20-30: 20..30 onsets in 16 frames"),
    # Steering
    (HARMONIZE, "required: FILE"),
    (["harmonize", "no-such", "{root}/tune.mid"], "no run directory or shipped model 'no-such'"),
    (["harmonize", "{root}/tunes", "{root}/tune.mid"], "writes codec melody, which has no voices to harmonise"),
    ([*HARMONIZE, "none.mid"], "none.mid: No such file or directory"),
    ([*HARMONIZE, "{root}/noise.mid"], "noise.mid: its header has 10 bytes"),
    ([*HARMONIZE, "{root}/notes.txt"], "the suffix '.txt' is not one of"),
    ([*HARMONIZE, "{root}/chords.abc"], "chords.abc: two notes sound at once in the soprano at 0.0"),
    ([*HARMONIZE, "{root}/duet.abc"], "duet.abc: 2 parts sound; codec chorale needs one melody or four voices"),
    ([*TUNE, "--voice", "organ"], "--voice organ: choose from soprano, alto, tenor, bass"),
    ([*TUNE, "--num", "0"], "--num 0: it must be at least 1"),
    ([*TUNE, "--key", "G"], "chorales is not conditioned on a key"),
    ([*TUNE, "--scale", "H"], "--scale H"),
    ([*TUNE, "--out", "x.mid", "--num", "2"], "--out x.mid is one file, and --num 2 pieces need a folder"),
    ([*TUNE, "--out", "x.mid", "--formats", "wav"], "--out x.mid is one file, and --formats wav needs a folder"),
    ([*TUNE, "--out", "x.ogg"], "the suffix '.ogg' names no format; use one of .abc, .mid"),
    ([*TUNE, "--out", "{root}/tune.mid"], "tune.mid would overwrite its source; give another --out"),
    ([*TUNE, "--out", "{root}/notes.txt/x.mid"], "notes.txt"),
    ([*TUNE, "--out", "{root}/tune-folder/tune.abc/x"], "tune.abc is a file, not a folder; give another --out"),
    ([*TUNE, "--out", "{root}/notes.txt"], "notes.txt is a file of no format; give a folder, or a file such as F.mid"),
    ([*TUNE, "--formats", "ogg"], "format 'ogg' is unknown"),
    ([*TUNE, "--primer", "x.mid"], "harmonize has no option '--primer'"),
    (INFILL, "nothing is to be filled; give bars such as 5-8"),
    ([*INFILL, "--bars", "2-1"], "--bars 2-1: give ranges such as 5-8"),
    ([*INFILL, "--bars", "one"], "--bars one: give ranges such as 5-8"),
    ([*INFILL, "--bars", "0-1"], "bars 0-1: tune.mid has bar 1"),
    ([*INFILL, "--bars", "1", "--voices", "organ"], "--voices organ: the voices are"),
    ([*INFILL, "--voices", "alto"], "voices alto: codec melody of tunes has no voices; name bars alone"),
    (["infill", "{root}/chorales", "{root}/tune.mid", "--bars", "1"], "1 part sounds; codec chorale needs four voices"),
    # Latent vectors
    (["reconstruct", "{root}/tunes", "{root}/tune.mid"], "tunes has no latent vector"),
    (["reconstruct", "{root}/vae", "{root}/low.abc"], "low.abc: it does not fit codec melody-90 of vae: pitch 12"),
    (["reconstruct", "{root}/vae", "{root}/tune.mid", "--temperature", "0"], "--temperature 0.0: it must be above 0"),
    (["reconstruct", "{root}/vae", "{root}/noise.mid"], "noise.mid: its header has 10 bytes"),
    (["interpolate", "{root}/vae", "{root}/tune.mid"], "give FIRST and LAST, or no file"),
    ([*PATH, "--latent", "shared"], "--latent shared: from one file to another the whole vector moves"),
    (["interpolate", "{root}/vae", "--latent", "shared"], "--latent shared: vae has no such latent vector"),
    ([*PATH, "--num", "1"], "--num 1: it must be at least 2"),
    ([*PATH, "--formats", "ogg"], "format 'ogg' is unknown"),
    ([*PATH, "--seed", "-1"], "--seed -1: it must be from 0 to"),
    (["humanize", "{root}/vae", "{root}/tune.mid"], "vae does not humanise drums; a VAE of codec groove trained with"),
    (["personalize", "{root}/vae"], "required: FILE|DIR"),
    (["personalize", "{root}/tunes", "{root}/tune.mid"], "tunes has no latent vector"),
    (["personalize", "{root}/vae", "{root}/tune.mid"], "the music fills one window of vae, and two"),
    (["personalize", "{root}/vae", "{root}/low.abc"], "low.abc: it does not fit codec melody-90 of vae: pitch 12"),
    (["personalize", "{root}/vae", "{root}/tune.mid", "{root}/noise.mid"], "noise.mid: its header has 10 bytes"),
    (["personalize", "{root}/vae", "{root}/folder"], "none of 2 files could be used (1 x"),
    (["personalize", "{root}/vae", "{root}/plain"], "holds no file ending in"),
    (["personalize", "{root}/vae", "{root}/tune.mid", "--num", "0"], "--num 0: it must be at least 1"),
    (["personalize", "{root}/vae", "{root}/tune.mid", "--steps", "0"], "--steps 0: it must be at least 1"),
    ([*SAMPLE, "--bars", "0"], "--bars 0: it must be at least 1"),
    ([*SAMPLE, "--bars", "4"], "bars, attributes and given tracks need codec tracks"),
    ([*SAMPLE, "--attributes", "piano=8"], "--attributes piano=8: give TRACK.ATTRIBUTE=BIN"),
    (["accompany", "{root}/tunes", "{root}/tune.mid"], "bars, attributes and given tracks need codec tracks"),
    # Scoring
    ([*EVALUATE, "--frames-per-bar", "0"], "--frames-per-bar 0: it must be at least 1"),
    ([*EVALUATE, "--given", "organ"], "--given organ: the voices are soprano, alto, tenor, bass"),
    ([*EVALUATE, "--given", "soprano"], "is melody, which has no such voices"),
    ([*EVALUATE, "--split", "best"], "--split best: choose from train, valid, test"),
    (["evaluate", "{root}/tunes", "--data", "no-such"], "corpus 'no-such' is neither a folder nor a known name"),
    (["evaluate", "{root}/tunes", "--data", "none.npz"], "none.npz does not exist"),
    (["evaluate", "{root}/tunes", "--data", "{root}/noise.npz"], "is not a prepared data set"),
    (["evaluate", "{root}/tunes", "--data", "{root}/chorales.npz"], "prepared for codec chorale, not melody"),
    (["evaluate", "{root}/tunes", "--data", "jsb16"], "jsb16 has codec chorale-pitches, but"),
    (["evaluate", "{root}/tunes", "--data", "{root}/folder"], "none of 2 files could be used (1 x"),
    (["evaluate", "{root}/tunes", "--data", "{root}/plain"], "holds no file ending in"),
    (["evaluate", "{root}/chorales", "--data", "jsb16"], "which shares music with jsb16"),
    (["evaluate", "{root}/chorales", "--data", "{root}/jsb16-as-chorales.npz"], "which shares music with jsb16"),
    ([*EVALUATE, "--samples", "0"], "--samples 0: it must be at least 1"),
    # Statistics
    (["metrics", "{root}/folder"], "required: --reference"),
    (["metrics", "no-such", "--reference", "{root}/folder"], "'no-such' is neither a folder nor CORPUS:SPLIT"),
    (["metrics", "{root}/plain", "--reference", "folk-tunes:test"], "it has no file ending in .mid"),
    (["metrics", "{root}/tune-folder", "--reference", "{root}/folder"], "none of 2 files could be used"),
    (["metrics", "{root}/tune-folder", "--reference", "{root}/tune-folder"], "at least 2 are needed"),
    (["metrics", "{root}/tune-folder", "--reference", "bach-chorales"], "bach-chorales has no split; give one"),
    (["metrics", "{root}/tune-folder", "--reference", "bach-chorales:best"], "split 'best' is unknown"),
    (["metrics", "{root}/tune-folder", "--reference", "jsb16:test", "--codec", "organ"], "codec 'organ' is unknown"),
    (["metrics", "{root}/tune-folder", "--reference", "{root}/folder", "--grid", "0"], "--grid 0: it must be from"),
    # Training
    (["train", "no-such"], "no experiment 'no-such'; give a Python file"),
    (["train", "none.py"], "no experiment 'none.py'"),
    (["train", "{root}/empty.py"], "does not define `config`"),
    (["train", "{root}/broken.py"], "No module named 'nothing_of_this_name'"),
    (["train", "{root}/sgd.py"], "--optimizer.name is 'sgd'; it must be one of adamw, adam, muon"),
    ([*TRAIN, "--model.reeds", "3"], "--model.reeds"),
    ([*TRAIN, "--model.hidden", "many"], "--model.hidden"),
    ([*TRAIN, "--model.cell", "rnn"], "--model.cell"),
    ([*TRAIN, "--model.hidden", "0"], "--model: hidden is 0; it must be at least 1"),
    ([*TRAIN, "--model.num-layers", "0"], "num_layers is 0"),
    ([*TRAIN, "--model.dropout", "1"], "dropout is 1.0; it must lie in [0, 1)"),
    ([*TRAIN, "--model.nade", "4"], "nade does not fit codec melody; it needs a codec of binary frames"),
    ([*TRAIN, "--model.conditions", "weather"], "'weather' is not a condition of codec melody"),
    ([*TRAIN, "--codec", "organ"], "codec melody, not organ"),
    ([*TRAIN, "--data", "no-such", "--codec", "organ"], "codec 'organ' is unknown"),
    ([*TRAIN, "--data", "no-such"], "corpus 'no-such' is neither"),
    ([*TRAIN, "--data", "{root}/folder"], "none of 2 files could be used"),
    ([*TRAIN, "--data", "{root}/noise.npz"], "is not a prepared data set"),
    ([*TRAIN, "--training.steps", "0"], "--training.steps is 0; it must be at least 1"),
    ([*TRAIN, "--training.context", "16"], "--training.context is 16; it must be less than"),
    ([*TRAIN, "--training.bars", "-1"], "--training.bars is -1"),
    ([*TRAIN, "--training.bars", "1"], "codec melody has no bar lines"),
    ([*BARS, "--training.bars", "1"], "--training.window 32 with --training.bars 1: 1 bar has 16 frames"),
    ([*BARS, "--training.bars", "4", "--training.window", "64"], "has no 4 successive bars of 16 frames"),
    ([*TRAIN, "--training.seed", "-1"], "--training.seed is -1"),
    ([*TRAIN, "--optimizer.accumulate", "0"], "--optimizer.accumulate is 0; it must divide"),
    ([*TRAIN, "--optimizer.accumulate", "3"], "--optimizer.accumulate is 3; it must divide"),
    ([*TRAIN, "--optimizer.learning-rate", "0"], "--optimizer.learning-rate is 0.0"),
    ([*TRAIN, "--optimizer.ema-decay", "1"], "--optimizer.ema-decay is 1.0"),
    ([*TRAIN, "--optimizer.b1", "1"], "--optimizer.b1 is 1.0; it must lie in [0, 1)"),
    (["train", "{root}/tunes.py", "--workdir", "{root}/newer"], "run format 99"),
    (["train", "{root}/tunes.py", "--workdir", "{root}/cut-json"], "run.json cannot be read"),
    (["train", "{root}/tunes.py", "--workdir", "{root}/chorales"], "holds a run with another vocabulary"),
    (["train", "{root}/tunes.py", "--workdir", "{root}/tunes", "--optimizer.name", "adam"], "optimizer.name adamw"),
    (["train", "{root}/tunes.py", "--workdir", "{root}/notes.txt"], "give another --workdir"),
    (["train", "{root}/tunes.py", "--workdir", "{root}/notes.txt/x"], "give another --workdir"),
    # Files
    (["prepare", "{root}/folder", "--codec", "melody", "--out", "x.npz"], "none of 2 files could be used"),
    (["prepare", "{root}/plain", "--codec", "melody", "--out", "x.npz"], "holds no file ending in"),
    (["prepare", "{root}/folder", "--codec", "organ", "--out", "x.npz"], "codec 'organ' is unknown"),
    (["prepare", "no-such", "--codec", "melody", "--out", "x.npz"], "corpus 'no-such' is neither"),
    (["prepare", "{root}/folder", "--codec", "melody", "--out", "x.zip"], "a prepared data set ends in .npz"),
    (["prepare", "{root}/folder", "--codec", "melody"], "required: --out"),
    ([*PREPARE, "--bars", "0"], "--bars 0: it must be at least 1"),
    ([*PREPARE, "--frames-per-bar", "12"], "--frames-per-bar 12: it needs bars"),
    ([*PREPARE, "--bars", "9"], "has no 9 successive bars of 16 frames"),
    (["prepare", "{root}/tunes.npz", "--codec", "melody", "--bars", "2", "--out", "x.npz"], "has no bar lines"),
    (["convert", "{root}/noise.mid"], "noise.mid"),
    (["convert", "{root}/empty.mid"], "the file is empty"),
    (["convert", "{root}/tune.abc", "{root}/empty.mid"], "the file is empty"),
    (["convert", "{root}/tune.abc", "--to", "ogg"], "format 'ogg' is unknown"),
    (["render", "{root}/notes.txt"], "the suffix '.txt' is not one of"),
    (["render", "{root}/tune.abc", "--out", "{root}/notes.txt/x"], "notes.txt"),
    (["pack", "no-such", "--out", "x"], "no run directory or shipped model 'no-such'"),
    (["pack", "{root}/tunes", "--out", "{root}/plain"], "plain exists; give a new directory"),
    (["pack", "{root}/tunes", "--out", "{root}/notes.txt/x"], "notes.txt"),
]  # fmt: skip


def snapshot(*folders):
    return {p: p.stat().st_mtime_ns for folder in folders for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("argv", "says"), BAD, ids=[" ".join(a)[-60:] for a, _ in BAD])
def test_bad_input_is_one_line_and_status_2_and_leaves_nothing(argv, says, made, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    before = snapshot(made)
    status = run(*(a.format(root=made) for a in argv))
    captured = capfd.readouterr()
    assert status == 2, captured.err
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("musejax")
    assert says in captured.err
    assert "Traceback" not in captured.err and not captured.out
    assert not list(tmp_path.iterdir())
    assert snapshot(made) == before


@pytest.mark.parametrize(
    "argv", [["sample", "no-such"], ["train", "{root}/tunes.py", "--model.hidden", "many"], ["evaluate"]]
)
def test_a_process_of_its_own_does_the_same(argv, made, tmp_path):
    command = [sys.executable, "-m", "musejax.cli", *(a.format(root=made) for a in argv)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("musejax")
    assert not done.stdout and not list(tmp_path.iterdir())


def damage(folder):
    for file in [p for p in folder.rglob("*") if p.is_file() and p.parent.name == "d"]:
        file.write_bytes(file.read_bytes()[:40])


def test_a_damaged_checkpoint_is_passed_over_and_said(made, tmp_path, capfd):
    shutil.copytree(made / "tunes", tmp_path / "run")
    steps = sorted((tmp_path / "run" / "checkpoints" / "best").iterdir())
    damage(steps[-1])
    capfd.readouterr()
    assert run("evaluate", tmp_path / "run", "--data", made / "tunes.npz", "--json") == 0
    captured = capfd.readouterr()
    assert captured.err.count("\n") == 1 and f"best checkpoint {steps[-1].name}" in captured.err
    assert "is damaged" in captured.err and json.loads(captured.out)["pieces"] == 3
    for kind in ("best", "last"):
        for step in (tmp_path / "run" / "checkpoints" / kind).iterdir():
            damage(step)
    assert run("evaluate", tmp_path / "run", "--data", made / "tunes.npz") == 2
    assert (
        capfd.readouterr().err.splitlines()[-1].endswith("every checkpoint is damaged; train it with `musejax train`")
    )
    assert run("train", made / "tunes.py", "--workdir", tmp_path / "run") == 1
    assert "every checkpoint in" in capfd.readouterr().err.splitlines()[-1]


def test_a_loss_that_is_not_finite_is_one_last_line_and_status_1(made, tmp_path, capfd):
    argv = ["train", made / "tunes.py", "--workdir", tmp_path / "run", "--optimizer.learning-rate", "1e38"]
    assert run(*argv, "--optimizer.clip", "0", "--training.steps", "30") == 1
    err = capfd.readouterr().err
    assert "at step" in err.splitlines()[-1] and "Try a lower --optimizer.learning-rate" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_list_is_an_array_of_objects(capsys):
    assert run("list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [e["name"] for e in found] == musejax.list_models()
    types = {"name": str, "family": str, "codec": str, "parameters": int, "shipped": bool}
    for entry in found:
        assert {k: type(v) for k, v in entry.items()} == types
        assert entry["parameters"] > 0


def test_a_run_is_loaded_from_any_working_directory(made, tmp_path, monkeypatch):
    monkeypatch.chdir(made)
    relative = musejax.load("tunes")
    monkeypatch.chdir(tmp_path)
    loaded = musejax.load(made / "tunes")
    assert loaded.name == relative.name == "tunes"
    assert loaded.codec.vocabulary.name == "melody"
    assert loaded.config["training"]["steps"] == 4
    assert loaded.model.info.config.hidden == 8
    assert set(loaded.variables) == {"params", "state"}
    with pytest.raises(errors.UserError):
        musejax.load("tunes")


def sampled(made, out, *options):
    assert run("sample", made / "chorales", "--length", "12", "--min-length", "8", "--out", out, *options) == 0
    return {p.name: p.read_bytes() for p in sorted(out.iterdir())}


def test_the_same_seed_writes_the_same_bytes_and_piece_i_does_not_depend_on_how_many(made, tmp_path):
    ten = sampled(made, tmp_path / "a", "--num", "10", "--seed", "3")
    assert len(ten) == 10
    assert sampled(made, tmp_path / "b", "--num", "10", "--seed", "3") == ten
    two = sampled(made, tmp_path / "c", "--num", "2", "--seed", "3")
    assert two == {name: ten[name] for name in sorted(ten)[:2]}
    other = sampled(made, tmp_path / "d", "--num", "2", "--seed", "4")
    assert set(other.values()).isdisjoint(two.values())


def test_a_primer_opens_every_piece(made, tmp_path, capsys):
    assert run(
        "sample", made / "tunes", "--primer", made / "tune.abc", "--num", "2", "--length", "32", "--out", tmp_path
    ) == 0  # fmt: skip
    from musejax.music import files

    for path in tmp_path.glob("*.mid"):
        first = sorted(files.read(path)[0].notes, key=lambda n: n.start_time)[:4]
        assert [n.pitch for n in first] == [60, 62, 64, 65]


def notes_of(path, instrument=None):
    from musejax.music import files

    notes = [n for n in files.read(path)[0].notes if instrument is None or n.instrument == instrument]
    return sorted((n.start_time, n.end_time, n.pitch, n.velocity) for n in notes)


def test_a_melody_is_harmonised_and_kept_and_what_it_does_not_say_is_said(made, tmp_path, capfd):
    from musejax import rendering
    from musejax.music import files

    plain = files.read(made / "tune.mid")[0]
    del plain.time_signatures[:], plain.key_signatures[:]
    rendering.write(plain, tmp_path / "plain.mid")
    capfd.readouterr()
    argv = ["harmonize", made / "chorales", tmp_path / "plain.mid", "--out", tmp_path / "new" / "out.mid", "--json"]
    assert run(*argv) == 0
    captured = capfd.readouterr()
    assert captured.err.splitlines() == [
        "plain.mid: it has no time signature; 4/4 from its start is assumed",
        "plain.mid: it has no key signature; C major is assumed, by Krumhansl's profiles of its notes",
    ]
    (entry,) = json.loads(captured.out)
    assert entry["files"] == [str(tmp_path / "new" / "out.mid")] and entry["ended"] and entry["log_prob"] < 0
    assert notes_of(tmp_path / "new" / "out.mid", 0) == notes_of(tmp_path / "plain.mid")
    assert run("harmonize", made / "chorales", tmp_path / "plain.mid", "--out", tmp_path, "--num", "2") == 0
    names = {p.name for p in tmp_path.glob("*-00?.mid")}
    assert names == {"plain-chorales-0-000.mid", "plain-chorales-0-001.mid"}
    first = tmp_path / "plain-chorales-0-000.mid"
    assert first.read_bytes() == (tmp_path / "new" / "out.mid").read_bytes()


def test_a_score_is_filled_and_comes_back_as_a_score(made, tmp_path):
    from musejax.music import files

    assert run("harmonize", made / "chorales", made / "tune.mid", "--out", tmp_path / "four.musicxml") == 0
    argv = ["infill", made / "chorales", tmp_path / "four.musicxml", "--voices", "alto,tenor", "--bars", "1"]
    assert run(*argv, "--out", tmp_path / "out") == 0
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "four-chorales-0-000.musicxml"
    before, after = (files.read(p)[0] for p in (tmp_path / "four.musicxml", path))
    kept = [[(n.part, n.pitch, n.start_time, n.end_time) for n in s.notes if n.part in (0, 3)] for s in (before, after)]
    assert sorted(kept[0]) == sorted(kept[1]) and kept[0]
    assert list(before.time_signatures) == list(after.time_signatures)


def test_a_search_keeps_to_chords_and_density(made, tmp_path):
    argv = ["harmonize", made / "chorales", made / "tune.mid", "--out", tmp_path / "out.mid"]
    assert run(*argv, "--chords", "C F", "--chord-frames", "8", "--density", "1-3", "--beam", "2") == 0
    assert notes_of(tmp_path / "out.mid", 0) == notes_of(made / "tune.mid")
    for voice in (1, 2, 3):
        new = notes_of(tmp_path / "out.mid", voice)
        assert 1 <= len(new) <= 3
        for start, end, pitch, _ in new:
            # 8 frames at 120 quarters a minute are a second.
            assert end <= 1 or pitch % 12 in (5, 9, 0)
            assert start >= 1 or pitch % 12 in (0, 4, 7)


def test_figures_are_computed_from_the_weights_as_stored(made, tmp_path, capsys):
    import jax

    from musejax import runs
    from musejax.training import checkpoints

    figures = []
    for name, change in (("as they are", 0.0), ("perturbed", 0.3)):
        loaded = runs.load(made / "tunes", pytest.fail)
        params = loaded.variables["params"]
        leaf = params["output"]["bias"]
        params = {**params, "output": {**params["output"], "bias": leaf.at[60].add(change)}}
        checkpoints.write_model(tmp_path / name / "checkpoints" / "best" / "4", params, loaded.variables["state"])
        shutil.copy(made / "tunes" / "run.json", tmp_path / name)
        capsys.readouterr()
        assert run("evaluate", tmp_path / name, "--data", made / "tunes.npz", "--json") == 0
        figures.append(json.loads(capsys.readouterr().out)["nll_per_token"])
        jax.clear_caches()
    assert figures[0] != figures[1]
    assert run("evaluate", made / "tunes", "--data", made / "tunes.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out)["nll_per_token"] == figures[0]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_packed_run_is_a_run(made, bits, tmp_path, capsys):
    assert run("pack", made / "tunes", "--out", tmp_path / "packed", "--bits", bits) == 0
    assert run("evaluate", tmp_path / "packed", "--data", made / "tunes.npz", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["kind"] == "exact" and figures["pieces"] == 3
    assert not (tmp_path / "packed" / "checkpoints" / "last").exists()


def test_fields_lists_what_can_be_set(made, capsys):
    assert run("train", made / "tunes.py", "--fields") == 0
    out = capsys.readouterr().out
    assert "--model.num-layers 1" in out and "--training.steps 4" in out


def test_a_run_on_bars_is_scored_on_windows_cut_as_in_training(made, tmp_path, capfd):
    described = json.loads((made / "bars" / "run.json").read_text())
    assert described["training"]["bars"] == 2
    assert described["data"]["pieces"] == {"train": 2, "valid": 1, "test": 2}
    counted = described["data"]["report"]["windows"]
    kept = {split: c["kept"] for split, c in counted["splits"].items()}
    assert kept == {"train": 3, "valid": 0, "test": 3}
    assert counted["splits"]["train"]["repeated"] == counted["splits"]["test"]["in_train"] == 1
    assert counted["splits"]["valid"]["in_train"] == counted["splits"]["valid"]["in_test"] == 1

    def figures(folder, data, *options):
        assert run("evaluate", folder, "--data", data, "--json", *options) == 0
        return json.loads(capfd.readouterr().out)

    capfd.readouterr()
    found = figures(made / "bars", made / "bars.npz")
    assert (found["bars"], found["windows"], found["pieces"], found["frames"]) == (2, 3, 2, 96)
    # The same windows, cut beforehand.
    argv = [
        "prepare",
        made / "bars.npz",
        "--codec",
        "melody-90",
        "--bars",
        "2",
        "--out",
        tmp_path / "cut.npz",
        "--json",
    ]
    assert run(*argv) == 0
    assert json.loads(capfd.readouterr().out)["windows"] == counted
    names = [i.name for i in dataset.load(tmp_path / "cut.npz").splits["test"]]
    assert names == ["d@2", "e@1", "e@2"]
    # A run of before the field was there reads pieces whole.
    shutil.copytree(made / "bars", tmp_path / "old")
    del described["training"]["bars"]
    (tmp_path / "old" / "run.json").write_text(json.dumps(described))
    cut, whole = figures(tmp_path / "old", tmp_path / "cut.npz"), figures(tmp_path / "old", made / "bars.npz")
    assert cut["nll_per_token"] == found["nll_per_token"] and "bars" not in cut
    assert whole["frames"] == 96 and whole["pieces"] == 2
    # Nothing of the validation split is left.
    assert run("evaluate", made / "bars", "--data", made / "bars.npz", "--split", "valid") == 2
    assert "no piece in its valid split" in capfd.readouterr().err


RIGHT = ("teacher_forced", "sampled", "without_z", "onsets", "all_hold")


def test_a_vae_is_scored_on_what_it_rebuilds_of_windows(made, capfd):
    capfd.readouterr()
    assert run("evaluate", made / "vae", "--data", made / "bars.npz", "--samples", 3, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["windows"], found["pieces"], found["samples"], found["dimensions"]) == (3, 2, 3, 4)
    assert found["iwae_per_frame"] < found["elbo_per_frame"]
    # One of the two tunes has two of the three windows, so there is no other vector for each.
    assert found.pop("accuracy_without_z") is None
    assert all(0 <= found[f"accuracy_{name}"] <= 1 for name in RIGHT if name != "without_z")
    items = windows.cut_windows(dataset.load(made / "bars.npz"), 2).split("test")
    assert found["accuracy_all_hold"] == pytest.approx(
        np.mean([i.arrays["tokens"] == codecs.get("melody-90").vocabulary.id("hold") for i in items]), abs=1e-5
    )
    assert 0 <= found["active_dimensions"] <= 4
    assert found["frames_per_bar"] == 16 and found["apart_from"] == "bars:train"


def test_windows_of_another_bar_length_and_of_other_music(made, tmp_path, capfd, monkeypatch):
    def figures(data, *options):
        capfd.readouterr()
        assert run("evaluate", made / "bars", "--data", data, "--json", *options) == 0
        out, err = capfd.readouterr()
        return json.loads(out), err

    bars = dataset.load(made / "bars.npz")
    waltz = [i._replace(arrays={**i.arrays, "beat": np.arange(48, dtype=np.int32) % 12}) for i in bars.splits["test"]]
    dataclasses.replace(bars, splits={**bars.splits, "test": waltz}).save(tmp_path / "waltz.npz")
    found, _ = figures(tmp_path / "waltz.npz", "--frames-per-bar", 12)
    assert found["frames_per_bar"] == 12 and found["frames"] == 24 * found["windows"]
    argv = ["prepare", tmp_path / "waltz.npz", "--codec", "melody-90", "--bars", 2, "--frames-per-bar", 12]
    assert run(*argv, "--out", tmp_path / "cut.npz", "--json") == 0
    assert figures(tmp_path / "cut.npz")[0]["nll_per_token"] == found["nll_per_token"]
    assert run("evaluate", made / "tunes", "--data", made / "tunes.npz", "--frames-per-bar", 12) == 2
    assert "tunes reads whole pieces, not windows of bars" in capfd.readouterr().err

    # Other music, some of it what the run was trained on in another key.
    up = [i._replace(arrays=augment.transpose(i.arrays, bars.vocabulary, 4)) for i in bars.splits["train"][:1]]
    other = dataset.Dataset("other", bars.vocabulary, {"test": [*up, *bars.splits["test"]]}, {})
    other.save(tmp_path / "other.npz")
    found, said = figures(tmp_path / "other.npz")
    assert found["apart_from"] is None and found["windows"] == 6
    assert "this run was trained on bars, which is not a corpus" in said
    # A corpus by name is cut again.
    source = corpora.Corpus("bars", list)
    monkeypatch.setattr(registry, "_brought", {("corpus", "bars"): registry.Source(source, "")})
    prepare = evaluate.preparation.prepare
    path = str(made / "bars.npz")
    monkeypatch.setattr(evaluate.preparation, "prepare", lambda s, *rest: prepare(path if s == "bars" else s, *rest))
    found, said = figures(tmp_path / "other.npz")
    assert found["apart_from"] == "bars:train" and found["windows"] == 3
    assert "which is not a corpus" not in said


def test_a_vae_samples_and_takes_pieces_through_its_latent_space(made, tmp_path):
    vae, tune = made / "vae", made / "tune.mid"
    assert run("sample", vae, "--num", 2, "--out", tmp_path / "free") == 0
    assert run("interpolate", vae, tune, tune, "--num", 3, "--out", tmp_path / "path", "--seed", 1) == 0
    assert run("reconstruct", vae, tune, "--out", tmp_path / "again", "--formats", "mid,png") == 0
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*"))
    written = {
        "again": ["tune-vae-0.mid", "tune-vae-0.png"],
        "free": [f"vae-0-{i:03}.mid" for i in range(2)],
        "path": [f"vae-1-{i:03}.mid" for i in range(3)],
    }
    assert found == [f"{folder}/{name}" for folder, names in written.items() for name in names]


def test_pieces_like_one_s_own_come_from_files_and_folders(made, tmp_path, capfd):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("tune.abc", "noise.mid", "low.abc"):
        shutil.copy(made / name, mine / name)
    argv = ["personalize", made / "vae", mine, made / "tune.mid", "--num", 3, "--steps", 20, "--seed", 2]
    assert run(*argv, "--out", tmp_path / "like") == 0
    assert sorted(p.name for p in (tmp_path / "like").iterdir()) == [f"vae-2-{i:03}.mid" for i in range(3)]
    told = capfd.readouterr().err
    assert "1 x its header has 10 bytes" in told and "low.abc is left out: low.abc: it does not fit" in told
    assert run(*argv, "--out", tmp_path / "again") == 0
    for path in (tmp_path / "like").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_run_of_before_a_field_was_there_goes_on(made, tmp_path, capfd):
    shutil.copytree(made / "vae", tmp_path / "old")
    described = json.loads((tmp_path / "old" / "run.json").read_text())
    del described["model"]["spread"], described["vocabulary"]["own"]
    (tmp_path / "old" / "run.json").write_text(json.dumps(described))
    assert run("train", made / "vae.py", "--workdir", tmp_path / "old") == 0
    assert run("sample", tmp_path / "old", "--out", tmp_path / "out") == 0
    described["model"]["spread"] = 0.3
    (tmp_path / "old" / "run.json").write_text(json.dumps(described))
    capfd.readouterr()
    assert run("train", made / "vae.py", "--workdir", tmp_path / "old") == 2
    assert "holds a run with another model than this experiment's" in capfd.readouterr().err
