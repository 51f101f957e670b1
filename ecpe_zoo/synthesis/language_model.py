"""What every back end of a language model has in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from ecpe_zoo.errors import ZooError


@dataclass(frozen=True)
class Request:
    """A question to a language model.

    Args:
        model: Name of the model.
        system: Instructions of the system role.
        user: The question.
        seed: Seed of the sampling.
        temperature: Temperature of the sampling; 0 takes the likeliest token.
        max_tokens: Most tokens of the answer.
        extra: Further settings that change answers, as JSON.
        stage: Stage of the pipeline; not part of the hash.
        attempt: Earlier attempts with other seeds; not part of the hash.
    """

    model: str
    system: str
    user: str
    seed: int
    temperature: float
    max_tokens: int
    extra: str = ""
    stage: str = field(default="", compare=False)
    attempt: int = field(default=0, compare=False)

    @property
    def merged(self) -> str:
        """Both texts as one, for a model without a system role."""
        return f"{self.system}\n\n{self.user}" if self.system else self.user

    @cached_property
    def hash(self) -> str:
        """Hash of everything that can change the answer."""
        sampling = (self.seed, self.temperature, self.max_tokens, self.extra)
        return _hash(self.model, self.system, self.user, *sampling)

    @cached_property
    def prompt_hash(self) -> str:
        """Hash of the two texts alone."""
        return _hash(self.system, self.user)


def _hash(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Args:
        text: The answer.
        prompt_tokens: Tokens of the question; None if the server does not say.
        completion_tokens: Tokens of the answer; None if the server does not say.
        seconds: Duration of the last attempt; for a batch its share.
        finish: Why it ended: `stop`, `length` or what the server says.
        refused: Why this question will never be answered; empty for an answer.
    """

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    finish: str = "stop"
    refused: str = ""


class Unanswered(ZooError):  # noqa: N818 - it reads as what happened
    """No answer after all retries; the same question may be answered in a later run."""


class LanguageModel(Protocol):
    """A back end.

    Attributes:
        name: Identifies the weights; part of every request's hash.
        calls: Maximum number of concurrent calls of `complete`.
        batch: Maximum number of requests per call.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102
    @property
    def batch(self) -> int: ...  # noqa: D102

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer requests, in their order.

        An answer depends on its own request and seed alone, not on others in the call.

        Raises:
            Unanswered: no answer this time; other requests continue.
            ZooError: the model cannot be used at all.
        """
        ...

    def close(self) -> None:
        """Stop waiting: calls under way end soon, with an error."""
        ...
