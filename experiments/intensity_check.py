"""Whether predicted intensities follow what people reported: rank correlations on isear, emotion by emotion.

    python -m experiments.intensity_check CKPT ... [--corpus isear] [--split all|test] [--root DIR] [--json FILE]

isear asked people how strong the emotion was that they describe (INTS). For each emotion that a checkpoint knows:
Spearman's correlation of its score with the reported intensity over the texts of that emotion, with a 95 % interval,
and the average over emotions. A checkpoint of another corpus saw none of the texts, so that all of them count
(`all`); for one trained on isear, choose `test`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule, Split
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.metrics.emotions import Agreement, intensity_spearman
from experiments import run
from experiments.context_check import predict


def check(method: Method, documents: Mapping[str, Document]) -> dict[str, Agreement]:
    """Emotion -> agreement of a method's scores with the reported intensities.

    Raises:
        ZooError: a method without a score for each emotion, or no emotion that it shares with the documents.
    """
    if not (method.task.labelled and method.task.thresholded):
        raise ZooError(
            f"Expected a checkpoint that scores the emotions of texts, but got one of {method.id!r}."
        )
    found = intensity_spearman(predict(method, list(documents.values())), documents)
    if not found:
        raise ZooError(
            f"Expected reported intensities of an emotion that the method knows ({', '.join(method.labels)}), but the "
            "corpus has none. Choose isear, or a corpus of your own with a number for each label."
        )
    return found


def average(found: Mapping[str, Agreement]) -> float:
    """The mean of the correlations that are defined; NaN if none is."""
    values = [agreement.rho for agreement in found.values() if not np.isnan(agreement.rho)]
    return float(np.mean(values)) if values else float("nan")


def in_words(agreement: Agreement | None) -> str:
    """`+0.31 [+0.25, +0.37]`, or a dash if it is undefined."""
    if agreement is None or np.isnan(agreement.rho):
        return "-"
    return f"{agreement.rho:+.2f} [{agreement.low:+.2f}, {agreement.high:+.2f}]"


def main(arguments: list[str] | None = None) -> int:
    """Run the check.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.intensity_check", description=__doc__.split("\n")[0]
    )
    parser.add_argument("ckpt_paths", nargs="+", type=Path, metavar="CKPT")
    parser.add_argument("--corpus", default="isear", help="a name, or the path of a description")
    parser.add_argument("--root", type=Path, help="holds the corpora; else ECPE_ZOO_DATA")
    parser.add_argument("--split", choices=("all", *get_args(Split)), default="all")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    options = parser.parse_args(arguments)
    data = EmotionDataModule(corpus=options.corpus, root=options.root)
    data.setup("test")
    parts: tuple[Split, ...] = get_args(Split) if options.split == "all" else (options.split,)
    documents = {document.id: document for part in parts for document in data.documents(part)}
    found = {str(path): check(load_method(path), documents) for path in options.ckpt_paths}

    table = Table(
        title=f"{options.corpus}, {options.split}: rank correlation with the reported intensity [95 %]"
    )
    table.add_column("")
    table.add_column("texts", justify="right")
    for number in range(1, len(found) + 1):
        table.add_column(f"({number})", justify="right")
    texts = {label: agreement.n for one in found.values() for label, agreement in one.items()}
    for label, count in texts.items():
        table.add_row(label, str(count), *(in_words(one.get(label)) for one in found.values()))
    table.add_row("average", "", *(f"{average(one):+.2f}" for one in found.values()))
    console = Console(width=max(80, 24 + 26 * len(found)))
    console.print(table)
    for number, path in enumerate(found, start=1):
        console.print(f"({number}) {path}", soft_wrap=True, highlight=False)
    if options.json:
        rows = [
            {"checkpoint": Path(path).name, "split": options.split}
            | {"emotions": {label: agreement._asdict() for label, agreement in one.items()}}
            for path, one in found.items()
        ]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
