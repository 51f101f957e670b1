"""`ecpe-zoo explain`: what the answers of a trained method rest on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from ecpe_zoo.cli.screen import say
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import check_apart, replaced_when_complete

if TYPE_CHECKING:
    from ecpe_zoo.annotation.explain import Explainer
    from ecpe_zoo.annotation.explanations import Explanation
    from ecpe_zoo.annotation.inputs import Source

STANDARD = "-"


def explain(
    *,
    ckpt_path: Path | None = None,
    input: str | None = None,
    from_: Path | None = None,
    model: str | None = None,
    json: str | None = None,
    html: Path | None = None,
    format: Literal["jsonl", "csv", "tsv", "lines"] | None = None,
    text: str = "text",
    language: Literal["zh", "en"] | None = None,
    threshold: float | None = None,
    top: int | None = None,
    most: int = 5,
    no_gradients: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    overwrite: bool = False,
    batch_tokens: int = 4096,
    precision: Literal["32", "bf16"] = "32",
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Show which clauses, turns and words a trained method's answers rest on.

    Each clause or turn is left out in turn, and the change of the answer's score is shown. Words have the gradient of
    the score times their vector. MGCL adds the token probabilities of its teacher, EACL the similarity of each turn to
    the anchors of the emotions. Input is that of ecpe-zoo annotate.

    Text goes to the terminal, unless --json or --html is given. Rows of an earlier run, or of ecpe-zoo annotate, are
    shown with --from, without a checkpoint.

      ecpe-zoo explain --ckpt_path best.ckpt --input news.txt
      ecpe-zoo explain --ckpt_path best.ckpt --input news.jsonl --json why.jsonl --html pages
      ecpe-zoo explain --from predictions.jsonl --html pages

    Args:
        ckpt_path: Checkpoint of ecpe-zoo fit.
        input: File of texts; - is standard input.
        from_: File of rows that annotate or explain wrote as JSONL, instead of a checkpoint and an input.
        model: Class path of a method of your own; a checkpoint alone makes no code of others run.
        json: File for the explanations as JSONL; - is standard output.
        html: Folder for a page per text and an index.
        format: Format of the input; by default by the ending of its name, else by its first line.
        text: Column of the texts in CSV, TSV and JSONL.
        language: Language of all texts; by default each text's own, by its letters.
        threshold: Threshold of the scores, 0 to 1; the tuned one by default.
        top: Explain the N highest, with --threshold at most N of those above it.
        most: Parts that the terminal lists with each answer.
        no_gradients: Do not show what words contribute; saves time and memory.
        on_error: With `skip` malformed lines are reported and left out.
        overwrite: Replace an existing file, and pages in the folder.
        batch_tokens: Most token slots of a batch.
        precision: Precision of matrix products.
        device: Device; auto takes a GPU if there is one.

    Returns:
        0.
    """
    if most < 1:
        raise ZooError(f"Expected --most to be at least 1, but got {most}.")
    if (from_ is not None and (ckpt_path or input)) or (from_ is None and not (ckpt_path and input)):
        raise ZooError("Expected --ckpt_path and --input, or --from alone. Give the one or the other.")
    if json not in (None, STANDARD) and Path(json).exists() and not overwrite:
        raise ZooError(f"Expected {json} not to exist, but it does. Give another --json, or --overwrite.")
    if json not in (None, STANDARD):
        check_apart([Path(json)], *(Path(given) for given in (input, from_, ckpt_path) if given is not None))
    from ecpe_zoo.annotation.explanation_page import Pages
    from ecpe_zoo.annotation.explanation_text import lines_of
    from ecpe_zoo.annotation.explanations import read_explanations

    with ExitStack() as stack:
        if from_ is not None:
            found = read_explanations(from_)
        else:
            from ecpe_zoo import annotation
            from ecpe_zoo.annotation import run
            from ecpe_zoo.annotation.explain import Explainer
            from ecpe_zoo.annotation.inputs import Source
            from ecpe_zoo.memory import keep_few_kernels
            from ecpe_zoo.methods.loading import load_method

            assert ckpt_path is not None
            keep_few_kernels()
            options = annotation.Options(threshold, top, False, language, batch_tokens, precision, device)
            annotator = annotation.Annotator(load_method(ckpt_path, model), options)
            place = None if input == STANDARD else Path(str(input))
            source = stack.enter_context(closing(Source(place, format, text)))
            say(*run.describe(annotator, ckpt_path, source), to=Console(stderr=True, highlight=False))
            found = _explained(Explainer(annotator, not no_gradients), source, on_error)
        write = _lines(stack, json)
        pages = None if html is None else Pages(html, overwrite)
        explanation = None
        for explanation in found:
            write(explanation.line() + "\n")
            if pages is not None:
                pages.add(explanation)
            if json is None and html is None:
                say(*lines_of(explanation, most))
        if explanation is None:
            say("0 texts", to=Console(stderr=True, highlight=False))
        if pages is not None:
            say(f"{pages.finish()}: {len(pages.made):,} pages", to=Console(stderr=True, highlight=False))
    return 0


def _explained(explainer: Explainer, source: Source, on_error: str) -> Iterator[Explanation]:
    for entry in source:
        if entry.problem is None:
            yield explainer.explain(entry)
        elif on_error == "raise":
            raise entry.problem
        else:
            print(f"left out: {entry.problem}", file=sys.stderr)


def _lines(stack: ExitStack, json: str | None) -> Callable[[str], object]:
    """What takes the lines of JSON; a file appears when it is complete."""
    if json is None:
        return lambda line: None
    if json == STANDARD:
        return sys.stdout.write
    part = stack.enter_context(replaced_when_complete(Path(json)))
    return stack.enter_context(part.open("w", encoding="utf-8")).write


COMMANDS = explain
