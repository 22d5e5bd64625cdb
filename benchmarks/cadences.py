"""Counts how often chorales end as chorales do: free ones on a triad of their key, harmonised tunes with a cadence.

    python -m benchmarks.cadences
    python -m benchmarks.cadences --only harmonies --models chorale-lstm       these again, the others as they were
    python -m benchmarks.cadences --runs chorale-lstm=runs/chorale-lstm        a run that is not shipped
    python -m benchmarks.cadences --num 8 --seeds 1 --out trial.json           a small trial, written elsewhere

Free chorales: `--num` pieces for each of `--seeds` seeds, as `musejax sample MODEL` writes them. `triad` counts those
whose last chord is a triad of their key signature, `tonic` those whose last chord is the tonic triad of the major or
the minor key of that signature, in root position. A piece that its model does not end counts as a failure of both. The
key of a piece without a signature is estimated from its notes. Bach ends 397 of the 401 pieces of `bach-chorales` on a
triad of their key; about one in five is in a church mode and ends on another triad than a tonic one.

Harmonies: sixteen tunes, melody alone and without fermatas, each harmonised once for each of `--seeds` seeds, as
`musejax harmonize MODEL TUNE` does. Four are among the files of `musejax examples`. Twelve are sopranos of
`bach-chorales:test`: of each of the first twelve melodies that Bach ends with such a cadence, the first setting in
order of names. Their tonic is the one on which he ends. A harmony counts as a cadence where it ends on a tonic triad
with the tonic in the bass and a dominant (V, V7 or vii) leads there; a subdominant (IV-I) is counted separately. Each
chord is defined in `benchmarks.cadence_chords`, which names the cadence of 325 of the 327 chorales that Bach ends on
the tonic.

Everything is drawn at temperature 1. The counts are kept in benchmarks/results/cadences.json.
"""

import argparse
import collections
import json
import sys
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import cadence_chords as chords
from benchmarks import steering_tasks as tasks
from musejax import codecs, commands, corpora, zoo
from musejax.base import Request
from musejax.codecs import chorale
from musejax.decoding import gibbs
from musejax.decoding import given_notes as givens
from musejax.evaluation import voice_leading
from musejax.generation import planning, sampling
from musejax.music import abc_reading, score_annotations
from musejax.pipeline import batches
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

RAW = Path(__file__).parent / "results" / "cadences.json"
# Models that write whole chorales. Those of jsb16 (but for coconet, whose pieces have a length) and chorale-gan write
# excerpts, which have no end.
FREE = ("chorale-lstm", "chorale-transformer", "deep-bach", "coconet")
HARMONIES = ("chorale-lstm", "chorale-transformer", "deep-bach")
# File of `musejax examples` -> pitch class of its tonic; all are in major.
EXAMPLES = {"old-hundredth": 7, "amazing-grace": 7, "ode-to-joy": 7, "tunes/07-good-king-wenceslas": 7}
SOPRANOS = 12


class Tune(NamedTuple):
    """A tune to harmonise.

    Attributes:
        name: Its name.
        sequence: Its notes, and nothing else that sounds.
        tonic: Pitch class of its tonic.
        minor: Whether it is in minor.
    """

    name: str
    sequence: "NoteSequence"
    tonic: int
    minor: bool


def melody(sequence: "NoteSequence") -> "NoteSequence":
    """Returns the soprano of a chorale, or a melody, without fermatas."""
    out = type(sequence)()
    out.CopyFrom(sequence)
    del out.notes[:], out.text_annotations[:]
    indices = range(len(sequence.notes))
    if len({note.part for note in sequence.notes}) > 1:
        indices = sorted(chorale.notes_of_voices(sequence)[0])
    out.notes.extend(sequence.notes[i] for i in indices)
    out.text_annotations.extend(
        a for a in sequence.text_annotations if a.text.strip().lower() != score_annotations.FERMATA
    )
    return out


