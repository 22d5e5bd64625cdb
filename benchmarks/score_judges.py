"""Note lists of MusicXML scores by two libraries that the reader of musejax does not use: music21 and partitura.

The lists take hours, so each is stored in a cache: `MUSEJAX_CACHE/score-judges/CORPUS/JUDGE/NAME.json` has the notes
as played (`null` if the judge cannot unfold the score) and as written, each as [part, pitch, onset, duration] with
onset and duration in quarters. Stored lists are not computed again, so a run can be stopped and continued.

Normalisation: tied notes are one note, grace notes and percussion are left out, parts are numbered from 0 in the order
of the file, all staves of a part are one part, and pitches are sounding pitches. Before the judges read a score, cue
notes become rests, repeats and jumps in one part are copied to all parts (both judges unfold part by part, and programs
write endings in the first part only), measures that are shorter in one part than in others are filled up (both judges
put the measures of a part one after the other), and elements that do not affect notes (lyrics, beams, notations,
layout) are removed, which halves their time.

Lists of scores with filled-up measures end in `.even.json`. With `--uneven` they are added to the lists of an earlier
version, which did not fill up measures.

Usage, in an environment with music21 and partitura (musejax is not needed):

    MUSEJAX_DATA=DIR python -m benchmarks.score_judges {songs,quartets,music21} {music21,partitura} [--seconds 600]
"""

import argparse
import hashlib
import importlib.util
import io
import json
import os
import time
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import score_bar_lengths

JUDGES = ("music21", "partitura")
CORPORA = {"songs": "openscore-lieder.zip", "quartets": "openscore-quartets.zip", "music21": None}
_SUFFIXES = (".mxl", ".xml", ".musicxml")
_UNHEARD = frozenset(
    [
        "lyric",
        "notations",
        "beam",
        "stem",
        "print",
        "notehead",
        "accidental",
        "defaults",
        "credit",
        "supports",
        "notehead-text",
        "appearance",
    ]
)
_LEAPS = frozenset(["dacapo", "dalsegno", "segno", "coda", "tocoda", "fine"])
Row = tuple[int, int, float, float]


class File(NamedTuple):
    """A score of a corpus.

    Attributes:
        name: Its name within the corpus.
        data: Returns its content.
    """

    name: str
    data: Callable[[], bytes]


def files(corpus: str) -> list[File]:
    """Returns the scores of a corpus in an order of chance that never changes: the first ones are a fair sample."""
    archive = CORPORA[corpus]
    if archive is None:
        spec = importlib.util.find_spec("music21")
        if spec is None or spec.origin is None:
            raise SystemExit("music21 is not installed")
        folder = Path(spec.origin).parent / "corpus"
        paths = sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES)
        found = [File(p.relative_to(folder).as_posix(), p.read_bytes) for p in paths]
    else:
        zipped = zipfile.ZipFile(Path(os.environ["MUSEJAX_DATA"]) / archive)
        infos = [info for info in zipped.infolist() if info.filename.endswith(_SUFFIXES)]
        found = [File(i.filename, lambda i=i: zipped.read(i)) for i in infos]
    return sorted(found, key=lambda file: hashlib.sha256(file.name.encode()).hexdigest())


def cached(corpus: str, judge: str, name: str, *, even: bool = False) -> Path:
    """Returns where the lists of a judge for a score are kept; `even` stands for measures that were filled up."""
    root = Path(os.environ.get("MUSEJAX_CACHE") or Path.home() / ".cache" / "musejax")
    return root / "score-judges" / corpus / judge / (name.replace("/", "__") + (".even.json" if even else ".json"))


def unpacked(data: bytes) -> bytes:
    """Returns the XML of a score that may be zipped."""
    if data[:2] != b"PK":
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [n for n in archive.namelist() if n.endswith((".xml", ".musicxml")) and not n.startswith("META-INF")]
        return archive.read(names[0])


def simplified(data: bytes) -> tuple[bytes, bool]:
    """Returns a score in a form that the judges read more surely, and whether measures were filled up for it.

    Cue notes are rests, repeats stand in all parts, and what does not bear on its notes is not there.
    """
    root = ET.fromstring(data)
    _share_leaps(root)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _UNHEARD:
                parent.remove(child)
            elif child.tag == "note" and child.find("cue") is not None:
                _silence(parent, child)
    was_uneven = score_bar_lengths.even_out(root)
    return ET.tostring(root, "utf-8", xml_declaration=True), was_uneven


def _silence(measure: ET.Element, note: ET.Element) -> None:
    if note.find("chord") is not None or note.find("grace") is not None:
        measure.remove(note)
        return
    for child in list(note):
        if child.tag in ("cue", "pitch", "unpitched", "tie"):
            note.remove(child)
    if note.find("rest") is None:
        note.insert(0, ET.Element("rest"))


