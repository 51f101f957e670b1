"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import visible


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")


@contextmanager
def created_when_complete(path: Path) -> Iterator[Path]:
    """As `replaced_when_complete`, but for a name that nobody has yet: of two writers one wins, the other is told.

    Raises:
        FileExistsError: the name is taken; what is there stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    try:
        yield part
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: two writers at one moment are not told apart
            if path.exists():
                raise FileExistsError(str(path)) from None
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replaced_when_complete(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it takes the name, on any error it vanishes.

    The name is random, so two writers never share it, on machines that share a folder neither.
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
    """Wait until no other process or thread holds this folder, and hold it.

    The kernel's lock: it ends with the process, however that ends.

    Yields:
        Whether it is held; some network file systems, and Windows, have no such locks.
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
    """A path below a folder.

    Raises:
        ZooError: it leaves the folder, by `..`, an absolute name or a link.
    """
    path = folder.joinpath(*names)
    if not path.resolve().is_relative_to(folder.resolve()) or path.resolve() == folder.resolve():
        raise ZooError(f"Expected a file below {folder}, but got the name {visible('/'.join(names))!r}.")
    return path


def file_sha256(path: Path | str) -> str:
    """Hash of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
