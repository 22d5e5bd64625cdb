"""A random sample of disagreements on scores, to be judged by hand from the files themselves.

A score can be sampled if music21, partitura and musejax do not have the same notes, as written or, failing that, as
played. The sample has one note of each score, among those that not all three have. The table in
`docs/results/score-reading.md` has 23 songs, 16 scores of music21 and 1 quartet, sampled with seed 23. Usage:

    MUSEJAX_DATA=DIR python -m benchmarks.score_disagreements songs --count 23 [--seed 23] [--scores 159]
"""

import argparse
import bisect
import itertools
import random
from collections.abc import Mapping

from benchmarks import score_bar_lengths, score_judges, score_lists, score_reading


def disagreements(lists: Mapping[str, score_lists.Notes]) -> list[tuple[float, int, int]]:
    """Returns onset, part and pitch of the notes that some of several lists have and others have not."""
    out = set()
    for first, second in itertools.permutations(lists.values(), 2):
        for (part, pitch), notes in score_lists.missing(first, second).items():
            out.update((onset, part, pitch) for onset, _ in notes)
    return sorted(out)


def describe(reading: score_reading.Reading, seed: int) -> str | None:
    """Returns one disagreement on a score, with the notes of its part and pitch around it, or None without any."""
    for kind in ("written", "played"):
        lists = reading.lists[kind]
        different = disagreements(lists) if len(lists) > 1 else []
        if not different:
            continue
        onset, part, pitch = random.Random(f"{seed} {reading.name}").choice(different)
        bar = bisect.bisect_right(score_bar_lengths.starts(reading.root), onset)
        place = f"measure {bar} of the file" if kind == "written" else "as played"
        lines = [f"{reading.name}: {kind}, part {part + 1}, pitch {pitch} at quarter {onset:g}, {place}"]
        for reader in score_reading.READERS:
            notes = lists.get(reader, {}).get((part, pitch), [])
            near = [f"{start:.4g}+{length:.4g}" for start, length in notes if onset - 6 <= start <= onset + 4]
            lines.append(f"  {reader}: {' '.join(near) or '-'} {reading.errors.get(reader, '')}")
        return "\n".join(lines)
    return None


def main() -> None:
    """Prints a sample of one corpus."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpus", choices=score_judges.CORPORA)
    parser.add_argument("--count", type=int, default=10, help="number of scores (default: 10)")
    parser.add_argument("--seed", type=int, default=23, help="seed of the sample (default: 23)")
    parser.add_argument("--scores", type=int, help="sample from the first N scores of the corpus only", metavar="N")
    args = parser.parse_args()
    scores = itertools.islice(score_reading.readings(args.corpus), args.scores)
    cases = [case for case in (describe(reading, args.seed) for reading in scores) if case is not None]
    print(f"scores with a disagreement: {len(cases)}")
    for case in random.Random(args.seed).sample(cases, min(args.count, len(cases))):
        print(case, flush=True)


if __name__ == "__main__":
    main()
