"""What is asked of a narrative, one step after the other.

Every step is a generator that yields requests, is sent their replies, and returns the steps that follow. It asks
nobody itself: `scheduler` decides whether a reply comes from a model or from the journal, so that the run that asks
and the pass that writes the subsets cannot differ.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Collection, Generator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol

from ecpe_zoo.synthesis.answers import (
    AnswerError,
    AnswerT,
    Cast,
    Judgement,
    Lines,
    Rewriting,
    read_answer,
)
from ecpe_zoo.synthesis.checks import named_emotion, quoted_words
from ecpe_zoo.synthesis.duplicates import FEWEST_WORDS, words
from ecpe_zoo.synthesis.language_model import Reply, Request
from ecpe_zoo.synthesis.prompting import Prompt, Prompts
from ecpe_zoo.synthesis.taxonomy import EMOTIONS, NEUTRAL, map_scores

Subset = Literal["orig", "corig", "crewr"]
SUBSETS: tuple[Subset, ...] = ("orig", "corig", "crewr")
Step = Generator[Request, Reply | None, list["Step"]]  # type: ignore[misc]  # mypy knows no recursive generator alias
_WRITTEN: dict[Subset, int] = {"orig": 1, "corig": 1, "crewr": 2}  # index in an item's `stages`
_RETRY_TEMPERATURE = 0.5  # at least: a judge at temperature 0 would give the same unusable answer again


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the requests and what is kept; plain values.

    Args:
        emotions: that are asked for.
        per_emotion: utterances asked for each emotion and passage.
        seed: of everything that is drawn.
        attempts: times a question is asked, with another seed each, until the answer serves.
        characters: most characters taken from a passage.
        events: most events of a character.
        scenes_per_request: utterances asked for at once.
        passage_characters: longer narratives are cut.
        max_tokens: of an answer.
        temperature: for writing.
        judge_temperature: for judging.
        min_expressiveness: flatter texts are put aside unless they are neutral.
        alone_score: a rewriting is put aside if, read without its context, the label that is strongest with it has at
            least this share of its score with it, unless that label is neutral; 0 leaves the question out.
        near_duplicate: Jaccard similarity of word 3-grams from which the later of two texts is put aside.
        validation_share: of the narratives.
        test_share: of the narratives.
        extra: further fields of the server's request, as JSON.
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


@dataclass(frozen=True, slots=True)
class Item:
    """An accepted text.

    Args:
        subset: where it belongs.
        place: shared by the same text with and without context, and its rewriting.
        text: the utterance.
        context: the situation before it; empty in `orig`.
        character: who says it, with a description; empty in `orig`.
        labels: scores above 0 by emotion.
        expressiveness: in [0, 1].
        alone: of a rewriting, the score of its strongest label without the context; None where it was not asked.
        asked: the emotion that was asked for.
        narrative: its id.
        model: that wrote and judged.
        written: index in `stages` of the request that wrote the text.
        stages: all requests that led to it.
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
    written: int
    stages: tuple[Trace, ...]

    @property
    def id(self) -> str:
        """Unique in all subsets, so that one corpus may hold several of them."""
        return f"{self.place}/{self.subset}"

    def as_row(self) -> dict[str, Any]:
        """A line of the subset's file: each label is a column of its own, as the reader of tables wants it."""
        left_out = ("subset", "labels", "written", "stages")
        row: dict[str, Any] = {"id": self.id}
        row |= {name: value for name, value in asdict(self).items() if name not in left_out}
        trace = self.stages[self.written]
        row |= {"prompt_hash": trace.prompt_hash, "seed": trace.seed}
        row |= {"stages": [one._asdict() for one in self.stages]}
        return row | {name: self.labels.get(name, 0.0) for name in EMOTIONS}


