"""How often the MusicXML reader agrees with two other libraries where these agree with each other.

`benchmarks.score_judges` computes the note lists of music21 and partitura. Here each score that both have read is read
by musejax, as played and as written. Two lists agree on a score if they have the same notes, up to 1/24 of a quarter
(tuplets are rounded to divisions) and up to unisons of one part. Agreement is counted in scores and in notes.

Usage:

    MUSEJAX_DATA=DIR python -m benchmarks.score_reading [songs quartets music21] [--json FILE] [--show 20]
"""

import argparse
import collections
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import score_judges
from musejax import errors
from musejax.music import musicxml_reading, noteseq, timing

_TOUCHING = 1 / 24
Rows = Sequence[Sequence[float]]


def rows(sequence: Any) -> list[tuple[int, int, float, float]]:
    """Returns the notes of a sequence as part, pitch, onset and duration in quarters, without percussion."""
    notes = [note for note in sequence.notes if not note.is_drum]
    starts = timing.to_quarters(sequence, [note.start_time for note in notes]).tolist()  # pyright: ignore
    ends = timing.to_quarters(sequence, [note.end_time for note in notes]).tolist()  # pyright: ignore
    return [(n.part, n.pitch, start, end - start) for n, start, end in zip(notes, starts, ends)]


def normalised(notes: Rows) -> dict[tuple[int, int], list[tuple[float, float]]]:
    """Returns onsets and durations by part and pitch; parts are numbered anew, and unisons count once."""
    numbers = {number: at for at, number in enumerate(sorted({int(row[0]) for row in notes}))}
    out: dict[tuple[int, int], list[tuple[float, float]]] = collections.defaultdict(list)
    for part, pitch, onset, duration in sorted(notes):  # pyright: ignore[reportArgumentType]
        voice = out[numbers[int(part)], int(pitch)]
        if not voice or not _same(voice[-1], (onset, duration)):
            voice.append((onset, duration))
    return dict(out)


def common(a: Rows, b: Rows) -> tuple[int, int, int]:
    """Returns how many notes two lists have in common, and how many each has."""
    first, second = normalised(a), normalised(b)
    shared = sum(_matches(first[key], second[key]) for key in first.keys() & second.keys())
    return shared, sum(map(len, first.values())), sum(map(len, second.values()))


def _matches(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> int:
    """Counts the equal notes of two sorted lists of one part and pitch."""
    count = at = 0
    for note in a:
        while at < len(b) and b[at][0] < note[0] - _TOUCHING:
            at += 1
        match = next((i for i in range(at, min(at + 4, len(b))) if _same(note, b[i])), None)
        if match is not None:
            count += 1
            b = b[:match] + b[match + 1 :]
    return count


def _same(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return abs(a[0] - b[0]) < _TOUCHING and abs(a[1] - b[1]) < _TOUCHING


def agree(a: Rows, b: Rows) -> bool:
    """Returns whether two lists have the same notes."""
    shared, first, second = common(a, b)
    return shared == first == second


def compare(corpus: str, show: int) -> dict[str, Any]:
    """Compares the reader with the judges on the scores of a corpus up to the first that they have not read yet.

    Args:
        corpus: A name of `score_judges.CORPORA`.
        show: How many disagreements are printed.
    """
    counts: collections.Counter[str] = collections.Counter()
    speeds: list[float] = []
    differing: list[str] = []
    noteseq.load()
    for file in score_judges.files(corpus):
        places = [score_judges.cached(corpus, judge, file.name) for judge in score_judges.JUDGES]
        if not all(place.exists() for place in places):
            break  # What comes first is a fair sample; what is there of the rest would not be.
        counts["scores"] += 1
        judged = [json.loads(place.read_text()) for place in places]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"score{Path(file.name).suffix}"
            path.write_bytes(file.data())
            try:
                clock = time.process_time()
                played = musicxml_reading.musicxml_to_sequence(path)
                speeds.append((time.process_time() - clock) / max(len(played.notes), 1) * 1e6)
                written = musicxml_reading.musicxml_to_sequence(path, repeats=False)
            except errors.UserError as e:
                counts["refused"] += 1
                print(f"{corpus}: {file.name}: refused: {e}", flush=True)
                continue
        for judge, lists in zip(score_judges.JUDGES, judged):
            counts[f"{judge} cannot read"] += "error" in lists
            counts[f"{judge} cannot unfold"] += "error" not in lists and lists["played"] is None
        for kind, sequence in (("played", played), ("written", written)):
            first, second = (lists.get(kind) for lists in judged)
            if first is None or second is None:
                continue
            ours = rows(sequence)
            shared, count, _ = common(first, second)
            counts[f"{kind}: compared"] += 1
            counts[f"{kind}: notes of judges"] += count
            counts[f"{kind}: notes on which judges agree"] += shared
            if shared == count and agree(first, second):
                counts[f"{kind}: judges agree"] += 1
                hits, _, mine = common(first, ours)
                counts[f"{kind}: notes of agreed scores"] += count
                counts[f"{kind}: notes that we read alike"] += hits
                if hits == count == mine:
                    counts[f"{kind}: we agree"] += 1
                else:
                    differing.append(f"{kind}: {file.name}: {hits} of {count} notes, we read {mine}")
    for line in differing[:show]:
        print(f"{corpus}: {line}", flush=True)
    return {
        **counts,
        "milliseconds per 1,000 notes, median": round(statistics.median(speeds), 1) if speeds else None,
        "milliseconds per 1,000 notes, highest": round(max(speeds), 1) if speeds else None,
        "differing": differing,
    }


def main() -> None:
    """Prints the figures of each corpus, and writes them to a file if asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="*", default=list(score_judges.CORPORA))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", type=int, default=20, help="disagreements to print")
    args = parser.parse_args()
    results = {corpus: compare(corpus, args.show) for corpus in args.corpora}
    for corpus, result in results.items():
        print(corpus, json.dumps({k: v for k, v in result.items() if k != "differing"}, indent=1))
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
