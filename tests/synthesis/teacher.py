"""A local server that speaks the chat completions protocol and plays the language model, with its faults."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ecpe_zoo.synthesis.taxonomy import EMOTIONS

WORDS = [
    "river",
    "lamp",
    "coat",
    "bridge",
    "letter",
    "garden",
    "winter",
    "kettle",
    "train",
    "piano",
    "ladder",
    "orange",
    "basket",
    "window",
    "harbour",
    "ticket",
    "mirror",
    "engine",
    "candle",
    "blanket",
    "pepper",
    "violin",
    "tunnel",
    "market",
    "feather",
    "carpet",
    "hammer",
    "island",
    "pillow",
    "rocket",
    "saddle",
    "velvet",
]
PLACES = [
    "mill",
    "harbour",
    "station",
    "orchard",
    "school",
    "bakery",
    "lighthouse",
    "hospital",
    "farm",
    "theatre",
]
NAMES = ["Ada", "Bram", "Cleo", "Dora", "Emil", "Finn", "Greta", "Hugo", "Ines", "Jonas"]


def write_narratives(path: Path, count: int = 10) -> Path:
    """Invented narratives, a line each."""
    lines = [
        {
            "id": f"n{number}",
            "text": f"{NAMES[number % 10]} worked at the {PLACES[number % 10]} number {number}. One evening the "
            f"{WORDS[number % 32]} broke, and {NAMES[(number + 3) % 10]} came to help. In the morning both left.",
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def digest(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6])


def some_words(count: int, *parts: object) -> str:
    return " ".join(WORDS[digest(index, *parts) % len(WORDS)] for index in range(count))


@dataclass
class Teacher:
    """What the server does and has seen.

    Args:
        faults: fail a fixed share of the questions, each the first time it is put.
        sloppy: answer a fixed share of the questions in a way that does not serve.
        hold_after: answer so many questions, and none of those behind until `release` is set.
        silence: seconds, longer than the client waits.
        scripted: statuses for the next questions, with their headers.
        refuses_system: the status and message for a question with a system role.
    """

    url: str = ""
    faults: bool = False
    sloppy: bool = False
    hold_after: int | None = None
    silence: float = 1.0
    scripted: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    refuses_system: tuple[int, str] | None = None
    answered: Counter[int] = field(default_factory=Counter)
    seen: Counter[int] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    moments: list[float] = field(default_factory=list)
    held: int = 0
    under_way: int = 0
    most_under_way: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any]) -> str:
        user, seed = body["messages"][-1]["content"], body["seed"]
        chance = digest(user, seed) % 100
        if self.sloppy and chance < 4:
            return '{"characters": [{"name": "half'
        if self.sloppy and chance < 8:
            return "I would rather not."
        if self.sloppy and chance < 10:
            return '{"labels": {"joy": 7}, "expressiveness": 0.5, "utterances": [], "characters": [], "utterance": ""}'
        value = json.dumps(self.value(user, seed))
        if chance < 30:
            return (
                f"<think>Perhaps {{}} or {{1}}?</think>Here it is:\n```json\n{value}\n```\nIs that all right?"
            )
        return value

    def value(self, user: str, seed: int) -> dict[str, Any]:
        task, _, after_example = user.partition("\nNow the ")
        user = after_example or user
        if "<story>" in user:
            first, second = re.findall(r"<story>\n(\w+) .*? and (\w+) came", user)[0]
            events = [f"The {some_words(1, user, index)} broke at night." for index in range(2)]
            people = [
                {"name": name, "description": "Works hard.", "events": events} for name in (first, second)
            ]
            return {"characters": people}
        if "Rewrite the utterance" in task:
            return {"utterance": f"So, the {some_words(4, user, seed)}, that is how it went."}
        if scenes := re.findall(r"^Scene (\d+)$", user, re.MULTILINE):
            emotion = re.findall(r'the feeling in them is\n"(\w+)"', task)[0]
            lines = [
                {
                    "scene": int(number),
                    "context": f"At dusk the {some_words(5, user, seed, number)} lay there.",
                    "utterance": f"{some_words(3, seed, number, user)} {emotion}ish "
                    f"{some_words(3, number, seed, user)}!",
                }
                for number in scenes
            ]
            if self.sloppy and seed % 9 == 0:
                lines = lines[1:] or lines
            return {"utterances": lines}
        assert "expressiveness" in task
        said = user.split("</text>")[0].split("</utterance>")[0].rsplit(">\n", 1)[-1]
        cue = re.findall(r"(\w+)ish\b", said)
        label = cue[0] if cue and cue[0] in EMOTIONS else "realization"
        labels = {label: 0.9, "Happiness": 0.2, "nostalgia": 0.4}
        if not cue and "<situation>" not in user:
            labels[label] = 0.4  # a rewriting, read without its context
        strength = 0.8
        if self.sloppy and seed % 7 == 0:
            strength = 0.1
        if self.sloppy and seed % 11 == 0:
            labels = {"nostalgia": 1.0}
        return {"labels": labels, "expressiveness": strength}


@contextmanager
def teacher(**behaviour: Any) -> Iterator[Teacher]:
    """A server that runs until the end of the block."""
    state = Teacher(**behaviour)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(raw)
            assert self.path == "/v1/chat/completions"
            name = digest(raw)
            with state.lock:
                state.moments.append(time.monotonic())
                state.keys.add(self.headers.get("Authorization"))
                state.bodies.append(body)
                first = not state.seen[name]
                state.seen[name] += 1
                state.under_way += 1
                state.most_under_way = max(state.most_under_way, state.under_way)
                scripted = state.scripted.pop(0) if state.scripted else None
                has_system = body["messages"][0]["role"] == "system"
                refused = state.refuses_system if has_system else None
                held = state.hold_after is not None and state.answered.total() >= state.hold_after
                state.held += held
                if not held and scripted is None and refused is None and not (state.faults and first):
                    state.answered[name] += 1
            try:
                if held:
                    state.release.wait(30)
                elif scripted is not None:
                    status, headers = scripted
                    says = headers.get("X-Body", '{"error": {"message": "as the script says"}}')
                    self.say(says, status, headers)
                elif refused is not None:
                    self.say({"object": "error", "message": refused[1], "code": refused[0]}, refused[0])
                elif state.faults and first:
                    self.fail(name % 12, body)
                else:
                    self.complete(body)
            except OSError:
                pass  # the client has gone
            finally:
                with state.lock:
                    state.under_way -= 1

        def complete(self, body: dict[str, Any], cut: int | None = None) -> None:
            text = state.answer(body)
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": len(str(body["messages"])) // 4, "completion_tokens": len(text) // 4}
            self.say({"choices": [choice], "usage": usage}, cut=cut)

        def fail(self, kind: int, body: dict[str, Any]) -> None:
            if kind == 0:
                self.say({"error": {"message": "slow down"}}, 429, {"Retry-After": "0.05"})
            elif kind == 1:
                self.say({"error": "broken"}, 500)
            elif kind == 2:
                state.release.wait(state.silence)
            elif kind == 3:
                self.complete(body, cut=40)
            elif kind == 4:
                self.close_connection = True  # without a word
            elif kind == 5:
                self.say({"object": "something else"})
            else:
                self.complete(body)

        def say(
            self,
            value: dict[str, Any] | str,
            status: int = 200,
            headers: dict[str, str] | None = None,
            cut: int | None = None,
        ) -> None:
            raw = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(status)
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[:cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield state
        finally:
            state.release.set()
            server.shutdown()
            thread.join()
