"""Each music rule on small melodies whose score is worked out by hand, and against plain loops."""

import numpy as np
import pytest

from musejax import vocabulary as vocabularies
from musejax.tuning import melody_features, rules

VOCABULARY = vocabularies.melody(48, 83, name="melody-basic")
NAMES = {name: i for i, name in enumerate(("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"))}


def tokens(*texts):
    """Rows of frames: `.` goes on, `-` ends the note, `C4` is MIDI 60; `.*3` stands for three."""
    rows = []
    for text in texts:
        row = []
        for word in text.split():
            event, _, times = word.partition("*")
            id = {".": 0, "-": 1}.get(event)
            id = NAMES[event[:-1]] + 12 * (int(event[-1]) + 1) - 46 if id is None else id
            row += [id] * int(times or 1)
        rows.append(row)
    return np.array(rows, np.int32)


def of(rule, *texts):
    m = melody_features.read(VOCABULARY, tokens(*texts))
    return np.asarray(rules.RULES[rule](m, 0))


def worth(rule, text):
    return of(rule, text)[0]


def random_tokens(num=60, length=32, seed=0):
    """Melodies of few pitches with many holds, so that every rule finds something."""
    rng = np.random.default_rng(seed)
    few = np.array([0, 0, 0, 1, 14, 14, 16, 21, 26, 9])
    return few[rng.integers(0, rng.integers(3, 11, (num, 1)), (num, length))].astype(np.int32)


def test_notes_outside_the_key_cost_one_each():
    np.testing.assert_array_equal(worth("key", "C4 F#4 . D#5 - B3"), [0, -1, 0, -1, 0, 0])


def test_another_tonic_has_another_key():
    m = melody_features.read(VOCABULARY, tokens("C4 F#4 G4 F4"))
    np.testing.assert_array_equal(melody_features.outside_key(m, 7)[0], [0, 0, 0, 1])


@pytest.mark.parametrize(
    ("text", "earned"),
    [
        ("C4 . D4 . C5 . . -", [3, 0, 0, 0, 3, 3, 3, 3]),  # at the start, and all through the last bar
        ("D4 . . . C4 . E4 .", [0, 0, 0, 0, 3, 3, 0, 0]),  # until something else begins
        ("D4 . . . C4 - . .", [0, 0, 0, 0, 3, 0, 0, 0]),  # it is held at first
        ("C3 . . . G4 . . .", [3, 0, 0, 0, 0, 0, 0, 0]),  # what is held is not the tonic
    ],
)
def test_the_tonic_opens_the_melody_and_fills_the_last_bar(text, earned):
    np.testing.assert_array_equal(worth("tonic_places", text), earned)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("C4*7", [5, 6]),  # the sixth in a row
        ("D4 C4*7", [6, 7]),
        ("C4 . C4*7", [8]),  # with a hold between, the eighth
        ("D4 . C4*8", [9]),  # also where the hold is of the note before
        ("C4*5 D4 C4*5", []),
        ("C4 .*7", [6, 7]),  # the sixth hold
        ("C4 - .*9", [9, 10]),  # behind a note-off the eighth, counted from the first hold
        ("C4 - . - . -", [5]),  # the third note-off
        (". .*6", [5, 6]),
    ],
)
def test_what_is_repeated_excessively_costs_a_hundred(text, where):
    found = worth("repetition", text)
    np.testing.assert_array_equal(np.flatnonzero(found), where)
    assert set(found[where]) <= {-100.0}


def repeated_by_looking_back(row):
    """The rule read as: go back until a note of another pitch, count the same, note what else there was."""
    out = []
    for t, now in enumerate(row):
        same, holds, offs = 0, False, False
        for before in row[:t][::-1]:
            if before == now:
                same += 1
            elif before == 0:
                holds = True
            elif before == 1:
                offs = True
            else:
                break
        out.append((now == 1 and same > 1) or same > (6 if holds or offs else 4))
    return out


def test_repetition_is_what_looking_back_finds():
    rows = random_tokens()
    found = np.asarray(melody_features.repeated(melody_features.read(VOCABULARY, rows)))
    np.testing.assert_array_equal(found, [repeated_by_looking_back(row.tolist()) for row in rows])
    assert 0.01 < found.mean() < 0.9


def correlated(x, lag):
    """The coefficient of a whole signal."""
    x = np.asarray(x, float)
    if len(x) <= lag or x.std() == 0:
        return 0.0
    away = x - x.mean()
    return (away[lag:] * away[: len(x) - lag]).sum() / len(x) / x.var()


