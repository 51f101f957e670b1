"""`ecpe-zoo synthesize`: emotion training texts from narratives, written by a language model."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ecpe_zoo.corpora.registry import ROOT_VARIABLE, load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.endpoint import Endpoint
from ecpe_zoo.synthesis.language_model import LanguageModel, Reply, Request
from ecpe_zoo.synthesis.pipeline import Plan, Prices, TestSet, plan, synthesize
from ecpe_zoo.synthesis.prompting import PROMPT_FOLDER, Prompts
from ecpe_zoo.synthesis.stages import SUBSETS, Settings
from ecpe_zoo.synthesis.subsets import DESCRIPTIONS, JOURNAL, REJECTED, SUMMARY
from ecpe_zoo.synthesis.taxonomy import EMOTIONS, choose_emotions

_DEFAULT = Settings()
_KEY = "OPENAI_API_KEY"


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: what stands behind `ecpe-zoo synthesize`.

    Returns:
        The exit status: 1 where some questions stayed without an answer, which the same command asks again.

    Raises:
        ZooError: something the user can mend.
    """
    options = _parser().parse_args(list(argv))
    settings = _settings(options)
    _check_model(options)
    prompts = Prompts(options.prompts)
    work = plan(options.narratives, settings, options.limit)
    if options.dry_run:
        _dry_run(work, prompts)
        return 0
    if options.output is None:
        raise ZooError("Expected a folder for the results: --output DIR. Or see the prompts with --dry-run.")
    test_set = _test_set(options)
    console = Console(stderr=True)
    return _run(options, work, prompts, _model(options, console), test_set, console)


