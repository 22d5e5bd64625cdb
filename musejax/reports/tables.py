"""What `musejax metrics` found, for people: generated and held-out real music side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

# Statistics of pairs of tracks.
_PAIRED = ("td", "td_as_coded")


def number(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A figure to three places, with its interval where there is one; a dash where it is not defined."""
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}..{interval[1]:.3f})" if interval is not None else "")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, their cells one below the other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def sides(part: Mapping[str, Any]) -> list[list[str]]:
    """A row a statistic: name, generated, reference, each with its interval; those that neither side has left out."""
    rows = []
    for name in part.get("generated", {}):
        values = [part[side][name] for side in ("generated", "reference")]
        if values != [None, None]:
            spans = [part.get(f"{side}_interval", {}).get(name) for side in ("generated", "reference")]
            rows.append([name, *(number(v, s) for v, s in zip(values, spans, strict=True))])
    return rows


def tracks(part: Mapping[str, Any]) -> list[list[str]]:
    """A row a statistic and track, or pair of tracks, of MuseGAN's."""
    left, right = part["generated"], part["reference"]
    rows = []
    for name in left:
        if name not in _PAIRED:
            for k, values in enumerate(zip(left[name], right[name], strict=True)):
                if values != (None, None):
                    rows.append([f"{name}, track {k}", *(number(v) for v in values)])
            continue
        for k in range(len(left[name])):
            for j in range(k):
                rows.append([f"{name}, tracks {j} and {k}", *(number(side[name][j][k]) for side in (left, right))])
    return rows


def copies(result: Mapping[str, Any]) -> list[list[str]]:
    """Distinct runs, and the longest runs of notes that stand in the training set."""
    rows = [["distinct_4grams", *(number(result["distinct_4grams"][side]) for side in ("generated", "reference"))]]
    if "copy" in result:
        for what in ("median", "max"):
            rows.append(
                [
                    f"longest copied run, {what}",
                    *(f"{result['copy'][side][what]:g}" for side in ("generated", "held_out")),
                ]
            )
    return rows


def areas(result: Mapping[str, Any]) -> list[list[str]]:
    """A row a feature: overlapped area, divergence, and the area by the reference's own distances."""
    kinds = ("overlapped_area", "kl", "overlapped_area_reference")
    return [[name, *(number(result[kind][name]) for kind in kinds)] for name in result["overlapped_area"]]


def lengths(result: Mapping[str, Any]) -> str:
    """What was compared, in one line."""
    pieces, cuts = result["pieces"], result["stretches"]
    return (
        f"{pieces['generated']} generated and {pieces['reference']} real pieces, cut into {cuts['generated']} and "
        f"{cuts['reference']} of {result['reference_bars']} bars"
    )


def metrics(result: Mapping[str, Any]) -> str:
    """The whole of `musejax.reports.metrics.metrics`."""
    rows = [["", "generated", "reference"], *sides(result), *sides(result.get("voice_leading", {}))]
    rows += [*tracks(result["musegan"]), *copies(result)]
    distances = [["", "overlapped area", "KL", "area by the reference's distances"], *areas(result)]
    return "\n".join([lengths(result), "", *columns(rows), "", *columns(distances)])
