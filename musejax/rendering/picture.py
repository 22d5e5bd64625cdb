"""Piano-roll pictures of NoteSequences: time in bars, pitch on a keyboard, one colour per voice."""

import io
import math
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors
from musejax.music import exact_times, grid, timing, voices_and_bars
from musejax.theory import keys, pitch_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from note_seq.protobuf.music_pb2 import NoteSequence

# Okabe and Ito's palette, which colour-blind readers can distinguish, ordered so that adjacent colours differ strongly.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#5F5F5F")
_BLACK_KEYS = frozenset(range(12)) - frozenset(keys.MAJOR)
_INK = "#3A3A3A"
# Lengths in inches.
_LEFT, _RIGHT, _GAP = 0.55, 0.25, 0.42
_WIDTH = 13.0
_DPI = 150
# Each bar is a separate line; more bars than this take too much memory and cannot be distinguished.
_MAX_BARS = 5000
# Quarter notes per row, about sixteen bars of 4/4, and the most rows of a picture; then rows become longer.
_ROW = 64
_ROWS = 40


class _Box(NamedTuple):
    """A note as a box: times in quarter notes, half its height in semitones, and colour as red, green and blue."""

    start: float
    end: float
    pitch: int
    half: float
    colour: tuple[float, ...]


class _Heading(NamedTuple):
    """The heading above the rows: names in `columns`, below the title if `own_line`; total height in inches."""

    names: list[str]
    title: str
    columns: int
    own_line: bool
    height: float


def figure(sequence: "NoteSequence", title: str | None = None) -> "Figure":
    """Draws a piano-roll of a sequence, in as many rows as its length requires.

    Args:
        sequence: The music.
        title: Title above the picture; None for the title of the sequence.

    Returns:
        A matplotlib figure that is not attached to a window or to pyplot.

    Raises:
        errors.UserError: There are no notes, or the piece is too long to draw.
    """
    from matplotlib.figure import Figure

    voices = voices_and_bars.voices(sequence)
    bars = voices_and_bars.bars(sequence, exact_times.read(sequence))
    if len(bars) > _MAX_BARS:
        raise errors.UserError(f"it has {len(bars):,} bars; at most {_MAX_BARS:,} can be drawn")
    rows = _rows(bars)
    pitches = [note.pitch for note in sequence.notes]
    low, high = _range(min(pitches), max(pitches))
    longest = float(max(row[-1].start + row[-1].length - row[0].start for row in rows))
    # A piece shorter than a row has a narrower picture rather than longer notes.
    title = sequence.sequence_metadata.title if title is None else title
    wide = min(_WIDTH, max(4.5, len(title) * 0.135, _WIDTH * longest / (0.75 * _ROW)))
    high_row = min(max(0.068 * (high - low + 1), 1.6), 3.6)
    heading = _heading(voices, title, wide)
    width = _LEFT + wide + _RIGHT
    height = heading.height + len(rows) * (high_row + _GAP)
    out = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    _draw_heading(out, heading, (width, height))
    boxes = _boxes(sequence, voices)
    every = next((n for n in (1, 2, 4, 8, 16, 32) if max(map(len, rows)) / n <= 20), 64)
    for index, row in enumerate(rows):
        start, length = float(row[0].start), float(row[-1].start + row[-1].length - row[0].start)
        bottom = height - heading.height - high_row - index * (high_row + _GAP)
        axes = out.add_axes((_LEFT / width, bottom / height, wide * length / longest / width, high_row / height))
        _keyboard(axes, low, high)
        _bars(axes, row, every)
        _notes(axes, boxes, start, start + length, edge=0.8 if every == 1 else 0.3)
    return out