def pitches(sequence: "NoteSequence") -> np.ndarray:
    """Returns what the four voices of a chorale sound: int64[T, 4], -1 for a rest."""
    codec = codecs.get("chorale")
    tokens = codec.encode(sequence)[0]["tokens"]
    return tasks.to_sound(codec.vocabulary, tokens[:-1]).pitch


def tunes() -> list[Tune]:
    """Returns the tunes to harmonise."""
    found = []
    for name, tonic in EXAMPLES.items():
        text = (resources.files("musejax") / "examples" / f"{name}.abc").read_text(encoding="utf-8")
        found.append(Tune(name.split("/")[-1], melody(abc_reading.abc_to_sequence(text)), tonic, False))
    seen: set[str] = set()
    pieces = [piece for piece in corpora.load("bach-chorales").pieces if piece.split == "test"]
    for piece in sorted(pieces, key=lambda piece: piece.name):
        if len(seen) == SOPRANOS:
            break
        assert piece.sequence is not None
        sequence = piece.sequence()
        key = own_key(sequence)
        if piece.group not in seen and key is not None:
            seen.add(piece.group)
            found.append(Tune(piece.name, melody(sequence), *key))
    return found


def own_key(sequence: "NoteSequence") -> tuple[int, bool] | None:
    """Returns the tonic with which a chorale ends by a cadence, and whether that key is minor; None for another end."""
    pitch, signature = pitches(sequence), sequence.key_signatures[-1]
    sharps = keys.sharps(signature.key, signature.mode == signature.MINOR)
    for minor in (False, True):
        if chords.cadence(pitch, keys.tonic(sharps, minor), minor) is not None:
            return keys.tonic(sharps, minor), minor
    return None


def free(loaded: zoo.Loaded, num: int, seeds: int) -> dict[str, Any]:
    """Counts free chorales by how they end."""
    vocabulary, counts = loaded.codec.vocabulary, collections.Counter[str]()
    for seed in range(seeds):
        for piece in sampling.draw_pieces(loaded, num, seed):
            tokens = np.asarray(piece.arrays["tokens"])
            if vocabulary.has("end") and piece.ended:
                tokens = tokens[:-1]
            sound = tasks.to_sound(vocabulary, tokens)
            if "key" in piece.arrays:
                sharps = int(piece.arrays["key"][-1]) - 7
            else:
                tonic, minor = voice_leading.estimate_keys(tasks.as_rolls([sound]))[0].tolist()
                sharps = keys.sharps(tonic, bool(minor))
            tonics = tuple((keys.tonic(sharps, minor), minor) for minor in (False, True))
            counts["ended"] += piece.ended
            counts["triad"] += piece.ended and chords.ends_on_triad_of_key(sound.pitch, sharps)
            counts["tonic"] += piece.ended and chords.ends_on_tonic(sound.pitch, tonics)
    return {"pieces": num * seeds, **counts}


def harmonies(loaded: zoo.Loaded, some: list[Tune], seeds: int) -> dict[str, Any]:
    """Counts harmonised tunes by their cadences."""
    counts, by_tune = collections.Counter[str](), collections.Counter[str]()
    vocabulary = loaded.codec.vocabulary
    request, lengths = request_of(loaded, some)
    sample = jax.jit(loaded.model.sample)
    for seed in range(seeds):
        out = sample(loaded.variables["params"], loaded.variables["state"], jax.random.key(seed), request)
        for tune, tokens, length in zip(some, np.asarray(out["tokens"]), lengths, strict=True):
            pitch = tasks.to_sound(vocabulary, tokens[: length - 1]).pitch
            name = chords.cadence(pitch, tune.tonic, tune.minor)
            counts["tonic"] += chords.ends_on_tonic(pitch, ((tune.tonic, tune.minor),))
            counts[name or "none"] += 1
            counts["cadence"] += name in chords.DOMINANT
            by_tune[tune.name] += name in chords.DOMINANT
    names = ("cadence", "tonic", *chords.NAMES)
    return {"pieces": len(some) * seeds, **{name: counts[name] for name in names}, "by_tune": by_tune}


