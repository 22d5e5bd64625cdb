"""Tests of the reinforcement-learning benchmark and its page."""

from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import rl_measures, rl_page
from musejax import codecs, runs
from musejax.experiments import experiment
from musejax.models import recurrent
from musejax.pipeline import dataset
from musejax.tuning import rules

TABLE = codecs.get("melody-basic").vocabulary


@pytest.fixture(scope="module")
def nets():
    """Returns two untrained networks."""
    model = recurrent.make(recurrent.Config(hidden=6, num_layers=1), TABLE)
    example = TABLE.example_batch()
    found = []
    for seed in range(2):
        params, state = model.init(jax.random.key(seed), example)
        found.append(runs.Run(f"net-{seed}", Path(), model, {"params": params, "state": state}, TABLE, {}, 1))
    return found


def test_a_mean_of_shares_counts_melodies_by_their_weight():
    found = rl_measures.mean(np.array([1, 0, 3]), np.array([2, 0, 4]))
    assert found["mean"] == pytest.approx(4 / 6)
    assert 0.5 <= found["interval"][0] <= found["interval"][1] <= 0.75
    assert rl_measures.mean(np.zeros(3), np.zeros(3)) == {"mean": None, "interval": None}


def test_figures_are_those_of_the_table(nets):
    from musejax.experiments import reinforcement

    run, prior = nets
    found = rl_measures.measure_melodies(run, prior, 40, 5, rules.Rules())
    tokens = reinforcement.sample_melodies(run, 40, 5)
    for name, share in rules.figures(TABLE, tokens).items():
        ours = found[name]["mean"] if isinstance(found[name], dict) else found[name]
        assert ours == pytest.approx(share)
    assert found["reward"]["mean"] == pytest.approx(
        float(rules.score(TABLE, tokens, rules.Rules()).sum(1).mean()), 1e-4
    )
    assert found["kl"]["mean"] > 0
    assert rl_measures.measure_melodies(prior, prior, 40, 5, rules.Rules())["kl"]["mean"] == pytest.approx(0, abs=1e-4)


def test_copies_are_counted_in_notes():
    scale = np.arange(14, 26, dtype=np.int32)  # twelve semitones up
    training = rl_measures.lines_of(TABLE, [dataset.Item("a", "a", {"tokens": np.repeat(scale, 2)[::2]})])
    up = np.array([[3, 4, 5, 6, 0, 0], [3, 9, 3, 9, 3, 9]], np.int32)
    found = rl_measures.check_copies(TABLE, up, training)
    assert (found["max"], found["whole"], found["notes"]) == (4, 0.5, 5.0)
    rows = rl_measures.windows([dataset.Item("a", "a", {"tokens": np.arange(40)})], 5, 0)
    assert rows.shape == (5, 32) and (np.diff(rows) == 1).all()


def side(number):
    return {"mean": number, "interval": (number - 0.1, number + 0.1)}


def test_the_page_has_what_was_measured_and_names_what_was_not():
    names = [n for n, _, _ in rl_page.FIGURES] + ["nll_per_token_under_prior", "kl", "notes", "reward"]
    row = {**{n: side(0.25) for n in names}, "distinct_4grams": 0.5, "distinct_melodies": 1.0, "self_similarity": 0.4}
    tuning = experiment.read("melody-rl").tuning
    raw = {
        "rewards": {"name": "melody-rl", "rewards": [["rules", 0.1]], "leash": 1.0, "rules": vars(tuning.rules)},
        "table": {"num": 10, "prior": "p", "test": {"nll_per_token": 0.9, "interval": (0.8, 1.0)}, "rows": {"p": row}},
        "leash": {"num": 5, "prior": row, "points": [{"leash": x, **row} for x in (1.0, 2.0)], "shipped": 1.0},
    }
    text = rl_page.page(raw)
    assert "| excessively repeated, % of all tokens | 25.00 (15.00..35.00) |" in text
    assert text.count("Not measured yet.") == 2
    assert "`psi` (`melody-rl-psi`)" in text and "--tuning.rewards rules 0.5" in text
    assert rl_page.picture(raw["leash"]).startswith(b"\x89PNG")
