"""Files written completely or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import visible


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")


@contextmanager
def created_when_complete(path: Path) -> Iterator[Path]:
    """Like `replaced_when_complete`, but the name must not exist yet: of two concurrent writers, one gets an error.

    Raises:
        FileExistsError: The file exists; it is left unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    try:
        yield part
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: two simultaneous writers go undetected
            if path.exists():
                raise FileExistsError(str(path)) from None
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replaced_when_complete(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` on success and deleted on any error.

    The temporary name is random, so two writers never share it, even on different machines with a shared folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Wait for the lock of this folder, which excludes other processes and threads, and hold it.

    The lock is the kernel's: it ends with the process, even on a crash.

    Yields:
        Whether the lock is held; some network file systems, and Windows, have no such locks.
    """
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, PermissionError):
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        except OSError:
            held = False
        yield held
    finally:
        os.close(handle)


def below(folder: Path, *names: str) -> Path:
    """A path inside a folder.

    Raises:
        ZooError: The path leaves the folder through `..`, an absolute name or a link.
    """
    path = folder.joinpath(*names)
    if not path.resolve().is_relative_to(folder.resolve()) or path.resolve() == folder.resolve():
        raise ZooError(f"Expected a file below {folder}, but got the name {visible('/'.join(names))!r}.")
    return path


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_apart(written: Iterable[Path], *sources: Path | None) -> None:
    """Check that files to be written replace nothing that is read.

    Raises:
        ZooError: They would.
    """
    there = [path for path in written if path.exists()]
    for source in (source for source in sources if source is not None and source.is_file()):
        for path in there:
            if path.samefile(source):
                raise ZooError(
                    f"Expected an output that replaces nothing that is read, but {path} is read here. Write to another "
                    "file."
                )
