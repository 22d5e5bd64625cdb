"""Bar lines of ABC: repeats, endings and leaps, as they are played."""

import abc_tunes as abc
import pytest

NAMES = dict(zip([60, 62, 64, 65, 67, 69, 71, 72], "CDEFGABc"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("|:C:|", "CC"),
        ("C:|", "CC"),
        ("C|:D:|E", "CDDE"),
        ("|:C::D:|", "CCDD"),
        ("|:C:||:D:|", "CCDD"),
        ("|:C:|:D:|", "CCDD"),
        ("|::C::|", "CCC"),
        ("|:C|1D:|2E|]", "CDCE"),
        ("|:C|[1D:|[2E|]", "CDCE"),
        ("|:C [1 D:|[2 E|]F", "CDCEF"),
        ("|:C|1,3D:|2E:|", "CDCECD"),
        ("|:C|1-2D:|3E||F", "CDCDCEF"),
        ("|:C|1D:|2E|]F:|", "CDCEFF"),
        ("C|1D:|2E||F|1G:|2A||", "CDCEFGFA"),
        # A repeat without a beginning goes back to the latest double bar line or end of a repeat.
        ("C||D:|", "CDD"),
        ("C|]D|E:|", "CDEDE"),
        ("C:|D:|", "CCDD"),
        ("C:|D||E:|", "CCDEE"),
        ("|:C||D:|", "CDCD"),
        # The bracket of a further ending tells that the one before it is repeated.
        ("C|1D|2E|]", "CDCE"),
        # Invisible bar lines, dotted ones, and marks around them.
        ("|:C[|]D[|]:|", "CDCD"),
        ("|:C:[|]|]", "CC"),
        ("C.|D [| E|]", "CDE"),
        ("C!D.C.!|", "CC"),
        ("C!fine!|D!D.C.!|]", "CDC"),
        ("C!fine!|D|]!D.C.!", "CDC"),
        ("C|!segno!D!fine!|E!D.S.!|]", "CDED"),
        ("C|SD|E!D.S.!|F", "CDEDEF"),
        ("C!dacoda!|D!D.C.alcoda!|!coda!E", "CDCE"),
        ("COD|D!D.C.!|OE", "CDDCDE"),
        ("C|D HE||F!D.C.!|", "CDEFCDEF"),
        ("C|DHx||F!D.C.!|", "CDFCD"),
        ("C|D H||F!D.C.!|", "CDFCD"),
        ("V:1\n|:C|D:|\nV:2\nx|x|", "CDCD"),
    ],
)
def test_repeats_are_played_out(body, expected):
    assert "".join(NAMES[pitch] for pitch in abc.pitches(abc.read(body, "M:none\nL:1/4\nK:C"))) == expected


def test_an_assumed_repeat_is_reported():
    assert abc.remarks("C4|1D4|2E4|]") == ["1 repeat sign is missing before a further ending and is assumed"]


def test_repeats_beyond_the_bounds_are_not_played_out():
    body = "|:" + "|".join("C" * 900) + ":" * 90 + "|"
    assert len(abc.read(body, "M:none\nL:1/4\nK:C").notes) == 900
    assert abc.remarks(body) == ["repeats cannot be played within the bounds; the score is read as written"]
