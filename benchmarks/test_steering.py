"""Tests of the steering benchmark: kept notes, ranks among candidates, and statistics by bar."""

import json
import types

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import attribute_hits as hits
from benchmarks import long_pieces, steering
from benchmarks import steering_page as pages
from benchmarks import steering_tasks as tasks
from musejax import codecs, zoo
from musejax.base import Decoder, Info, Likelihood, Model
from musejax.pipeline import dataset

CHORALE, PITCHES, MELODY = (codecs.get(name).vocabulary for name in ("chorale", "chorale-pitches", "melody-basic"))
REST, HOLD, END = (CHORALE.id(type) for type in ("rest", "hold", "end"))


def chorale(frames, seed=0, pickup=4):
    """Returns a piece with notes of two frames in every voice, in 4/4 with a pickup, and with END."""
    rng = np.random.default_rng(seed)
    tokens = np.full((frames + 1, 4), HOLD)
    pitch = CHORALE.id("pitch", 60) + rng.integers(0, 12, (frames // 2, 4))
    tokens[:frames:2] = pitch - np.array([0, 3, 6, 9])
    tokens[frames] = END
    arrays = {"tokens": tokens, "beat": (np.arange(frames + 1) - pickup) % 16}
    arrays |= {"fermata": np.zeros(frames + 1), "key": np.full(frames + 1, 7)}
    return dataset.Item(str(seed), str(seed), {name: a.astype(np.int32) for name, a in arrays.items()})


def pieces(num, frames=96):
    """Returns pieces of `chorale-pitches` in which all excerpts differ."""
    rng = np.random.default_rng(1)
    tokens = [PITCHES.id("pitch", 55) + rng.integers(0, 12, (frames, 4)).astype(np.int32) for _ in range(num)]
    beat = np.arange(frames, dtype=np.int32) % 16
    return [dataset.Item(str(i), str(i), {"tokens": t, "beat": beat}) for i, t in enumerate(tokens)]


def test_the_rank_is_the_place_in_the_order_and_ties_count_against_it():
    assert [tasks.rank(np.array(costs)) for costs in ([1, 2, 3], [2, 3, 1], [3, 2, 1], [2, 2, 3])] == [1, 2, 3, 2]
    figures = tasks.ranking([1, 2, 10, 20])
    assert figures["mrr"][0] == pytest.approx((1 + 1 / 2 + 1 / 10 + 1 / 20) / 4)
    assert (figures["top1"][0], figures["top10"][0]) == (0.25, 0.75)


def test_a_distractor_goes_to_the_key_of_the_context_and_stays_in_range():
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    stretch, context = 62 + scale[:, None], 48 + np.append(scale, -49)
    wide, high = np.array([36]), np.array([81])
    assert tasks.transpose_to(stretch, context, wide, high)[0] == 60
    # C itself lies below this range; of F and G, which share most notes with it, F is the smaller step from D.
    assert tasks.transpose_to(stretch, context, np.array([61]), high)[0] == 65
    rests = np.concatenate([stretch, [[-1]]])
    assert tasks.transpose_to(rests, context, wide, high)[-1] == -1
    with pytest.raises(ValueError, match="outside the ranges"):
        tasks.transpose_to(stretch, context, np.array([80]), high)


def test_candidates_are_the_truth_and_other_stretches_of_the_same_place_in_the_bar():
    items = pieces(5)
    pitches = [tasks.to_sound(PITCHES, item.arrays["tokens"]).pitch for item in items]
    gap = tasks.Gap(2, 32, 16, (1, 3))
    found = tasks.candidates(pitches, gap, 12, np.random.default_rng(0))
    assert found.shape == (13, 16, 2)
    assert (found[0] == pitches[2][32:48][:, [1, 3]]).all()
    assert len({each.tobytes() for each in found}) == 13
    shapes = {
        (p[s : s + 16][:, [1, 3]] - p[s, 1]).tobytes()
        for i, p in enumerate(pitches)
        if i != 2
        for s in range(0, 81, 16)
    }
    assert all((each - each[0, 0]).tobytes() in shapes for each in found[1:])
    with pytest.raises(ValueError, match="there are 24 distractors"):
        tasks.candidates(pitches, gap, 99, np.random.default_rng(0))
    for gap in tasks.choose_gaps([*items, *pieces(1, 40)], 32, (0,), np.random.default_rng(0)):
        assert gap.piece < 5
        assert gap.first in (16, 32, 48)


def never(*args):
    raise AssertionError


def costly(read):
    """Returns a model whose cells cost their token id; given cells cost a thousand more for a reader."""

    def nll(params, state, batch):
        free = batch.get("infill_mask", jnp.ones_like(batch["tokens"]))
        given = 1 - free.min() if read else 0
        return (batch["tokens"] + 1000 * given) * free

    pair = Decoder(never, never, 0, read=never if read else None)
    model = Model(Info(None), never, never, never, Likelihood("exact", nll), pair)
    return zoo.Loaded(model, {"params": {}, "state": {}}, codecs.get("chorale-pitches"), {}, "costly")


@pytest.mark.parametrize("read", [False, True])
def test_the_ways_of_scoring_sum_the_cells_that_they_name(read):
    item = pieces(1, 300)[0]
    tokens = item.arrays["tokens"]
    gap = tasks.Gap(0, 160, 16, (1,))
    truth = tasks.to_sound(PITCHES, tokens).pitch[160:176, [1]]
    costs = tasks.scorer(costly(read))(item, gap, np.stack([truth, truth + 1, np.full_like(truth, -1)]))
    own, window = tokens[160:176, 1].sum(), slice(160, 168 + tasks.WINDOW // 2)
    assert costs["past"].tolist() == [own, own + 16, 0]
    assert costs["whole"].tolist() == (tokens[window].sum() + np.array([0, 16, -own])).tolist()
    assert set(costs) == ({"whole", "past", "rest"} if read else {"whole", "past"})
    if read:
        assert costs["rest"].tolist() == [own + 16000, own + 16016, 16000]
    short = pieces(1, 64)[0]
    whole = tasks.scorer(costly(read))(short, tasks.Gap(0, 16, 16, (0, 1, 2, 3)), truth[None].repeat(4, 2))["whole"]
    assert whole == 4 * own + short.arrays["tokens"][32:].sum()


def test_a_changed_soprano_note_is_counted_and_other_voices_are_not():
    real = chorale(16).arrays["tokens"]
    drawn = real.copy()
    drawn[:16:2, 1:] -= 1
    assert tasks.harmony(CHORALE, [real, real], [drawn, real])["changed"] == 0
    changes = {"pitch": (4, real[4, 0] + 1), "shorter": (5, REST), "repeated": (5, real[4, 0]), "gone": (0, REST)}
    for what, (frame, token) in changes.items():
        tampered = drawn.copy()
        tampered[frame, 0] = token
        result = tasks.harmony(CHORALE, [real, real], [tampered, real])
        assert (result["changed"], result["notes"]) == (1, 16), what
    without = np.where(drawn == HOLD, np.roll(drawn, 1, 0), drawn)[:16]
    tampered = without.copy()
    tampered[7, 0] = PITCHES.id("rest")
    assert tasks.harmony(PITCHES, [without], [tampered])["changed"] == 1


def test_a_harmony_is_asked_for_with_the_soprano_and_the_end_given_and_the_padding_free():
    def sample(params, state, key, request):
        free = request.infill_mask
        assert request.conditions["beat"].shape == (request.num, request.length)
        hold = ~request.constraint(jnp.asarray(0), jnp.asarray(1), request.given)
        # Free cells tell how many are free in the row.
        tokens = jnp.where(free > 0, free.sum((1, 2), keepdims=True), request.given)
        return {"tokens": tokens.at[:, 0, 1].set(hold.argmax())}

    items = [chorale(16), chorale(24, 1), chorale(70, 2)]
    loaded = zoo.Loaded(
        Model(Info(None), never, never, sample), {"params": {}, "state": {}}, codecs.get("chorale"), {}, "recorder"
    )
    for item, tokens, padded in zip(items, tasks.harmonies(loaded, items, 0), (64, 64, 96), strict=True):
        frames = item.length - 1
        assert (tokens[:, 0] == item.arrays["tokens"][:, 0]).all()
        assert (tokens[-1] == END).all()
        assert (tokens[1:-1, 1:] == 3 * frames + 4 * (padded - item.length)).all()
        assert tokens[0, 1] == HOLD


def test_bars_are_the_whole_ones_of_four_quarters():
    assert long_pieces.bar_starts(CHORALE, chorale(4 + 32 + 12)).tolist() == [4, 20]
    assert long_pieces.bar_starts(CHORALE, chorale(32, pickup=0)).tolist() == [0, 16]
    waltz = chorale(48)
    waltz.arrays["beat"][:] = np.arange(49) % 12
    assert not len(long_pieces.bar_starts(CHORALE, waltz))
    assert long_pieces.bar_starts(MELODY, dataset.Item("", "", {"tokens": np.zeros(40, int)})).tolist() == [0, 16]


def test_statistics_by_bar_of_a_made_melody():
    on, off = MELODY.id("pitch", 60), MELODY.id("note_off")
    tokens = np.full(64, MELODY.id("hold"))
    tokens[:16:4] = on, on + 2, on, on + 2  # then held over the bar line
    tokens[24] = off
    tokens[48], tokens[56] = on + 1, on + 2
    found = long_pieces.by_bar(MELODY, [dataset.Item("", "", {"tokens": tokens})] * 2, [np.arange(64.0)] * 2)
    expected = {
        "onsets": [4, 0, 0, 2],
        "silent": [0, 0.5, 1, 0],
        "pitches": [2, 1, 0, 2],
        "entropy": [1, 0, np.nan, 1],
        "scale": [1, 1, np.nan, 1],
        "still": [0, 1, 1, 0],
        "again": [np.nan, 0, 0, 0],
        "nll": [7.5, 23.5, 39.5, 55.5],
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert len(found[name]) == 2
        for piece in found[name]:
            np.testing.assert_allclose(piece, values, err_msg=name)
    repeated = dataset.Item("", "", {"tokens": np.tile(tokens[:16], 3)})
    assert long_pieces.by_bar(MELODY, [repeated], [np.zeros(48)])["again"][0][1:].tolist() == [1, 1]


def test_the_change_is_from_the_first_bars_to_the_last():
    drawn = [np.array([1.0, 2, 5, np.nan]), np.array([2.0, 3, 6, 8])]
    found = long_pieces.summary(drawn, [np.array([1.0, 2, 3]), np.array([4.0, 5])], 2)
    assert found["quartiles"] == {"real": [2, 3, 4], "first": [1.75, 2, 2.25], "last": [5.5, 6, 7]}
    assert found["change"][0] == pytest.approx(((5 - 1.5) + (7 - 2.5)) / 2)
    assert found["by_bar"][3] == [8, 8, 8]
    assert found["mean_by_bar"] == [1.5, 2.5, 5.5, 8]
    silent = long_pieces.summary([np.full(4, np.nan)], [np.array([1.0])], 2)
    assert silent["change"] == (None, None)
    assert silent["quartiles"]["last"] == [None] * 3


def test_the_page_says_what_was_measured_and_runs_that_are_not_there_are_left_out(tmp_path, capsys, monkeypatch):
    real = chorale(32).arrays["tokens"]
    drawn = real.copy()
    drawn[4, 0] += 1
    told = {
        "kind": "causal",
        "causal_nll_per_token": 0.5,
        "interval": [0.4, 0.6],
        "interval_of": "causal_nll_per_token",
    }
    ranks = {"ranks": {"whole": [1, 4], "rest": [1, 2]}, "gaps": [[0, 16], [1, 32]], "cropped": 0, "candidates": 100}
    figures = {way: tasks.ranking(r) for way, r in ranks["ranks"].items()}
    rng = np.random.default_rng(0)
    steady = long_pieces.summary(list(rng.normal(size=(3, 64))), [rng.normal(size=99)], 16)
    loud = long_pieces.summary(list(9 + rng.normal(size=(3, 64))), [rng.normal(size=99)], 16)
    statistics = dict.fromkeys((*pages.MEDIANS, *pages.MEANS), steady) | {"onsets": loud}
    raw = {
        "harmonize": {"chorale-lstm": tasks.harmony(CHORALE, [real], [drawn]) | {"likelihood": told}},
        "infill": {"jsb16-transformer": dict.fromkeys(pages.GAPS, ranks | {"figures": figures})},
        "long": {
            "melody-lstm": {"pieces": 3, "real_pieces": 9, "real_bars": 99, "window": 192, "statistics": statistics}
        },
    }
    where = tmp_path / "benchmarks" / "results"
    where.mkdir(parents=True)
    (where / "steering.json").write_text(json.dumps(raw))
    run = f"melody-transformer={tmp_path / 'nowhere'}"
    arguments = ["--only", "long", "--models", "melody-transformer", "--runs", run, "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["steering", *arguments])
    monkeypatch.setattr(steering.commands, "begin", lambda: None)
    assert steering.main() == 0
    assert "melody-transformer: left out" in capsys.readouterr().err
    text = (tmp_path / "docs/results/steering.md").read_text()
    assert "| `chorale-lstm` | 1 | 16 | 1 | 0.500 (0.400..0.600) | causal |" in text
    assert "mean over gaps: 0.125" in text
    assert "5 lie within the quartiles of real bars; outside: onsets per bar (above" in text
    assert (tmp_path / "docs" / "images" / "long-folk-tunes.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((where / "steering.json").read_text()) == json.loads(json.dumps(raw))


def test_attributes_hit_are_counted_by_bin_and_beside_chance(monkeypatch):
    # Pieces are their bins: as asked for where something is, one too many for the melody's density, else 3.
    monkeypatch.setattr(hits.codec, "attributes", lambda vocabulary, piece: piece)

    def sample_pieces(loaded, wanted, seed):
        found = np.where(wanted < 0, 3, wanted)
        found[:, :, 0, 0] = np.where(wanted[:, :, 0, 0] < 0, 3, wanted[:, :, 0, 0] + 1)
        return list(found)

    monkeypatch.setattr(hits, "sample_pieces", sample_pieces)
    controls = hits.hits(types.SimpleNamespace(codec=codecs.get("tracks")), 2, 3, 0)
    assert controls["bars"] == 6
    assert [one["bin"] for one in controls["controls"]["melody.density"]] == list(range(1, 10))
    assert all((one["hit"], one["near"]) == (0, 1) for one in controls["controls"]["melody.density"])
    piano = controls["controls"]["piano.duration"]
    assert [(one["hit"], one["near"], one["free"]) for one in piano] == [(1, 1, float(b == 3)) for b in range(1, 6)]