def _share_leaps(root: ET.Element) -> None:
    """Gives repeats, endings and leaps of one part to all parts that have none in that measure."""
    for measures in zip(*(part.findall("measure") for part in root.findall("part"))):
        marks = [[child for child in measure if _leaps(child)] for measure in measures]
        model = next((at for at, found in enumerate(marks) if _has_ending(found)), None)
        model = next((at for at, found in enumerate(marks) if found), 0) if model is None else model
        for measure, found in zip(measures, marks):
            if found is marks[model] or (found and not _has_ending(marks[model])):
                continue
            for child in found:
                measure.remove(child)
            for child in marks[model]:
                at_start = child.get("location") == "left" or child.find("direction-type/segno") is not None
                at_start = at_start or child.find("direction-type/coda") is not None
                measure.insert(0 if at_start else len(measure), child)


def _has_ending(marks: list[ET.Element]) -> bool:
    return any(mark.find("ending") is not None for mark in marks)


def _leaps(child: ET.Element) -> bool:
    """Returns whether an element of a measure is a repeat, an ending or a leap."""
    if child.tag == "barline":
        return child.find("repeat") is not None or child.find("ending") is not None
    if child.tag != "direction":
        return False
    sounds = [name for sound in child.iter("sound") for name in sound.attrib]
    signs = [item.tag for item in child.iterfind("direction-type/*")]
    return not _LEAPS.isdisjoint(sounds) or not {"segno", "coda"}.isdisjoint(signs)


def by_music21(path: Path) -> dict[str, list[Row] | None]:
    """Returns the notes of a score as played and as written, by music21."""
    import music21

    score: Any = music21.converter.parse(path, forceSource=True, format="musicxml")
    played: list[Row] | None = []
    written: list[Row] = []
    numbers: dict[str, int] = {}
    for part in score.parts:
        number = numbers.setdefault(str(part.id).split("-Staff")[0], len(numbers))
        part = part.toSoundingPitch()
        written += _music21_rows(part, number)
        try:
            if played is not None:
                played += _music21_rows(part.expandRepeats(), number)
        except Exception:  # It refuses repeats that do not fit together.
            played = None
    return {"played": played, "written": written}


def _music21_rows(part: Any, number: int) -> Iterator[Row]:
    for item in part.flatten().stripTies().notes:
        if item.duration.isGrace or not item.quarterLength:
            continue
        for note in item.notes if item.isChord else [item]:
            if hasattr(note, "pitch") and "Unpitched" not in note.classes:
                yield number, note.pitch.midi, float(item.offset), float(item.quarterLength)


def by_partitura(path: Path) -> dict[str, list[Row] | None]:
    """Returns the notes of a score as played and as written, by partitura."""
    import partitura  # pyright: ignore[reportMissingImports]

    score: Any = partitura.load_musicxml(path)
    played: list[Row] | None = []
    written: list[Row] = []
    for number, part in enumerate(score.parts):
        written += _partitura_rows(part, number)
        try:
            if played is not None:
                unfolded = partitura.score.unfold_part_maximal(part, update_ids=False, ignore_leaps=False)
                played += _partitura_rows(unfolded, number)
        except Exception:  # It refuses repeats that do not fit together.
            played = None
    return {"played": played, "written": written}


def _partitura_rows(part: Any, number: int) -> Iterator[Row]:
    import partitura  # pyright: ignore[reportMissingImports]

    if part is None or not part.notes_tied:
        return
    shifts = [
        (t.start.t, int(t.chromatic or 0)) for t in part.iter_all(partitura.score.Transposition) if t.start is not None
    ]
    position = part.quarter_map
    origin = float(position(part.first_point.t))
    for note in part.notes_tied:
        if isinstance(note, (partitura.score.GraceNote, partitura.score.UnpitchedNote)) or not note.duration_tied:
            continue
        onset = float(position(note.start.t)) - origin
        end = float(position(note.end_tied.t)) - origin
        shift = next((semitones for start, semitones in reversed(shifts) if start <= note.start.t), 0)
        yield number, int(note.midi_pitch) + shift, onset, end - onset


def main() -> None:
    """Computes the lists of one judge for one corpus until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("judge", choices=JUDGES)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no file after this time")
    parser.add_argument("--uneven", action="store_true", help="only scores whose measures are to be filled up")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    judge = by_music21 if args.judge == "music21" else by_partitura
    begin = time.monotonic()
    for file in files(args.corpus):
        targets = [cached(args.corpus, args.judge, file.name, even=even) for even in (False, True)]
        if targets[True].exists() or targets[False].exists() != args.uneven:
            continue
        if time.monotonic() - begin > args.seconds:
            break
        target = targets[args.uneven]
        target.parent.mkdir(parents=True, exist_ok=True)
        source = target.with_suffix(".musicxml")
        clock = time.process_time()
        try:
            data, was_uneven = simplified(unpacked(file.data()))
            if args.uneven and not was_uneven:
                continue
            target = targets[was_uneven]
            source.write_bytes(data)
            result: dict[str, Any] = dict(judge(source))
        except Exception as e:  # A judge that cannot read a score has no say on it.
            result = {"error": f"{type(e).__name__}: {e}"[:300]}
        source.unlink(missing_ok=True)
        result["seconds"] = time.process_time() - clock
        part = target.with_suffix(".part")
        part.write_text(json.dumps(result))
        part.replace(target)


if __name__ == "__main__":
    main()