def test_autocorrelation_is_of_the_events_so_far():
    rows = random_tokens(20)
    values = np.where(rows == 0, 1, np.where(rows == 1, 0, rows))
    found = np.asarray(rules.RULES["autocorrelation"](melody_features.read(VOCABULARY, rows), 0))
    for row, costs in zip(values, found):
        for t, cost in enumerate(costs):
            sizes = [abs(correlated(row[: t + 1], lag)) for lag in (1, 2, 3)]
            if all(abs(size - 0.15) > 1e-4 for size in sizes):
                np.testing.assert_allclose(cost, -3 * sum(s for s in sizes if s > 0.15), rtol=1e-4, atol=1e-4)


def test_autocorrelation_worked_out():
    # 14, 16, 14, 16: away from the mean by -1, 1, -1, 1. Lag 1: -3/4; lag 2: 2/4; lag 3: -1/4.
    np.testing.assert_allclose(worth("autocorrelation", "C4 D4 C4 D4")[3], -3 * 1.5, rtol=1e-5)
    np.testing.assert_array_equal(worth("autocorrelation", "C4 C4 C4"), 0)


@pytest.mark.parametrize(
    ("text", "earned"),
    [
        ("C4 D4 . E4 .*6", [*[0] * 7, 3, 0, 0]),
        ("C4 D4 E4 F4 .*4", [*[0] * 7, 3.3]),
        ("C4 D4 C4 D4 - C4*3", [0] * 8),
        ("C4 D4 E4 F4 G4 A4 B4", [0] * 7),  # no eight frames yet
    ],
)
def test_three_pitches_in_eight_frames_are_a_motif(text, earned):
    np.testing.assert_allclose(worth("motif", text), earned, rtol=1e-6)


def test_a_motif_that_comes_back_earns_more_with_more_pitches():
    four = "C4 . D4 . E4 . F4 ."
    np.testing.assert_array_equal(worth("repeated_motif", f"{four} {four}"), [*[0] * 15, 5])
    # It may begin anywhere, and come back later; two pitches are no motif.
    three = "C4 . D4 . E4 . . ."
    found = worth("repeated_motif", f"A4 {three} A4 . {three} .")
    np.testing.assert_array_equal(np.flatnonzero(found), [18])
    assert found[18] == 4
    np.testing.assert_array_equal(worth("repeated_motif", "C4 D4*7 C4 D4*7"), 0)
    # What overlaps itself has not stood before.
    np.testing.assert_array_equal(worth("repeated_motif", "C4 D4 E4 C4 D4 E4 C4 D4 E4 C4 D4")[:14], 0)


def test_preferred_intervals():
    text = "C4 E4 . - E4 G#4 D4 D4 C3 . - F3 D#3 D#4 D4 C#5 C5 G5 D5 A4 C5 D#5"
    amounts = [0, 0.15, 0.075, 0.05, 0, 0.09, 0, 0, -1, 0.3, 0.15, 0.07, 0.08, 0, 0, -0.3, 0, 0.1, 0.07, 0.07, 0, 0]
    np.testing.assert_allclose(worth("intervals", text), 5 * np.array(amounts), rtol=1e-5)
    fourths = worth("intervals", "- . C4 F4 A4 E4 A4 D5")
    np.testing.assert_allclose(fourths, 5 * np.array([0, 0, 0, 0.07, 0.09, 0.07, 0.07, 0.07]), rtol=1e-5)
    fifths = worth("intervals", "C4 A4 D4 A4 C5 F4")
    np.testing.assert_allclose(fifths, 5 * np.array([0, 0.05, 0.02, 0.02, 0, 0.02]), rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "earned"),
    [
        ("C4 G4 F4 E4 D4 C4", {5: 5}),  # back where it leapt from
        ("G4 C4 D4 G4", {3: 5}),  # also from below
        ("C4 G4 D5 C4", {2: -5}),  # doubled; the leap back is too early to count
        ("C4 G4 C4", {}),
        ("C4 G4 .*7 C4", {9: 5}),  # a leap back after more than six frames
        ("C4 G4 .*6 C4", {}),
        ("C4 F4 C4", {}),  # a fourth is no leap
        ("C4 G4 C4 G4 F4 C4", {5: 5}),  # what was answered is over; a new leap is a new one
        ("- . C4 G4 . D4 C4", {6: 5}),
        ("C4 G4 D5 A4 C4", {2: -5}),
    ],
)
def test_leaps_are_resolved_or_doubled(text, earned):
    found = worth("leaps", text) + worth("doubled_leaps", text)
    assert {int(i): found[i] for i in np.flatnonzero(found)} == earned


