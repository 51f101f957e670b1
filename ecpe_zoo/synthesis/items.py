"""What the steps of a run are about: settings, passages, accepted texts, and what was dropped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from ecpe_zoo.synthesis.prompting import Prompt
from ecpe_zoo.synthesis.taxonomy import EMOTIONS

Subset = Literal["orig", "corig", "crewr"]
SUBSETS: tuple[Subset, ...] = ("orig", "corig", "crewr")
_WRITTEN: dict[Subset, int] = {"orig": 1, "corig": 1, "crewr": 2}  # index in an item's `stages`


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the requests and what is kept; plain values.

    Args:
        emotions: Emotions to write about.
        per_emotion: Utterances for each emotion and passage.
        seed: Seed of everything that is drawn.
        attempts: Attempts at a question, each with another seed, until the answer is usable.
        characters: Most characters taken from a passage.
        events: Most events of a character.
        scenes_per_request: Utterances written in one request.
        passage_characters: Length above which narratives are cut.
        max_tokens: Most tokens of an answer.
        temperature: Temperature of writing.
        judge_temperature: Temperature of judging.
        min_expressiveness: Flatter texts are dropped unless they are neutral.
        alone_score: A rewriting is dropped if, read without its context, the label that is strongest with it has at
            least this share of its score with it, unless that label is neutral; 0 skips the question.
        near_duplicate: Jaccard similarity of word 3-grams from which the later of two texts is dropped.
        validation_share: Share of the narratives for validation.
        test_share: Share of the narratives for test.
        extra: Further fields of the server's request, as JSON.
    """

    emotions: tuple[str, ...] = tuple(EMOTIONS)
    per_emotion: int = 4
    seed: int = 0
    attempts: int = 3
    characters: int = 4
    events: int = 3
    scenes_per_request: int = 4
    passage_characters: int = 6000
    max_tokens: int = 1500
    temperature: float = 0.9
    judge_temperature: float = 0.0
    min_expressiveness: float = 0.3
    alone_score: float = 1.0
    near_duplicate: float = 0.7
    validation_share: float = 0.1
    test_share: float = 0.1
    extra: str = ""

    @property
    def writing_requests(self) -> int:
        """Requests for utterances of one emotion and passage."""
        return -(-self.per_emotion // self.scenes_per_request)


@dataclass(frozen=True, slots=True)
class Passage:
    """A narrative or a part of one."""

    narrative: str
    number: int
    text: str

    @property
    def place(self) -> str:
        """Names the passage in ids."""
        return f"{self.narrative}/{self.number}"


class Trace(NamedTuple):
    """The request from which something came."""

    stage: Prompt
    request: str
    prompt_hash: str
    seed: int
    attempt: int


class About(NamedTuple):
    """What a request is for: a place in ids, an emotion (empty for a passage), a subset (empty for all)."""

    place: str
    emotion: str = ""
    subset: Subset | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An accepted text.

    Args:
        subset: Subset that it belongs to.
        place: Id shared by the same text with and without context, and its rewriting.
        text: The utterance.
        context: The situation before it; empty in `orig`.
        character: Speaker, with a description; empty in `orig`.
        labels: Scores above 0 by emotion.
        expressiveness: Expressiveness in [0, 1].
        alone: Score of a rewriting's strongest label without the context; None if there is none.
        asked: The emotion that the text was written for.
        narrative: Id of the narrative.
        model: The model that wrote and judged.
        stages: All requests that led to it.
    """

    subset: Subset
    place: str
    text: str
    context: str
    character: str
    labels: dict[str, float]
    expressiveness: float
    alone: float | None
    asked: str
    narrative: str
    model: str
    stages: tuple[Trace, ...]

    @property
    def id(self) -> str:
        """Unique in all subsets, so that one corpus may hold several of them."""
        return f"{self.place}/{self.subset}"

    @property
    def trace(self) -> Trace:
        """The request that wrote the text."""
        return self.stages[_WRITTEN[self.subset]]

    def as_row(self) -> dict[str, Any]:
        """A line of the subset's file: each label is a column of its own, as the reader of tables needs it."""
        values = asdict(self)
        for name in ("subset", "labels", "stages"):
            del values[name]
        return {
            "id": self.id,
            **values,
            "prompt_hash": self.trace.prompt_hash,
            "seed": self.trace.seed,
            "stages": [trace._asdict() for trace in self.stages],
            **{name: self.labels.get(name, 0.0) for name in EMOTIONS},
        }


@dataclass(frozen=True, slots=True)
class Aside:
    """Something that was not kept.

    Args:
        reason: Short phrase from a fixed set; occurrences are counted.
        detail: Exact reason.
        place: See `About`.
        stage: Stage in which it was lost.
        emotion: See `About`.
        subset: See `About`.
        answer: The model's answer, or the text.
        request: Hash of the last request.
        seed: Seed of the last request.
    """

    reason: str
    detail: str
    place: str
    stage: str
    emotion: str = ""
    subset: str = ""
    answer: str = ""
    request: str = ""
    seed: int = 0

    @classmethod
    def of(cls, reason: str, detail: str, about: About, trace: Trace, answer: str = "") -> Aside:
        """What was lost at a request."""
        place, emotion, subset = about
        return cls(reason, detail, place, trace.stage, emotion, subset, answer, trace.request, trace.seed)


class Outcome:
    """Takes what the steps find; this one drops it."""

    def accept(self, item: Item) -> None:
        """Take an accepted text."""

    def put_aside(self, aside: Aside) -> None:
        """Take what is not kept."""

    def count_names(self, mapped: list[str], dropped: list[str]) -> None:
        """Count label names outside the taxonomy."""

    def count_mended(self, stage: str, kinds: Collection[str]) -> None:
        """Count the faults that were mended in an answer."""