def to_bytes(sequence: "NoteSequence", title: str | None = None) -> bytes:
    """Returns the picture drawn by `figure` as a PNG file; raises the same errors."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = figure(sequence, title)
    FigureCanvasAgg(picture)
    out = io.BytesIO()
    with warnings.catch_warnings():
        # The name of a voice may use a script that matplotlib's font lacks; it is then drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        # No software version in the file, so that the same music leads to the same bytes.
        picture.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _rows(bars: list[voices_and_bars.Bar]) -> list[list[voices_and_bars.Bar]]:
    """Distributes the bars over rows as evenly as possible."""
    total = bars[-1].start + bars[-1].length
    count = min(math.ceil(total / _ROW), _ROWS, len(bars))
    # A pickup is an additional bar of the first row, so that rows begin at bars 1, 9, 17 rather than 8, 16.
    pickup = int(bars[0].number == 0 and len(bars) > 1)
    each = -(-(len(bars) - pickup) // count)
    if each > 4:
        each = -(-each // 4) * 4
    cuts = [0, *range(each + pickup, len(bars), each), len(bars)]
    return [bars[a:b] for a, b in zip(cuts, cuts[1:])]


def _range(low: int, high: int) -> tuple[int, int]:
    """Returns the lowest and highest pitch to show: the range of the notes with a margin, at least 18 semitones."""
    low, high = low - 2, high + 2
    missing = max(0, 18 - (high - low))
    return max(0, low - missing // 2), min(127, high + (missing + 1) // 2)


def _boxes(sequence: "NoteSequence", voices: list[voices_and_bars.Voice]) -> list[_Box]:
    """Returns all notes as boxes with their played timing, in drawing order."""
    velocities = [note.velocity for voice in voices for note in voice.notes]
    low, span = min(velocities), max(velocities) - min(velocities)
    out: list[_Box] = []
    earlier: dict[int, list[tuple[float, float]]] = {}
    for index, voice in enumerate(voices):
        red, green, blue = (int(_COLOURS[index % len(_COLOURS)][i : i + 2], 16) / 255 for i in (1, 3, 5))
        own: dict[int, list[tuple[float, float]]] = {}
        positions = timing.to_quarters(sequence, grid.note_seconds(voice.notes)).tolist()
        for note, (start, end) in zip(voice.notes, positions, strict=True):
            end = max(end, start + 1 / 16)
            # Softer notes are mixed with white; with real transparency the grid would show through.
            light = 0.55 * (1 - (note.velocity - low) / span) if span else 0.0
            shade = tuple(light + (1 - light) * c for c in (red, green, blue))
            # In a unison of two voices, the later one is drawn as a thin stripe over the other.
            thin = any(a < end and b > start for a, b in earlier.get(note.pitch, ()))
            out.append(_Box(start, end, note.pitch, 0.2 if thin else 0.55, shade))
            own.setdefault(note.pitch, []).append((start, end))
        for pitch, spans in own.items():
            earlier.setdefault(pitch, []).extend(spans)
    return out


def _keyboard(axes: "Axes", low: int, high: int) -> None:
    """Draws the pitch axis: black keys are shaded, and every C has a line and a label."""
    axes.set_ylim(low - 0.5, high + 0.5)
    for pitch in range(low, high + 1):
        if pitch % 12 in _BLACK_KEYS:
            axes.axhspan(pitch - 0.5, pitch + 0.5, facecolor="#F1F2F4", linewidth=0, zorder=0)
        if pitch % 12 == 0:
            axes.axhline(pitch - 0.5, color="#C4C8CE", linewidth=0.8, zorder=1)
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    axes.set_yticks(octaves, [f"C{pitch_names.spell(pitch, 0).octave}" for pitch in octaves], fontsize=9, color=_INK)
    axes.tick_params(axis="y", length=0, pad=5)


def _bars(axes: "Axes", row: list[voices_and_bars.Bar], every: int) -> None:
    """Draws the time axis: a line for each bar, and a lighter one for each beat if there is room.

    Args:
        axes: The axes of the row.
        row: The bars of the row.
        every: Number of bars per printed bar number.
    """
    axes.set_xlim(float(row[0].start), float(row[-1].start + row[-1].length))
    for bar in row:
        if every == 1:
            beat = Fraction(4, bar.denominator)
            for number in range(1, math.ceil(bar.length / beat)):
                axes.axvline(float(bar.start + number * beat), color="#E3E5E8", linewidth=0.5, zorder=1)
        axes.axvline(float(bar.start), color="#A4A9B0", linewidth=0.9 if every == 1 else 0.5, zorder=2)
    labelled = [bar for bar in row if bar.number and (bar.number - 1) % every == 0]
    axes.set_xticks(
        [float(bar.start) for bar in labelled], [str(bar.number) for bar in labelled], fontsize=9, color=_INK
    )
    axes.tick_params(axis="x", length=3, color="#A4A9B0", pad=2)
    axes.annotate(
        "bar", (0, 0), (-10, -5), "axes fraction", "offset points", ha="right", va="top", fontsize=9, color="#7A7F87"
    )
    for side in axes.spines.values():
        side.set_color("#A4A9B0")
        side.set_linewidth(0.9)


def _notes(axes: "Axes", boxes: list[_Box], start: float, end: float, edge: float) -> None:
    """Draws the notes that sound between two times; notes that cross the end of a row continue in the next row."""
    from matplotlib.collections import PolyCollection

    shown = [box for box in boxes if box.start < end and box.end > start]
    corners = [
        [(b.start, b.pitch - b.half), (b.end, b.pitch - b.half), (b.end, b.pitch + b.half), (b.start, b.pitch + b.half)]
        for b in shown
    ]
    if shown:
        # White edges separate repeated notes; a thin stripe has none, or it would be invisible.
        colours, edges = [box.colour for box in shown], [0.0 if box.half < 0.5 else edge for box in shown]
        notes = PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=edges, zorder=3)
        axes.add_collection(notes, autolim=False)


def _heading(voices: list[voices_and_bars.Voice], title: str, width: float) -> _Heading:
    """Lays out the title and the names of the voices above the rows."""
    names = [v.name if len(v.name) <= 24 else f"{v.name[:23]}…" for v in voices[: len(_COLOURS)]]
    if len(voices) > len(names):
        names[-1] += " and others"
    # Widths of DejaVu Sans at 10 points and of its bold at 13, including the colour and the space before each name.
    each = max(len(name) for name in names) * 0.088 + 0.42
    remaining = width - (len(title) * 0.135 + 0.3 if title else 0)
    columns = int(remaining // each)
    own_line = bool(title) and columns < len(names)
    if own_line:
        columns = int(width // each)
    columns = min(max(columns, 1), len(names))
    lines = -(-len(names) // columns)
    return _Heading(names, title, columns, own_line, 0.3 + 0.24 * lines + (0.3 if own_line else 0))


def _draw_heading(picture: "Figure", heading: _Heading, size: tuple[float, float]) -> None:
    """Draws the title on the left, and names and colours of the voices on the right, or below if there is no room."""
    from matplotlib.patches import Patch

    width, height = size
    first = 1 - 0.14 / height
    corner = (1 - _RIGHT / width, first)
    if heading.own_line:
        corner = (_LEFT / width, first - 0.3 / height)
    if heading.title:
        # A dollar sign in a title must not begin a formula.
        place = (_LEFT / width, first)
        picture.text(*place, heading.title, fontsize=13, fontweight="bold", color=_INK, va="top", parse_math=False)
    handles = [Patch(facecolor=colour) for colour, _ in zip(_COLOURS, heading.names)]
    legend = picture.legend(
        handles,
        ["x"] * len(handles),
        loc="upper left" if heading.own_line else "upper right",
        bbox_to_anchor=corner,
        bbox_transform=picture.transFigure,
        ncols=heading.columns,
        frameon=False,
        fontsize=10,
        handlelength=1.1,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0.15,
        borderaxespad=0,
    )
    for text, name in zip(legend.get_texts(), heading.names):
        # Set afterwards, because matplotlib omits names with a leading underscore.
        text.set_parse_math(False)
        text.set_text(name)
        text.set_color(_INK)
