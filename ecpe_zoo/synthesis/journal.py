"""Answers that are never asked for again: an append-only file, and an index of it that needs no memory."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.synthesis.language_model import Reply, Request

_FORMAT = "an answer as `ecpe-zoo synthesize` writes it"


class Journal:
    """The answers of a run and of those before it, by request hash.

    Each answer is one line, on the disk before `append` returns. A last line that a killed run left unfinished is
    cut off. The index (hash to place in the file) is a temporary database, so that memory does not grow with the
    journal. Changed prompts or settings give other hashes: what they had answered stays and is not used.

    Args:
        path: of the file; made where there is none.

    Raises:
        ZooError: another run writes into it.
        CorpusError: a line, not the last, that is no answer.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(
                self._file, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # given up when the process ends, however it ends
        except OSError:
            self._file.close()
            raise ZooError(
                f"Expected {path} to be free, but another run writes into it. Wait or stop that run."
            ) from None
        self._index = sqlite3.connect("")  # a file of its own that vanishes
        self._index.execute("CREATE TABLE answers (hash TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID")
        self.answers = self.prompt_tokens = self.completion_tokens = 0
        try:
            self._rebuild()
        except BaseException:
            self.close()
            raise

    def _rebuild(self) -> None:
        self._file.seek(0)
        place = 0
        for number, raw in enumerate(self._file, start=1):
            entry = _parse(raw) if raw.endswith(b"\n") else None
            if entry is None:
                if self._file.read(1):
                    found = repr(raw[:60])
                    raise CorpusError(
                        self.path, number, _FORMAT, found, "Remove the line: it is asked for again."
                    )
                self._file.truncate(place)
                break
            self._note(entry, place)
            place += len(raw)
        self._file.seek(0, os.SEEK_END)

    def _note(self, entry: dict[str, Any], place: int) -> None:
        self._index.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (entry["request"], place))
        self.answers += 1
        self.prompt_tokens += entry["prompt_tokens"] or 0
        self.completion_tokens += entry["completion_tokens"] or 0

    def get(self, request: Request) -> Reply | None:
        """The answer, if there is one."""
        row = self._index.execute("SELECT place FROM answers WHERE hash = ?", (request.hash,)).fetchone()
        if row is None:
            return None
        self._file.seek(row[0])
        entry = _parse(self._file.readline())
        if entry is None:
            raise CorpusError(self.path, None, _FORMAT, "a file that changed while it was in use")
        names = ("text", "prompt_tokens", "completion_tokens", "seconds", "finish", "refused")
        return Reply(**{name: entry[name] for name in names})

    def append(self, request: Request, reply: Reply) -> None:
        """Write an answer down; it is safe from then on."""
        entry = {
            "request": request.hash,
            "model": request.model,
            "prompt": request.prompt_hash,
            "seed": request.seed,
            "text": reply.text,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "seconds": round(reply.seconds, 3),
            "finish": reply.finish,
            "refused": reply.refused,
        }
        place = self._file.seek(0, os.SEEK_END)
        self._file.write((json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._note(entry, place)

    def close(self) -> None:
        """Free the file."""
        self._file.close()
        self._index.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(raw.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    needed = {"request", "text", "prompt_tokens", "completion_tokens", "seconds", "finish", "refused"}
    return entry if isinstance(entry, dict) and needed <= set(entry) else None