class _Formatter(argparse.HelpFormatter):
    """Shows defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        silent = default is None or isinstance(default, bool | list) or default in ("", argparse.SUPPRESS)
        return action.help if silent else f"{action.help} (default: %(default)s)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecpe-zoo synthesize",
        description="Let a language model write emotion training texts from narratives: utterances for each emotion, "
        "with context, soft labels, and rewritings that need the context. A run that was killed goes on where it "
        "was when the same command is given again.",
        formatter_class=_Formatter,
    )
    add = parser.add_argument
    add(
        "--narratives",
        type=Path,
        required=True,
        metavar="FILE",
        help='JSONL {"id", "text"}, or a folder of .txt files',
    )
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"folder of the subsets, {REJECTED}, {SUMMARY} and the {JOURNAL}",
    )
    add("--limit", type=_count, metavar="N", help="most narratives")
    add(
        "--dry-run",
        action="store_true",
        help="print the first prompts and the number of requests; ask nothing",
    )

    group = parser.add_argument_group("the language model, one of two")
    group.add_argument(
        "--endpoint", metavar="URL", help="an OpenAI-compatible server, up to /v1; needs --model"
    )
    group.add_argument("--local", type=Path, metavar="FOLDER", help="a causal language model of transformers")
    group.add_argument("--model", metavar="NAME", help="as the server names it")
    group.add_argument(
        "--key-variable", default=_KEY, metavar="NAME", help="environment variable with the server's key"
    )
    group.add_argument(
        "--concurrency", type=_count, default=8, metavar="N", help="requests to a server at once"
    )
    group.add_argument("--requests-per-minute", type=_positive, metavar="N", help="most requests a minute")
    group.add_argument(
        "--timeout", type=_positive, default=120.0, metavar="S", help="seconds a server may be silent"
    )
    group.add_argument(
        "--retries", type=_natural, default=6, metavar="N", help="after a busy server or a cut connection"
    )
    group.add_argument(
        "--pause", type=_natural_float, default=1.0, metavar="S", help="before the first retry; it doubles"
    )
    group.add_argument(
        "--extra", default="", metavar="JSON", help="more fields of the request; a null takes one out"
    )
    group.add_argument(
        "--price-prompt", type=_natural_float, metavar="X", help="cost of a million tokens read"
    )
    group.add_argument(
        "--price-completion", type=_natural_float, metavar="X", help="cost of a million tokens written"
    )
    group.add_argument(
        "--batch-size", type=_count, default=8, metavar="N", help="requests to a local model at once"
    )
    group.add_argument(
        "--device", metavar="NAME", help="of a local model (default: an accelerator where there is one)"
    )

    group = parser.add_argument_group("what is asked")
    group.add_argument(
        "--emotions", nargs="+", metavar="NAME", default=list(EMOTIONS), help="of the 28 of GoEmotions"
    )
    settings: dict[str, tuple[Any, str]] = {
        "per_emotion": (_count, "utterances for each emotion and passage"),
        "seed": (_natural, "of everything that is drawn"),
        "attempts": (_count, "times a question is asked, with another seed each, until the answer serves"),
        "characters": (_count, "most characters of a passage"),
        "events": (_count, "most events of a character"),
        "scenes_per_request": (_count, "utterances asked for at once"),
        "passage_characters": (_count, "longer narratives are cut into passages"),
        "max_tokens": (_count, "of an answer"),
        "temperature": (_natural_float, "for writing"),
        "judge_temperature": (_natural_float, "for judging"),
    }
    for name, (kind, text) in settings.items():
        _add_setting(group, name, kind, text)
    group.add_argument(
        "--prompts",
        type=Path,
        metavar="DIR",
        help=f"own templates in place of those in {PROMPT_FOLDER.name}/",
    )

    group = parser.add_argument_group("what is kept")
    _add_setting(group, "min_expressiveness", _share, "flatter texts are put aside unless they are neutral")
    _add_setting(
        group,
        "alone_score",
        _share,
        "a rewriting that keeps this share of its label's score without the context is put aside; 0: not asked",
    )
    _add_setting(
        group, "near_duplicate", _share, "similarity of word 3-grams from which the later text is put aside"
    )
    _add_setting(group, "validation_share", _share, "of the narratives")
    _add_setting(group, "test_share", _share, "of the narratives")
    group.add_argument(
        "--check-against", metavar="CORPUS", help="count texts that share words with its test part"
    )
    group.add_argument("--drop-overlapping", action="store_true", help="and put them aside")
    group.add_argument(
        "--root", type=Path, metavar="DIR", help=f"where corpora lie (else {ROOT_VARIABLE}, else the cache)"
    )
    return parser


def _add_setting(group: Any, name: str, kind: Any, text: str) -> None:
    group.add_argument(
        f"--{name.replace('_', '-')}", type=kind, default=getattr(_DEFAULT, name), metavar="N", help=text
    )


def _count(text: str) -> int:
    return int(_in_range(_number(text, int), 1))


def _natural(text: str) -> int:
    return int(_in_range(_number(text, int), 0))


def _natural_float(text: str) -> float:
    return _in_range(_number(text), 0)


def _positive(text: str) -> float:
    return _in_range(_number(text), 1e-3)


def _share(text: str) -> float:
    return _in_range(_number(text), 0, 1)


def _number(text: str, kind: type[int] | type[float] = float) -> float:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"expected {what}, but got {text!r}") from None


def _in_range(value: float, least: float, most: float = 1e12) -> float:
    if not least <= value <= most:
        above = f" to {most:g}" if most < 1e12 else " on"
        raise argparse.ArgumentTypeError(f"expected a number from {least:g}{above}, but got {value}")
    return value


def _settings(options: argparse.Namespace) -> Settings:
    if options.validation_share + options.test_share >= 1:
        raise ZooError(
            f"Expected narratives to be left for training, but got shares of {options.validation_share} for "
            f"validation and {options.test_share} for test."
        )
    if options.near_duplicate == 0:
        raise ZooError("Expected --near-duplicate above 0, but got 0. Say 1 to put aside equal texts only.")
    names = [name for part in options.emotions for name in part.split(",") if name]
    values = {name: getattr(options, name) for name in Settings.__slots__ if hasattr(options, name)}
    extra = json.dumps(_extra(options.extra), sort_keys=True) if options.extra else ""
    return Settings(**{**values, "emotions": choose_emotions(names), "extra": extra})


def _extra(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise ZooError(f"Expected --extra to be a JSON object, but got {text!r} ({error.msg}).") from None
    if not isinstance(value, dict):
        raise ZooError(f"Expected --extra to be a JSON object, but got {text!r}.")
    return value


def _check_model(options: argparse.Namespace) -> None:
    if options.dry_run:
        return
    if (options.endpoint is None) == (options.local is None):
        got = "neither" if options.endpoint is None else "both"
        raise ZooError(f"Expected either --endpoint URL --model NAME or --local FOLDER, but got {got}.")
    if options.endpoint is not None and not options.model:
        raise ZooError(
            "Expected --model NAME beside --endpoint, but got none. The server lists names at /v1/models."
        )
    if options.local is not None and options.extra:
        raise ZooError("Expected --extra beside --endpoint only, but got it beside --local.")


def _model(options: argparse.Namespace, console: Console) -> LanguageModel:
    if options.endpoint is not None:
        journal = options.output / JOURNAL
        return Endpoint(
            options.endpoint,
            options.model,
            key=os.environ.get(options.key_variable),
            calls=options.concurrency,
            timeout=options.timeout,
            retries=options.retries,
            per_minute=options.requests_per_minute,
            pause=options.pause,
            served=journal.is_file() and journal.stat().st_size > 0,
            extra=_extra(options.extra),
            on_note=lambda note: console.print(note, soft_wrap=True, highlight=False, markup=False),
        )
    from ecpe_zoo.synthesis.local import LocalModel  # torch takes seconds to import

    return LocalModel(options.local, options.batch_size, options.device)


def _test_set(options: argparse.Namespace) -> TestSet | None:
    if options.check_against is None:
        if options.drop_overlapping:
            raise ZooError("Expected --check-against CORPUS beside --drop-overlapping, but got none.")
        return None
    loaded = load_corpus(options.check_against, options.root)
    texts = [segment.text for document in loaded.test for segment in document.segments if segment.judged]
    return TestSet(options.check_against, texts, options.drop_overlapping)


def _dry_run(work: Plan, prompts: Prompts) -> None:
    settings = work.settings
    key_and_passage = next(work.all_passages())
    scene = {"number": 1, "character": "<name>", "description": "<who they are>", "event": "<what happens>"}
    emotion = settings.emotions[0]
    asked = {"emotion": emotion, "gloss": EMOTIONS[emotion]}
    told = {
        "context": "<the situation>",
        "character": "<name>. <who they are>",
        "utterance": "<the utterance>",
    }
    shown = {
        "cast": {
            "narrative": key_and_passage[1].text,
            "characters": settings.characters,
            "events": settings.events,
        },
        "utterances": {**asked, "scenes": [scene]},
        "labels": {"emotions": EMOTIONS, "utterance": told["utterance"]},
        "labels_in_context": {"emotions": EMOTIONS, **told},
        "rewrite": {**asked, **told},
    }
    requests = work.requests()
    for name, variables in shown.items():
        system, user = prompts.render(name, **variables)  # type: ignore[arg-type]
        print(f"=== {name}: {requests[name]:,} requests\n[system]\n{system}\n[user]\n{user}\n")
    print(
        f"{work.read:,} narratives ({work.duplicates:,} left out as duplicates), {work.passages:,} passages, "
        f"{len(settings.emotions)} emotions, {settings.per_emotion} utterances each: {sum(requests.values()):,} "
        f"requests at most, and up to {settings.attempts} times as many where answers do not serve"
    )


def _run(
    options: argparse.Namespace,
    work: Plan,
    prompts: Prompts,
    model: LanguageModel,
    test_set: TestSet | None,
    console: Console,
) -> int:
    prices = Prices(options.price_prompt, options.price_completion)
    answers = prompt = completion = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as bars:
        asking = bars.add_task("passages asked", total=work.passages, note="")
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
            summary = synthesize(
                work,
                model,
                prompts,
                options.output,
                test_set=test_set,
                prices=prices,
                on_reply=on_reply,
                on_passage=lambda: bars.advance(asking),
                on_written=on_written,
            )
        except KeyboardInterrupt:
            raise ZooError("Interrupted. Nothing is lost: the same command goes on from here.") from None
    _tell(console, summary, options.output)
    return 1 if summary["requests"]["unanswered"] else 0


def _tell(console: Console, summary: dict[str, Any], output: Path) -> None:
    for subset in SUBSETS:
        counts = summary["subsets"][subset]
        parts = ", ".join(f"{counts[split]:,} {split}" for split in ("train", "validation", "test"))
        console.print(f"{subset}: {counts['accepted']:,} texts ({parts})", soft_wrap=True, highlight=False)
    for reason, count in summary["aside"].items():
        console.print(f"put aside: {count:,} {reason}", soft_wrap=True, highlight=False)
    for kind, count in summary["mended"].items():
        console.print(f"mended: {count:,} {kind}", soft_wrap=True, highlight=False)
    tokens, cost = summary["tokens"], summary["cost"]
    told = (
        f"{summary['requests']['asked']:,} requests, {tokens['prompt']:,} + {tokens['completion']:,} tokens"
    )
    console.print(told if cost is None else f"{told}, cost {cost:,.2f}", soft_wrap=True, highlight=False)
    if unanswered := summary["requests"]["unanswered"]:
        again = "the same command asks them again"
        console.print(
            f"{unanswered:,} questions stayed without an answer: {again}", soft_wrap=True, highlight=False
        )
    written = [f"{name}.yaml" for name in DESCRIPTIONS if (output / f"{name}.yaml").is_file()]
    console.print(f"{output}: {', '.join([*written, REJECTED, SUMMARY])}", soft_wrap=True, highlight=False)
