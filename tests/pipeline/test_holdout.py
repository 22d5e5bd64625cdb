import numpy as np
import pytest
import toy

from musejax.pipeline import dataset, holdout


def data(training, valid=()):
    """Pieces named by their groups; of a group with `*` there are two."""

    def items(groups):
        return [
            dataset.Item(f"{group}{i}", group, {"tokens": np.arange(4, dtype=np.int32)})
            for group in groups
            for i in range(2 if group.endswith("*") else 1)
        ]

    splits = {"train": items(training), "valid": items(valid), "test": items(["t"])}
    return dataset.Dataset("few", toy.VOCABULARY, splits, {"used": 9})


def groups(found, split):
    return {item.group for item in found.splits[split]}


@pytest.mark.parametrize(
    ("training", "valid", "least", "taken"),
    [("abcdefghij", "", 2, 2), ("abcdefghi", "j", 2, 1), ("abc", "", 2, 1), ("a", "b", 2, 0), ("abc", "de", 2, 0),
     ("abcdef", "", 0, 0)],
)  # fmt: skip
def test_as_many_groups_are_taken_as_are_missing_and_half_stay(training, valid, least, taken):
    before = data(training, valid)
    found = holdout.hold_out(before, least)
    assert len(groups(found, "train")) == len(training) - taken
    assert groups(found, "train") | groups(found, "valid") == set(training) | set(valid)
    assert not groups(found, "train") & groups(found, "valid")
    assert groups(found, "test") == {"t"}
    assert len(found.report.get("held_out", ())) == taken
    assert (found is before) == (taken == 0) and bool(holdout.tell(found)) == (taken > 0)


@pytest.mark.parametrize(
    ("training", "test", "least", "moved"),
    [("", "abcdefghij", 3, 10), ("ab", "cdefghij", 3, 8), ("abcdefg", "hij", 3, 0), ("abcdef", "ghij", 3, 4),
     ("", "abcdefghij", 0, 0)],
)  # fmt: skip
def test_few_pieces_that_a_hash_put_into_the_test_split_are_trained_on(training, test, least, moved):
    before = data(training)
    before.splits["test"] = data(test).splits["train"]
    found = holdout.hold_out(before, least)
    assert len(groups(found, "test")) == len(test) - moved
    assert len(groups(found, "train")) == len(training) + moved - least
    assert len(found.report.get("from_test", ())) == moved
    assert len(holdout.tell(found)) == (moved > 0) + (least > 0)


def test_a_set_with_enough_pieces_keeps_its_test_split():
    names = [f"piece {i}" for i in range(holdout.FEW)]
    before = data(names[:20])
    before.splits["test"] = data(names[20:]).splits["train"]
    assert groups(holdout.hold_out(before, 2), "test") == set(names[20:])


def test_a_group_is_taken_whole():
    names = [f"{letter}*" for letter in "abcde"]
    found = holdout.hold_out(data(names), 2)
    assert len(found.splits["valid"]) == 4 == len(found.report["held_out"])
    assert not groups(found, "train") & groups(found, "valid")
    assert holdout.tell(found)[0].startswith("held out of training to validate on: ")


def test_the_choice_does_not_depend_on_what_else_is_there():
    all_of_them = groups(holdout.hold_out(data("abcdefghij"), 3), "valid")
    some = groups(holdout.hold_out(data([*all_of_them, "a", "b", "c", "d"][:6]), 3), "valid")
    assert len(all_of_them & some) >= 1
    assert groups(holdout.hold_out(data("jihgfedcba"), 3), "valid") == all_of_them
