"""Metrics and counts per document, recomputed from a record's saved predictions and its corpus.

The corpus is read anew, and the hashes of its files are compared with the record's: scores belong to the text that the
run read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.corpus import data_root
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.readers.lines import OnError
from ecpe_zoo.corpora.registry import CORPORA, ENDINGS, load_corpus
from ecpe_zoo.data.predictions import read_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.counts import Counts
from ecpe_zoo.metrics.pairs import matched
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.record import METRIC_VERSION, versioned
from ecpe_zoo.tasks import TASKS, Documents, Task, find_task

TOLERANCE = 1e-9
"""Metrics are ratios of counts: two machines agree far below this."""

SWEEP = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds of the sweep that is drawn."""


@lru_cache(maxsize=24)
def _test_documents(
    corpus: str, root: Path | None, fold: int, on_error: OnError
) -> tuple[dict[str, Document], dict[str, str]]:
    loaded = load_corpus(corpus, root, fold, on_error)
    return {document.id: document for document in loaded.test}, dict(loaded.files)


def corpus_of(entry: Entry, root: Path | None = None) -> str:
    """The name under which a record's corpus can be loaded: its id, or the path of its description.

    A description is looked for at the recorded path, and by its file name in the folder of corpora. The hashes of the
    files that it names are compared with the record's afterwards.

    Raises:
        ZooError: a described corpus whose description is not there.
    """
    id = entry.record.corpus.id
    named = str((entry.record.config.get("data") or {}).get("corpus") or id)
    if id in CORPORA or not named.endswith(ENDINGS):
        return id
    places = (Path(named), data_root(root) / Path(named).name)
    for place in places:
        if place.is_file():
            return str(place)
    raise ZooError(
        f"{entry.path}: expected {Path(named).name}, the description of its corpus {id!r}, at "
        f"{' or '.join(map(str, places))}, but found neither. Copy it there, with the files that it names, or say "
        "--root DIR."
    )


def gold_of(entry: Entry, root: Path | None = None) -> Documents:
    """The test documents that a record was scored on.

    Args:
        entry: The record.
        root: Folder of the corpora; see `load_corpus`.

    Raises:
        ZooError: no such corpus, no files, or files other than those that the record names.
    """
    corpus = entry.record.corpus
    on_error: OnError = (
        "skip" if (entry.record.config.get("data") or {}).get("on_error") == "skip" else "raise"
    )
    documents, files = _test_documents(corpus_of(entry, root), root, corpus.fold, on_error)
    for name, sha in corpus.files.items():
        if files.get(name) != sha:
            raise ZooError(
                f"{entry.path}: expected {name} of {corpus.id!r} with sha256 {sha[:12]}..., as the run read it, but "
                f"got {(files.get(name) or 'no such file')[:12]}. "
                + (
                    f"Fetch the corpus again: ecpe-zoo data fetch {corpus.id}"
                    if corpus.id in CORPORA
                    else "Put the files back that it was run on."
                )
            )
    return documents


# --- all metrics again


def _scored_task(entry: Entry) -> Task:
    if entry.task not in TASKS:
        raise ZooError(
            f"{entry.path}: expected metrics of a known task ({', '.join(TASKS)}), but got {entry.task!r}."
        )
    task = TASKS[entry.task]
    if task.thresholded and entry.threshold is None:
        raise ZooError(
            f"{entry.path}: expected a threshold, which task {entry.task!r} needs, but it names none."
        )
    return task


class Difference(NamedTuple):
    """A metric whose stored value differs from the recomputed one.

    Args:
        metric: Its versioned id.
        where: "metrics" or "metrics_default".
        stored: None if the record lacks it.
        computed: None if the predictions do not give it.
    """

    metric: str
    where: str
    stored: float | None
    computed: float | None


def metrics_again(entry: Entry, root: Path | None = None) -> dict[str, dict[str, float]]:
    """`metrics` and `metrics_default` of a record, recomputed from its saved predictions; those that it has.

    Raises:
        ZooError: predictions or corpus are missing or others than the record names; or a task that cannot be
            scored yet.
    """
    scored, record = _scored_task(entry), entry.record
    documents: Documents = gold_of(entry, root)
    predictions = read_predictions(entry.predictions)
    if record.corpus.scored < len(documents):  # a run with limited batches scored only what it reached
        documents = {p.id: documents[p.id] for p in predictions if p.id in documents}
    thresholds = {"metrics": entry.threshold, "metrics_default": record.protocol.default_threshold}
    return {
        name: versioned(entry.task, scored.score(predictions, documents, threshold))
        for name, threshold in thresholds.items()
        if getattr(record, name)
    }


def recompute(entry: Entry, root: Path | None = None) -> tuple[int, list[Difference]]:
    """Score a record's saved predictions again.

    Returns:
        How many metrics were compared, and those that differ.

    Raises:
        ZooError: see `metrics_again`.
    """
    found: list[Difference] = []
    compared = 0
    for where, computed in metrics_again(entry, root).items():
        stored: dict[str, float] = getattr(entry.record, where)
        for metric in sorted(stored.keys() | computed.keys()):
            if not metric.endswith(f".{METRIC_VERSION}"):
                continue  # a definition that this version does not have
            compared += 1
            old, new = stored.get(metric), computed.get(metric)
            if old is None or new is None or not math.isclose(old, new, rel_tol=0, abs_tol=TOLERANCE):
                found.append(Difference(metric, where, old, new))
    return compared, found


# --- counts of each document


class DocumentCounts(NamedTuple):
    """Counts of one run on each test document.

    Args:
        ids: Ids of the D documents, sorted.
        classes: The C classes, sorted; one for pairs.
        counts: (D, C, 3) correct, predicted and gold items of each class.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    counts: npt.NDArray[np.float64]

    def among(self, classes: Sequence[str]) -> npt.NDArray[np.float64]:
        """The counts (D, C', 3) for a longer list of classes: a class that is not known here has none."""
        wider = np.zeros((len(self.ids), len(classes), 3))
        wider[:, [classes.index(name) for name in self.classes]] = self.counts
        return wider


@lru_cache(maxsize=512)
def document_counts(entry: Entry, root: Path | None = None) -> DocumentCounts:
    """Counts of each test document at the headline threshold; a document without a prediction misses all its gold.

    Raises:
        ZooError: see `recompute`.
    """
    task = _scored_task(entry)
    documents = gold_of(entry, root)
    rows = {
        document.id: prediction
        for prediction, document in matched(read_predictions(entry.predictions), documents)
    }
    ids = tuple(sorted(documents))
    threshold = entry.threshold
    tables = [task.count([rows[id]] if id in rows else [], {id: documents[id]}, threshold) for id in ids]
    classes = tuple(sorted({name for table in tables for name in table}))
    counts = np.zeros((len(ids), len(classes), 3))
    for place, table in enumerate(tables):
        for name, count in table.items():
            counts[place, classes.index(name)] = count
    return DocumentCounts(ids, classes, counts)


def threshold_sweep(entry: Entry, root: Path | None = None) -> Counts | None:
    """Counts (K,) at each threshold of `SWEEP`; None for a task without a plot of it.

    Raises:
        ZooError: see `recompute`.
    """
    sweep = find_task(entry.task).sweep
    return None if sweep is None else sweep(read_predictions(entry.predictions), gold_of(entry, root), SWEEP)
