"""Explanations as data: one line of JSON for each text, checked when it is read.

A text has `parts`, numbered from 1: its clauses or turns. A text that a method reads as one is cut into clauses too,
which then share a `segment`. An answer is a pair (`emotion` and `cause`, numbers of parts) or a `label` of a `segment`.
Scores are those of the method, 0 to 1; an intensity is ten times that.

`changes` has a number for each part: the score, minus the score without the part. It is above 0 for a part that the
answer rests on, and null for a part that was not left out (a blank one, or one too far away). The parts of the answer
itself cannot be left out, since nothing could be scored then: their text becomes `…`.

`tokens` has a number for each token of each segment: the gradient of the score times the token's vector, which is above
0 for a token that raises the score, to first order; null for a token that was not read.

Rows of `ecpe-zoo annotate` are read as explanations without changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from ecpe_zoo.corpora.readers.lines import shown
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.escaping import visible

FORMAT: Literal["ecpe-zoo explanation 1"] = "ecpe-zoo explanation 1"
STRONGEST = 10.0
"""Intensity of a score of 1."""

Token = tuple[str, FiniteFloat | None]
"""A token as written, and its value; null without one."""


def strongest_words(tokens: Sequence[Sequence[Token]], most: int) -> list[tuple[int, str, float]]:
    """The tokens with the largest values, each after the number of its segment, without zeros."""
    known = [
        (n, text, value) for n, segment in enumerate(tokens, start=1) for text, value in segment if value
    ]
    return sorted(known, key=lambda item: -abs(item[2]))[:most]  # in a tie, the first one


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Form):
    """A clause or turn.

    Args:
        segment: Number of its segment, from 1.
        text: Its text as given.
        speaker: Who says it, if known.
    """

    segment: int = Field(ge=1)
    text: str
    speaker: str | None = None


class Answer(_Form):
    """One answer of a method, and what it rests on; see the module."""

    segment: int | None = None
    """Number of the segment that has the label."""
    label: str | None = None
    emotion: int | None = None
    """Number of the emotion clause of a pair."""
    cause: int | None = None
    score: FiniteFloat | None = None
    given: bool = True
    """Whether the method gives this answer; else it is the highest score, which is too low."""
    changes: tuple[FiniteFloat | None, ...] | None = None
    tokens: tuple[tuple[Token, ...], ...] | None = None
    """For each segment its tokens; null for a method without gradients."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        pair = self.emotion is not None and self.cause is not None
        if pair == (self.segment is not None and self.label is not None):
            raise ValueError("expected a pair of emotion and cause, or a label of a segment")
        return self

    @property
    def own(self) -> tuple[int, ...]:
        """Numbers of its segments."""
        return tuple(number for number in (self.emotion, self.cause, self.segment) if number is not None)

    @property
    def name(self) -> str:
        """The answer in words."""
        if self.label is not None:
            return f"{self.label} in {self.segment}"
        return f"emotion {self.emotion}, cause {self.cause}"

    def strongest(self, most: int) -> list[tuple[int, float]]:
        """The parts (numbers from 1) that matter most and their changes, the largest first, without zeros."""
        known = [(n, change) for n, change in enumerate(self.changes or (), start=1) if change]
        return sorted(known, key=lambda item: (-abs(item[1]), item[0]))[:most]

    def strongest_tokens(self, most: int, each: int) -> list[tuple[int, list[tuple[str, float]]]]:
        """The segments (numbers from 1) whose tokens matter most, and the strongest tokens of each, without zeros.

        Args:
            most: Segments that are listed, by the sum of the absolute values of their tokens.
            each: Tokens of a segment that are listed.
        """
        known = [
            (n, [(text, value) for text, value in tokens if value])
            for n, tokens in enumerate(self.tokens or (), start=1)
        ]
        known.sort(key=lambda item: (-sum(abs(value) for _, value in item[1]), item[0]))
        return [
            (n, sorted(tokens, key=lambda item: -abs(item[1]))[:each]) for n, tokens in known[:most] if tokens
        ]


class Clue(_Form):
    """What a method itself says of its reading.

    Args:
        name: What the values are.
        tokens: For each segment its tokens with a value from 0 to 1.
        segments: For each segment a value from 0 to 1; null without one.
    """

    name: str
    tokens: tuple[tuple[Token, ...], ...] | None = None
    segments: tuple[FiniteFloat | None, ...] | None = None


