"""What the texts of options mean; a text that means nothing is a mistake that names the option."""

import argparse
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from musejax import errors

if TYPE_CHECKING:
    from musejax import zoo
    from musejax.base import Choice, Constraint
    from musejax.music import bar_numbers

FORMATS = ("mid", "musicxml", "abc", "wav", "png")


def names(text: str | None) -> list[str]:
    """Names between commas, in lower case; none where the option is not given."""
    return [name.strip().lower() for name in (text or "").split(",") if name.strip()]


def formats(text: str, more: Sequence[str] = ()) -> list[str]:
    """Returns file formats between commas, each of them once.

    Args:
        text: The formats.
        more: Formats that a command has beside those of music, sound and pictures.
    """
    chosen, known = list(dict.fromkeys(names(text))), (*FORMATS, *more)
    for f in chosen:
        if f not in known:
            raise errors.UserError(f"format {f!r} is unknown; the formats are {', '.join(known)}")
    if not chosen:
        raise errors.UserError(f"no format given; the formats are {', '.join(known)}")
    return chosen


def check_seed(seed: int) -> None:
    """Raises for a seed that JAX does not take."""
    if not 0 <= seed < 2**32:
        raise errors.UserError(f"--seed {seed}: it must lie in 0..{2**32 - 1}")


def check_counts(args: argparse.Namespace, *options: str) -> None:
    """Raises for a number below 1 among these options."""
    for name in options:
        value = getattr(args, name.replace("-", "_"))
        if value is not None and value < 1:
            raise errors.UserError(f"--{name} {value}: it must be 1 or more")


def check_temperature(temperature: float) -> None:
    """Raises for a temperature that is none."""
    if not 0 < temperature < math.inf:
        raise errors.UserError(f"--temperature {temperature}: it must be above 0")


def choice(args: argparse.Namespace) -> "Choice":
    """How a token is chosen."""
    from musejax.base import Choice

    check_temperature(args.temperature)
    for name in ("top_p", "min_p"):
        value = getattr(args, name)
        if value is not None and not 0 < value <= 1:
            raise errors.UserError(f"--{name.replace('_', '-')} {value}: it must lie in (0, 1]")
    check_counts(args, "top-k")
    return Choice(temperature=args.temperature, top_k=args.top_k, top_p=args.top_p, min_p=args.min_p)


def steering(args: argparse.Namespace) -> dict[str, Any]:
    """How pieces are drawn beyond the choice of tokens: beams and guidance."""
    check_counts(args, "beam", "chord-frames")
    if args.beam is not None and args.num > 1:
        raise errors.UserError(f"--beam {args.beam} with --num {args.num}: a search finds one piece; leave --num at 1")
    if args.guidance is not None and not 0 <= args.guidance < math.inf:
        raise errors.UserError(f"--guidance {args.guidance}: it must be 0 or more")
    check_counts(args, "steps")
    return {"beams": args.beam, "guidance": args.guidance, "sampler": args.sampler, "steps": args.steps}


def sharps(args: argparse.Namespace) -> int | None:
    """The key signature that is asked for; that of a scale, where no other is."""
    from musejax.theory import keys

    tonic, mode = keys.parse(args.key or args.scale or "")
    known = mode in ("", *keys.MODES)
    if args.key and not known:
        raise errors.UserError(f"--key {args.key}: the mode is major or minor, as in C:minor")
    if args.key and tonic is None:
        raise errors.UserError(f"--key {args.key}: give a tonic, such as G or Bb:minor")
    return None if tonic is None or not known else keys.sharps(tonic, mode == "minor")


def check_key(args: argparse.Namespace, loaded: "zoo.Loaded") -> None:
    """Raises where a key is asked of a model that reads none."""
    if args.key and "key" not in loaded.model.info.conditions:
        raise errors.UserError(
            f"--key {args.key}: {args.model} does not read a key; --scale keeps any model to a scale"
        )


def pair(text: str) -> tuple[int, int] | None:
    """LOW-HIGH, or one number for both; None for what is none."""
    match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        return None
    return int(match[1]), int(match[2] or match[1])


def ranges(text: str | None) -> "list[tuple[bar_numbers.Bar, bar_numbers.Bar]]":
    """Bars such as 5-8,12a; none where the option is not given."""
    from musejax.music import bar_numbers

    out = []
    for part in (text or "").split(",") if text is not None else []:
        ends = bar_numbers.parse_range(part)
        if ends is None:
            raise errors.UserError(
                f"--bars {text}: give ranges such as 5-8 or 0-2,12, the first bar not above the last"
            )
        out.append(ends)
    return out


def attributes(text: str | None) -> dict[tuple[str, str], int]:
    """Attributes of tracks such as piano.density=8,melody.polyphony=1; none where the option is not given."""
    out = {}
    for part in names(text):
        match = re.fullmatch(r"([a-z]+)\.([a-z]+)=(\d{1,3})", part)
        if not match:
            raise errors.UserError(f"--attributes {text}: give TRACK.ATTRIBUTE=BIN, such as piano.density=8")
        out[match[1], match[2]] = int(match[3])
    return out


def join(parts: "Sequence[Constraint | None]") -> "Constraint | None":
    """What all of these allow; None where nothing is asked for."""
    from musejax.decoding import constraints

    asked = [part for part in parts if part is not None]
    return constraints.all_of(*asked) if asked else None


