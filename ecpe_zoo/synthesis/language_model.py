"""The one interface behind which a language model stands."""

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
    """One question to a language model.

    Args:
        model: the name of the model that is asked.
        system: what the model is told about its task.
        user: the question.
        seed: of its sampling.
        temperature: of its sampling; 0 takes the likeliest token.
        max_tokens: most tokens of the answer.
        extra: further settings that change answers, as JSON.
        stage: what is asked for; not part of the hash.
        attempt: how often it was asked before with other seeds; not part of the hash.
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
        """Of everything that can change the answer, as hex digits."""
        values = (
            self.model,
            self.system,
            self.user,
            self.seed,
            self.temperature,
            self.max_tokens,
            self.extra,
        )
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]

    @cached_property
    def prompt_hash(self) -> str:
        """Of the two texts alone."""
        return hashlib.sha256(json.dumps((self.system, self.user)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said.

    Args:
        text: the answer.
        prompt_tokens: that it read; None where the server did not say.
        completion_tokens: that it wrote; None where the server did not say.
        seconds: from the last attempt's start to its end; for a batch its share.
        finish: why it stopped: `stop`, `length` or what the server says.
        refused: why this question will never be answered; empty for an answer.
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
        name: says which weights answer; part of every request's hash.
        calls: how many calls of `complete` may be under way at once.
        batch: most requests of one call.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102
    @property
    def batch(self) -> int: ...  # noqa: D102

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer requests, in their order.

        An answer depends on its own request and seed alone, not on those beside it.

        Raises:
            Unanswered: no answer this time; the others go on.
            ZooError: the model cannot be used at all.
        """
        ...

    def close(self) -> None:
        """Stop waiting: calls that are under way end soon, with an error."""
        ...
