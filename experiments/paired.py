"""Two files of test scores side by side: the difference of F1 in each average, with a paired bootstrap.

    python -m experiments.paired A.npz B.npz --corpus meld [--root DIR] [--fold 1] [--threshold T]

For what has no record of its own, such as an earlier epoch or stage of the same run; `ecpe-zoo results diff`
compares records.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.data.predictions import read_predictions
from ecpe_zoo.results.resampling import paired_bootstrap, permutation_test
from ecpe_zoo.results.statistics import Array, smallest_detectable
from ecpe_zoo.tasks import TASKS, Documents, Task
from experiments import run


def counts_of(path: Path, task: Task, documents: Documents, threshold: float | None) -> Array:
    """(1, D, C, 3) correct, predicted and gold items of each document, in the order of the corpus."""
    found = {prediction.id: prediction for prediction in read_predictions(path)}
    tables = [
        task.count([found[id]] if id in found else [], {id: document}, threshold)
        for id, document in documents.items()
    ]
    classes = sorted(
        {segment for document in documents.values() for s in document.segments for segment in s.emotions}
    )
    classes = classes if task.labelled else ["pair"]
    return np.array(
        [[[table.get(name, (0, 0, 0)) for name in classes] for table in tables]], dtype=np.float64
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.paired", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--threshold", type=float, help="threshold, for tasks with one")
    options = parser.parse_args(arguments)
    task = TASKS[find_corpus(options.corpus).tasks[0]]
    documents = {d.id: d for d in load_corpus(options.corpus, options.root, options.fold).test}
    first, second = (
        counts_of(path, task, documents, options.threshold) for path in (options.first, options.second)
    )
    table = Table(
        title=f"{options.first.stem} minus {options.second.stem}, {len(documents)} test documents of {options.corpus}"
    )
    for column in ("F1", "first", "second", "points", "95 % interval", "p", "detectable"):
        table.add_column(column, justify="left" if column == "F1" else "right")
    for average in ("weighted", "macro", "micro") if task.labelled else ("micro",):
        b = paired_bootstrap(first, second, average)  # type: ignore[arg-type]
        p = permutation_test(first, second, average)  # type: ignore[arg-type]
        table.add_row(
            average,
            f"{100 * b.first:.2f}",
            f"{100 * b.second:.2f}",
            f"{100 * b.difference:+.2f}",
            f"[{100 * b.low:+.2f}, {100 * b.high:+.2f}]",
            f"{p:.3f}",
            f"{100 * smallest_detectable(b.error):.2f}",
        )
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
