from __future__ import annotations

import json
import multiprocessing
import sqlite3
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.synthesis.journal import Journal
from ecpe_zoo.synthesis.language_model import Reply, Request


def request(seed: int) -> Request:
    return Request("m", "system", "user", seed, 0.5, 10)


def test_answers_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.sqlite"
    replies = {
        1: Reply("one\n\ud800 \u2028", 3, 4, 0.5, "length"),
        2: Reply("", finish="refused", refused="HTTP 400"),
    }
    with Journal(path) as journal:
        for seed, reply in replies.items():
            journal.append(request(seed), reply)
            assert journal.get(request(seed)) == reply
    with Journal(path) as journal:
        assert {seed: journal.get(request(seed)) for seed in replies} == replies
        assert journal.get(request(3)) is None
        assert (journal.answers, journal.prompt_tokens, journal.completion_tokens) == (2, 3, 4)


EARLIER = {
    "request": request(1).hash,
    "model": "m",
    "prompt": request(1).prompt_hash,
    "seed": 1,
    "text": "one \ud800",
    "prompt_tokens": 3,
    "completion_tokens": None,
    "seconds": 0.5,
    "finish": "stop",
    "refused": "",
}


def earlier_line(**change: object) -> bytes:
    return (json.dumps(EARLIER | change, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("torn", [b"", b'{"request": "x', b"{}", b"\xff"])
def test_answers_of_an_earlier_release_are_taken_over_once(tmp_path: Path, torn: bytes) -> None:
    earlier = tmp_path / "journal.jsonl"
    earlier.write_bytes(earlier_line() + torn)
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        assert journal.get(request(1)) == Reply("one \ud800", 3, None, 0.5)
        assert (journal.answers, journal.prompt_tokens) == (1, 3)
        journal.append(request(2), Reply("two"))
    earlier.write_bytes(b"nonsense\n")
    with Journal(path) as journal:
        assert (journal.get(request(1)) or Reply("")).text == "one \ud800"
        assert journal.get(request(2)) == Reply("two")


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"\n",
        b"[1]\n",
        b'{"request": "x"}\n',
        b"[" * 100_000 + b"\n",
        earlier_line(request=[]),
        earlier_line(text=5),
        earlier_line(seconds="long"),
        earlier_line(prompt_tokens="few"),
        earlier_line(finish=None),
    ],
)
def test_a_malformed_line_of_an_earlier_journal_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "journal.jsonl").write_bytes(earlier_line() + line)
    path = tmp_path / "journal.sqlite"
    for _ in range(2):
        with pytest.raises(
            CorpusError, match=r"journal\.jsonl:2: expected an answer (?s:.*) Remove the line"
        ):
            Journal(path)
    (tmp_path / "journal.jsonl").write_bytes(earlier_line())
    with Journal(path) as journal:
        assert journal.answers == 1


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"a letter\n" * 500)
    with pytest.raises(
        ZooError, match=r"Expected .*journal\.sqlite to be a journal .* but file is not a data"
    ):
        Journal(path)
    path.unlink()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE answers (a)")
    base.close()
    with pytest.raises(ZooError, match="no such column"):
        Journal(path)


def test_a_journal_without_an_answer_is_an_empty_file(tmp_path: Path) -> None:
    """The command asks by its size whether the server has ever answered."""
    path = tmp_path / "journal.sqlite"
    for _ in range(2):
        with Journal(path):
            assert path.stat().st_size == 0
        assert path.stat().st_size == 0


def test_two_runs_do_not_write_into_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for seed in range(2):  # an empty journal, and one with an answer
        with Journal(path) as journal:
            with pytest.raises(ZooError, match="another run writes into it"):
                Journal(path)
            journal.append(request(seed), Reply("one"))
            with pytest.raises(ZooError, match="another run writes into it"):
                Journal(path)
    with Journal(path) as journal:
        assert journal.answers == 2


def appending(path: Path, says: Connection) -> None:
    journal = Journal(path)
    for seed in count():
        journal.append(request(seed), Reply(f"answer {seed}" * 100))
        says.send(seed)


def test_every_answer_of_a_killed_process_is_there_and_the_file_is_free(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    context = multiprocessing.get_context("fork")
    hears, says = context.Pipe(duplex=False)
    process = context.Process(target=appending, args=(path, says))
    process.start()
    last = -1
    while last < 40:
        assert hears.poll(30)
        last = hears.recv()
    with pytest.raises(ZooError, match="another run writes into it"):
        Journal(path)
    process.kill()
    process.join()
    while hears.poll():
        last = hears.recv()
    with Journal(path) as journal:
        assert journal.answers >= last + 1
        assert all(journal.get(request(seed)) == Reply(f"answer {seed}" * 100) for seed in range(last + 1))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.sqlite"]


def test_a_request_hash_knows_what_changes_an_answer() -> None:
    base = request(1)
    assert base.hash == Request("m", "system", "user", 1, 0.5, 10, stage="labels", attempt=2).hash
    others = [
        Request("n", "system", "user", 1, 0.5, 10),
        Request("m", "systemuser", "", 1, 0.5, 10),
        request(2),
        Request("m", "system", "user", 1, 0.6, 10),
        Request("m", "system", "user", 1, 0.5, 11),
        Request("m", "system", "user", 1, 0.5, 10, extra="{}"),
    ]
    assert len({base.hash, *(other.hash for other in others)}) == 7
    assert base.prompt_hash == request(2).prompt_hash != others[1].prompt_hash