def told(args: argparse.Namespace, loaded: "zoo.Loaded", length: int) -> dict[str, Any]:
    """What the model is told of the piece: int32[T] for a condition; the chords, where it reads chords."""
    from musejax.theory import chords

    if not args.chords or not reads_chords(loaded):
        return {}
    try:
        return {"chord": chords.classes(args.chords, args.chord_frames, length)}
    except ValueError as error:
        raise errors.UserError(f"--chords {args.chords}: {error}") from None


def reads_chords(loaded: "zoo.Loaded") -> bool:
    """Whether a model is told chords; others are kept to them."""
    return "chord" in loaded.model.info.conditions


def constraint(
    args: argparse.Namespace, loaded: "zoo.Loaded", length: int, bar: int | None, *, shift: int = 0
) -> "Constraint | None":
    """What the options allow.

    Args:
        args: Options of a sampling command.
        loaded: The model.
        length: Frames of the piece.
        bar: Frames of a bar; None where the piece has no grid.
        shift: Semitones by which the model reads and writes higher than the piece sounds.
    """
    import numpy as np

    from musejax.decoding import constraints, harmony
    from musejax.theory import chords, keys

    vocabulary, parts = loaded.codec.vocabulary, []
    for option, value in (
        ("--scale", args.scale), ("--pitches", args.pitches), ("--chords", args.chords), ("--density", args.density)
    ):  # fmt: skip
        if value and loaded.model.info.piece_frames:
            raise errors.UserError(
                f"{option} {value}: {loaded.name} draws all cells of a piece at once; constraints need a model that "
                "draws one after the other"
            )
    if args.density and loaded.model.info.samplers:
        raise errors.UserError(
            f"--density {args.density}: onsets are counted from left to right, but {loaded.name} draws in any order"
        )
    left_to_right = loaded.model.decoder
    order = left_to_right.order if left_to_right is not None else ()
    for option, value in (("--scale", args.scale), ("--pitches", args.pitches)):
        if value and not constraints.pitched(vocabulary):
            raise errors.UserError(f"{option} {value}: codec {vocabulary.name} of {loaded.name} has no pitches")
    if args.scale:
        tonic, name = keys.parse(args.scale)
        if tonic is None or (name or "major") not in keys.SCALES:
            scales = ", ".join(keys.SCALES)
            raise errors.UserError(f"--scale {args.scale}: give a tonic and one of {scales}, such as G or Bb:minor")
        parts.append(constraints.scale(vocabulary, tonic + shift, name or "major"))
    if args.pitches:
        ends = pair(args.pitches)
        if ends is None or "-" not in args.pitches or ends[1] > 127:
            raise errors.UserError(f"--pitches {args.pitches}: give two MIDI pitches within 0-127, such as 48-83")
        parts.append(constraints.pitch_range(vocabulary, [(ends[0] + shift, ends[1] + shift)]))
    for option, value in (("--chords", args.chords), ("--density", args.density)):
        if not value or (option == "--chords" and reads_chords(loaded)):
            continue
        if bar is None:
            raise errors.UserError(f"{option} {value}: codec {vocabulary.name} of {loaded.name} has no grid of bars")
        try:
            if option == "--chords":
                table = np.roll(chords.progression(value, args.chord_frames, length), shift, axis=-1)
                parts.append(harmony.chords(vocabulary, table, order))
            else:
                parts.append(harmony.density(vocabulary, *_onsets(value), bar, order))
        except ValueError as error:
            raise errors.UserError(f"{option} {value}: {error}") from None
    return join(parts)


def check_left(args: argparse.Namespace, loaded: "zoo.Loaded", constraint: "Constraint | None", length: int) -> None:
    """Raises where the options leave a cell in which no note may begin.

    Args:
        args: Options of a sampling command.
        loaded: The model.
        constraint: What they allow together; it is asked as if nothing had been drawn.
        length: Frames of the piece.
    """
    import numpy as np

    from musejax.decoding import constraints, gaps

    vocabulary = loaded.codec.vocabulary
    if constraint is None or not (gaps.fits(vocabulary) or constraints.pitched(vocabulary)):
        return
    framed = gaps.fits(vocabulary)
    sounds = gaps.strikes(vocabulary) if framed else constraints.pitches(vocabulary)[None] >= 0
    table = np.asarray(constraints.table(constraint, vocabulary, 1, length if framed else 1))[0]
    empty = ~(table[:, : len(sounds)] & sounds).any(-1)
    if not empty.any():
        return
    given = [(name, getattr(args, name)) for name in ("scale", "pitches", "chords", "density", "allow", "forbid")]
    text = " ".join(f"--{name} {value}" for name, value in given if value)
    frame, stream = np.argwhere(empty)[0].tolist()
    where = f" in frame {frame}" if framed and not empty.all() else ""
    where += f" of stream {stream}" if vocabulary.streams > 1 and not empty.all() else ""
    raise errors.UserError(f"{text}: no note of codec {vocabulary.name} is left{where}; allow more")


def _onsets(text: str) -> tuple[int, int]:
    ends = pair(text)
    if ends is None:
        raise errors.UserError(f"--density {text}: give onsets in a bar, fewest and most, such as 4-8")
    return ends
