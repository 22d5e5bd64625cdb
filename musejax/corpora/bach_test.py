"""The chorales of `bach-chorales:test`.

Settings of one tune form a group (`bach.groups`). A group is in the test split if none of its tunes matches a soprano
of jsb16's training or validation split (`tunes.matching_pairs`). The result is stored here because jsb16 is not part of
the package; `tests/corpora/test_bach.py` recomputes it if the file is available.

Simpler rules, which compare only ten notes, would give more pieces: 73 if openings are compared with openings, and 57
if jsb16's openings are sought anywhere in a soprano. However, 38 and 24 of those pieces set a tune in jsb16's training
or validation split, and differ from it only by passing notes or a pickup.
"""

PIECES = frozenset(
    (
        "bach/bwv120.8-a",
        "bach/bwv137.5",
        "bach/bwv248.17",
        "bach/bwv248.23-2",
        "bach/bwv248.23-s",
        "bach/bwv248.42-4",
        "bach/bwv248.42-s",
        "bach/bwv248.53-5",
        "bach/bwv248.9-1",
        "bach/bwv248.9-s",
        "bach/bwv276",
        "bach/bwv290",
        "bach/bwv291",
        "bach/bwv292",
        "bach/bwv294",
        "bach/bwv298",
        "bach/bwv306",
        "bach/bwv316",
        "bach/bwv317",
        "bach/bwv338",
        "bach/bwv350",
        "bach/bwv357",
        "bach/bwv361",
        "bach/bwv366",
        "bach/bwv371",
        "bach/bwv40.8",
        "bach/bwv404",
        "bach/bwv405",
        "bach/bwv410",
        "bach/bwv423",
        "bach/bwv46.6",
        "bach/bwv57.8",
        "bach/bwv60.5",
        "bach/bwv85.6",
    )
)
