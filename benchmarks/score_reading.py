"""Measures how often the MusicXML reader agrees with two other libraries where these agree with each other.

`benchmarks.score_judges` computes the note lists of music21 and partitura. Here musejax reads each score that both have
read, as played and as written, and is compared with them in two ways: by whole score, if the judges have the same
notes, and note by note, for the notes that both judges have. `benchmarks.score_lists` defines when two notes are equal.
Parts with the same name count as one part, because the list of music21 does not distinguish them.

The results are in `docs/results/score-reading.md`. Usage:

    MUSEJAX_DATA=DIR python -m benchmarks.score_reading [songs quartets music21] [--json FILE] [--show 20]
"""

import argparse
import collections
import json
import statistics
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import score_judges, score_lists
from musejax import errors
from musejax.music import musicxml_reading, noteseq, timing

KINDS = ("played", "written")
READERS = (*score_judges.JUDGES, "musejax")


class Reading(NamedTuple):
    """A score as three libraries read it.

    Attributes:
        name: Name within the corpus.
        root: The root of its XML.
        is_even: Whether the judges read it with filled-up measures.
        errors: Messages of the libraries that cannot read it, by library.
        lists: The notes by `KINDS` and library, without the lists that a library could not make.
        speed: Milliseconds that musejax took per 1,000 notes, as played, or None if it cannot read the score.
    """

    name: str
    root: ET.Element
    is_even: bool
    errors: dict[str, str]
    lists: dict[str, dict[str, score_lists.Notes]]
    speed: float | None


def rows(sequence: Any) -> list[tuple[int, int, float, float]]:
    """Returns the notes of a sequence as part, pitch, onset and duration in quarters, without percussion."""
    notes = [note for note in sequence.notes if not note.is_drum]
    starts = timing.to_quarters(sequence, [note.start_time for note in notes]).tolist()  # pyright: ignore
    ends = timing.to_quarters(sequence, [note.end_time for note in notes]).tolist()  # pyright: ignore
    return [(n.part, n.pitch, start, end - start) for n, start, end in zip(notes, starts, ends)]


def readings(corpus: str) -> Iterator[Reading]:
    """Yields the scores of a corpus up to the first that the judges have not both read.

    What comes first is a fair sample; what is there of the rest would not be.
    """
    noteseq.load()
    for file in score_judges.files(corpus):
        places = [
            [score_judges.cached(corpus, judge, file.name, even=even) for judge in score_judges.JUDGES]
            for even in (True, False)
        ]
        is_even = all(place.exists() for place in places[0])
        if not is_even and not all(place.exists() for place in places[1]):
            return
        judged = [json.loads(place.read_text()) for place in places[not is_even]]
        yield _reading(file, is_even, dict(zip(score_judges.JUDGES, judged)))


def _reading(file: score_judges.File, is_even: bool, judged: dict[str, Any]) -> Reading:
    root = ET.fromstring(score_judges.unpacked(file.data()))
    parts = _numbers(root)
    faults = {judge: lists["error"] for judge, lists in judged.items() if "error" in lists}
    lists: dict[str, dict[str, score_lists.Notes]] = {kind: {} for kind in KINDS}
    for judge, found in judged.items():
        for kind in KINDS:
            # The list of music21 counts parts of one name as one part.
            numbers = range(len(parts)) if judge == "music21" else parts
            if found.get(kind) is not None:
                lists[kind][judge] = score_lists.grouped(found[kind], numbers)
    speed = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"score{Path(file.name).suffix}"
        path.write_bytes(file.data())
        try:
            clock = time.process_time()
            played = musicxml_reading.musicxml_to_sequence(path)
            speed = (time.process_time() - clock) / max(len(played.notes), 1) * 1e6
            written = musicxml_reading.musicxml_to_sequence(path, repeats=False)
            for kind, sequence in zip(KINDS, (played, written)):
                lists[kind]["musejax"] = score_lists.grouped(rows(sequence), parts)
        except errors.UserError as e:
            faults["musejax"] = str(e)
    return Reading(file.name, root, is_even, faults, lists, speed)


