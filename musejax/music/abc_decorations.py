"""Decorations of ABC: fermatas, dynamics, and the signs that change the order of playing."""

import re
from fractions import Fraction

from musejax.music import abc_losses, musicxml_directions
from musejax.music.loss_counts import Losses
from musejax.music.musicxml_jumps import Jump, Marks
from musejax.music.musicxml_measures import Measure

# Decorations of one character, which U: fields can redefine.
SIGNS = {
    ".": "staccato", "~": "roll", "H": "fermata", "L": "accent", "M": "lowermordent", "O": "coda", "P": "uppermordent",
    "S": "segno", "T": "trill", "u": "upbow", "v": "downbow",
}  # fmt: skip
# Decorations that change neither the notes nor their lengths.
_SILENT_NAMES = """
    staccato roll accent emphasis > ^ lowermordent uppermordent mordent pralltriller trill trill( trill) turn
    turnx invertedturn invertedturnx arpeggio upbow downbow open thumb snap plus + wedge tenuto breath shortphrase
    mediumphrase longphrase slide marcato crescendo( crescendo) diminuendo( diminuendo) cresc dim <( <) >( >) rit. sfz
    sf fz sffz rfz 8va( 8va) 8vb( 8vb) 15ma( 15ma) ped ped-up editorial courtesy beamon beambr1 beambr2 xstem cross dot
    style=normal style=x nil none tremolo caesura umarcato // /// / 0 1 2 3 4 5
    """
_SILENT = frozenset(_SILENT_NAMES.split())
_JUMPS = re.compile(r"(d\.?c\.?|dacapo|d\.?s\.?|dalsegno)(al(?:fine|coda))?")


def apply_decoration(name: str, measure: Measure, place: Fraction, losses: Losses) -> bool:
    """Applies a decoration to its measure.

    Args:
        name: Name of the decoration, such as `mf`.
        measure: The measure.
        place: Position in quarters from the beginning of the measure.
        losses: Counts an unknown name.

    Returns:
        Whether it is a fermata, which belongs to the next note.
    """
    if name in ("fermata", "invertedfermata"):
        return True
    velocity = musicxml_directions.DYNAMICS.get(name)
    if velocity is not None:
        measure.directions.dynamics.append(musicxml_directions.Dynamic(place, velocity))
    elif name not in _SILENT and not _apply_jump(re.sub(r"\s", "", name).lower(), measure.directions.marks, place):
        losses[abc_losses.DECORATIONS] += 1
    return False


def _apply_jump(name: str, marks: Marks, place: Fraction) -> bool:
    """Adds a sign that changes the order of playing; returns whether the name is such a sign."""
    jump = _JUMPS.fullmatch(name)
    if jump is not None:
        segno = "" if jump[1].replace(".", "") in ("ds", "dalsegno") else None
        marks.jump = Jump(segno, jump[2][2:] if jump[2] else None)
    elif name == "segno":
        marks.places.append((place, "segno", ""))
    elif name == "coda":
        marks.places.append((place, "coda sign", ""))
    elif name in ("dacoda", "tocoda"):
        marks.to_coda = ""
    elif name == "fine":
        marks.fine = True
    else:
        return False
    return True