def request_of(loaded: zoo.Loaded, some: list[Tune]) -> tuple[Request, list[int]]:
    """Returns a request for one harmony of each tune, padded to one length, and the length of each with END.

    It is what `musejax harmonize` asks for, all tunes at once, so that one program serves them. Cells behind the end of
    a tune are free; a model that draws from left to right does not come there, and any other reads `pad_mask`.
    """
    vocabulary, info = loaded.codec.vocabulary, loaded.model.info
    plans = [planning.harmony(loaded, tune.sequence, say=lambda text: None) for tune in some]
    lengths = [len(plan.given.cells) for plan in plans]
    total = batches.bucket(max(lengths))
    rows: list[dict[str, np.ndarray]] = []
    for plan, length in zip(plans, lengths, strict=True):
        row = dict(plan.given.conditions)
        row |= {"pad_mask": np.ones(length, np.int32)} if info.samplers else {}
        row |= {"given": plan.given.cells, "free": plan.given.infill_mask}
        padded = {name: np.pad(x, [(0, total - length)] + [(0, 0)] * (x.ndim - 1)) for name, x in row.items()}
        padded["free"][length:] = 1
        rows.append(padded)
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    given, free = arrays.pop("given"), arrays.pop("free")
    own = gibbs.Sampling(info.samplers[0], info.sampling_steps) if info.samplers else None  # type: ignore[arg-type]
    request = Request(
        num=len(some),
        length=total,
        given=jnp.asarray(given),
        infill_mask=jnp.asarray(free),
        conditions={name: jnp.asarray(row) for name, row in arrays.items()},
        constraint=givens.attacks(vocabulary, np.zeros_like(free[0]), free[0]),
        sampling=own,
    )
    return request, lengths


def line(section: str, name: str, counts: dict[str, Any], seconds: float) -> str:
    """Returns the counts of a model as a line for people."""
    shown = ", ".join(f"{key} {value}" for key, value in counts.items() if key not in ("pieces", "by_tune"))
    return f"{section}, {name}: of {counts['pieces']} pieces {shown} ({seconds:.0f} s)"


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("free", "harmonies"), help="one section (default: both)")
    parser.add_argument("--models", nargs="*", choices=FREE, metavar="RUN", help="runs to measure (default: all)")
    parser.add_argument("--runs", nargs="*", default=[], metavar="NAME=PATH", help="run directories of these names")
    parser.add_argument("--num", type=int, default=16, help="free chorales of each seed")
    parser.add_argument("--seeds", type=int, default=3, help="seeds, and harmonies of each tune")
    parser.add_argument("--tunes", nargs="*", metavar="NAME", help="tunes to harmonise (default: all)")
    parser.add_argument("--out", type=Path, default=RAW, help="the file of counts")
    args = parser.parse_args()
    commands.begin()
    paths = dict(each.partition("=")[::2] for each in args.runs)
    raw = json.loads(args.out.read_text()) if args.out.exists() else {}
    some = [] if args.only == "free" else [t for t in tunes() if args.tunes is None or t.name in args.tunes]
    for section, names in (("free", FREE), ("harmonies", HARMONIES)):
        for name in names:
            if (args.only or section) != section or (args.models is not None and name not in args.models):
                continue
            begin, loaded = time.perf_counter(), zoo.load(paths.get(name, name), commands.say)
            if section == "free":
                counts = free(loaded, args.num, args.seeds)
            else:
                counts = harmonies(loaded, some, args.seeds)
            raw.setdefault(section, {})[name] = counts
            commands.say(line(section, name, counts, time.perf_counter() - begin))
            args.out.write_text(json.dumps(raw, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