class Explanation(_Form):
    """One text, its answers, and what they rest on.

    Args:
        format: Name of this form.
        id: Id of the text.
        method: Id of the method; null in rows of `annotate`.
        parts: Its parts.
        answers: Answers of the method.
        clues: What the method itself says of its reading.
        truncated: Segments that the method did not read to their end.
    """

    format: Literal["ecpe-zoo explanation 1"] = FORMAT
    id: str
    method: str | None = None
    parts: tuple[Part, ...]
    answers: tuple[Answer, ...]
    clues: tuple[Clue, ...] = ()
    truncated: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        segments = max((part.segment for part in self.parts), default=0)
        for answer in self.answers:
            if not all(1 <= number <= segments for number in answer.own):
                raise ValueError(f"expected numbers from 1 to {segments}, but got {answer.name}")
            if answer.changes is not None and len(answer.changes) != len(self.parts):
                raise ValueError(f"expected {len(self.parts)} changes, but got {len(answer.changes)}")
            if answer.tokens is not None and len(answer.tokens) != segments:
                raise ValueError(f"expected tokens of {segments} segments, but got {len(answer.tokens)}")
        for clue in self.clues:
            for values in (clue.tokens, clue.segments):
                if values is not None and len(values) != segments:
                    raise ValueError(f"expected clues of {segments} segments, but got {len(values)}")
        return self

    @property
    def segmented(self) -> bool:
        """Whether each part is a segment."""
        return [part.segment for part in self.parts] == list(range(1, len(self.parts) + 1))

    def line(self) -> str:
        """The explanation as a line of JSON, without a line end."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), ensure_ascii=False)


def explanation_of(row: Mapping[str, Any]) -> Explanation:
    """An explanation, or a row of `annotate` as one.

    Raises:
        ValueError: neither of both.
    """
    if "format" in row:
        return Explanation.model_validate(dict(row))
    try:
        parts, answers = _annotated(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a row of ecpe-zoo annotate, but got no sound {error}") from error
    truncated = row.get("truncated", 0)
    return Explanation.model_validate(
        {"id": row["id"], "parts": parts, "answers": answers, "truncated": truncated}
    )


def _annotated(row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Parts and answers of a row of `annotate`."""
    if "clauses" in row:
        parts = [{"segment": number, "text": text} for number, text in enumerate(row["clauses"], start=1)]
        answers = [
            {"emotion": p["emotion"], "cause": p["cause"], "score": p["probability"]} for p in row["pairs"]
        ]
        return parts, answers
    segments = row.get("segments", [row])
    parts = [
        {"segment": number, "text": segment["text"], "speaker": segment.get("speaker")}
        for number, segment in enumerate(segments, start=1)
    ]
    answers = []
    for number, segment in enumerate(segments, start=1):
        if "emotion" in segment:
            found = {} if segment["emotion"] is None else {segment["emotion"]: segment["probability"]}
            given = True
        else:
            found = {label: value / STRONGEST for label, value in segment["emotions"].items()}
            given = segment["above_threshold"]
        answers += [
            {"segment": number, "label": label, "score": score, "given": given}
            for label, score in found.items()
        ]
    return parts, answers


def read_explanations(path: Path) -> Iterator[Explanation]:
    """The rows of a file that `annotate` or `explain` wrote, one at a time.

    Raises:
        ZooError: there is no such file.
        CorpusError: a line that is no such row.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ZooError(f"{path}: expected rows of annotate or explain, but got: {error.strerror}.") from error
    with file:
        for number, raw in enumerate(file, start=1):
            text = raw.decode("utf-8", "replace").strip()
            if not text:
                continue
            expected = "a row that ecpe-zoo annotate or explain writes as JSONL"
            try:
                row = json.loads(text)
                if not isinstance(row, Mapping):
                    raise CorpusError(path, number, expected, shown(text))
                yield explanation_of(row)
            except ValidationError as error:
                first = error.errors(include_url=False, include_context=False)[0]
                place = ".".join(map(str, first["loc"]))
                problem = f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
                raise CorpusError(path, number, expected, visible(problem)) from None
            except (ValueError, RecursionError):
                raise CorpusError(path, number, expected, shown(text)) from None
