"""Small MusicXML scores as text: measures of notes, with 12 divisions of a quarter."""

import re

DIVISIONS = 12


def duration(quarters):
    """The text of a duration."""
    value = quarters * DIVISIONS
    return f"<duration>{int(value) if value == int(value) else float(value)}</duration>"


def note(name, quarters: float = 1, *, voice=1, chord=False, tie="", more="", attributes=""):
    """A note such as `C4`, `F#5` or `Bbb3`, or a rest for `r`; `more` stands at its end."""
    start = "<chord/>" if chord else ""
    if name == "r":
        pitch = "<rest/>"
    else:
        step, sign, octave = re.fullmatch("([A-G])(#*|b*)(-?[0-9]+)", name).groups()
        alter = f"<alter>{len(sign) if '#' in sign else -len(sign)}</alter>" if sign else ""
        pitch = f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie.split())
    return f"<note {attributes}>{start}{pitch}{duration(quarters)}{ties}<voice>{voice}</voice>{more}</note>"


def notes(names, quarters: float = 1, **options):
    """Notes of one length, such as `C4 D4 r E4`."""
    return "".join(note(name, quarters, **options) for name in names.split())


def backup(quarters):
    """A step back."""
    return f"<backup>{duration(quarters)}</backup>"


def forward(quarters):
    """A step on."""
    return f"<forward>{duration(quarters)}</forward>"


def time(beats, unit):
    """A time signature."""
    return f"<time><beats>{beats}</beats><beat-type>{unit}</beat-type></time>"


def attributes(*content):
    """Attributes of a measure."""
    return f"<attributes>{''.join(content)}</attributes>"


def repeat(direction, **options):
    """A repeat sign: `forward` at the beginning of a measure, `backward` at its end."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in options.items())
    place = "left" if direction == "forward" else "right"
    return f'<barline location="{place}"><repeat direction="{direction}"{more}/></barline>'


def ending(number, kind):
    """The `start` or `stop` of an ending."""
    place = "left" if kind == "start" else "right"
    return f'<barline location="{place}"><ending number="{number}" type="{kind}"/></barline>'


def words(text, sound=""):
    """A direction of words."""
    return f"<direction><direction-type><words>{text}</words></direction-type>{sound}</direction>"


def tempo(qpm):
    """A tempo for playback."""
    return f'<direction><direction-type><words/></direction-type><sound tempo="{qpm}"/></direction>'


def metronome(unit, speed, dots=0):
    """A metronome mark."""
    mark = f"<beat-unit>{unit}</beat-unit>{'<beat-unit-dot/>' * dots}<per-minute>{speed}</per-minute>"
    return f"<direction><direction-type><metronome>{mark}</metronome></direction-type></direction>"


def score(*parts, heads=(), before="", metre=(4, 4), first=""):
    """A score by parts; each part is a list of measures, a measure its content or (attributes, content).

    Args:
        parts: The parts.
        heads: What the part list says of each part, beside its name `Part 1` and so on.
        before: What stands before the part list.
        metre: The time signature at the beginning, or None.
        first: More attributes of the first measure of each part.
    """
    listed = "".join(
        f'<score-part id="P{k}"><part-name>Part {k}</part-name>{heads[k - 1] if k <= len(heads) else ""}</score-part>'
        for k in range(1, len(parts) + 1)
    )
    text = f"<score-partwise>{before}<part-list>{listed}</part-list>"
    for k, measures in enumerate(parts, 1):
        text += f'<part id="P{k}">'
        for number, measure in enumerate(measures, 1):
            named, content = measure if isinstance(measure, tuple) else (f'number="{number}"', measure)
            start = ""
            if number == 1:
                divisions = f"<divisions>{DIVISIONS}</divisions>"
                start = attributes(divisions, first, time(*metre) if metre else "")
            text += f"<measure {named}>{start}{content}</measure>"
        text += "</part>"
    return text + "</score-partwise>"


def timewise(*parts):
    """A score by measures, with the parts of `score`."""
    text = "<score-timewise><part-list>"
    text += "".join(f'<score-part id="P{k}"/>' for k in range(1, len(parts) + 1)) + "</part-list>"
    for number, measures in enumerate(zip(*parts), 1):
        text += f'<measure number="{number}">'
        for k, content in enumerate(measures, 1):
            start = attributes(f"<divisions>{DIVISIONS}</divisions>", time(4, 4)) if number == 1 else ""
            text += f'<part id="P{k}">{start}{content}</part>'
        text += "</measure>"
    return text + "</score-timewise>"
