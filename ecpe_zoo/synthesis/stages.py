"""The steps from a passage to labelled texts.

Every step is a generator that yields requests, is sent their replies, and returns the steps that follow. `scheduler`
decides whether a reply comes from a model or from the journal, so that the run that asks the model and the pass that
writes the subsets cannot differ.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from ecpe_zoo.synthesis.answers import (
    AnswerError,
    AnswerT,
    Cast,
    Character,
    Judgement,
    Lines,
    Rewriting,
    read_answer,
)
from ecpe_zoo.synthesis.checks import named_emotion, quoted_words
from ecpe_zoo.synthesis.duplicates import FEWEST_WORDS, words
from ecpe_zoo.synthesis.items import SUBSETS as SUBSETS
from ecpe_zoo.synthesis.items import About, Aside, Item, Outcome, Passage, Subset, Trace
from ecpe_zoo.synthesis.items import Settings as Settings
from ecpe_zoo.synthesis.language_model import Reply, Request
from ecpe_zoo.synthesis.prompting import Prompt, Prompts
from ecpe_zoo.synthesis.taxonomy import EMOTIONS, NEUTRAL, map_scores

T = TypeVar("T")
Asking = Generator[Request, Reply | None, T]
Step = Generator[Request, Reply | None, list["Step"]]  # type: ignore[misc]  # mypy knows no recursive generator alias
Scene = tuple[Character, str]
"""A character and an event."""
_RETRY_TEMPERATURE = 0.5  # at least: a judge at temperature 0 would give the same unusable answer again


@dataclass(frozen=True, slots=True)
class _Draft:
    """An utterance that is not yet accepted.

    Args:
        place: Names it in ids.
        emotion: The emotion that it was written for.
        text: The utterance.
        context: The situation before it.
        character: Who says it, with a description.
        narrative: Id of the narrative.
        stages: The requests that led to it, the last of which wrote it.
    """

    place: str
    emotion: str
    text: str
    context: str
    character: str
    narrative: str
    stages: tuple[Trace, ...]

    @property
    def variables(self) -> dict[str, Any]:
        """What the templates of judging and rewriting may use."""
        return {
            "emotions": EMOTIONS,
            "emotion": self.emotion,
            "gloss": EMOTIONS[self.emotion],
            "context": self.context,
            "character": self.character,
            "utterance": self.text,
        }

    def about(self, subset: Subset) -> About:
        """The draft as a text of a subset."""
        return About(self.place, self.emotion, subset)


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
        settings: Settings of the run.
        prompts: Templates of the run.
        model: Name of the model.
        outcome: Receives what is found.
    """

    def __init__(self, settings: Settings, prompts: Prompts, model: str, outcome: Outcome) -> None:
        self.settings, self.prompts, self.model, self.outcome = settings, prompts, model, outcome

    def passage(self, passage: Passage) -> Step:
        """Find characters and events; utterances for each emotion follow."""
        s = self.settings
        variables = {"narrative": passage.text, "characters": s.characters, "events": s.events}
        found = yield from self._ask("cast", About(passage.place), Cast, variables)
        if found is None:
            return []
        cast, trace = found
        scenes = [(one, event) for one in cast.characters[: s.characters] for event in one.events[: s.events]]
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
        self, passage: Passage, emotion: str, first: int, scenes: list[Scene], cast: Trace
    ) -> Step:
        """Write an utterance for each scene; `first` is the number of the first of them."""
        numbered = [
            {"number": number, "character": one.name, "description": one.description, "event": event}
            for number, (one, event) in enumerate(scenes, start=1)
        ]
        variables = {"emotion": emotion, "gloss": EMOTIONS[emotion], "scenes": numbered}

        def check(answer: Lines) -> str | None:
            given = [line.scene for line in answer.utterances]
            if len(set(given)) < len(given) or not set(given) <= set(range(1, len(scenes) + 1)):
                return f"expected each scene from 1 to {len(scenes)} at most once, but got scenes {given}"
            return None

        about = About(f"{passage.place}/{emotion}/{first}", emotion)
        found = yield from self._ask("utterances", about, Lines, variables, check)
        if found is None:
            return []
        answer, trace = found
        lines = {line.scene: line for line in answer.utterances}
        steps: list[Step] = []
        for number, (one, _) in enumerate(scenes, start=1):
            place = f"{passage.place}/{emotion}/{first + number - 1}"
            if (line := lines.get(number)) is None:
                detail = f"expected {len(scenes)} utterances, but got {len(lines)}"
                self._lose("scene not written", detail, About(place, emotion), trace)
                continue
            character, stages = f"{one.name}. {one.description}", (cast, trace)
            draft = _Draft(place, emotion, line.utterance, line.context, character, passage.narrative, stages)
            steps += [self.alone(draft), self.in_context(draft)]
        return steps

    def alone(self, draft: _Draft) -> Step:
        """Judge the utterance by itself: `orig`."""
        judged = yield from self._judge("orig", draft)
        if judged is not None:
            self._accept("orig", replace(draft, context="", character=""), judged)
        return []

    def in_context(self, draft: _Draft) -> Step:
        """Judge the utterance in its context, `corig`; rewrite what is kept and judge that again, `crewr`."""
        if not self._context_serves("corig", draft):
            return []
        judged = yield from self._judge("corig", draft)
        if judged is None:
            return []
        self._accept("corig", draft, judged)

        def check(answer: Rewriting) -> str | None:
            same = words(answer.utterance) == words(draft.text)
            return "expected other words, but got the same utterance" if same else None

        found = yield from self._ask("rewrite", draft.about("crewr"), Rewriting, draft.variables, check)
        if found is not None:
            answer, trace = found
            yield from self._rewritten(replace(draft, text=answer.utterance, stages=(*draft.stages, trace)))
        return []

    def _rewritten(self, draft: _Draft) -> Asking[None]:
        """Judge a rewriting with its context and without it, and keep it if it needs the context."""
        if not self._context_serves("crewr", draft):
            return
        judged = yield from self._judge("crewr", draft)
        if judged is None:
            return
        share, label = self.settings.alone_score, judged.strongest
        if not share or label == NEUTRAL:  # a neutral text reads alike with and without a context
            self._accept("crewr", draft, judged)
            return
        about = draft.about("crewr")
        place = f"{draft.place}/crewr/alone"
        found = yield from self._ask("labels", about._replace(place=place), Judgement, draft.variables)
        if found is None:
            return
        judgement, trace = found
        alone = map_scores(judgement.labels)[0].get(label, 0.0)
        if alone >= share * judged.labels[label]:
            detail = f"{label} {alone:g} without the context, {judged.labels[label]:g} with it"
            self._lose("needs no context", detail, about, trace, draft.text)
        else:
            self._accept("crewr", draft, judged, alone, (trace,))

    def _context_serves(self, subset: Subset, draft: _Draft) -> bool:
        """Whether the context neither names the emotion nor quotes the utterance."""
        if found := named_emotion(draft.context, draft.emotion, draft.character):
            reason = "context names the emotion"
        elif found := quoted_words(draft.context, draft.text):
            reason = "context quotes the utterance"
        else:
            return True
        detail = f"{found!r} in: {draft.context}"
        self._lose(reason, detail, draft.about(subset), draft.stages[-1], draft.text)
        return False

    def _judge(self, subset: Subset, draft: _Draft) -> Asking[_Judged | None]:
        """Soft labels and the filter; None if the text is not kept."""
        about = draft.about(subset)
        stage: Prompt = "labels" if subset == "orig" else "labels_in_context"
        place = f"{draft.place}/{subset}"
        found = yield from self._ask(stage, about._replace(place=place), Judgement, draft.variables)
        if found is None:
            return None
        judgement, trace = found
        labels, mapped, dropped = map_scores(judgement.labels)
        self.outcome.count_names(mapped, dropped)
        judged = _Judged(labels, judgement.expressiveness, trace)
        if not labels:
            names = ", ".join(judgement.labels) or "none"
            reason = "no label of the taxonomy"
            detail = f"expected a label of the taxonomy above 0, but got: {names}"
        elif judged.expressiveness < self.settings.min_expressiveness and judged.strongest != NEUTRAL:
            reason, detail = "inexpressive", f"expressiveness {judged.expressiveness:g} of {judged.strongest}"
        else:
            return judged
        self._lose(reason, detail, about, trace, draft.text)
        return None

    def _accept(
        self,
        subset: Subset,
        draft: _Draft,
        judged: _Judged,
        alone: float | None = None,
        more: tuple[Trace, ...] = (),
    ) -> None:
        item = Item(
            subset=subset,
            place=draft.place,
            text=draft.text,
            context=draft.context,
            character=draft.character,
            labels=judged.labels,
            expressiveness=judged.expressiveness,
            alone=alone,
            asked=draft.emotion,
            narrative=draft.narrative,
            model=self.model,
            stages=(*draft.stages, judged.trace, *more),
        )
        self.outcome.accept(item)

    def _lose(self, reason: str, detail: str, about: About, trace: Trace, answer: str = "") -> None:
        self.outcome.put_aside(Aside.of(reason, detail, about, trace, answer))

    def _ask(
        self,
        stage: Prompt,
        about: About,
        schema: type[AnswerT],
        variables: dict[str, Any],
        check: Callable[[AnswerT], str | None] = lambda answer: None,
    ) -> Asking[tuple[AnswerT, Trace] | None]:
        """Repeat a request with new seeds until the answer is usable; None if it never is."""
        s = self.settings
        system, user = self.prompts.render(stage, **variables)
        example = self.prompts.example(stage)
        usual = s.judge_temperature if schema is Judgement else s.temperature
        problem = said = ""

        def own_words(answer: AnswerT) -> str | None:
            copied = (text for text in answer.texts if text in example and len(words(text)) >= FEWEST_WORDS)
            if (text := next(copied, None)) is not None:
                return f"expected own words, but got those of the prompt's example: {text[:80]!r}"
            return check(answer)

        for attempt in range(s.attempts):
            request = Request(
                model=self.model,
                system=system,
                user=user,
                seed=_seed(s.seed, about.place, stage, str(attempt)),
                temperature=max(usual, _RETRY_TEMPERATURE) if attempt else usual,
                max_tokens=s.max_tokens,
                extra=s.extra,
                stage=stage,
                attempt=attempt,
            )
            trace = Trace(stage, request.hash, request.prompt_hash, request.seed, attempt)
            reply = yield request
            if reply is None:
                detail = "no answer after all retries; the same command asks again"
                self._lose("unanswered", detail, about, trace)
                return None
            if reply.refused:
                self._lose("refused", reply.refused, about, trace)
                return None
            try:
                answer, mended = read_answer(reply.text, schema, own_words)
                self.outcome.count_mended(stage, mended)
                return answer, trace
            except AnswerError as error:
                problem, said = str(error), reply.text
                if reply.finish == "length":
                    problem += f" (the answer was cut off at {s.max_tokens} tokens)"
        self._lose("malformed answer", f"{problem}; asked {s.attempts} times", about, trace, said)
        return None


def _seed(*parts: object) -> int:
    """31 bits, which every server takes, from a run's seed and a place in it."""
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).digest()
    return int.from_bytes(digest[:4]) & 0x7FFFFFFF
