from __future__ import annotations

import socket
import sys
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.endpoint import Endpoint, _retry_after
from ecpe_zoo.synthesis.language_model import Request, Unanswered
from tests.synthesis.teacher import Teacher, teacher

USER = "Judge: expressiveness\n<text>\nso joyish\n</text>"


def request(seed: int = 1) -> Request:
    return Request("m", "be brief", USER, seed, 0.5, 10)


def endpoint(server: Teacher, **options: Any) -> Endpoint:
    return Endpoint(server.url, "m", **{"pause": 0.01, **options})


def test_the_body_follows_the_protocol_and_can_be_changed() -> None:
    with teacher() as server:
        (reply,) = endpoint(server, extra={"max_tokens": None, "top_p": 0.9}).complete([request()])
        Endpoint(f"{server.url}/chat/completions/", "m").complete([request()])
    assert '"joy": 0.9' in reply.text
    assert reply.finish == "stop"
    assert reply.completion_tokens == len(reply.text) // 4
    assert 0 < reply.seconds < 5
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": USER}]
    common = {"model": "m", "messages": messages, "temperature": 0.5, "seed": 1, "stream": False}
    assert server.bodies == [common | {"top_p": 0.9}, common | {"max_tokens": 10}]


def test_a_server_says_how_long_to_wait() -> None:
    with teacher() as server:
        server.scripted = [(429, {"Retry-After": "0.4"})]
        model = endpoint(server)
        model.complete([request()])
        assert server.moments[1] - server.moments[0] >= 0.39
        assert model.troubles == {"HTTP 429": 1}
    assert _retry_after(None) is _retry_after("soon") is None
    assert _retry_after("7") == 7
    assert 5 < (_retry_after(formatdate(time.time() + 8, usegmt=True)) or 0) <= 8
    assert _retry_after(formatdate(time.time() - 8, usegmt=True)) == 0


def test_pauses_grow_and_an_end_is_reached() -> None:
    with teacher() as server:
        server.scripted = [(500, {})] * 9
        with pytest.raises(
            Unanswered, match=r"chat/completions, but got HTTP 500: as the script says, 4 times"
        ):
            endpoint(server, retries=3, pause=0.04).complete([request()])
        gaps = [after - before for before, after in zip(server.moments, server.moments[1:], strict=False)]
        assert len(gaps) == 3
        assert all(gap >= 0.02 * 2**place for place, gap in enumerate(gaps))


def test_the_rate_holds_for_all_threads() -> None:
    with teacher() as server:
        model = endpoint(server, per_minute=1200)  # one every 50 ms
        threads = [threading.Thread(target=model.complete, args=([request(seed)],)) for seed in range(5)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started >= 0.199
        assert len(server.moments) == 5


def test_no_server_and_an_end_of_waiting() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(Unanswered, match="no connection"):
        Endpoint(url, "m", pause=0.01, retries=1).complete([request()])
    model = Endpoint(url, "m", pause=60)
    threading.Timer(0.05, model.close).start()
    started = time.monotonic()
    with pytest.raises(Unanswered, match="stopped"):
        model.complete([request()])
    assert time.monotonic() - started < 10


def test_a_redirect_is_not_followed() -> None:
    with teacher() as other, teacher() as server:
        server.scripted = [(307, {"Location": f"{other.url}/chat/completions"})]
        with pytest.raises(ZooError, match="HTTP 307"):
            endpoint(server, key="k").complete([request()])
        assert not other.bodies


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            400,
            "Conversation roles must alternate user/assistant/user/assistant/...",
        ),  # Mistral, Gemma under vLLM
        (422, "Template error: invalid operation: System role not supported (in <string>:1)"),
        (500, f"{'-' * 300} Jinja Exception: Only user and assistant roles are supported!"),  # llama.cpp
        (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
    ],
)
@pytest.mark.parametrize("served", [False, True])
def test_a_model_without_a_system_role_gets_one_message(status: int, message: str, served: bool) -> None:
    notes: list[str] = []
    with teacher(refuses_system=(status, message)) as server:
        model = endpoint(server, retries=0, served=served, on_note=notes.append)
        (reply,) = model.complete([request()])
        threads = [threading.Thread(target=model.complete, args=([request(seed)],)) for seed in range(2, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert '"joy": 0.9' in reply.text
    first, *others = [body["messages"] for body in server.bodies]
    assert [one["role"] for one in first] == ["system", "user"]
    assert others == [[{"role": "user", "content": f"be brief\n\n{USER}"}]] * 5
    assert len(notes) == 1
    assert f"refuses the system role ({message[:200]})" in notes[0]
    assert model.merged
    assert not model.troubles


def test_several_questions_at_once_are_all_put_again_and_it_is_said_once() -> None:
    notes: list[str] = []
    with teacher(refuses_system=(400, "System role not supported")) as server:
        model = endpoint(server, on_note=notes.append)
        threads = [threading.Thread(target=model.complete, args=([request(seed)],)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.answered.total() == 6
    assert len(notes) == 1


def test_other_refusals_are_not_put_again() -> None:
    with teacher() as server:
        server.scripted = [(400, {})]
        with pytest.raises(ZooError, match="HTTP 400: as the script says"):
            endpoint(server).complete([request()])
        assert len(server.bodies) == 1


def test_one_message_is_remembered_only_once_it_was_answered() -> None:
    class Cutting(Teacher):
        def answer(self, body: dict[str, Any]) -> str:
            raise OSError

    with teacher(refuses_system=(400, "System role not supported")) as server:
        server.__class__ = Cutting
        model = endpoint(server, retries=1)
        with pytest.raises(Unanswered, match="cut connection"):
            model.complete([request()])
        assert not model.merged
        assert [len(body["messages"]) for body in server.bodies] == [2, 1, 2, 1]


@pytest.mark.parametrize("key", ["s3cret", " s3cret\r\n"])
def test_a_key_that_a_server_repeats_is_not_shown(key: str) -> None:
    said = "Incorrect API key provided: Bearer s3cret"
    with teacher(refuses_system=(401, said)) as server, pytest.raises(ZooError) as caught:
        endpoint(server, key=key).complete([request()])
    assert server.keys == {"Bearer s3cret"}
    assert "HTTP 401: Incorrect API key provided: Bearer <key>" in str(caught.value)
    with pytest.raises(ZooError) as caught:
        Endpoint("http://localhost", "m", key="s3cret\nmore")
    assert "--key-variable" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of another service")
    with teacher() as server:
        endpoint(server).complete([request()])
    assert server.keys == {None}


@pytest.mark.parametrize(
    "answer",
    [
        "nonsense",
        '"text"',
        "[]",
        "null",
        '{"choices": []}',
        '{"choices": [{"message": null}]}',
        '{"choices": [{"message": {"content": [1]}}]}',
        '{"choices": {"message": 1}}',
    ],
)
@pytest.mark.parametrize("kind", [{}, {"Content-Type": "application/json"}])
def test_an_answer_that_is_no_chat_completion_is_asked_for_again(answer: str, kind: dict[str, str]) -> None:
    with teacher() as server:
        server.scripted = [(200, kind | {"X-Body": answer})]
        model = endpoint(server)
        (reply,) = model.complete([request()])
    assert '"joy": 0.9' in reply.text
    assert model.troubles == {"no chat completion": 1}


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ZooError, match=r"pip install 'ecpe-zoo\[synthesis\]'.*--local"):
        Endpoint("http://localhost/v1", "m")
