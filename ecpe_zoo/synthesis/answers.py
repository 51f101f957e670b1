"""JSON answers of a language model: found in the text around them, mended and checked against a schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from ecpe_zoo.synthesis.loose_json import CUT, find_json

BARE_LIST = "bare list"
BARE_OBJECTS = "single objects"
LABEL_LIST = "labels as a list"
TEN_POINTS = "scores from 0 to 10"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)


class AnswerError(Exception):
    """An answer that cannot be used: the message says what was expected and what was got."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    listed: ClassVar[str] = ""
    """The field whose list may come without the object around it, and may be cut."""

    @classmethod
    def mend(cls, value: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        """Bring the object into the form of the schema; also the kinds of faults that were mended."""
        return value, frozenset()

    @property
    def texts(self) -> list[str]:
        """The texts that the model wrote."""
        return []


class Character(_Answer):
    """A character in a narrative, with events."""

    name: Text
    description: Text
    events: Annotated[list[Text], Field(min_length=1)]


class Cast(_Answer):
    """The characters of a narrative."""

    listed: ClassVar[str] = "characters"

    characters: Annotated[list[Character], Field(min_length=1)]

    @field_validator("characters")
    @classmethod
    def _names_differ(cls, characters: list[Character]) -> list[Character]:
        names = [character.name.lower() for character in characters]
        if len(set(names)) < len(names):
            raise ValueError("expected every character once")
        return characters

    @property
    def texts(self) -> list[str]:
        """Descriptions and events."""
        return [text for one in self.characters for text in (one.description, *one.events)]


class Line(_Answer):
    """What is said in a scene."""

    scene: int
    context: Text
    utterance: Text


class Lines(_Answer):
    """Utterances, at most one for each scene."""

    listed: ClassVar[str] = "utterances"

    utterances: Annotated[list[Line], Field(min_length=1)]

    @property
    def texts(self) -> list[str]:
        """Contexts and utterances."""
        return [text for line in self.utterances for text in (line.context, line.utterance)]


class Judgement(_Answer):
    """Soft labels by the names that the model gives, and how strongly the text expresses them."""

    labels: dict[str, Score]
    expressiveness: Score

    @classmethod
    def mend(cls, value: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        """Read a list of label and score as an object, and scores from 0 to 10 as tenths.

        Labels and expressiveness may have scales of their own. A 1 among scores from 0 to 10 may mean a tenth or
        all of it: then nothing is changed, and the schema refuses the answer.
        """
        labels, expressiveness = value.get("labels"), _number(value.get("expressiveness"))
        mended: set[str] = set()
        if isinstance(labels, list) and all(map(_is_label, labels)):
            labels = {one["label"]: one["score"] for one in labels}
            mended.add(LABEL_LIST)
        scores = {name: _number(score) for name, score in labels.items()} if isinstance(labels, dict) else {}
        most = max(scores.values(), default=0.0)
        in_range = all(0 <= score <= 10 for score in (*scores.values(), expressiveness))
        ambiguous = {most, expressiveness} > {1.0} and max(most, expressiveness) > 1
        if in_range and not ambiguous:
            if most >= 2:
                labels = {name: score / 10 for name, score in scores.items()}
                mended.add(TEN_POINTS)
            if expressiveness >= 2:
                value = value | {"expressiveness": expressiveness / 10}
                mended.add(TEN_POINTS)
        return value | {"labels": labels} if "labels" in value else value, frozenset(mended)


def _is_label(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("label"), str) and "score" in value


def _number(value: Any) -> float:
    """A score; NaN if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan


class Rewriting(_Answer):
    """An utterance said in another way."""

    utterance: Text

    @property
    def texts(self) -> list[str]:
        """The utterance."""
        return [self.utterance]


AnswerT = TypeVar("AnswerT", bound=_Answer)


def read_answer(
    text: str, schema: type[AnswerT], check: Callable[[AnswerT], str | None] = lambda answer: None
) -> tuple[AnswerT, frozenset[str]]:
    """The first object in the text that follows the schema, and the kinds of faults that were mended in it.

    Reasoning in `<think>` tags is skipped. In addition to the faults that `find_json` mends, a list may lack the
    object around it, and objects the list around them.

    Args:
        text: What the model said.
        schema: Schema of the object.
        check: Says what is wrong beyond the schema, or None.

    Raises:
        AnswerError: there is no such object; the message describes the first one.

    >>> read_answer('{"utterance": "Fine.",}', Rewriting)
    (Rewriting(utterance='Fine.'), frozenset({'trailing comma'}))
    """
    wrong: list[str] = []
    for value, mended in _candidates(_THOUGHT.sub("", text), schema):
        value, more = schema.mend(value)
        try:
            answer = schema.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            wrong.append(f"{place or 'the object'}: {first['msg']}, but got {str(first['input'])[:80]!r}")
            continue
        if (problem := check(answer)) is None:
            return answer, mended | more
        wrong.append(problem)
    raise AnswerError(wrong[0] if wrong else "expected a JSON object, but got none")


def _candidates(text: str, schema: type[_Answer]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Objects that may be the answer, each with what was mended."""
    rest: list[dict[str, Any]] = []
    faults: frozenset[str] = frozenset()
    for found in find_json(text):
        if isinstance(found.value, dict):
            if found.partial and found.partial != schema.listed:
                del found.value[found.partial]
            yield found.value, found.mended
            if CUT not in found.mended:
                rest.append(found.value)
                faults |= found.mended
            continue
        objects = [value for value in found.value if isinstance(value, dict)]
        if objects and schema.listed:
            yield {schema.listed: found.value}, found.mended | {BARE_LIST}
        for value in objects:
            yield value, found.mended | {BARE_LIST}
    if rest and schema.listed:
        yield {schema.listed: rest}, faults | {BARE_OBJECTS}
