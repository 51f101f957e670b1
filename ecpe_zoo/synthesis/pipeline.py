"""From narratives to the three subsets: one call, which resumes a killed run."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.corpus import SPLITS
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.synthesis.items import Outcome, Passage, Settings
from ecpe_zoo.synthesis.journal import Journal
from ecpe_zoo.synthesis.language_model import LanguageModel, Reply, Request
from ecpe_zoo.synthesis.narratives import Narrative, passages, read_narratives
from ecpe_zoo.synthesis.prompting import PROMPTS, Prompts
from ecpe_zoo.synthesis.scheduler import drive, replay
from ecpe_zoo.synthesis.stages import Stages
from ecpe_zoo.synthesis.subsets import JOURNAL, SUMMARY, Collector, describe, opened, split_narratives
from ecpe_zoo.synthesis.subsets import TestSet as TestSet

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run works on.

    Args:
        path: File or folder of the narratives.
        limit: Most narratives; None for all.
        settings: Settings of the run.
        read: Narratives read.
        duplicates: Narratives left out because an earlier one has the same words.
        passages: Passages of the others.
        keys: Keys of the others.
    """

    path: Path
    limit: int | None
    settings: Settings
    read: int
    duplicates: int
    passages: int
    keys: frozenset[int]

    def narratives(self) -> Iterator[Narrative]:
        """The narratives that are used, read again."""
        seen: set[int] = set()
        for narrative in read_narratives(self.path):
            if self.limit is not None and len(seen) >= self.limit:
                return
            if narrative.key in self.keys and narrative.key not in seen:
                seen.add(narrative.key)
                yield narrative

    def all_passages(self) -> Iterator[tuple[int, Passage]]:
        """Passages in order, each with the key of its narrative."""
        for narrative in self.narratives():
            for number, text in enumerate(passages(narrative.text, self.settings.passage_characters)):
                yield narrative.key, Passage(narrative.id, number, text)

    def requests(self) -> dict[str, int]:
        """Number of requests if every answer is usable and nothing is filtered out."""
        settings = self.settings
        emotions = self.passages * len(settings.emotions)
        texts = emotions * settings.per_emotion
        return {
            "cast": self.passages,
            "utterances": emotions * settings.writing_requests,
            "labels": texts * (2 if settings.alone_score else 1),
            "labels_in_context": 2 * texts,
            "rewrite": texts,
        }


def plan(path: Path, settings: Settings, limit: int | None = None) -> Plan:
    """Read all narratives once, so that a malformed line stops the run before the first request.

    Raises:
        ZooError: see `read_narratives`.
    """
    keys: set[int] = set()
    read = parts = 0
    for narrative in read_narratives(path):
        if limit is not None and len(keys) >= limit:
            break
        read += 1
        if narrative.key not in keys:
            keys.add(narrative.key)
            parts += len(passages(narrative.text, settings.passage_characters))
    return Plan(path, limit, settings, read, read - len(keys), parts, frozenset(keys))


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in any currency; None if unknown."""

    prompt: float | None = None
    completion: float | None = None

    def cost(self, prompt: int, completion: int) -> float | None:
        """Cost of that many tokens; None if no price is known.

        >>> Prices(2.0, 10.0).cost(500_000, 100_000)
        2.0
        """
        if self.prompt is None and self.completion is None:
            return None
        return round(((self.prompt or 0.0) * prompt + (self.completion or 0.0) * completion) / 1e6, 6)


def synthesize(
    work: Plan,
    model: LanguageModel,
    prompts: Prompts,
    output: Path,
    *,
    test_set: TestSet | None = None,
    prices: Prices | None = None,
    on_reply: Callable[[Request, Reply], None] = lambda request, reply: None,
    on_passage: Callable[[], None] = lambda: None,
    on_written: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Request what the journal does not hold, then write the subsets from the journal.

    Args:
        work: See `plan`.
        model: Model that answers.
        prompts: Templates of the run.
        output: Folder; its journal holds every answer, and the same call resumes from there.
        test_set: Test set that the texts are compared with.
        prices: Prices of tokens.
        on_reply: Called for each new answer.
        on_passage: Called for each passage whose requests are answered.
        on_written: Called for each passage that is written.

    Returns:
        The content of `summary.json`.

    Raises:
        ZooError: the model cannot be used, or the output folder is in use; the journal keeps all answers.
    """
    started = time.monotonic()
    new = 0

    def counted(request: Request, reply: Reply) -> None:
        nonlocal new
        new += 1
        on_reply(request, reply)

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(
            f"Expected {output} to be a folder that can be written, but {error.strerror}."
        ) from None
    with Journal(output / JOURNAL) as journal:
        asking = Stages(work.settings, prompts, model.name, Outcome())
        roots = (asking.passage(passage) for _, passage in work.all_passages())
        drive(roots, model, journal, counted, on_passage)

        used = _Used()
        parts = split_narratives(work.keys, work.settings.validation_share, work.settings.test_share)
        with opened(output, overlaps=test_set is not None) as files:
            collector = Collector(files, work.settings, test_set)
            writing = Stages(work.settings, prompts, model.name, collector)
            for key, passage in work.all_passages():
                collector.split = parts[key]
                replay(writing.passage(passage), journal, used.note)
                on_written()
    describe(output, collector, model.name)
    prices = prices or Prices()
    summary: dict[str, Any] = {
        "schema": SCHEMA,
        "note": "Texts of a language model under our own prompts; not the data of the Emo Pillars authors.",
        "model": model.name,
        "settings": asdict(work.settings),
        "prompts": prompts.hashes,
        "narratives": {
            "read": work.read,
            "duplicates": work.duplicates,
            "passages": work.passages,
            **{split: list(parts.values()).count(split) for split in SPLITS},
        },
        "requests": used.as_dict(),
        **collector.as_dict(),
        "tokens": {"prompt": used.prompt, "completion": used.completion, "answers_without": used.without},
        "cost": prices.cost(used.prompt, used.completion),
        "seconds": round(used.seconds, 1),
        "journal": {
            "answers": journal.answers,
            "prompt_tokens": journal.prompt_tokens,
            "completion_tokens": journal.completion_tokens,
            "cost": prices.cost(journal.prompt_tokens, journal.completion_tokens),
        },
        "this_run": {
            "asked": new,
            "seconds": round(time.monotonic() - started, 1),
            "tried_again": dict(getattr(model, "troubles", {})),
            "system_in_user_message": bool(getattr(model, "merged", False)),
        },
    }
    with replaced_when_complete(output / SUMMARY) as part:
        part.write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return summary


class _Used:
    """Counts the answers that the subsets come from, whichever run requested them."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.again = self.unanswered = self.refused = 0
        self.prompt = self.completion = self.without = 0
        self.seconds = 0.0

    def note(self, request: Request, reply: Reply | None) -> None:
        self.stages[request.stage] += 1
        self.again += request.attempt > 0
        if reply is None:
            self.unanswered += 1
            return
        self.refused += bool(reply.refused)
        self.without += reply.prompt_tokens is None or reply.completion_tokens is None
        self.prompt += reply.prompt_tokens or 0
        self.completion += reply.completion_tokens or 0
        self.seconds += reply.seconds

    def as_dict(self) -> dict[str, int]:
        return {
            "asked": self.stages.total(),
            **{stage: self.stages[stage] for stage in PROMPTS},
            "with_another_seed": self.again,
            "refused": self.refused,
            "unanswered": self.unanswered,
        }
