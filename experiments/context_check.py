"""Whether a context-aware classifier uses the context: its scores with true, empty and shuffled context.

    python -m experiments.context_check --ckpt_path C --corpus NAME [--root DIR] [--split test] [--json FILE]

A model that judges the utterance alone scores alike in all three; one that uses the context loses by the second and
more by the third. The thresholds stay those of the checkpoint, and nothing is tuned here.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import torch
from rich.console import Console
from rich.table import Table

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.methods.texts import TextMethod
from ecpe_zoo.tasks import Metrics
from ecpe_zoo.text.conversations import unit_of
from ecpe_zoo.training.scorer import threshold_of
from experiments import run

Context = Literal["true", "empty", "shuffled"]
CONTEXTS: tuple[Context, ...] = get_args(Context)
SHOWN = ("macro_f1", "micro_f1", "weighted_f1", "macro_f1_top_1", "accuracy", "mean_average_precision")


def judged_texts(documents: Sequence[Document]) -> list[Document]:
    """A document for each judged and annotated segment, which is its last, with the segments before it."""
    return [
        unit_of(document, index, index)
        for document in documents
        for index, segment in enumerate(document.segments)
        if segment.judged and (segment.emotions or segment.intensities is not None)
    ]


def with_context(texts: Sequence[Document], context: Context, seed: int = 0) -> list[Document]:
    """The texts with their own context, with none, or with that of another text.

    Args:
        texts: Texts from `judged_texts`.
        context: Kind of context.
        seed: Seed of the shuffling, in which each text gets the context of the next in a random circle of those that
            have one.
    """
    if context == "true":
        return list(texts)
    if context == "empty":
        return [replace(text, segments=text.segments[-1:]) for text in texts]
    circle = [place for place, text in enumerate(texts) if len(text) > 1]
    random.Random(seed).shuffle(circle)
    giver = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    return [
        replace(text, segments=(*texts[giver.get(place, place)].segments[:-1], text.segments[-1]))
        for place, text in enumerate(texts)
    ]


@torch.inference_mode()
def predict(method: Method, documents: Sequence[Document], batch_size: int = 64) -> list[Prediction]:
    """Predictions in batches of like length; gold does not reach the method."""
    method.eval()
    bare = sorted((document.without_gold() for document in documents), key=method.tokens)
    collate = method.collator(training=False)
    return [
        prediction
        for first in range(0, len(bare), batch_size)
        for prediction in method.decode(collate(bare[first : first + batch_size]))
    ]


def check(method: Method, documents: Sequence[Document], seed: int = 0) -> dict[Context, Metrics]:
    """All metrics with each context, at the checkpoint's threshold.

    Raises:
        ZooError: a method that reads no context, or documents without any.
    """
    if not isinstance(method, TextMethod) or not method.reader.context:
        raise ZooError("Expected a checkpoint of a context-aware classifier, but this one reads no context.")
    texts = judged_texts(documents)
    if sum(len(text) > 1 for text in texts) < 2:
        raise ZooError("Expected at least two texts with a context, but got fewer. Choose another corpus.")
    threshold = threshold_of(method) if method.tuned is None else method.tuned
    found: dict[Context, Metrics] = {}
    for context in CONTEXTS:
        some = with_context(texts, context, seed)
        gold = {document.id: document for document in some}
        found[context] = method.task.score(predict(method, some), gold, threshold)
    return found


def show(found: Mapping[Context, Metrics], title: str) -> None:
    """Print the table, in percent."""
    table = Table(title=title)
    for column in ("", *CONTEXTS, "true - empty", "true - shuffled"):
        table.add_column(column, justify="left" if not column else "right")
    for name in SHOWN:
        if name in found["true"]:
            values = [100 * found[context][name] for context in CONTEXTS]
            cells = [*values, values[0] - values[1], values[0] - values[2]]
            table.add_row(name.replace("_", " "), *(f"{value:.2f}" for value in cells))
    Console(width=100).print(table)


def main(arguments: list[str] | None = None) -> int:
    """Run the check.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.context_check", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--ckpt_path", type=Path, required=True)
    parser.add_argument("--corpus", required=True, help="a name, or the path of a description")
    parser.add_argument("--root", type=Path, help="holds the corpora; else ECPE_ZOO_DATA")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffling")
    parser.add_argument("--json", type=Path, help="write all metrics to this file")
    options = parser.parse_args(arguments)
    data = EmotionDataModule(corpus=options.corpus, root=options.root, fold=options.fold)
    data.setup("test")
    found = check(load_method(options.ckpt_path), data.documents(options.split), options.seed)
    show(
        found, f"{options.corpus}, {options.split}: {len(judged_texts(data.documents(options.split)))} texts"
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
