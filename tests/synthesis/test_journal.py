from __future__ import annotations

from pathlib import Path

import pytest

from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.synthesis.journal import Journal
from ecpe_zoo.synthesis.language_model import Reply, Request


def request(seed: int) -> Request:
    return Request("m", "system", "user", seed, 0.5, 10)


def test_answers_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
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


@pytest.mark.parametrize("torn", [b'{"request": "x', b"\n", b'{"request": "x"}\n', b"{}", b"\xff"])
def test_a_last_line_that_was_not_finished_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(request(1), Reply("one"))
    before = path.read_bytes()
    path.write_bytes(before + torn)
    with Journal(path) as journal:
        assert path.read_bytes() == before
        journal.append(request(2), Reply("two"))
    with Journal(path) as journal:
        assert [journal.get(request(seed)) for seed in (1, 2)] == [Reply("one"), Reply("two")]


def test_a_broken_line_before_the_last_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(request(1), Reply("one"))
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    with pytest.raises(CorpusError, match=r"journal\.jsonl:1: expected an answer .* Remove the line"):
        Journal(path)


def test_two_runs_do_not_write_into_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path), pytest.raises(ZooError, match="another run writes into it"):
        Journal(path)
    with Journal(path):
        pass


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
