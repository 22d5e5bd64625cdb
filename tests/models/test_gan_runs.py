"""Trained GANs on the command line: sampling, accompaniment, latent paths, statistics by track, and their mistakes."""

import json

import numpy as np
import pieces
import pytest
import tiny
from played import check_kept, played

import musejax
from musejax import cli, codecs, errors, runs, zoo
from musejax.generation import latent_windows, sampling
from musejax.music import files
from musejax.music import midi_writing as rendering_midi
from musejax.pipeline import dataset
from musejax.training import checkpoints

CONFIG = """
from musejax.experiments import Experiment
from musejax.models import musegan
from musejax.training.settings import Optimizer, Training

config = Experiment(
    name="free",
    data={data!r},
    codec="rolls-chorale",
    model=musegan.Config(bars=1, form="composer", latent=2, width=8, critic_width=4, refiner=1, critic_updates=2),
    optimizer=Optimizer(name="adam", warmup_steps=1, ema_decay=0.5),
    training=Training(steps=2, batch_size=4, window=16, bars=1, eval_every=2, save_every=2, log_every=1),
)
"""
VOCABULARY = codecs.get("rolls-chorale").vocabulary


def run(*argv):
    with pytest.raises(SystemExit) as e:
        cli.main([str(a) for a in argv])
    return e.value.code or 0