def _numbers(root: ET.Element) -> list[int]:
    """Returns the number under which each part counts: parts of one staff and one name have one number."""
    names = {part.get("id"): part.findtext("part-name") for part in root.iterfind("part-list/score-part")}
    numbers: dict[str, int] = {}
    out = []
    for part in root.iterfind("part"):
        identifier = part.get("id", "")
        has_staves = any((staves.text or "1").strip() != "1" for staves in part.iter("staves"))
        name = identifier if has_staves else names.get(identifier) or identifier
        out.append(numbers.setdefault(name, len(numbers)))
    return out


def compare(corpus: str, show: int) -> dict[str, Any]:
    """Compares the reader with the judges on the scores of a corpus.

    Args:
        corpus: A name of `score_judges.CORPORA`.
        show: How many differences from both judges are printed.
    """
    counts: collections.Counter[str] = collections.Counter()
    speeds: list[float] = []
    differing: list[str] = []
    for reading in readings(corpus):
        counts["scores"] += 1
        counts["scores with measures filled up"] += reading.is_even
        for reader in READERS:
            counts[f"{reader} cannot read"] += reader in reading.errors
            cannot_unfold = reader not in reading.errors and reader not in reading.lists["played"]
            counts[f"{reader} cannot unfold"] += cannot_unfold
        if reading.speed is not None:
            speeds.append(reading.speed)
        for kind in KINDS:
            if len(reading.lists[kind]) == len(READERS):
                line = _count(kind, [reading.lists[kind][reader] for reader in READERS], counts)
                differing += [f"{kind}: {reading.name}: {line}"] if line else []
    for line in differing[:show]:
        print(f"{corpus}: {line}", flush=True)
    return {
        **counts,
        "milliseconds per 1,000 notes, median": round(statistics.median(speeds), 1) if speeds else None,
        "milliseconds per 1,000 notes, highest": round(max(speeds), 1) if speeds else None,
        "differing": differing,
    }


def _count(kind: str, lists: list[score_lists.Notes], counts: "collections.Counter[str]") -> str | None:
    """Counts the scores and notes of one score, and returns a line where we lack notes that both judges have."""
    first, second, ours = lists
    shared = score_lists.common(first, second)
    hits = score_lists.size(score_lists.common(shared, ours))
    sizes = {reader: score_lists.size(notes) for reader, notes in zip(READERS, lists)}
    count = score_lists.size(shared)
    counts[f"{kind}: scores compared"] += 1
    for reader, number in sizes.items():
        counts[f"{kind}: notes of {reader}"] += number
    counts[f"{kind}: notes of both judges"] += count
    counts[f"{kind}: notes of both judges that we have"] += hits
    agrees = {
        judge: score_lists.size(score_lists.common(notes, ours)) == sizes[judge] == sizes["musejax"]
        for judge, notes in zip(score_judges.JUDGES, lists)
    }
    judges_agree = count == sizes["music21"] == sizes["partitura"]
    if judges_agree:
        counts[f"{kind}: scores on which the judges agree"] += 1
        counts[f"{kind}: scores on which the judges agree, and we with them"] += all(agrees.values())
    else:
        for judge in score_judges.JUDGES:
            counts[f"{kind}: other scores on which we agree with {judge}"] += agrees[judge]
        for judge, kinds in zip(
            score_judges.JUDGES, (score_lists.kinds(first, second), score_lists.kinds(second, first))
        ):
            for name, number in kinds._asdict().items():
                counts[f"{kind}: notes of {judge} alone: {name}"] += number
    if hits < count or (judges_agree and sizes["musejax"] != count):
        return f"{hits:,} of the {count:,} notes of both judges; we read {sizes['musejax']:,}"
    return None


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
