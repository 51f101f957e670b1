"""Servers that never stop: answers have bounds on bytes, seconds, nesting and digits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ecpe_zoo.corpora import fetch
from ecpe_zoo.corpora.registry import CORPORA
from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis import endpoint as endpoints
from ecpe_zoo.synthesis.endpoint import Endpoint
from ecpe_zoo.synthesis.language_model import Request, Unanswered

Write = Callable[[bytes], object]


@contextmanager
def server(body: Callable[[Write], None]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything with this body: its address, and the paths whose bodies were sent to the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with suppress(OSError):  # the other side has had enough
                body(self.wfile.write)
                sent.append(self.path)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    sent: list[str] = []
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}", sent
    finally:
        made.shutdown()
        made.server_close()


def endless(write: Write) -> None:
    for _ in range(2000):
        write(b" " * 10_000)


def dripping(write: Write) -> None:
    for _ in range(200):
        write(b" ")
        time.sleep(0.02)


def once(text: str) -> Callable[[Write], None]:
    return lambda write: (write(text.encode()), None)[1]


def ask(url: str) -> str:
    model = Endpoint(f"{url}/v1", "m", retries=0, pause=0.0, timeout=5.0)
    (reply,) = model.complete([Request("m", "system", "user", 1, 0.0, 10)])
    return reply.text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (endless, "an answer that is too long"),
        (dripping, "an answer that is too long"),
        (once("[" * 100_000), "no chat completion"),
        (once('{"choices": ' + "9" * 5000 + "}"), "no chat completion"),
        (once('{"choices": [{"message": {"content": ' + '{"a":' * 50_000), "no chat completion"),
    ],
)
def test_an_answer_without_end_is_given_up(
    body: Callable[[Write], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "LARGEST", 1_000_000)
    monkeypatch.setattr(endpoints, "_SILENCES", 0.1)
    with server(body) as (url, sent), pytest.raises((Unanswered, ZooError), match=message):
        ask(url)
    assert not sent or body not in (endless, dripping)


def test_half_characters_are_replaced() -> None:
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a\ud800b"}}]}
    with server(once(json.dumps(answer))) as (url, _):
        assert ask(url) == "a?b"


CORPUS = CORPORA["ecf"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (endless, r"expected 1,\d{3},\d{3} bytes, but the server sent more"),
        (dripping, "less than 1024 bytes a second"),
    ],
)
def test_a_file_without_end_is_given_up(
    body: Callable[[Write], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    monkeypatch.setattr(fetch, "ATTEMPTS", 2)
    file = max(CORPUS.files, key=lambda file: file.bytes or 0)
    with server(body) as (url, sent), pytest.raises(ZooError, match=message):
        fetch.fetch_file(CORPUS, file, tmp_path, mirror=url, pause=0.0)
    assert not sent
    assert not (tmp_path / file.name).exists()
