"""Files of any length, annotated in constant memory.

Entries are read in windows of a fixed number; within a window texts of similar length are batched together, and rows
are written in the order of the input. A resumed run starts at the border of a window, so that batches, and with them
the last digits of scores, are those of an unbroken run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ecpe_zoo.annotation.annotator import Annotator, Prepared
from ecpe_zoo.annotation.inputs import Entry, Source
from ecpe_zoo.annotation.outputs import Writer
from ecpe_zoo.corpora.registry import CORPORA
from ecpe_zoo.errors import ZooError
from ecpe_zoo.memory import give_back
from ecpe_zoo.methods.exported import folder_hash
from ecpe_zoo.text.words import has_jieba

OnError = Literal["raise", "skip"]

WINDOW = 1024
"""Entries of a window: what a killed run loses at most. Two windows are in memory."""

ENOUGH = 500
"""Texts after which a run warns of unlike texts: the first few may be of another kind."""

FORMAT = "ecpe-zoo annotation 1"

Counts = Counter[str]
"""`texts`: entries with a row; `empty` and `truncated`: those among them; `rejected`: malformed entries; and those of
`Prepared.counts`."""


class _Window(NamedTuple):
    """Some entries, ready for the model.

    Args:
        prepared: Entries that can be read.
        rejected: The others.
        records: Entries up to its end.
        digest: Hash of the input up to its end.
        position: Bytes of the input up to its end.
    """

    prepared: Prepared
    rejected: list[Entry]
    records: int
    digest: str
    position: int


def identity_of(
    annotator: Annotator, checkpoint: Path, source: Source, form: str, window: int
) -> dict[str, Any]:
    """Everything that rows depend on except the input, whose hash is in the journal."""
    options, answers = annotator.options, annotator.answers
    return {
        "format": FORMAT,
        "version": version("ecpe-zoo"),
        "checkpoint": file_hash(checkpoint),
        "input format": source.kind,
        "text": source.text_column,
        "input options": source.options,
        "output format": form,
        "threshold": answers.threshold if answers.by_threshold else None,
        "top": answers.top,
        "scores": "all" if answers.every else "above",
        "language": options.language,
        "batch-tokens": options.batch_tokens,
        "window": window,
        "precision": options.precision,
        "device": annotator.device.type,
        "Chinese words": segmenter(annotator),
    }


def file_hash(path: Path) -> str:
    """Hash of a checkpoint's bytes, or of the files of an exported folder."""
    if path.is_dir():
        return folder_hash(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def annotate(
    annotator: Annotator,
    source: Source,
    writer: Writer,
    *,
    window: int = WINDOW,
    on_error: OnError = "raise",
    progress: Callable[[int, int], None] = lambda records, position: None,
    warn: Callable[[str], None] = lambda line: None,
) -> Counts:
    """Annotate a source to its end.

    Args:
        annotator: See `Annotator`.
        source: Source at its beginning.
        writer: Takes the rows; entries that an earlier run completed are passed over.
        window: Entries that are batched together.
        on_error: Stop at the first malformed entry, after writing all windows before its own, or leave it out and
            count it.
        progress: Called after each window with the entries that are done and the bytes that were read.
        warn: Called once at most, with how the texts differ from those of training; after `ENOUGH` texts or at the end.

    Raises:
        CorpusError: A malformed entry.
        ZooError: The input differs from that of the run to be resumed.
    """
    if window < 1:
        raise ZooError(f"Expected --window to be at least 1, but got {window}.")
    with closing(source), closing(writer):
        counts: Counts = Counter(writer.state.counts)
        warned = False
        _pass_over(source, writer)
        progress(writer.state.records, source.position)
        windows = _windows(annotator, source, writer.state.records, window, on_error)
        for ready in _ahead(windows, threaded=source.path is not None):
            rows = annotator.answer(ready.prepared)
            counts["texts"] += len(rows)
            counts["rejected"] += len(ready.rejected)
            counts["empty"] += sum(read.document is None for read in ready.prepared.reads)
            counts["truncated"] += sum(row["truncated"] > 0 for row in rows)
            counts.update(ready.prepared.counts)
            writer.write(rows, ready.rejected)
            writer.commit(ready.records, ready.digest, counts)
            progress(ready.records, ready.position)
            if counts["texts"] >= ENOUGH and not warned and (note := annotator.unlike(counts)):
                warn(note)
                warned = True
            give_back()
        writer.finish()
    if not warned and (note := annotator.unlike(counts)):
        warn(note)
    return counts


def _pass_over(source: Source, writer: Writer) -> None:
    """Go to where an earlier run stopped.

    Raises:
        ZooError: The input differs up to there.
    """
    done = writer.state.records
    if not done:
        return
    passed = source.skip(done)
    if passed < done or source.digest() != writer.state.digest:
        found = "others" if passed == done else f"only {passed:,} in all"
        raise ZooError(
            f"Expected {source.name} to begin with the {done:,} texts that an earlier run annotated, but got {found}. "
            "Give that run's input to resume it, another --output, or remove its .part file to begin anew."
        )


def _windows(
    annotator: Annotator, source: Source, records: int, size: int, on_error: OnError
) -> Iterator[_Window]:
    while entries := list(islice(source, size)):
        rejected = [entry for entry in entries if entry.problem is not None]
        if rejected and on_error == "raise":
            assert rejected[0].problem is not None
            raise rejected[0].problem
        records += len(entries)
        good = [entry for entry in entries if entry.problem is None]
        position, digest = source.position, source.digest()
        yield _Window(annotator.prepare(good), rejected, records, digest, position)


def _ahead(windows: Iterator[_Window], threaded: bool) -> Iterator[_Window]:
    """The windows; the next one is read and tokenised while one is computed.

    Not for standard input: a thread that waits for it could not be stopped.
    """
    if not threaded:
        yield from windows
        return
    with ThreadPoolExecutor(1) as worker:
        pending = worker.submit(next, windows, None)
        while (ready := pending.result()) is not None:
            pending = worker.submit(next, windows, None)
            yield ready


def segmenter(annotator: Annotator) -> str | None:
    """What finds the words of running Chinese text; None for a method that needs none."""
    if not annotator.words:
        return None
    return "jieba" if has_jieba() or not annotator.known else "the model's vocabulary"


def describe(annotator: Annotator, checkpoint: Path | str, source: Source) -> list[str]:
    """Lines that say what is going to be done."""
    method, answers, options = annotator.method, annotator.answers, annotator.options
    last = method.stages()[-1].name
    stage = f"stage {method.stage}" + ("" if method.stage == last else f", which is not the last ({last})")
    precision = "fp32" if options.precision == "32" else options.precision
    place = f"{source.name} as {source.kind}; {precision} on {annotator.device.type}"
    lines = [f"{checkpoint}: {method.id}, {stage}; {place}"]
    if answers.labels:
        lines.append(f"{len(answers.labels)} labels: {', '.join(answers.labels)}")
    if not method.task.thresholded:
        lines.append("the most probable emotion of each text")
    elif answers.by_threshold:
        origin = "the method's default" if method.tuned is None else "tuned on validation"
        origin = origin if options.threshold is None else "given"
        lines.append(f"threshold {answers.threshold:g}, {origin}")
    else:
        lines.append(f"the {answers.top} highest of each text, whatever the threshold")
    scripts = (method.profile or {}).get("scripts", ("Han",))
    words = segmenter(annotator) if "Han" in scripts else None  # other models warn of Chinese text
    if words == "jieba":
        lines.append("Chinese text without spaces is cut into words by jieba")
    elif words is not None:
        lines.append(
            "Chinese text without spaces is cut into the longest words that the model knows; jieba (pip install "
            "'ecpe-zoo[chinese]') would cut it as the corpora were"
        )
    corpus = CORPORA.get((method.profile or {}).get("corpus", ""))
    if corpus is not None and corpus.bundled:
        lines.append(
            f"NOTE: the model was trained on {corpus.id}, which is invented text: its answers and numbers say nothing "
            "about real text."
        )
    return lines


KINDS_OF_TEXTS = {"empty": "empty", "truncated": "longer than the model reads", "single": "one clause"}


def summary(counts: Mapping[str, int], unlike: bool = False) -> str:
    """What was done.

    Args:
        counts: See `Counts`.
        unlike: Whether the texts are unlike those of training.

    >>> summary({"texts": 1200, "empty": 2}), summary({"texts": 1, "single": 1}, unlike=True)
    ('1,200 texts, 2 of them empty', '1 texts, 1 of them one clause, unlike the training texts')
    """
    parts = [f"{counts.get('texts', 0):,} texts"]
    for name, what in KINDS_OF_TEXTS.items():
        parts += [f"{counts[name]:,} of them {what}"] if counts.get(name) else []
    parts += [f"{counts['rejected']:,} malformed ones left out"] if counts.get("rejected") else []
    parts += ["unlike the training texts"] if unlike else []
    return ", ".join(parts)
