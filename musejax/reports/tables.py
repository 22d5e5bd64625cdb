"""Formats the results of `musejax metrics` as text, with generated and held-out real music side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

# Statistics of pairs of tracks.
_PAIRED = ("td", "td_as_coded")


def number(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Formats a value to three decimal places, with its interval if there is one; None becomes a dash."""
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}..{interval[1]:.3f})" if interval is not None else "")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Formats rows as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def sides(part: Mapping[str, Any]) -> list[list[str]]:
    """Returns a row (name, generated, reference) for each statistic that is defined on either side."""
    rows = []
    for name in part.get("generated", {}):
        values = [part[side][name] for side in ("generated", "reference")]
        if values != [None, None]:
            spans = [part.get(f"{side}_interval", {}).get(name) for side in ("generated", "reference")]
            rows.append([name, *(number(v, s) for v, s in zip(values, spans, strict=True))])
    return rows


def tracks(part: Mapping[str, Any]) -> list[list[str]]:
    """Returns a row for each of MuseGAN's statistics and each track or pair of tracks."""
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
    """Returns the rows for distinct four-note sequences and for the longest sequences copied from the training set."""
    rows = [["distinct_4grams", *(number(result["distinct_4grams"][side]) for side in ("generated", "reference"))]]
    if "copy" in result:
        for name in ("median", "max"):
            values = (f"{result['copy'][side][name]:g}" for side in ("generated", "held_out"))
            rows.append([f"longest copied run, {name}", *values])
    return rows


def areas(result: Mapping[str, Any]) -> list[list[str]]:
    """Returns a row per feature: overlapped area, divergence, and area with the distances within the reference set."""
    kinds = ("overlapped_area", "kl", "overlapped_area_reference")
    return [[name, *(number(result[kind][name]) for kind in kinds)] for name in result["overlapped_area"]]


def lengths(result: Mapping[str, Any]) -> str:
    """Describes in one line what was compared."""
    pieces, cuts = result["pieces"], result["stretches"]
    return (
        f"{pieces['generated']} generated and {pieces['reference']} real pieces, cut into {cuts['generated']} and "
        f"{cuts['reference']} of {result['reference_bars']} bars"
    )


def metrics(result: Mapping[str, Any]) -> str:
    """Formats the result of `musejax.reports.metrics.metrics`."""
    rows = [["", "generated", "reference"], *sides(result), *sides(result.get("voice_leading", {}))]
    rows += [*tracks(result["musegan"]), *copies(result)]
    distances = [["", "overlapped area", "KL", "area by the reference's distances"], *areas(result)]
    return "\n".join([lengths(result), "", *columns(rows), "", *columns(distances)])
