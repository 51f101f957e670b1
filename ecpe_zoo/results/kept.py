"""What a board needs of the corpus, kept beside a record so that no build needs the corpus: counts of each document.

`NAME.counts.npz` belongs to `NAME.json`. It has ids of documents and counts, no text. It is used only if it names the
record's predictions, threshold and corpus files, and if its counts give the record's headline metric.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.data.predictions import DAMAGE
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.metrics.counts import Counts
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.record import METRIC_VERSION
from ecpe_zoo.results.resampling import f1_of
from ecpe_zoo.tasks import find_task

FORMAT = "ecpe-zoo counts 1"

SWEEP = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds of the sweep that is drawn."""


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


class Kept(NamedTuple):
    """Content of the file.

    Args:
        documents: Counts at the headline threshold.
        sweep: Counts (K,) at each threshold of `SWEEP`; None for a task without a plot of it.
    """

    documents: DocumentCounts
    sweep: Counts | None


def kept_path(entry: Entry) -> Path:
    """Where the counts of a record are kept."""
    return entry.path.with_suffix(".counts.npz")


def _identity(entry: Entry) -> dict[str, Any]:
    """What counts depend on."""
    record = entry.record
    return {
        "format": FORMAT,
        "metrics": METRIC_VERSION,
        "predictions": record.predictions,
        "threshold": entry.threshold,
        "files": dict(sorted(record.corpus.files.items())),
        "sweep": list(SWEEP),
    }


def write_kept(entry: Entry, kept: Kept) -> Path:
    """Keep the counts of a record; equal counts make equal files."""
    ids, classes, counts = kept.documents
    head = _identity(entry) | {"ids": ids, "classes": classes}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    arrays = {"head": np.frombuffer(text.encode(), np.uint8), "counts": counts.astype(np.int32)}
    if kept.sweep is not None:
        arrays["sweep"] = np.stack(np.broadcast_arrays(*kept.sweep)).astype(np.int64)
    path = kept_path(entry)
    with replaced_when_complete(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path


def read_kept(entry: Entry) -> Kept | None:
    """The kept counts of a record; None without a file, or if it is about other predictions or corpus files.

    Raises:
        ZooError: the file is damaged, or its counts do not give the record's headline metric.
    """
    path = kept_path(entry)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            head = json.loads(stored["head"].tobytes().decode())
            ids, classes = (tuple(map(str, head.pop(name))) for name in ("ids", "classes"))
            if head != _identity(entry):
                return None
            counts = stored["counts"].astype(np.float64)
            sweep = Counts(*stored["sweep"]) if "sweep" in stored else None
        if counts.shape != (len(ids), len(classes), 3) or (counts < 0).any():
            raise ValueError(
                f"counts of shape {counts.shape} for {len(ids)} documents and {len(classes)} classes"
            )
        if sweep is not None and sweep.correct.shape != (len(SWEEP),):
            raise ValueError(f"a sweep of {sweep.correct.shape} thresholds")
        scored = float(f1_of(counts.sum(axis=0), find_task(entry.task).average))
        if entry.score is None or abs(scored - entry.score) > 1e-9:
            raise ValueError(f"counts that give {scored:.4f}, not the record's {entry.score}")
    except DAMAGE as error:
        raise ZooError(
            f"{path}: expected counts that `ecpe-zoo results count` keeps for {entry.path.name}, but got: {error}. "
            "Delete the file, and count again where the corpus is."
        ) from error
    return Kept(DocumentCounts(ids, classes, counts), sweep)
