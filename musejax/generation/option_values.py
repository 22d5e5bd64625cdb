"""Values of options, read from the text of the command line or from Python values."""

import re
from collections.abc import Mapping, Sequence

from musejax import errors
from musejax.generation import cells, piece_forms
from musejax.music import bar_numbers
from musejax.theory import keys


def names(value: str | Sequence[str] | None) -> list[str]:
    """Returns names in lower case, from a list or a text with commas; none for None."""
    parts = (value or "").split(",") if isinstance(value, str) or value is None else value
    return [part.strip().lower() for part in parts if part.strip()]


def low_high(option: str, value: str | tuple[int, int], reason: str, most: int = 999_999) -> tuple[int, int]:
    """Returns two whole numbers from a pair or a text such as 48-83; one number stands for both.

    Args:
        option: Name of the option.
        value: Its value.
        reason: What the error message says.
        most: Largest number.

    Raises:
        errors.OptionError: The value is not a range of numbers from 0 to `most`.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", value)
        ends = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    else:
        ends = (value[0], value[1]) if len(value) == 2 else (1, 0)
    if not 0 <= ends[0] <= ends[1] <= most:
        raise errors.OptionError(option, value, reason)
    return ends


def sharps(key: str | None, scale: str | None = None) -> int | None:
    """Returns the key signature of a key, or else of a scale: sharps, negative for flats; None where neither has one.

    Raises:
        errors.OptionError: The key has no tonic, or its mode is unknown.
    """
    tonic, mode = keys.parse(key or scale or "")
    is_known = mode in ("", *keys.MODES)
    if key and not is_known:
        raise errors.OptionError("key", key, "the mode is major or minor, as in C:minor")
    if key and tonic is None:
        raise errors.OptionError("key", key, "give a tonic, such as G or Bb:minor")
    return None if tonic is None or not is_known else keys.sharps(tonic, mode == "minor")


def bar_ranges(
    value: str | Sequence[bar_numbers.Bar | str | tuple[bar_numbers.Bar, bar_numbers.Bar]] | None,
) -> list[tuple[bar_numbers.Bar, bar_numbers.Bar]]:
    """Returns the first and last bar of each range; none for None.

    Args:
        value: A text such as `5-8,12a`, or a list of such parts, bars and pairs of bars.

    Raises:
        errors.OptionError: A part is not a range of bars.
    """
    out = []
    for part in value.split(",") if isinstance(value, str) else value or ():
        text = f"{part[0]}-{part[1]}" if isinstance(part, tuple) else str(part)
        ends = bar_numbers.parse_range(text)
        if ends is None:
            raise errors.OptionError(
                "bars", value, "give ranges such as 5-8 or 0-2,12, the first bar not above the last"
            )
        out.append(ends)
    return out


def attributes(value: str | Mapping[str, int] | None) -> dict[tuple[str, str], int]:
    """Returns attributes of tracks, (track, attribute) -> bin; none for None.

    Args:
        value: A text such as `piano.density=8,melody.polyphony=1`, or a mapping such as `{"piano.density": 8}`.

    Raises:
        errors.OptionError: A part has another form.
    """
    out = {}
    parts = [f"{name}={number}" for name, number in value.items()] if isinstance(value, Mapping) else names(value)
    for part in parts:
        match = re.fullmatch(r"([a-z]+)\.([a-z]+)=(\d{1,3})", part.lower())
        if not match:
            raise errors.OptionError("attributes", value, "give TRACK.ATTRIBUTE=BIN, such as piano.density=8")
        out[match[1], match[2]] = int(match[3])
    return out


def fermatas(value: str | Sequence[str] | None) -> list[piece_forms.Mark] | None:
    """Returns the bar and beat of each fermata, from texts such as 2.3; None for None, which leaves them to the model.

    Raises:
        errors.OptionError: A part has another form.
    """
    if value is None:
        return None
    marks: list[piece_forms.Mark] = []
    for part in names(value) or ([""] if isinstance(value, str) else []):
        match = re.fullmatch(r"(\w+)\.(\d{1,2})", part)
        ends = bar_numbers.parse_range(match[1]) if match else None
        if match is None or ends is None:
            raise errors.OptionError("fermatas", value, "give BAR.BEAT,..., such as 2.3,4.3")
        marks.append((ends[0], int(match[2])))
    return marks


def rules(option: str, value: str | Sequence[str] | None) -> list[cells.Rule]:
    """Returns pitches at places, from texts such as alto@5-8:60-67; none for None.

    Args:
        option: `allow` or `forbid`.
        value: Its value.

    Raises:
        errors.OptionError: A part has another form.
    """
    out = []
    for part in names(value):
        rule = cells.rule(part)
        if rule is None:
            voices = ", ".join(cells.VOICES)
            raise errors.OptionError(
                option, part, f"give PLACE:PITCHES, such as bass@3-4:36-48, alto@5.2:60 or 6:72 (voices: {voices})"
            )
        out.append(rule)
    return out


def places(option: str, value: str | Sequence[str | int | cells.Place] | None) -> list[cells.Place | int]:
    """Returns places, from texts such as soprano@5.1; a whole number is the index of a note. None gives none.

    Args:
        option: Name of the option.
        value: Its value.

    Raises:
        errors.OptionError: A part has another form.
    """
    out: list[cells.Place | int] = []
    for part in names(value) if isinstance(value, str) or value is None else value:
        place = cells.place(part) if isinstance(part, str) else part
        if place is None:
            voices = ", ".join(cells.VOICES)
            raise errors.OptionError(option, part, f"give places such as soprano@5.1, bass@6-7 or 3 (voices: {voices})")
        out.append(place)
    return out
