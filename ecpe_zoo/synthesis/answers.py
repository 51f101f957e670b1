"""JSON answers of a language model: found in the text around them and held against a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


class AnswerError(Exception):
    """An answer that does not serve: the message says what was expected and what was got."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Character(_Answer):
    """Someone in a narrative, and what happens to them."""

    name: Text
    description: Text
    events: Annotated[list[Text], Field(min_length=1)]


class Cast(_Answer):
    """The characters of a narrative."""

    characters: Annotated[list[Character], Field(min_length=1)]

    @field_validator("characters")
    @classmethod
    def _names_differ(cls, characters: list[Character]) -> list[Character]:
        names = [character.name.lower() for character in characters]
        if len(set(names)) < len(names):
            raise ValueError("expected every character once")
        return characters


class Line(_Answer):
    """What is said in one scene."""

    scene: int
    context: Text
    utterance: Text


class Lines(_Answer):
    """Utterances, at most one a scene."""

    utterances: Annotated[list[Line], Field(min_length=1)]


class Judgement(_Answer):
    """Soft labels by the names that the model gives, and how strongly the text expresses them."""

    labels: dict[str, Score]
    expressiveness: Score

    @field_validator("labels", mode="before")
    @classmethod
    def _from_list(cls, labels: Any) -> Any:
        """Some models give a list of label and score in place of an object."""
        if isinstance(labels, list) and all(
            isinstance(one, dict) and {"label", "score"} <= set(one) for one in labels
        ):
            return {one["label"]: one["score"] for one in labels}
        return labels


class Rewriting(_Answer):
    """An utterance said in another way."""

    utterance: Text


AnswerT = TypeVar("AnswerT", bound=_Answer)


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in a text, whatever stands around it; what a model thought aloud is passed over.

    >>> list(objects_in('Sure! ```json {"a": {"b": 1}} ``` and {"c": 2}, {broken'))
    [{'a': {'b': 1}}, {'c': 2}]
    """
    text = _THOUGHT.sub("", text)
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            end = position + 1
        else:
            yield value
        position = text.find("{", end)


def read_answer(
    text: str, schema: type[AnswerT], check: Callable[[AnswerT], str | None] = lambda answer: None
) -> AnswerT:
    """The first object in the text that follows the schema.

    Args:
        text: what the model said.
        schema: of the object.
        check: says what is wrong beyond the schema, or None.

    Raises:
        AnswerError: there is none; the message tells of the first object.

    >>> read_answer('{"utterance": "Fine."}', Rewriting).utterance
    'Fine.'
    """
    wrong: list[str] = []
    for value in objects_in(text):
        try:
            answer = schema.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            wrong.append(f"{place or 'the object'}: {first['msg']}, but got {str(first['input'])[:80]!r}")
            continue
        if (problem := check(answer)) is None:
            return answer
        wrong.append(problem)
    raise AnswerError(wrong[0] if wrong else "expected a JSON object, but got none")
