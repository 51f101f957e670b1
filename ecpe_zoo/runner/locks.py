"""Locks that give a cell to one runner at a time, among processes and machines that share a folder.

A lock is a file that is created atomically and names its owner. It is stale if its owner's processes have ended
(on the same machine), or if its owner has not touched it for `SILENCE` seconds (on another machine).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SILENCE = 600.0  # seconds, many times TOUCH: clocks of machines differ
TOUCH = 30.0


class Lock:
    """A lock that this process holds; see `acquire`."""

    def __init__(self, path: Path, token: str) -> None:
        self.path, self.token = path, token
        self.touched = time.monotonic()

    def name_child(self, pid: int) -> None:
        """Record a child process of the owner: the lock is not stale while that process lives."""
        if not self.held:
            return
        part = self.path.with_name(f".{self.path.name}.{self.token}.part")
        child = {"child": pid, "child_began": _began(pid)}
        part.write_text(json.dumps(_owner(self.token) | child), encoding="utf-8")
        part.replace(self.path)

    @property
    def held(self) -> bool:
        """Whether this process still holds it: another runner may take a lock that was not touched for too long."""
        return bool(_read(self.path)[0].get("token") == self.token)

    def touch(self) -> bool:
        """Update the time stamp, at most every `TOUCH` seconds; returns whether the lock is still held."""
        if time.monotonic() - self.touched > TOUCH:
            self.touched = time.monotonic()
            if not self.held:
                return False
            with contextlib.suppress(OSError):
                os.utime(self.path)
        return True

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Touch it from a thread during a long call."""
        over = threading.Event()

        def touching() -> None:
            while not over.wait(TOUCH):
                self.touch()

        thread = threading.Thread(target=touching, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def release(self) -> None:
        """Remove it, unless another runner took it."""
        if self.held:
            self.path.unlink(missing_ok=True)


def acquire(path: Path) -> Lock | None:
    """Take a lock, replacing a stale one; None if another runner holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    if _create(path, token):
        return Lock(path, token)
    if not is_stale(path):
        return None
    with _guard(path):  # without it, the second of two runners could remove the new lock of the first
        if is_stale(path):
            path.unlink(missing_ok=True)
    return Lock(path, token) if _create(path, token) else None


def holder(path: Path) -> str | None:
    """Who holds a lock, as `host:pid`; None if nobody does."""
    owner, touched = _read(path)
    return f"{owner['host']}:{owner['pid']}" if owner and not _gone(owner, touched) else None


def is_stale(path: Path) -> bool:
    """Whether the owner of a lock is gone; False if there is no lock."""
    owner, touched = _read(path)
    return touched is not None and _gone(owner, touched)


def _gone(owner: dict[str, Any], touched: float | None) -> bool:
    silent = time.time() - (touched or 0.0)
    if not owner:  # damaged, or on a file system without links and still being written
        return silent > 60
    if owner["machine"] != _machine():
        return silent > SILENCE
    return not any(_alive(owner.get(name), owner.get(f"{name}_began")) for name in ("pid", "child"))


def _create(path: Path, token: str) -> bool:
    """Create the file with its content; False if it exists."""
    part = path.with_name(f".{path.name}.{token}.part")
    part.write_text(json.dumps(_owner(token)), encoding="utf-8")
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(part.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _owner(token: str) -> dict[str, Any]:
    return {
        "token": token,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_began": _began(os.getpid()),
        "machine": _machine(),
        "written": time.time(),
    }


def _read(path: Path) -> tuple[dict[str, Any], float | None]:
    """Owner and time of the last touch, read from one open file; no time if there is no lock."""
    try:
        with path.open(encoding="utf-8") as file:
            touched = os.fstat(file.fileno()).st_mtime
            text = file.read()
    except OSError:
        return {}, None
    try:
        owner = json.loads(text)
    except ValueError:
        return {}, touched
    known = isinstance(owner, dict) and owner.keys() >= {"token", "host", "pid", "machine", "written"}
    return (owner if known else {}), touched


def _machine() -> str:
    """The scope in which process ids are unique: host, boot and container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _began(pid: int) -> int | None:
    """Start of a process in kernel ticks, which setting the clock does not change; with the id it is unique."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        state, *rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return -1 if state == "Z" else int(rest[18])  # a zombie is dead
    return None


def _alive(pid: object, began: object) -> bool:
    """Whether the process with this id and start time still runs."""
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    now = _began(pid)
    return now is None or began is None or now == began  # a different start: the id was reused


@contextlib.contextmanager
def _guard(path: Path) -> Iterator[None]:
    """A kernel lock, released when the process ends; a no-op where there is none (Windows)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.with_name(path.name + ".guard").open("w", encoding="utf-8") as file:
        with contextlib.suppress(OSError):  # some network file systems have none
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
