"""A language model behind an HTTP endpoint of the OpenAI protocol (chat completions), by the `openai` client."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.language_model import Reply, Request, Unanswered

LARGEST = 1 << 24  # bytes of an answer
_SILENCES = 10  # times the permitted silence, for a complete answer
_LONGEST_PAUSE = 60.0  # seconds; ten times as much for a Retry-After of the server
_AGAIN = frozenset({408, 409, 425, 429})  # and 5xx: the same question may be answered later
_REFUSED = frozenset({400, 413, 422})  # this question never will; other 4xx mean that nothing works
_TEMPLATE_FAILED = frozenset({400, 422, 500})  # if a chat template raised: vLLM, TGI, llama.cpp
_NO_SYSTEM_ROLE = re.compile(
    r"roles must alternate|only user and assistant roles|system\W{0,3} (?:role|message|prompt|instruction)"
    r"|does not support '?system|developer instruction",
    re.IGNORECASE,
)
_WAYS_OUT = {
    400: "A field that the server does not know can be taken out: --extra '{\"seed\": null}'; "
    "a story too long for the model is cut by --passage-characters.",
    401: "Put the key into the environment variable that --key-variable names.",
    403: "Check the key and what it allows.",
    404: "Check --endpoint (it mostly ends in /v1) and --model.",
}


class Endpoint:
    """An HTTP server that answers `POST URL/chat/completions`.

    Pauses and retries are ours, not the client's: a rate or a Retry-After holds for all threads, waiting ends when the
    run is stopped, and every failure is counted.

    Args:
        url: Address up to `/v1`, or to `/chat/completions`.
        model: Name of the model on the server.
        key: Bearer token; never written anywhere.
        calls: Maximum number of concurrent requests.
        timeout: Seconds that the server may be silent.
        retries: Further attempts after a busy server, a timeout or a cut connection.
        per_minute: Maximum attempts per minute, spread evenly; None for no limit.
        pause: Seconds before the first further attempt, doubled each time and varied by half.
        served: Whether it answered in an earlier run. If the first question is refused (HTTP 400), a setting is at
            fault and the run stops; later only that question is given up.
        extra: Fields put into the body of every request; a null takes a field out.
        on_note: Called once with each message for the user.

    Raises:
        ZooError: the URL or the key cannot be used, or the `openai` package is missing.
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
        base = url.rstrip("/").removesuffix("/chat/completions")
        self.url = f"{base}/chat/completions"
        self.name, self.calls = model, calls
        self.timeout, self.retries, self.pause = timeout, retries, pause
        self.extra = dict(extra or {})
        self.on_note = on_note
        self.merged = False
        """Whether the chat template has no system role: that text goes into the user's message."""
        self.troubles: Counter[str] = Counter()
        """What went wrong and was tried again, by kind."""
        self.attempts = 0
        self._key = (key or "").strip()
        self._client, self._headers = _client(base, self._key, timeout)
        self._spacing = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0  # the moment of the next attempt that the rate, or a Retry-After, allows
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._served = served

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.complete`."""
        return [self._ask(request) for request in requests]

    def close(self) -> None:
        """See `LanguageModel.close`."""
        self._closed.set()

    def _ask(self, request: Request) -> Reply:
        import openai

        trouble = ""
        for attempt in range(self.retries + 1):
            self._wait_for_turn()
            started = time.monotonic()
            wait: float | None = None
            try:
                reply = self._attempt(request, started)
            except openai.APIStatusError as error:
                status, kind = error.status_code, f"HTTP {error.status_code}"
                trouble = f"{kind}: {self._message(error)[:200]}"
                if status in _REFUSED and self._served:
                    return Reply("", seconds=time.monotonic() - started, finish="refused", refused=trouble)
                if status not in _AGAIN and status < 500:
                    way = _WAYS_OUT.get(status, "Check --endpoint and --model.")
                    raise ZooError(f"Expected an answer from {self.url}, but got {trouble}. {way}") from None
                wait = _retry_after(error.response.headers.get("Retry-After"))
            except openai.APITimeoutError:
                trouble, kind = f"silence for {self.timeout:g} s", "timeout"
            except openai.APIConnectionError as error:
                cause = error.__cause__ or error
                if cause is error:
                    trouble, kind = str(error), "an answer that is too long"
                elif type(cause).__name__ == "ConnectError":  # of httpx, whichever release the client uses
                    trouble, kind = f"no connection ({cause})", "no connection"
                else:
                    trouble, kind = f"a cut connection ({type(cause).__name__})", "cut connection"
            except (ValueError, RecursionError) as error:
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
        """Send a request; if it fails over its system role, send it again without one."""
        import openai

        merged = self.merged
        try:
            return self._send(request, merged, started)
        except openai.APIStatusError as error:
            message = self._message(error)
            refused = error.status_code in _TEMPLATE_FAILED and _NO_SYSTEM_ROLE.search(message)
            if merged or not request.system or not refused:
                raise
        self._wait_for_turn()
        reply = self._send(request, True, started)
        with self._lock:
            first, self.merged = not self.merged, True
        if first:
            self.on_note(
                f"The server refuses the system role ({message[:200]}): from here on its text is put before the user's."
            )
        return reply

    def _send(self, request: Request, merged: bool, started: float) -> Reply:
        messages: list[Any] = [{"role": "user", "content": request.merged if merged else request.user}]
        if request.system and not merged:
            messages.insert(0, {"role": "system", "content": request.system})
        fields: dict[str, Any] = {
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "stream": False,
            **self.extra,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        found = self._client.chat.completions.create(
            model=request.model, messages=messages, extra_body=fields, extra_headers=self._headers
        )
        try:
            choice = found.choices[0]
            text = choice.message.content or ""
            usage = found.usage
        except (AttributeError, LookupError, TypeError):
            raise ValueError(str(found)[:200]) from None
        if not isinstance(text, str):
            raise ValueError(str(found)[:200])
        text = text.encode(errors="replace").decode()  # half characters, which no file can hold
        tokens = (getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
        prompt, completion = (count if isinstance(count, int) else None for count in tokens)
        finish = str(choice.finish_reason or "stop")
        return Reply(text, prompt, completion, time.monotonic() - started, finish)

    def _message(self, error: Any) -> str:
        """What the server says about an error, without the key, which some servers repeat."""
        body = error.body
        if isinstance(body, Mapping):
            body = body.get("message", body)
        text = " ".join(str(body or error.response.reason_phrase).split())
        return text.replace(self._key, "<key>") if self._key else text

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


def _client(base: str, key: str, timeout: float) -> tuple[Any, dict[str, Any]]:
    """The client, and headers of each request: without a key that of the environment is not sent either."""
    try:
        import openai
    except ImportError:
        raise ZooError(
            "Expected the openai package for --endpoint, but it is not installed: pip install 'ecpe-zoo[synthesis]'. "
            "A model on this machine needs none: --local FOLDER."
        ) from None
    if not key.isascii() or not key.isprintable():
        raise ZooError(
            "Expected the key to be printable ASCII in one line, but it has other characters. Check the environment "
            "variable that --key-variable names."
        )

    class Bounded(openai.DefaultHttpxClient):
        """Ends an answer that is too large or never complete: the time-out is for each silence alone."""

        def send(self, request: Any, **options: Any) -> Any:
            response = super().send(request, **options | {"stream": True})
            body, end = bytearray(), time.monotonic() + _SILENCES * timeout
            try:
                for part in response.iter_bytes():
                    body += part
                    if len(body) > LARGEST or time.monotonic() > end:
                        raise openai.APIConnectionError(message="an answer that is too long", request=request)
            finally:
                response.close()
            lost = ("content-encoding", "content-length", "transfer-encoding")
            headers = [(name, value) for name, value in response.headers.multi_items() if name not in lost]
            return type(response)(response.status_code, headers=headers, content=bytes(body), request=request)

    # a redirected question would lose its body and hand the key to another host
    http = Bounded(timeout=timeout, follow_redirects=False)
    client = openai.OpenAI(
        base_url=base, api_key=key or "none", timeout=timeout, max_retries=0, http_client=http
    )
    return client, {} if key else {"Authorization": openai.Omit()}


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server wants to be left alone, given as a number or a date."""
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
