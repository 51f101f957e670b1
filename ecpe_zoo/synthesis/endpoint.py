"""A language model behind an OpenAI-compatible HTTP endpoint: any server of the chat completions protocol."""

from __future__ import annotations

import http.client
import json
import random
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.language_model import Reply, Request, Unanswered

_LONGEST_PAUSE = 60.0  # seconds; of the server's own Retry-After ten times as much
_AGAIN = frozenset({408, 409, 425, 429})  # beside 5xx: the same question may be answered later
_REFUSED = frozenset({400, 413, 422})  # this question never will; other 4xx mean that nothing works
_TEMPLATE_FAILED = frozenset({400, 422, 500})  # where a chat template raised: vLLM, TGI, llama.cpp
_NO_SYSTEM_ROLE = re.compile(
    r"roles must alternate|only user and assistant roles|system\W{0,3} (?:role|message|prompt|instruction)"
    r"|does not support '?system|developer instruction",
    re.IGNORECASE,
)


class _Status(Exception):  # noqa: N818 - it reads as what happened
    """An HTTP error: its code, the whole message and the seconds to wait."""

    def __init__(self, error: urllib.error.HTTPError) -> None:
        with error:
            self.message = _message(error)
        super().__init__(f"HTTP {error.code}: {self.message[:200]}")
        self.code = error.code
        self.retry_after = _retry_after(error.headers.get("Retry-After"))

    @property
    def no_system_role(self) -> bool:
        """Whether the model's chat template may have no system role."""
        return self.code in _TEMPLATE_FAILED and _NO_SYSTEM_ROLE.search(self.message) is not None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected question would lose its body, and hand the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Make every redirect an `HTTPError`."""


class Endpoint:
    """An HTTP server that answers `POST URL/chat/completions`.

    Args:
        url: up to `/v1`, or to `/chat/completions`.
        model: as the server names it.
        key: sent as a bearer token; never written anywhere.
        calls: requests under way at once.
        timeout: seconds that the server may be silent.
        retries: further attempts after a busy server, a timeout or a cut connection.
        per_minute: most attempts a minute, spread evenly; None for any number.
        pause: seconds before the first further attempt, doubled each time and varied by half.
        served: it has answered in an earlier run. A first question that is refused (HTTP 400) stops the run: then
            a setting is at fault; later only that question is given up.
        extra: fields put into the body of every request; a null takes a field out.
        on_note: takes what the user should know, once.

    Raises:
        ZooError: a URL that is none.
    """

    batch = 1

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        calls: int = 8,
        timeout: float = 120.0,
        retries: int = 6,
        per_minute: float | None = None,
        pause: float = 1.0,
        served: bool = False,
        extra: Mapping[str, Any] | None = None,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ZooError(
                f"Expected --endpoint to be a URL such as http://localhost:8000/v1, but got {url!r}."
            )
        base = url.rstrip("/")
        self.url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
        self.name, self.calls = model, calls
        self.timeout, self.retries, self.pause = timeout, retries, pause
        self.extra = dict(extra or {})
        self.on_note = on_note
        self.merged = False
        """The chat template has no system role: that text goes into the user's message."""
        self.troubles: Counter[str] = Counter()
        """What went wrong and was tried again, by kind."""
        self.attempts = 0
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._spacing = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0  # the moment of the next attempt that the rate, or a Retry-After, allows
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._served = served

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.complete`."""
        return [self._ask(request) for request in requests]

    def close(self) -> None:
        """See `LanguageModel.close`."""
        self._closed.set()

    def _ask(self, request: Request) -> Reply:
        trouble = ""
        for attempt in range(self.retries + 1):
            self._wait_for_turn()
            started = time.monotonic()
            wait: float | None = None
            try:
                reply = self._attempt(request, started)
            except _Status as status:
                trouble, kind = str(status), f"HTTP {status.code}"
                if status.code in _REFUSED and self._served:
                    return Reply("", seconds=time.monotonic() - started, finish="refused", refused=trouble)
                if status.code not in _AGAIN and status.code < 500:
                    raise ZooError(self._no_use(trouble)) from None
                wait = status.retry_after
            except urllib.error.URLError as error:
                trouble, kind = f"no connection ({error.reason})", "no connection"
                if isinstance(error.reason, TimeoutError):
                    trouble, kind = f"silence for {self.timeout:g} s", "timeout"
            except TimeoutError:
                trouble, kind = f"silence for {self.timeout:g} s", "timeout"
            except (http.client.HTTPException, OSError) as error:
                trouble, kind = f"a cut connection ({type(error).__name__})", "cut connection"
            except ValueError as error:
                trouble, kind = f"no chat completion ({error})", "no chat completion"
            else:
                self._served = True
                return reply
            with self._lock:
                self.troubles[kind] += 1
            if attempt < self.retries:
                self._pause(attempt, wait)
        raise Unanswered(f"Expected an answer from {self.url}, but got {trouble}, {self.retries + 1} times.")

    def _attempt(self, request: Request, started: float) -> Reply:
        """Send a request; one that fails over its system role is sent again without one."""
        merged = self.merged
        try:
            return self._send(self._body(request, merged), started)
        except _Status as status:
            if merged or not request.system or not status.no_system_role:
                raise
            said = status.message[:200]
        self._wait_for_turn()
        reply = self._send(self._body(request, merged=True), started)
        with self._lock:
            first, self.merged = not self.merged, True
        if first:
            self.on_note(
                f"The server refuses the system role ({said}): its text is put before the user's from here on."
            )
        return reply

    def _body(self, request: Request, merged: bool) -> bytes:
        messages = [{"role": "user", "content": request.merged if merged else request.user}]
        if request.system and not merged:
            messages.insert(0, {"role": "system", "content": request.system})
        fields: dict[str, Any] = {
            "model": request.model,
            "messages": messages,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "stream": False,
        }
        fields |= self.extra
        return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()

    def _send(self, body: bytes, started: float) -> Reply:
        request = urllib.request.Request(self.url, data=body, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                value = json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise _Status(error) from None
        try:
            choice = value["choices"][0]
            text = choice["message"]["content"] or ""
            usage = value.get("usage") or {}
            tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ValueError(str(value)[:200]) from None
        if not isinstance(text, str):
            raise ValueError(str(value)[:200])
        prompt, completion = (count if isinstance(count, int) else None for count in tokens)
        finish = str(choice.get("finish_reason") or "stop")
        return Reply(text, prompt, completion, time.monotonic() - started, finish)

    def _wait_for_turn(self) -> None:
        with self._lock:
            moment = max(time.monotonic(), self._next)
            self._next = moment + self._spacing if self._spacing else self._next
            self.attempts += 1
        self._sleep(moment - time.monotonic())

    def _pause(self, attempt: int, wait: float | None) -> None:
        """Wait before a further attempt; a Retry-After holds for all calls under way."""
        if wait is None:
            longest = min(self.pause * 2**attempt, _LONGEST_PAUSE)
            self._sleep(longest * random.uniform(0.5, 1.5))
            return
        wait = min(wait, 10 * _LONGEST_PAUSE)
        with self._lock:
            self._next = max(self._next, time.monotonic() + wait)
        self._sleep(wait)

    def _sleep(self, seconds: float) -> None:
        if (seconds > 0 and self._closed.wait(seconds)) or self._closed.is_set():
            raise Unanswered("The run was stopped.")

    def _no_use(self, trouble: str) -> str:
        ways = {
            "HTTP 401": "Put the key into the environment variable that --key-variable names.",
            "HTTP 403": "Check the key and what it allows.",
            "HTTP 404": "Check --endpoint (it mostly ends in /v1) and --model.",
            "HTTP 400": "A field that the server does not know can be taken out: --extra '{\"seed\": null}'; "
            "a story too long for the model is cut by --passage-characters.",
        }
        way = ways.get(trouble[:8], "Check --endpoint and --model.")
        return f"Expected an answer from {self.url}, but got {trouble}. {way}"


def _message(error: urllib.error.HTTPError) -> str:
    try:
        raw = error.read(4000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        raw = ""
    try:
        value = json.loads(raw)
        value = value.get("error", value)
        raw = str(value["message"] if isinstance(value, dict) else value)
    except (ValueError, KeyError, AttributeError):
        pass
    return " ".join(raw.split()) or str(error.reason)


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait: a number, or a date."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None
