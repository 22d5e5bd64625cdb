"""The runs that come with the package: they load, they make music, and their figures are those of their weights."""

import jax
import numpy as np
import pytest
import tiny

from musejax import errors, runs, zoo
from musejax.evaluation import likelihood
from musejax.generation import sampling
from musejax.pipeline import dataset
from musejax.reports import evaluate

shipped = pytest.mark.parametrize("name", tiny.shipped())


def test_the_table_names_what_is_there():
    assert sorted(p.name for p in zoo.SHIPPED.iterdir() if p.is_dir()) == sorted(tiny.shipped())


def test_all_of_them_fit_the_wheel():
    assert sum(p.stat().st_size for p in zoo.SHIPPED.rglob("*") if p.is_file()) < 40e6


@shipped
def test_a_run_loads_and_is_what_the_table_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = zoo.load(name, pytest.fail)
    entry = zoo.entry(name)
    parameters = sum(p.size for p in jax.tree.leaves(loaded.variables["params"]))
    assert entry == (name, loaded.config["family"], loaded.codec.vocabulary.name, parameters, True)
    assert not list(tmp_path.iterdir())


@shipped
def test_nothing_of_the_machine_that_trained_it_is_in_it(name):
    for path in (zoo.SHIPPED / name).rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"/work" not in data and b"/root" not in data and b"/home" not in data, path


@pytest.mark.parametrize("name", ["chorale-lstm", "chorale-transformer"])
def test_chorales_end_and_have_a_track_a_voice(name):
    loaded = zoo.load(name)
    pieces = sampling.draw_pieces(loaded, 8, 0)
    assert sum(p.ended for p in pieces) >= 7
    for piece in pieces:
        assert {n.instrument for n in piece.sequence.notes} == {0, 1, 2, 3}
        assert len(piece.arrays["tokens"]) >= 8 * 16


def test_a_chorale_model_is_not_scored_on_the_benchmark_that_shares_its_music():
    with pytest.raises(errors.UserError, match="shares music with jsb16"):
        evaluate.evaluate(zoo.load("chorale-lstm"), "jsb16", "test", pytest.fail)


@pytest.fixture(scope="module")
def chorales(data_folder):
    from musejax.corpora import preparation

    data = preparation.prepare("jsb16", "chorale-pitches", lambda text: None)
    return [i._replace(arrays={k: v[:64] for k, v in i.arrays.items()}) for i in data.split("test")[:4]]


def test_figures_come_from_the_weights(chorales: list[dataset.Item]):
    run = runs.load(zoo.find("jsb16-lstm"), pytest.fail)
    first = likelihood.score_pieces(run.model, run.variables, chorales).nll.sum()
    assert first / (4 * 64 * 4) < 0.7
    leaves, tree = jax.tree.flatten(run.variables)
    largest = int(np.argmax([leaf.size for leaf in leaves]))
    leaves[largest] = leaves[largest].at[0, 0].add(1.0)
    assert likelihood.score_pieces(run.model, jax.tree.unflatten(tree, leaves), chorales).nll.sum() != first


PUBLISHED = {
    ("jsb16-lstm", "jsb16"): ("nll_per_note", 0.39),
    ("jsb16-transformer", "jsb16"): ("nll_per_note", 0.36),
    ("bl-jsb-lstm", "bl-jsb"): ("nll_per_frame", 8.10),
    ("bl-nottingham-lstm", "bl-nottingham"): ("nll_per_frame", 3.07),
    ("bl-musedata-lstm", "bl-musedata"): ("nll_per_frame", 5.99),
    ("bl-piano-midi-lstm", "bl-piano-midi"): ("nll_per_frame", 8.82),
    ("bl-jsb-nade", "bl-jsb"): ("nll_per_frame", 5.56),
    ("bl-nottingham-nade", "bl-nottingham"): ("nll_per_frame", 2.31),
    ("bl-jsb-transformer", "bl-jsb"): ("nll_per_frame", 5.56),
    ("bl-nottingham-transformer", "bl-nottingham"): ("nll_per_frame", 2.31),
    ("bl-musedata-nade", "bl-musedata"): ("nll_per_frame", 5.60),
    ("bl-piano-midi-nade", "bl-piano-midi"): ("nll_per_frame", 7.05),
}
SIZES = {"jsb16": (77, 18900), "bl-jsb": (77, 4725), "bl-nottingham": (170, 44463), "bl-musedata": (124, 64339),
         "bl-piano-midi": (25, 19036)}  # fmt: skip


@pytest.mark.slow
def test_the_melody_vae_rebuilds_windows_that_it_has_not_seen():
    figures = evaluate.evaluate(zoo.load("melody-vae-2bar"), None, "test", lambda text: None, samples=2)
    assert (figures["windows"], figures["pieces"], figures["apart_from"]) == (2246, 187, "folk-tunes:train")
    assert figures["accuracy_teacher_forced"] > 0.99 and figures["accuracy_sampled"] > 0.98
    assert figures["accuracy_onsets"] > 0.96
    assert figures["accuracy_without_z"] < 0.6 < figures["accuracy_all_hold"] < 0.7
    assert figures["active_dimensions"] == 124


@pytest.mark.slow
def test_sixteen_bars_come_back_from_a_vector():
    figures = evaluate.evaluate(zoo.load("melody-vae-16bar"), None, "test", lambda text: None, samples=1)
    assert (figures["windows"], figures["pieces"], figures["apart_from"]) == (969, 104, "folk-tunes:train")
    assert figures["accuracy_teacher_forced"] > 0.98 and figures["accuracy_sampled"] > 0.97
    assert figures["accuracy_onsets"] > 0.94
    assert figures["accuracy_without_z"] < 0.5 < figures["accuracy_all_hold"] < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), PUBLISHED)
def test_benchmark_runs_are_as_good_as_the_docs_say(name, data, data_folder):
    figures = evaluate.evaluate(zoo.load(name), data, "test", lambda text: None)
    field, bound = PUBLISHED[name, data]
    assert figures["kind"] == "exact"
    group = None if data == "jsb16" else "A1" if name.endswith("lstm") else "A2"
    assert figures.get("class") == group
    assert (figures["pieces"], figures["frames"]) == SIZES[data]
    assert figures[field] < bound
    assert figures["interval"][0] < figures[field] < figures["interval"][1]