def random_piece(seed, bars=3):
    rng = np.random.default_rng(seed)
    frames = np.zeros((16 * bars, 4, 46), np.uint8)
    for track in range(4):
        keys = np.repeat(rng.integers(6 * (3 - track), 6 * (3 - track) + 20, 4 * bars), 4)
        frames[np.arange(16 * bars), track, keys] = 1
    beat = np.tile(np.arange(16, dtype=np.int32), bars)
    return {"frames": frames.reshape(16 * bars, -1), "beat": beat}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a small trained run, one as if it were trained, their data, and a chorale as MIDI."""
    root = tmp_path_factory.mktemp("gans")
    splits = {
        name: [dataset.Item(f"{name} {i}", f"{name} {i}", random_piece(100 * at + i)) for i in range(n)]
        for at, (name, n) in enumerate((("train", 4), ("valid", 2), ("test", 2)))
    }
    dataset.Dataset("gans", VOCABULARY, splits, {"used": 8}).save(root / "gans.npz")
    (root / "free.py").write_text(CONFIG.format(data=str(root / "gans.npz")))
    assert run("train", root / "free.py", "--workdir", root / "free") == 0
    described = json.loads((root / "free" / "run.json").read_text())
    described |= {"name": "led", "model": described["model"] | {"form": "hybrid", "given": "soprano"}}
    params, state = tiny.filled(runs.build(described, root)[0], {}, 2**0.5)
    checkpoints.write_model(root / "led" / "checkpoints" / "best" / "1", params, state)
    (root / "led" / "run.json").write_text(json.dumps(described))
    chorale = codecs.get("rolls-chorale").decode(random_piece(7, bars=2), 90.0)
    (root / "chorale.mid").write_bytes(rendering_midi.to_bytes(chorale))
    tune = codecs.get("rolls-chorale").decode(random_piece(7, bars=2), 90.0)
    for i in reversed(range(len(tune.notes))):
        if tune.notes[i].part:
            del tune.notes[i]
    (root / "tune.mid").write_bytes(rendering_midi.to_bytes(tune))
    return root


def test_a_run_says_what_it_did(made):
    lines = [json.loads(line) for line in (made / "free" / "metrics.jsonl").read_text().splitlines()]
    assert [(x["step"], x["part"]) for x in lines] == [(1, "train"), (2, "train"), (2, "valid")]
    assert lines[2]["best"] == lines[2]["loss"]
    described = json.loads((made / "free" / "run.json").read_text())
    assert described["family"] == "musegan" and described["data"]["report"]["windows"]["bars"] == 1


def test_pieces_are_sampled_and_piece_i_does_not_depend_on_how_many(made, tmp_path, capfd):
    assert run("sample", made / "free", "--num", 3, "--out", tmp_path, "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert [t["log_prob"] for t in told] == [None] * 3
    (many, one) = (zoo.load(made / "free") for _ in range(2))
    rows = [p.arrays["frames"] for p in sampling.draw_pieces(many, 10, 5)]
    np.testing.assert_array_equal(sampling.draw_pieces(one, 1, 5)[0].arrays["frames"], rows[0])
    assert rows[0].shape == (16, VOCABULARY.size)
    assert len(sampling.draw_pieces(one, 1, 5, length=7)[0].arrays["frames"]) == 7


def given(sequence):
    arrays = codecs.get("rolls-chorale").prime(sequence)["frames"]
    return arrays.reshape(len(arrays), 4, -1)


def test_an_accompaniment_keeps_the_given_track_cell_by_cell(made, tmp_path, capfd):
    source = files.read(made / "chorale.mid")[0]
    for sequence in pieces.accompany(str(made / "led"), source, num=2, seed=3):
        found = given(sequence)
        np.testing.assert_array_equal(found[:, 0], given(source)[:, 0])
        assert found[:, 1:].any()
        assert sequence.tempos[0].qpm == pytest.approx(90, abs=0.01)
    assert run("accompany", made / "led", made / "tune.mid", "--out", tmp_path, "--seed", 3, "--num", 2) == 0
    said = capfd.readouterr().err.splitlines()
    assert said[0].endswith("led draws its alto, tenor, bass anew; 22 notes are replaced") and len(said) == 3
    for path in sorted(tmp_path.glob("*.mid")):
        heard = [(n.pitch, n.start_time) for n in files.read(path)[0].notes]
        assert {(n.pitch, n.start_time) for n in files.read(made / "tune.mid")[0].notes} <= set(heard)


def test_an_accompaniment_keeps_how_the_given_track_was_played(made):
    source, said = played(chorale=True), []
    (result,) = pieces.accompany(str(made / "led"), source, seed=3, say=said.append)
    assert said[-1] == "played.mid: led draws its alto, tenor, bass anew; 30 notes are replaced"
    kept = type(source).FromString(source.SerializeToString())
    del kept.notes[:]
    kept.notes.extend(n for n in source.notes if n.instrument in (0, 4))
    new = check_kept(kept, result)
    assert new and {(n.instrument, n.program) for n in new} <= {(1, 52), (2, 53), (3, 52)}


def test_one_latent_vector_moves_and_the_others_stay(made, tmp_path):
    loaded = zoo.load(made / "free")
    assert dict(latent_windows.latent_functions(loaded).parts) == {"shared": (0, 2), "shared-bars": (2, 4)}
    assert run("interpolate", made / "free", "--num", 3, "--latent", "shared", "--out", tmp_path) == 0
    assert len(list(tmp_path.glob("free-0-*.mid"))) == 3
    paths = [musejax.interpolate(loaded, num=3, seed=1, latent=name) for name in ("shared", "shared-bars", None)]
    firsts = [[(n.pitch, n.start_time) for n in path[0].sequence.notes] for path in paths]
    assert firsts[0] == firsts[1] == firsts[2]
    with pytest.raises(errors.UserError, match="it must be at least 2"):
        musejax.interpolate(loaded, num=1)


def test_statistics_are_by_track(made, tmp_path, capfd):
    assert run("sample", made / "free", "--num", 4, "--out", tmp_path / "music") == 0
    capfd.readouterr()
    assert run("metrics", tmp_path / "music", "--reference", tmp_path / "music", "--json") == 0
    tracks = json.loads(capfd.readouterr().out)["musegan"]["generated"]
    assert len(tracks["upc"]) == len(tracks["td"]) == 4


FREE, LED = "{root}/free", "{root}/led"
TRAIN = ["train", "{root}/free.py", "--workdir", "new"]


@pytest.mark.parametrize("name", ["free", "led"])
def test_samples_are_compared_with_held_out_windows(name, made, capsys):
    argv = ("evaluate", made / name, "--data", made / "gans.npz", "--num", 6, "--json")
    assert run(*argv) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["windows"], found["pieces"], found["samples"]) == (6, 2, 6)
    assert found["apart_from"] == "gans:train"
    # Real windows of other pieces are nearer than what a net draws that has seen two batches.
    for kind in ("distance", "distance_as_coded", "distance_corrected"):
        assert found[kind] > found[f"training_{kind}"] > 0
    assert 0 <= found["overlapped_area"] < found["training_overlapped_area"] <= 1
    assert found["in_training"] == 0 and found["distinct"] <= 6
    assert run(*argv) == 0
    assert json.loads(capsys.readouterr().out) == found


BAD = [
    (["sample", FREE, "--temperature", "0.5"], "free samples all cells of a piece at once; temperature"),
    (["sample", FREE, "--top-k", "3"], "free samples all cells of a piece at once"),
    (["sample", FREE, "--scale", "C"], "--scale C: free samples all cells of a piece at once"),
    (["sample", FREE, "--beam", "2"], "free does not draw from left to right"),
    (["sample", FREE, "--length", "17"], "length is 17; free draws pieces of 16 frames"),
    (["sample", FREE, "--bars", "2"], "bars, attributes and given tracks need codec tracks"),
    (["sample", FREE, "--primer", "{root}/chorale.mid"], "it cannot go on from a primer"),
    (["sample", LED], "led accompanies the soprano; give it with `musejax accompany`"),
    (["accompany", FREE, "{root}/chorale.mid"], "free was not trained to be given a track"),
    (["accompany", LED, "{root}/chorale.mid", "--tracks", "alto"], "tracks alto: led accompanies the soprano"),
    (["accompany", LED, "{root}/chorale.mid", "--attributes", "piano.density=8"], "led reads none"),
    (["accompany", LED, "{root}/chorale.mid", "--temperature", "2"], "led samples all cells of a piece at once"),
    (["accompany", LED, "{root}/chorale.mid", "--pitches", "40-60"], "--pitches 40-60: led samples all cells"),
    (
        ["interpolate", FREE, "--latent", "bars"],
        "--latent bars: free has no such latent vector; it has shared, shared-bars",
    ),
    (["interpolate", FREE, "{root}/chorale.mid", "{root}/chorale.mid"], "free finds no latent vector for a piece"),
    (["interpolate", LED], "led accompanies the soprano, which latent vectors do not give"),
    (["reconstruct", FREE, "{root}/chorale.mid"], "free finds no latent vector for a piece; a VAE does"),
    (["personalize", FREE, "{root}/tune.mid"], "free finds no latent vector for a piece; a VAE does"),
    (["humanize", FREE, "{root}/tune.mid"], "free does not humanise drums; a VAE of codec groove"),
    (["evaluate", FREE, "--data", "{root}/gans.npz", "--num", "0"], "--num 0: it must be at least 1"),
    (["evaluate", FREE, "--data", "{root}/gans.npz", "--frames-per-bar", "12"], "generates only bars of 16 frames"),
    ([*TRAIN, "--training.batch-size", "5"], "--training.batch-size is 5; it must be a multiple of 2"),
    ([*TRAIN, "--training.bars", "0"], "--training.bars 0: the model generates whole bars; give --training.bars 1"),
    ([*TRAIN, "--model.bars", "2"], "give --training.window 32 and --training.bars 2"),
    ([*TRAIN, "--model.given", "bells"], "--model: given is 'bells'; the tracks are soprano, alto, tenor, bass"),
    ([*TRAIN, "--model.form", "duet"], "--model.form"),
    ([*TRAIN, "--optimizer.accumulate", "2"], "--optimizer: accumulate is 2; it must be 1 for this family"),
]


@pytest.mark.parametrize(("argv", "says"), BAD, ids=[" ".join(a)[-50:] for a, _ in BAD])
def test_bad_input_is_one_line_and_status_2(argv, says, made, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    status = run(*(a.format(root=made) for a in argv))
    captured = capfd.readouterr()
    assert status == 2, captured.err
    assert captured.err.count("\n") == 1, captured.err
    assert says in captured.err
    assert not list(tmp_path.iterdir())


def test_a_packed_run_has_no_critic_and_draws_alike(made, tmp_path):
    assert run("pack", made / "free", "--out", tmp_path / "packed", "--bits", 16) == 0
    whole, packed = (runs.load(path, print) for path in (made / "free", tmp_path / "packed"))
    assert set(whole.variables["params"]) == {"generator", "critic"}
    assert set(packed.variables["params"]) == {"generator"}
    drawn = [
        sampling.draw_pieces(zoo.load(path, print), 3, 0)[0].arrays["frames"] for path in (whole.path, packed.path)
    ]
    assert np.mean(drawn[0] == drawn[1]) > 0.99  # weights are rounded
    again = ("train", made / "free.py", "--init-from", tmp_path / "packed", "--workdir", tmp_path / "again")
    assert run(*again) == 0
    assert "critic" in runs.load(tmp_path / "again", print).variables["params"]
