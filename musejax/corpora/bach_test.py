"""The chorales of `bach-chorales:test`.

The rule: settings of one melody form a group (`bach.marks`), and a group is in the test split when no soprano of
jsb16's training or validation split bears a mark of any of its members. jsb16 is not part of the package, so its answer
stands here; `tests/corpora/test_bach.py` works it out anew where the file is at hand.
"""

PIECES = frozenset(
    (
        "bach/bwv120.8-a",
        "bach/bwv137.5",
        "bach/bwv145-a",
        "bach/bwv24.6",
        "bach/bwv248.42-4",
        "bach/bwv248.42-s",
        "bach/bwv248.53-5",
        "bach/bwv276",
        "bach/bwv290",
        "bach/bwv291",
        "bach/bwv292",
        "bach/bwv294",
        "bach/bwv298",
        "bach/bwv306",
        "bach/bwv316",
        "bach/bwv317",
        "bach/bwv331",
        "bach/bwv338",
        "bach/bwv357",
        "bach/bwv361",
        "bach/bwv366",
        "bach/bwv371",
        "bach/bwv40.8",
        "bach/bwv405",
        "bach/bwv410",
        "bach/bwv423",
        "bach/bwv46.6",
        "bach/bwv56.5",
        "bach/bwv57.8",
        "bach/bwv60.5",
        "bach/bwv85.6",
    )
)
