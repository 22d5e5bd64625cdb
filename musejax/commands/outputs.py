"""Where commands write their files: one rule for `--out`, and no file lost, checked before the work begins."""

import argparse
import dataclasses
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from musejax import errors, rendering

FORMATS = ("mid", "musicxml", "abc", "wav", "mp3", "png")
# The arrays of a piece, which commands that draw pieces write as well.
ARRAYS = ".npz"
# Suffixes of music, sound and pictures that musejax does not write: a mistake in --out, not the name of a folder.
_UNWRITTEN = {
    *(".mxl", ".kar", ".rmi", ".krn", ".mei", ".ly", ".mscx", ".mscz"),
    *(".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".aif", ".aiff", ".wma"),
    *(".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".ps", ".eps", ".bmp", ".tif", ".tiff", ".webp"),
}


@dataclasses.dataclass(frozen=True)
class Target:
    """What `--out` names, and how files get their names there.

    Attributes:
        out: The path that was given.
        is_file: Whether it is one file rather than a folder.
        formats: The formats of each piece.
        sources: Files that the command reads, which it must not write over.
        overwrite: Whether files that exist are replaced.
    """

    out: Path
    is_file: bool
    formats: tuple[str, ...]
    sources: tuple[Path, ...]
    overwrite: bool

    def as_arrays(self, name: str) -> "Target":
        """Returns the target of a model whose pieces are arrays and not music.

        Args:
            name: The model's.

        Raises:
            errors.UserError: The target is a file of music, sound or a picture.
        """
        if self.is_file and self.out.suffix.lower() != ARRAYS:
            raise errors.UserError(
                f"--out {self.out}: {name} writes arrays; give a folder, or a file such as F{ARRAYS}"
            )
        return self if self.is_file else dataclasses.replace(self, formats=(ARRAYS[1:],))

    def paths(self, stems: Sequence[str]) -> list[list[Path]]:
        """Returns the files of each piece, once all of them can be written without a loss.

        Args:
            stems: The name of each piece, without a suffix.

        Raises:
            errors.UserError: There are several pieces for one file, or `check` refuses a file.
        """
        if not self.is_file:
            out = [[self.out / f"{stem}.{f}" for f in self.formats] for stem in stems]
        elif len(stems) == 1:
            out = [[self.out]]
        else:
            raise _one_file(self.out, f"{len(stems)} pieces")
        check([path for files in out for path in files], self.sources, overwrite=self.overwrite)
        return out


def target(
    args: argparse.Namespace,
    default: str,
    sources: Iterable[str | Path | None] = (),
    *,
    option: str = "formats",
    pieces: str | None = None,
    arrays: bool = False,
) -> Target:
    """Returns what `--out` names: a file where its suffix is one of music, sound or pictures, else a folder.

    A folder that exists is a folder whatever its name, and so is a path with a slash behind it.

    Args:
        args: Parsed options: `out`, `overwrite` and the formats.
        default: The formats of a folder, where none are given.
        sources: Files that are read; None is passed over.
        option: The option that names formats.
        pieces: What there are several of, such as `--num 4 pieces`; None where there is one.
        arrays: Whether the command writes the arrays of pieces, too.

    Raises:
        errors.UserError: The suffix is one that musejax does not write, the formats or the number of pieces need a
            folder, or nothing can be written there.
    """
    out, text = Path(args.out), getattr(args, option)
    known = tuple(Path(source) for source in sources if source)
    suffix, written = out.suffix.lower(), {*rendering.FORMATS, *([ARRAYS] if arrays else [])}
    is_file = not args.out.endswith(("/", os.sep)) and not out.is_dir() and suffix in {*written, *_UNWRITTEN, ARRAYS}
    formats = tuple(_formats(default if text is None else text, (ARRAYS[1:],) if arrays else ()))
    if not is_file:
        if out.exists() and not out.is_dir():
            raise errors.UserError(f"--out {out} is a file of no format; give a folder, or a file such as F.mid")
        _check_folder(out / "x")
        return Target(out, False, formats, known, args.overwrite)
    if suffix not in written:
        raise errors.UserError(
            f"--out {out}: the suffix {out.suffix!r} names no format; use one of {', '.join(sorted(written))}, or a "
            "folder"
        )
    if text is not None and [_writer(f".{f}") for f in formats] != [_writer(suffix)]:
        raise errors.UserError(
            f"--out {out} is one file, and --{option} {text} needs a folder; leave --{option} out, or give a folder"
        )
    if pieces is not None:
        raise _one_file(out, pieces)
    check([out], known, overwrite=args.overwrite)
    return Target(out, True, formats, known, args.overwrite)


def check(paths: Sequence[Path], sources: Iterable[Path] = (), *, overwrite: bool) -> None:
    """Checks that files can be written without losing another.

    Args:
        paths: The files, all that a command is going to write.
        sources: Files that it reads.
        overwrite: Whether files that exist, other than sources, may be replaced.

    Raises:
        errors.UserError: A file is one of the sources, two are one file (on a system that ignores case, too), one
            exists, or one cannot be made.
    """
    read = {key: source for source in sources for key in _identities(source)}
    written: dict[str, Path] = {}
    existing = []
    for path in paths:
        _check_folder(path)
        source = next((read[key] for key in _identities(path) if key in read), None)
        if source is not None:
            which = "its source" if len(set(read.values())) == 1 else f"the source {source}"
            raise errors.UserError(f"{path} would overwrite {which}; give another --out")
        name = unicodedata.normalize("NFC", os.path.realpath(path)).casefold()
        if name in written:
            raise errors.UserError(_both(written[name], path))
        written[name] = path
        if os.path.lexists(path):
            if path.is_dir():
                raise errors.UserError(f"{path} is a folder; give another --out")
            existing.append(path)
    if existing and not overwrite:
        more = len(existing) - 1
        others = f" and {more} more {'file' if more == 1 else 'files'}" if more else ""
        raise errors.UserError(
            f"{existing[0]}{others} {'exist' if more else 'exists'}; give another --out, or --overwrite to replace "
            f"{'them' if more else 'it'}"
        )


def _formats(text: str, more: Sequence[str]) -> list[str]:
    """Returns the file formats of a text with commas, each of them once.

    Raises:
        errors.UserError: There is none, or one is unknown.
    """
    chosen = list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    known = (*FORMATS, *more)
    for f in chosen:
        if f not in known:
            raise errors.UserError(f"format {f!r} is unknown; the formats are {', '.join(known)}")
    if not chosen:
        raise errors.UserError(f"no format given; the formats are {', '.join(known)}")
    return chosen


def _writer(suffix: str) -> str:
    """Returns what writes files with a suffix: `.xml` and `.musicxml` are one format."""
    return rendering.FORMATS.get(suffix, suffix)


def _identities(path: Path) -> set[object]:
    """What tells a file from others: its real path, that of a link to it, and its number on the disk."""
    out: set[object] = {os.path.realpath(path), str(Path(os.path.realpath(path.parent)) / path.name)}
    try:
        status = path.stat()
    except OSError:
        return out
    return out | {(status.st_dev, status.st_ino)}


def _check_folder(path: Path) -> None:
    """Raises where a file's folder cannot be made or written, or the file's name is too long for the system."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path}: {getattr(error, 'strerror', None) or error}; give another --out") from None
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise errors.UserError(f"{path}: {folder} is a file, not a folder; give another --out")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise errors.UserError(f"{folder}: no file can be written there; give another --out")


def _both(first: Path, second: Path) -> str:
    """Says which two files are one."""
    if first == second:
        return f"two pieces would be written to {first}; give them one after the other, each with its own --out"
    return f"{first} and {second} are one file on some systems; give them one after the other, each with its own --out"


def _one_file(out: Path, pieces: str) -> errors.UserError:
    return errors.UserError(f"--out {out} is one file, and {pieces} need a folder")
