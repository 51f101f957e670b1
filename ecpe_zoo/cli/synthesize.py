"""`ecpe-zoo synthesize`: emotion training texts from narratives, written by a language model."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from rich.console import Console

from ecpe_zoo.cli.screen import say
from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.stages import Settings

if TYPE_CHECKING:
    from ecpe_zoo.synthesis.language_model import LanguageModel
    from ecpe_zoo.synthesis.pipeline import Plan, TestSet
    from ecpe_zoo.synthesis.prompting import Prompts


@dataclass(frozen=True)
class Model:
    """The language model, on a server or in a folder.

    Args:
        endpoint: URL of an OpenAI-compatible server, up to /v1; needs --model.
        local: Folder with a causal language model of transformers.
        model: Name of the model on the server.
        key_variable: Environment variable with the server's key.
        concurrency: Simultaneous requests to a server.
        requests_per_minute: Most requests per minute.
        timeout: Seconds that a server may be silent.
        retries: Further attempts after a busy server or a cut connection.
        pause: Seconds before the first further attempt; doubled each time.
        price_prompt: Cost of a million tokens read.
        price_completion: Cost of a million tokens written.
        batch_size: Simultaneous requests to a local model.
        device: Device of a local model; an accelerator if there is one.
    """

    endpoint: str | None = None
    local: Path | None = None
    model: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    concurrency: PositiveInt = 8
    requests_per_minute: PositiveFloat | None = None
    timeout: PositiveFloat = 120.0
    retries: NonNegativeInt = 6
    pause: NonNegativeFloat = 1.0
    price_prompt: NonNegativeFloat | None = None
    price_completion: NonNegativeFloat | None = None
    batch_size: PositiveInt = 8
    device: str | None = None


@dataclass(frozen=True)
class Checked(Settings):
    """What is requested, and what is kept.

    Args:
        emotions: Emotions, of the 28 of GoEmotions; all by default.
        per_emotion: Utterances for each emotion and passage.
        seed: Seed of everything that is drawn.
        attempts: Attempts at a question, with another seed each, until the answer is usable.
        characters: Most characters of a passage.
        events: Most events of a character.
        scenes_per_request: Utterances per request.
        passage_characters: Length above which narratives are cut into passages.
        max_tokens: Length of an answer.
        temperature: Temperature for writing.
        judge_temperature: Temperature for judging.
        min_expressiveness: Flatter texts are dropped unless they are neutral.
        alone_score: A rewriting is dropped if without its context it keeps this share of its label's score; 0 leaves
            the question out.
        near_duplicate: Similarity of word 3-grams from which the later text is dropped; 1 drops equal texts only.
        validation_share: Share of the narratives for validation.
        test_share: Share of the narratives for test.
        extra: Further fields of a server's request, as JSON; null removes a field.
    """

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 1 if isinstance(value, int) and name != "seed" else 0
            most = math.inf if isinstance(value, int) or "temperature" in name else 1
            if isinstance(value, int | float) and not least <= value <= most:
                bounds = f"at least {least}" if most == math.inf else f"from {least} to {most}"
                raise ValueError(f"argument --{name}: expected a number {bounds}, but got {value}")


def synthesize(
    *,
    narratives: Path,
    output: Path | None = None,
    limit: PositiveInt | None = None,
    dry_run: bool = False,
    prompts: Path | None = None,
    check_against: str | None = None,
    drop_overlapping: bool = False,
    root: Path | None = None,
    model: Model,
    settings: Checked,
) -> int:
    """Let a language model write emotion training texts from narratives.

    Makes utterances for each emotion, with context, soft labels, and rewritings that need the context. The same
    command resumes a run that was killed.

    Args:
        narratives: JSONL {"id", "text"}, or a folder of .txt files.
        output: Folder for the subsets, what was dropped, a summary and the journal.
        limit: Most narratives.
        dry_run: Print the first prompts and the number of requests; request nothing.
        prompts: Folder with templates to use instead of those in ecpe_zoo/synthesis/prompts.
        check_against: Corpus; texts that share words with its test part are counted.
        drop_overlapping: Drop these texts.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
        model: The language model, on a server or in a folder
        settings: What is requested, and what is kept

    Returns:
        0; 1 if some questions have no answer, which the same command repeats.
    """
    from ecpe_zoo.synthesis.pipeline import plan
    from ecpe_zoo.synthesis.prompting import Prompts

    extra = _fields(settings.extra)
    if not dry_run:
        _check(model, extra)
    templates = Prompts(prompts)
    work = plan(narratives, _completed(settings, extra), limit)
    if dry_run:
        _dry_run(work, templates)
        return 0
    if output is None:
        raise ZooError("Expected a folder for the results: --output DIR. Or see the prompts with --dry_run.")
    test_set = _test_set(check_against, drop_overlapping, root)
    console = Console(stderr=True)
    return _run(
        console, work, templates, model, _language_model(model, extra, output, console), output, test_set
    )


def _fields(extra: str) -> dict[str, Any]:
    """Further fields of the request."""
    try:
        value = json.loads(extra or "{}")
    except json.JSONDecodeError as error:
        raise ZooError(f"Expected --extra to be a JSON object, but got {extra!r} ({error.msg}).") from None
    if not isinstance(value, dict):
        raise ZooError(f"Expected --extra to be a JSON object, but got {extra!r}.")
    return value


def _completed(given: Checked, extra: dict[str, Any]) -> Settings:
    from ecpe_zoo.synthesis.taxonomy import choose_emotions

    if given.validation_share + given.test_share >= 1:
        raise ZooError(
            f"Expected narratives to be left for training, but got shares of {given.validation_share} for "
            f"validation and {given.test_share} for test."
        )
    if given.near_duplicate == 0:
        raise ZooError("Expected --near_duplicate above 0, but got 0. 1 drops equal texts only.")
    emotions = choose_emotions([name for part in given.emotions for name in part.split(",") if name])
    fields = json.dumps(extra, sort_keys=True) if given.extra else ""
    return Settings(**asdict(given) | {"emotions": emotions, "extra": fields})


def _check(model: Model, extra: dict[str, Any]) -> None:
    if (model.endpoint is None) == (model.local is None):
        got = "neither" if model.endpoint is None else "both"
        raise ZooError(f"Expected either --endpoint URL --model NAME or --local FOLDER, but got {got}.")
    if model.endpoint is not None and not model.model:
        raise ZooError(
            "Expected --model NAME with --endpoint, but got none. The server lists names at /v1/models."
        )
    if model.local is not None and extra:
        raise ZooError("Expected --extra with --endpoint only, but got it with --local.")


def _language_model(model: Model, extra: dict[str, Any], output: Path, console: Console) -> LanguageModel:
    from ecpe_zoo.synthesis.subsets import JOURNAL

    if model.endpoint is None:
        from ecpe_zoo.synthesis.local import LocalModel  # imports torch, which takes seconds

        assert model.local is not None
        return LocalModel(model.local, model.batch_size, model.device)

    from ecpe_zoo.synthesis.endpoint import Endpoint

    assert model.model is not None
    journal = output / JOURNAL
    return Endpoint(
        model.endpoint,
        model.model,
        key=os.environ.get(model.key_variable),
        calls=model.concurrency,
        timeout=model.timeout,
        retries=model.retries,
        per_minute=model.requests_per_minute,
        pause=model.pause,
        served=journal.is_file() and journal.stat().st_size > 0,
        extra=extra,
        on_note=lambda note: say(note, to=console),
    )


def _test_set(corpus: str | None, drop: bool, root: Path | None) -> TestSet | None:
    from ecpe_zoo.corpora.registry import load_corpus
    from ecpe_zoo.synthesis.pipeline import TestSet

    if corpus is None:
        if drop:
            raise ZooError("Expected --check_against CORPUS with --drop_overlapping, but got none.")
        return None
    documents = load_corpus(corpus, root).test
    texts = [segment.text for document in documents for segment in document.segments if segment.judged]
    return TestSet(corpus, texts, drop)


def _dry_run(work: Plan, prompts: Prompts) -> None:
    from ecpe_zoo.synthesis.taxonomy import EMOTIONS

    settings = work.settings
    _, passage = next(work.all_passages())
    scene = {"number": 1, "character": "<name>", "description": "<who they are>", "event": "<what happens>"}
    emotion = {"emotion": settings.emotions[0], "gloss": EMOTIONS[settings.emotions[0]]}
    text = {
        "context": "<the situation>",
        "character": "<name>. <who they are>",
        "utterance": "<the utterance>",
    }
    limits = {"characters": settings.characters, "events": settings.events}
    shown: dict[str, dict[str, Any]] = {
        "cast": {"narrative": passage.text, **limits},
        "utterances": {**emotion, "scenes": [scene]},
        "labels": {"emotions": EMOTIONS, "utterance": text["utterance"]},
        "labels_in_context": {"emotions": EMOTIONS, **text},
        "rewrite": {**emotion, **text},
    }
    requests = work.requests()
    for name, variables in shown.items():
        system, user = prompts.render(name, **variables)  # type: ignore[arg-type]
        print(f"=== {name}: {requests[name]:,} requests\n[system]\n{system}\n[user]\n{user}\n")
    print(
        f"{work.read:,} narratives ({work.duplicates:,} left out as duplicates), {work.passages:,} passages, "
        f"{len(settings.emotions)} emotions, {settings.per_emotion} utterances each: {sum(requests.values()):,} "
        f"requests at most, and up to {settings.attempts} times as many if answers are unusable"
    )


def _run(
    console: Console,
    work: Plan,
    prompts: Prompts,
    model: Model,
    writer: LanguageModel,
    output: Path,
    test_set: TestSet | None,
) -> int:
    """Synthesize with progress bars; the exit status."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ecpe_zoo.synthesis import pipeline
    from ecpe_zoo.synthesis.language_model import Reply, Request

    prices = pipeline.Prices(model.price_prompt, model.price_completion)
    answers = prompt = completion = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as bars:
        asking = bars.add_task("passages requested", total=work.passages, note="")
        writing = bars.add_task("passages written", total=work.passages, note="", start=False)

        def on_reply(request: Request, reply: Reply) -> None:
            nonlocal answers, prompt, completion
            answers += 1
            prompt += reply.prompt_tokens or 0
            completion += reply.completion_tokens or 0
            cost = prices.cost(prompt, completion)
            note = f"{answers:,} answers, {prompt + completion:,} tokens"
            bars.update(asking, note=note if cost is None else f"{note}, cost {cost:,.2f}")

        def on_written() -> None:
            bars.start_task(writing)
            bars.advance(writing)

        try:
            summary = pipeline.synthesize(
                work,
                writer,
                prompts,
                output,
                test_set=test_set,
                prices=prices,
                on_reply=on_reply,
                on_passage=lambda: bars.advance(asking),
                on_written=on_written,
            )
        except KeyboardInterrupt:
            raise ZooError("Interrupted. Nothing is lost: the same command resumes from here.") from None
    _show(console, summary, output)
    return 1 if summary["requests"]["unanswered"] else 0


