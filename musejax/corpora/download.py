"""Access to public files outside the package: in the folder MUSEJAX_DATA, in the cache, or by download."""

import contextlib
import dataclasses
import hashlib
import http.client
import os
import re
import secrets
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

from musejax import errors
from musejax.corpora import cache

_BLOCK = 1 << 16
_TIMEOUT_S = 30


@dataclasses.dataclass(frozen=True)
class Entry:
    """A public file with the checksum that identifies it.

    Attributes:
        name: Name of the file in MUSEJAX_DATA and in the cache.
        url: Address of the file.
        sha256: SHA-256 of the file, or of its members if `members` is set.
        size: Size in bytes, or None if it may vary (an archive that is packed on demand).
        members: A regular expression that selects the members of a zip file to be checked, however it was packed and
            whatever else it contains. `sha256` is then the hash of the matching members: for each, the text of the
            first group followed by the SHA-256 of its bytes, in the order of these texts.
    """

    name: str
    url: str
    sha256: str
    size: int | None = None
    members: str | None = None

    def fault(self, path: Path) -> str | None:
        """Returns a description of what is wrong with a file on disk, or None if it is the expected file."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"{size} bytes where {self.size} were expected"
        try:
            digest = _sha256(path) if self.members is None else _members_sha256(path, self.members)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as e:
            return f"not a valid zip file ({e})"
        return None if digest == self.sha256 else f"SHA-256 {digest[:12]}... where {self.sha256[:12]}... was expected"


def members(archive: zipfile.ZipFile, pattern: str) -> list[tuple[str, str]]:
    """Returns the members of a zip file whose full name matches, as sorted pairs of first group and name."""
    matches = ((re.fullmatch(pattern, name), name) for name in archive.namelist())
    return sorted((match.group(1), name) for match, name in matches if match)


def fetch(entry: Entry) -> Path:
    """Returns the path of a public file, and downloads the file if necessary.

    Looks in the folder MUSEJAX_DATA, then in the cache. A download has a temporary name until its size and SHA-256 have
    been checked, so that the file in the cache is complete or absent.

    Raises:
        errors.UserError: MUSEJAX_DATA has a different file of this name, the download failed, or the downloaded file is
            not the expected one.
    """
    folder = os.environ.get("MUSEJAX_DATA")
    if folder:
        path = Path(folder).expanduser() / entry.name
        if path.is_file():
            fault = entry.fault(path)
            if fault:
                raise errors.UserError(f"{path}: {fault}; replace it with {entry.url} or unset MUSEJAX_DATA")
            return path
    path = cache.directory() / entry.name
    if path.is_file() and entry.fault(path) is None:
        return path
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _download(entry, part)
        fault = entry.fault(part)
        if fault:
            raise errors.UserError(f"{entry.url}: got {fault}; try again, or put {entry.name} into MUSEJAX_DATA")
        part.replace(path)
    except OSError as e:
        raise errors.UserError(f"{path}: cannot be written ({e.strerror}); set MUSEJAX_CACHE to another folder") from e
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def _download(entry: Entry, part: Path) -> None:
    """Downloads to a file, with a progress bar on standard error if that is a terminal."""
    try:
        response = urllib.request.urlopen(entry.url, timeout=_TIMEOUT_S)
    except (OSError, http.client.HTTPException) as e:
        raise _unreachable(entry, e) from e
    with response, part.open("xb") as out:
        part.chmod(0o600)
        for block in _with_progress(entry, _blocks(entry, response)):
            out.write(block)


def _blocks(entry: Entry, response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as e:
            raise _unreachable(entry, e) from e
        if not block:
            return
        yield block


def _with_progress(entry: Entry, blocks: Iterator[bytes]) -> Iterator[bytes]:
    import rich.console
    import rich.progress

    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
    )
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(entry.name, total=entry.size)
        for block in blocks:
            yield block
            progress.advance(task, len(block))


def _unreachable(entry: Entry, e: Exception) -> errors.UserError:
    reason = getattr(e, "reason", None) or e
    return errors.UserError(
        f"{entry.url}: cannot be downloaded ({reason}); put {entry.name} into a folder and set MUSEJAX_DATA to it"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _members_sha256(path: Path, pattern: str) -> str:
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for name, member in members(archive, pattern):
            digest.update(name.encode() + hashlib.sha256(archive.read(member)).digest())
    return digest.hexdigest()