def test_the_highest_and_the_lowest_note_are_unique():
    found = of("unique", "C4 D4 E4 E4", "E4 C4 C4 G4", "D4 C4 E4 .", "C4 D4 C4 D4", ". . - .")
    np.testing.assert_array_equal(found[:, -1], [3, 3, 6, 0, 0])
    np.testing.assert_array_equal(found[:, :-1], 0)


def test_the_whole_is_the_sum_and_factors_scale_it():
    more = tokens(" ".join(["C4 . D4 . E4 . F4 ."] * 4), "C4 G4 D5 " * 10 + "F#4 C3")
    rows = np.concatenate([random_tokens(8), more])
    m = melody_features.read(VOCABULARY, rows)
    parts = {name: np.asarray(rule(m, 0)) for name, rule in rules.RULES.items()}
    assert all(np.abs(p).sum() > 0 for p in parts.values())
    np.testing.assert_allclose(rules.score(VOCABULARY, rows, rules.Rules()), sum(parts.values()), rtol=1e-4, atol=1e-3)
    some = rules.Rules(**{name: 0.0 for name in rules.RULES if name != "leaps"} | {"leaps": 2.0})
    np.testing.assert_allclose(rules.score(VOCABULARY, rows, some), 2 * parts["leaps"])
    fields = {name for name in rules.Rules.__dataclass_fields__ if name != "tonic"}
    assert fields == set(rules.RULES)


def test_the_table_has_the_denominators_that_it_names():
    rows = tokens(
        "C4 D4 E4 F4 F#4 . . . . . . .",  # a motif in frames 7..9; F# outside the key; highest unique
        "D4 . . . . . . . G4 . . .",  # holds 6 and 7 too many; nothing else
        "C5 G4 F4 E4 D4 C5 . . . . . .",  # a motif in frames 7..10; a hold too many
    )
    found = rules.figures(VOCABULARY, rows)
    # D4 to C5 is a leap up; C5 to G4 is a fourth. So no leap is resolved or doubled in any of them.
    assert found["leaps_resolved"] is None
    assert found["repeated"] == pytest.approx((2 + 2 + 1) / 36)
    assert found["not_in_key"] == pytest.approx(1 / 36)
    assert found["starts_on_tonic"] == pytest.approx(2 / 3)
    assert found["unique_highest"] == pytest.approx(2 / 3)
    assert found["in_motif"] == pytest.approx((3 + 0 + 4) / 36)
    # Runs of four notes: CDEF, DEFF#, C5GFE, GFED, FEDC: intervals 2 2 1 | 2 1 1 | -5 -2 -1 | -2 -1 -2 | -1 -2 10.
    assert found["distinct_4grams"] == 1.0
    both = rules.figures(VOCABULARY, tokens("C4 G4 F4 C4", "C4 G4 D5 A4"))
    assert both["leaps_resolved"] == 0.5


def test_self_similarity_is_how_often_two_melodies_agree():
    rows = np.array([[1, 2, 3], [1, 2, 4], [1, 5, 6]])
    assert rules.self_similarity(rows) == pytest.approx((3 + 1 + 0) / 9)


def test_a_codec_with_rests_says_the_same():
    sketch = vocabularies.sketch()
    pitch, rest, hold = (lambda p: p - 15), 98, 99
    m = melody_features.read(sketch, np.array([[pitch(60), hold, rest, rest, rest, pitch(62)]], np.int32))
    np.testing.assert_array_equal(m.pitch[0], [60, -1, -1, -1, -1, 62])
    np.testing.assert_array_equal(m.hold[0], [0, 1, 0, 1, 1, 0])
    np.testing.assert_array_equal(m.off[0], [0, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(m.last[0], [-1, 60, 60, 60, 60, 60])


@pytest.mark.parametrize("vocabulary", [vocabularies.chorale(), vocabularies.performance(), vocabularies.drums()])
def test_rules_are_for_one_melody(vocabulary):
    with pytest.raises(ValueError, match="the music rules need a codec for a single melody"):
        melody_features.check(vocabulary)