def _show(console: Console, summary: dict[str, Any], output: Path) -> None:
    from ecpe_zoo.synthesis.stages import SUBSETS
    from ecpe_zoo.synthesis.subsets import DESCRIPTIONS, REJECTED, SUMMARY

    lines = []
    for subset in SUBSETS:
        counts = summary["subsets"][subset]
        parts = ", ".join(f"{counts[split]:,} {split}" for split in ("train", "validation", "test"))
        lines.append(f"{subset}: {counts['accepted']:,} texts ({parts})")
    lines += [f"dropped: {count:,} {reason}" for reason, count in summary["aside"].items()]
    lines += [f"mended: {count:,} {kind}" for kind, count in summary["mended"].items()]
    requests, tokens, cost = summary["requests"], summary["tokens"], summary["cost"]
    spent = f"{requests['asked']:,} requests, {tokens['prompt']:,} + {tokens['completion']:,} tokens"
    lines.append(spent if cost is None else f"{spent}, cost {cost:,.2f}")
    if requests["unanswered"]:
        lines.append(f"{requests['unanswered']:,} questions have no answer: the same command repeats them")
    written = [f"{name}.yaml" for name in DESCRIPTIONS if (output / f"{name}.yaml").is_file()]
    say(*lines, f"{output}: {', '.join([*written, REJECTED, SUMMARY])}", to=console)


COMMANDS = synthesize
