"""Answers that are never requested again: one SQLite file, safe on a kill and closed to other runs."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.synthesis.language_model import Reply, Request

EARLIER = ".jsonl"
"""Suffix of the text file in which earlier releases kept the answers."""

_REPLY = ("text", "prompt_tokens", "completion_tokens", "seconds", "finish", "refused")
_COLUMNS = ("request", "model", "prompt", "seed", *_REPLY)
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    request TEXT PRIMARY KEY, model TEXT, prompt TEXT, seed INTEGER,
    text TEXT NOT NULL,
    prompt_tokens INTEGER CHECK (typeof(prompt_tokens) IN ('integer', 'null')),
    completion_tokens INTEGER CHECK (typeof(completion_tokens) IN ('integer', 'null')),
    seconds REAL CHECK (typeof(seconds) = 'real'), finish TEXT NOT NULL, refused TEXT NOT NULL
)
"""
_INSERT = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?)"


class Journal:
    """The answers of a run and of earlier ones, by request hash.

    An answer is on the disk before `append` returns. Changed prompts or settings give other hashes: earlier answers
    stay and are not used. A new journal takes over the answers of a `journal.jsonl` beside it.

    Args:
        path: The file; it is created if it does not exist.

    Raises:
        ZooError: another run is using it, or it is no journal.
        CorpusError: a line of the earlier journal is malformed.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._base = sqlite3.connect(path, timeout=0, isolation_level=None)
        # models can write half characters (lone surrogates), which SQLite itself would refuse
        self._base.text_factory = lambda raw: raw.decode("utf-8", "surrogatepass")
        try:
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")  # until the process ends, however it ends
            self._base.execute("BEGIN EXCLUSIVE")
            new = self._base.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
            self._base.execute(_TABLE)  # a new file stays empty until the first answer is committed
            if new and (earlier := path.with_suffix(EARLIER)).is_file():
                self._take_over(earlier)
            sums = "count(*), total(prompt_tokens), total(completion_tokens)"
            found = self._base.execute(f"SELECT {sums} FROM answers").fetchone()
            self.answers, self.prompt_tokens, self.completion_tokens = map(int, found)
            if self.answers:
                self._log_ahead()
        except sqlite3.Error as error:
            self.close()
            if "locked" in str(error):
                raise ZooError(
                    f"Expected {path} to be free, but another run writes into it. Wait or stop that run."
                ) from None
            raise ZooError(f"Expected {path} to be a journal of ecpe-zoo synthesize, but {error}.") from None
        except BaseException:
            self.close()
            raise

    def _take_over(self, path: Path) -> None:
        """Read the answers of a text file; an unfinished last line of a killed run is skipped."""
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if not raw.endswith(b"\n"):
                    break
                try:
                    entry = json.loads(raw.decode("utf-8", "surrogatepass"))
                    self._insert([entry[name] for name in _COLUMNS])
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError, sqlite3.Error):
                    expected, found = "an answer as `ecpe-zoo synthesize` wrote it", repr(raw[:60])
                    hint = "Remove the line: it is requested again."
                    raise CorpusError(path, number, expected, found, hint) from None

    def _insert(self, values: list[Any]) -> None:
        text = _COLUMNS.index("text")
        values[text] = values[text].encode("utf-8", "surrogatepass")
        self._base.execute(_INSERT, values)

    def _log_ahead(self) -> None:
        """Write answers to the end of a log: a quarter of the time of a rollback journal, and as safe."""
        self._base.commit()
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")

    def get(self, request: Request) -> Reply | None:
        """The answer, if there is one."""
        query = f"SELECT {', '.join(_REPLY)} FROM answers WHERE request = ?"
        row = self._base.execute(query, (request.hash,)).fetchone()
        return None if row is None else Reply(*row)

    def append(self, request: Request, reply: Reply) -> None:
        """Store an answer; it is safe from then on.

        Raises:
            ZooError: the disk is full or fails.
        """
        values: list[Any] = [request.hash, request.model, request.prompt_hash, request.seed, reply.text]
        values += [reply.prompt_tokens, reply.completion_tokens, round(reply.seconds, 3)]
        try:
            self._insert([*values, reply.finish, reply.refused])
            if not self.answers:
                self._log_ahead()
        except sqlite3.Error as error:
            raise ZooError(f"Expected {self.path} to take an answer, but {error}.") from None
        self.answers += 1
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0

    def close(self) -> None:
        """Free the file."""
        self._base.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