@dataclass(frozen=True, slots=True)
class Aside:
    """Something that was not kept.

    Args:
        reason: one of few words, which are counted.
        detail: what exactly.
        place: of what was asked for.
        stage: in which it was lost.
        emotion: that was asked for; empty for a whole passage.
        subset: that lost a text; empty where all did.
        answer: what the model said, as it stands.
        request: the hash of the last request.
        seed: of the last request.
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


class Outcome(Protocol):
    """Takes what the steps find."""

    def accept(self, item: Item) -> None: ...  # noqa: D102
    def put_aside(self, aside: Aside) -> None: ...  # noqa: D102
    def count_names(self, mapped: list[str], dropped: list[str]) -> None: ...  # noqa: D102
    def count_mended(self, stage: str, kinds: Collection[str]) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Draft:
    """An utterance on its way."""

    place: str
    emotion: str
    text: str
    context: str
    character: str
    narrative: str
    stages: tuple[Trace, ...] = field(default=())


class _Judged(NamedTuple):
    """Labels that passed the filter."""

    labels: dict[str, float]
    expressiveness: float
    trace: Trace

    @property
    def strongest(self) -> str:
        return max(self.labels, key=lambda label: self.labels[label])


class Stages:
    """The steps of one run.

    Args:
        settings: of the run.
        prompts: of the run.
        model: its name.
        outcome: takes what is found.
    """

    def __init__(self, settings: Settings, prompts: Prompts, model: str, outcome: Outcome) -> None:
        self.settings, self.prompts, self.model, self.outcome = settings, prompts, model, outcome

    def passage(self, passage: Passage) -> Step:
        """Characters and events, and then utterances for each emotion."""
        s = self.settings
        variables = {"narrative": passage.text, "characters": s.characters, "events": s.events}
        found = yield from self._ask("cast", passage.place, Cast, variables)
        if found is None:
            return []
        cast, trace = found
        scenes = [
            (
                f"{one.name}. {one.description}",
                {"character": one.name, "description": one.description, "event": event},
            )
            for one in cast.characters[: s.characters]
            for event in one.events[: s.events]
        ]
        steps: list[Step] = []
        for emotion in s.emotions:
            shuffled = list(scenes)
            random.Random(_seed(s.seed, passage.place, "scenes", emotion)).shuffle(shuffled)
            chosen = [shuffled[index % len(shuffled)] for index in range(s.per_emotion)]
            for start in range(0, len(chosen), s.scenes_per_request):
                part = chosen[start : start + s.scenes_per_request]
                steps.append(self.utterances(passage, emotion, start, part, trace))
        return steps

    def utterances(
        self,
        passage: Passage,
        emotion: str,
        first: int,
        scenes: list[tuple[str, dict[str, str]]],
        cast: Trace,
    ) -> Step:
        """One utterance a scene; `first` is the number of the first of them."""
        place = f"{passage.place}/{emotion}/{first}"
        numbered = [{"number": number, **scene} for number, (_, scene) in enumerate(scenes, start=1)]
        variables = {"emotion": emotion, "gloss": EMOTIONS[emotion], "scenes": numbered}

        def check(answer: Lines) -> str | None:
            given = [line.scene for line in answer.utterances]
            if len(set(given)) < len(given) or not set(given) <= set(range(1, len(scenes) + 1)):
                return f"expected each scene from 1 to {len(scenes)} at most once, but got scenes {given}"
            return None

        found = yield from self._ask("utterances", place, Lines, variables, check, emotion)
        if found is None:
            return []
        answer, trace = found
        lines = {line.scene: line for line in answer.utterances}
        steps: list[Step] = []
        for number, (character, _) in enumerate(scenes, start=1):
            draft_place = f"{passage.place}/{emotion}/{first + number - 1}"
            if (line := lines.get(number)) is None:
                detail = f"expected {len(scenes)} utterances, but got {len(lines)}"
                self._aside("scene not written", detail, draft_place, trace, emotion)
                continue
            draft = _Draft(
                draft_place,
                emotion,
                line.utterance,
                line.context,
                character,
                passage.narrative,
                (cast, trace),
            )
            steps += [self.alone(draft), self.in_context(draft)]
        return steps

    def alone(self, draft: _Draft) -> Step:
        """The utterance by itself, judged: `orig`."""
        judged = yield from self._judge("orig", draft)
        if judged is not None:
            self._accept("orig", draft, judged)
        return []

    def in_context(self, draft: _Draft) -> Step:
        """The utterance judged in its context, `corig`; what is kept is rewritten and judged again, `crewr`."""
        if not self._context_serves("corig", draft):
            return []
        judged = yield from self._judge("corig", draft)
        if judged is None:
            return []
        self._accept("corig", draft, judged)
        variables = {
            "emotion": draft.emotion,
            "gloss": EMOTIONS[draft.emotion],
            "context": draft.context,
            "character": draft.character,
            "utterance": draft.text,
        }

        def check(answer: Rewriting) -> str | None:
            same = words(answer.utterance) == words(draft.text)
            return "expected other words, but got the same utterance" if same else None

        found = yield from self._ask(
            "rewrite", draft.place, Rewriting, variables, check, draft.emotion, subset="crewr"
        )
        if found is not None:
            answer, trace = found
            yield from self._rewritten(replace(draft, text=answer.utterance, stages=(*draft.stages, trace)))
        return []

    def _rewritten(self, draft: _Draft) -> Generator[Request, Reply | None, None]:
        """A rewriting is judged with its context and without it, and kept if it needs the context."""
        if not self._context_serves("crewr", draft):
            return
        judged = yield from self._judge("crewr", draft)
        if judged is None:
            return
        share, label = self.settings.alone_score, judged.strongest
        alone: float | None = None
        more: tuple[Trace, ...] = ()
        if share and label != NEUTRAL:  # a neutral text reads alike with and without a context
            variables = {"emotions": EMOTIONS, "utterance": draft.text}
            place = f"{draft.place}/crewr/alone"
            found = yield from self._ask(
                "labels", place, Judgement, variables, emotion=draft.emotion, subset="crewr"
            )
            if found is None:
                return
            judgement, trace = found
            more = (trace,)
            alone = map_scores(judgement.labels)[0].get(label, 0.0)
            if alone >= share * judged.labels[label]:
                detail = f"{label} {alone:g} without the context, {judged.labels[label]:g} with it"
                self._lose("needs no context", detail, draft, trace, "crewr")
                return
        self._accept("crewr", draft, judged, alone, more)

    def _context_serves(self, subset: Subset, draft: _Draft) -> bool:
        """Whether the context neither names the emotion nor quotes the utterance."""
        trace = draft.stages[-1]
        if name := named_emotion(draft.context, draft.emotion, draft.character):
            detail = f"{name!r} in: {draft.context}"
            self._lose("context names the emotion", detail, draft, trace, subset)
            return False
        if quoted := quoted_words(draft.context, draft.text):
            detail = f"{quoted!r} in: {draft.context}"
            self._lose("context quotes the utterance", detail, draft, trace, subset)
            return False
        return True

    def _judge(self, subset: Subset, draft: _Draft) -> Generator[Request, Reply | None, _Judged | None]:
        """Soft labels and the filter; None where the text is not kept."""
        variables: dict[str, object] = {"emotions": EMOTIONS, "utterance": draft.text}
        stage: Prompt = "labels"
        if subset != "orig":
            stage = "labels_in_context"
            variables |= {"context": draft.context, "character": draft.character}
        place = f"{draft.place}/{subset}"
        found = yield from self._ask(stage, place, Judgement, variables, emotion=draft.emotion, subset=subset)
        if found is None:
            return None
        judgement, trace = found
        labels, mapped, dropped = map_scores(judgement.labels)
        self.outcome.count_names(mapped, dropped)
        if not labels:
            names = ", ".join(judgement.labels) or "none"
            detail = f"expected a label of the taxonomy above 0, but got: {names}"
            self._lose("no label of the taxonomy", detail, draft, trace, subset)
            return None
        judged = _Judged(labels, judgement.expressiveness, trace)
        if judged.expressiveness < self.settings.min_expressiveness and judged.strongest != NEUTRAL:
            detail = f"expressiveness {judged.expressiveness:g} of {judged.strongest}"
            self._lose("inexpressive", detail, draft, trace, subset)
            return None
        return judged

    def _accept(
        self,
        subset: Subset,
        draft: _Draft,
        judged: _Judged,
        alone: float | None = None,
        more: tuple[Trace, ...] = (),
    ) -> None:
        self.outcome.accept(
            Item(
                subset,
                draft.place,
                draft.text,
                "" if subset == "orig" else draft.context,
                "" if subset == "orig" else draft.character,
                judged.labels,
                judged.expressiveness,
                alone,
                draft.emotion,
                draft.narrative,
                self.model,
                _WRITTEN[subset],
                (*draft.stages, judged.trace, *more),
            )
        )

    def _lose(self, reason: str, detail: str, draft: _Draft, trace: Trace, subset: Subset) -> None:
        self._aside(reason, detail, draft.place, trace, draft.emotion, subset, draft.text)

    def _ask(
        self,
        stage: Prompt,
        place: str,
        schema: type[AnswerT],
        variables: dict[str, Any],
        check: Callable[[AnswerT], str | None] = lambda answer: None,
        emotion: str = "",
        subset: str = "",
    ) -> Generator[Request, Reply | None, tuple[AnswerT, Trace] | None]:
        """Ask until the answer serves, with another seed each time; None where it never does."""
        s = self.settings
        system, user = self.prompts.render(stage, **variables)
        judging = stage in ("labels", "labels_in_context")
        example = self.prompts.example(stage)
        problem = said = ""

        def own_words(answer: AnswerT) -> str | None:
            copied = (text for text in answer.texts if text in example and len(words(text)) >= FEWEST_WORDS)
            if (text := next(copied, None)) is not None:
                return f"expected own words, but got those of the prompt's example: {text[:80]!r}"
            return check(answer)

        for attempt in range(s.attempts):
            temperature = s.judge_temperature if judging else s.temperature
            request = Request(
                model=self.model,
                system=system,
                user=user,
                seed=_seed(s.seed, place, stage, str(attempt)),
                temperature=max(temperature, _RETRY_TEMPERATURE) if attempt else temperature,
                max_tokens=s.max_tokens,
                extra=s.extra,
                stage=stage,
                attempt=attempt,
            )
            trace = Trace(stage, request.hash, request.prompt_hash, request.seed, attempt)
            reply = yield request
            if reply is None:
                detail = "no answer after all retries; the same command asks again"
                self._aside("unanswered", detail, place, trace, emotion, subset)
                return None
            if reply.refused:
                self._aside("refused", reply.refused, place, trace, emotion, subset)
                return None
            try:
                answer, mended = read_answer(reply.text, schema, own_words)
                self.outcome.count_mended(stage, mended)
                return answer, trace
            except AnswerError as error:
                problem, said = str(error), reply.text
                if reply.finish == "length":
                    problem += f" (the answer was cut off at {s.max_tokens} tokens)"
        detail = f"{problem}; asked {s.attempts} times"
        self._aside("malformed answer", detail, place, trace, emotion, subset, said)
        return None

    def _aside(
        self,
        reason: str,
        detail: str,
        place: str,
        trace: Trace,
        emotion: str = "",
        subset: str = "",
        answer: str = "",
    ) -> None:
        self.outcome.put_aside(
            Aside(reason, detail, place, trace.stage, emotion, subset, answer, trace.request, trace.seed)
        )


def _seed(*parts: object) -> int:
    """31 bits, which every server takes, from a run's seed and a place in it."""
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).digest()
    return int.from_bytes(digest[:4]) & 0x7FFFFFFF
