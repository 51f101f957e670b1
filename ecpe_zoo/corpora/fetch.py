"""Fetching the published files of a corpus: pinned, checked, resumed, and complete or not at all.

A file is collected under `NAME.part`, checked against its hash, and only then takes its name. A broken
download leaves the part, and the next one asks the server for the rest (pooch does neither that nor git blob
ids).
"""

from __future__ import annotations

import hashlib
import os
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from ecpe_zoo.corpora.corpus import ROOT_VARIABLE, Corpus, PinnedFile
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256, locked

MIRROR_VARIABLE = "ECPE_ZOO_MIRROR"
PUBLIC = "https://raw.githubusercontent.com"
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt; doubled for each one after
LARGEST = 1 << 30  # bytes of a file whose size is not known
SLOWEST = 1024.0  # bytes a second, after the first `TIMEOUT` seconds of an attempt
_CHUNK = 1 << 16

Progress = Callable[[int, int | None], None]
"""Gets the number of bytes that are here, and that of the file, if known."""


class _RefusedError(Exception):
    """The server's answer is final: asking again would not change it."""


def mirror_base(mirror: str | None = None) -> str:
    """The base URL: the argument, else ECPE_ZOO_MIRROR, else GitHub's file server."""
    return (mirror or os.environ.get(MIRROR_VARIABLE) or PUBLIC).rstrip("/")


def file_url(corpus: Corpus, file: PinnedFile, mirror: str | None = None) -> str:
    """Where the file is fetched from: `BASE/owner/name/commit/path`."""
    return f"{mirror_base(mirror)}/{corpus.repository}/{corpus.commit}/{file.path}"


def git_blob_id(path: Path) -> str:
    """The id that git gives to this content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def difference(path: Path, file: PinnedFile) -> str | None:
    """What is wrong with the content of a file; None if it is the pinned one."""
    if file.sha256 is not None:
        kind, expected, found = "sha256", file.sha256, file_sha256(path)
    else:
        kind, expected, found = "git blob id", file.git_blob, git_blob_id(path)
    return None if found == expected else f"expected {kind} {expected}, but got {found}"


def fetch_file(
    corpus: Corpus,
    file: PinnedFile,
    folder: Path,
    *,
    mirror: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    pause: float = PAUSE,
) -> bool:
    """Put one pinned file into the folder, which is created if it is missing.

    Args:
        corpus: Corpus of the file.
        file: File to fetch.
        folder: Folder to put it into.
        mirror: See `mirror_base`.
        force: Whether to fetch it although it is there.
        progress: Callback after every chunk.
        pause: Seconds before the second attempt.

    Returns:
        False if the right file was there already.

    Raises:
        ZooError: It could not be fetched, it is not the pinned content, or another file has its name.
    """
    url = file_url(corpus, file, mirror)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder) as alone:  # two downloads would write into one part
            return _fetch_alone(
                url, file, folder, force, progress or (lambda done, total: None), pause, alone
            )
    except _RefusedError as error:
        raise ZooError(f"Could not fetch {url}: {error}. {_by_hand(corpus, file, folder)}") from None
    except OSError as error:
        raise ZooError(
            f"Could not write into {folder}: {error}. Choose another folder with --root."
        ) from None


def _fetch_alone(
    url: str, file: PinnedFile, folder: Path, force: bool, progress: Progress, pause: float, alone: bool
) -> bool:
    """Fetch the file; `alone`: no other process fetches into this folder."""
    target = folder / file.name
    if target.is_file() and not force:
        wrong = difference(target, file)
        if wrong is None:
            return False
        raise ZooError(f"{target}: {wrong}. The file was altered; replace it with --force, or move it away.")
    # without a lock the part is this process's own, and cannot be resumed
    part = folder / (f"{file.name}.part" if alone else f".{file.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        if force:
            part.unlink(missing_ok=True)
        resumed = part.exists()
        _collect(url, part, file.bytes, progress, pause)
        if resumed and difference(part, file):  # the part was of another download: once more from the start
            part.unlink()
            _collect(url, part, file.bytes, progress, pause)
        if wrong := difference(part, file):
            part.unlink()
            raise _RefusedError(
                f"{wrong}. Nothing was kept. The server gives another file than the pinned one: try again, or "
                "another --mirror"
            )
        part.replace(target)
        return True
    finally:
        if not alone:
            part.unlink(missing_ok=True)


def _by_hand(corpus: Corpus, file: PinnedFile, folder: Path) -> str:
    """What to do without a network."""
    known = f"sha256 {file.sha256}" if file.sha256 else f"git blob id {file.git_blob}"
    return (
        f"Without a network: get {file_url(corpus, file, PUBLIC)} elsewhere ({known}), and put it at "
        f"{folder / file.name}; or name a mirror with --mirror or {MIRROR_VARIABLE}, or a folder that holds "
        f"{corpus.id}/{file.name} with --root or {ROOT_VARIABLE}."
    )


def _collect(url: str, part: Path, size: int | None, progress: Progress, pause: float) -> None:
    """Download into the part until it is complete, continuing an earlier attempt."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _append(url, part, size, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the part is longer than the file: of another file
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in (408, 429):
                raise _RefusedError(f"the server answered {error.code} {error.reason}") from None
            reason = f"the server answered {error.code} {error.reason}"
        except ValueError as error:
            raise _RefusedError(str(error)) from None  # no URL at all
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    raise _RefusedError(f"{reason} ({ATTEMPTS} attempts)")


def _append(url: str, part: Path, size: int | None, progress: Progress) -> None:
    """One attempt: the rest of the file, after what the part has."""
    held = part.stat().st_size if part.exists() else 0
    if size is not None and held >= size:
        if held == size:
            return  # complete, but stopped before it was checked
        part.unlink()
        held = 0
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "ecpe-zoo"})
    if held:
        request.add_header("Range", f"bytes={held}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if not _continues(response, held):
            held = 0  # the server ignores the range and sends everything
        length = response.headers.get("Content-Length")
        total = held + int(length) if length and length.isdigit() else size
        with part.open("ab" if held else "wb") as stream:
            progress(held, total)
            started, before = time.monotonic(), held
            while chunk := response.read1(_CHUNK):
                stream.write(chunk)
                held += len(chunk)
                if held > (LARGEST if size is None else size):
                    raise _too_long(part, size)
                seconds = time.monotonic() - started
                if seconds > TIMEOUT and held - before < SLOWEST * seconds:
                    raise ConnectionError(f"the server sent less than {SLOWEST:g} bytes a second")
                progress(held, total)
    if total is not None and held < total:
        raise ConnectionError(f"the connection ended after {held} of {total} bytes")


def _too_long(part: Path, size: int | None) -> _RefusedError:
    part.unlink()
    limit = f"{LARGEST:,} bytes at most" if size is None else f"{size:,} bytes"
    return _RefusedError(
        f"expected {limit}, but the server sent more. Nothing was kept. Try another --mirror"
    )


def _continues(response: HTTPResponse, held: int) -> bool:
    """Whether the answer starts where the part ends."""
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {held}-")
