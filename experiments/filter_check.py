"""What the filter of the two-stage methods is worth: pair F1 with and without it, from kept scores.

Without a filter, every found emotion clause is paired with every found cause clause. Both use the same stage one, whose
scores are kept beside those of stage two, so nothing is trained here.

    python -m experiments.filter_check experiments/records/two-stage-xia-ding
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecpe_zoo.cli.screen import show_table
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction, read_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.tables import percent, signed
from ecpe_zoo.metrics.pairs import CLAUSE_THRESHOLD, score_pairs
from ecpe_zoo.results import statistics
from ecpe_zoo.results.evidence import gold_of
from ecpe_zoo.results.naming import arguments_of, labels
from ecpe_zoo.results.store import RunGroup, find_records, group_records, share_tested
from experiments import run
from experiments.report_tables import with_shared

METHOD = "two_stage"
PARTS = ("pair_precision", "pair_recall", "pair_f1")


class Row(NamedTuple):
    """Scores of a group of runs, mean over folds, as fractions.

    Args:
        name: Name of the group.
        folds: Number of folds.
        kept: Precision, recall and F1 with the filter, at its threshold.
        every: The same without the filter.
        gain: F1 with the filter minus that without; its interval over folds counts in shared training documents.
        gains: The same of each run, by fold and record.
    """

    name: str
    folds: int
    kept: tuple[float, ...]
    every: tuple[float, ...]
    gain: statistics.Spread
    gains: Mapping[tuple[int, str], float]


def filters(group: RunGroup) -> bool:
    """Whether the runs are of a two-stage method with a filter."""
    return group.method == METHOD and bool(arguments_of(group.first.record).get("filter", True))


def unfiltered(prediction: Prediction, window: int | None = None) -> Prediction:
    """The prediction of stage one alone: a pair scores the lower of its two probabilities.

    Args:
        prediction: Prediction with scores of emotion and cause clauses.
        window: Maximum distance of a pair in clauses; None for no limit.
    """
    emotion, cause = prediction.scores["emotion"], prediction.scores["cause"]
    pair = np.minimum.outer(emotion, cause)
    if window is not None:
        place = np.arange(len(emotion))
        pair = np.where(np.abs(place[:, None] - place) <= window, pair, np.float32(0))
    return prediction._replace(scores={**prediction.scores, "pair": pair})


def both(
    predictions: Sequence[Prediction],
    documents: Mapping[str, Document],
    threshold: float,
    window: int | None = None,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Precision, recall and F1 of pairs with the filter, and without."""
    kept = score_pairs(predictions, documents, threshold)
    every = score_pairs([unfiltered(p, window) for p in predictions], documents, CLAUSE_THRESHOLD)
    return tuple(kept[part] for part in PARTS), tuple(every[part] for part in PARTS)


def row_of(name: str, group: RunGroup, root: Path | None = None) -> Row:
    """Score the runs of a group with and without the filter."""
    found = {}
    for entry in group.finished:
        assert entry.threshold is not None
        predictions = read_predictions(entry.predictions)
        window = arguments_of(entry.record).get("pairs.window")
        found[entry.fold, entry.id] = both(predictions, gold_of(entry, root), entry.threshold, window)

    def means(which: int) -> tuple[float, ...]:
        parts = range(len(PARTS))
        return tuple(
            statistics.over_runs({key: it[which][part] for key, it in found.items()}).over.mean
            for part in parts
        )

    gains = {key: kept[-1] - every[-1] for key, (kept, every) in found.items()}
    gain = with_shared(statistics.over_runs(gains), share_tested(group.finished))
    return Row(name, len(group.folds), means(0), means(1), gain, gains)


def main(arguments: list[str] | None = None) -> int:
    """Score and print.

    Returns:
        0.

    Raises:
        ZooError: No record is of a two-stage method with a filter.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.filter_check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--root", type=Path, help="folder of the corpora")
    options = parser.parse_args(arguments)
    groups = [group for group in group_records(find_records(options.records)) if filters(group)]
    if not groups:
        raise ZooError(
            f"Expected records of {METHOD} with a filter, but {', '.join(map(str, options.records))} has none."
        )
    names, rows = labels(groups), []
    for group in groups:
        row = row_of(names[id(group)], group, options.root)
        low, high = row.gain.low, row.gain.high
        shown = "–" if math.isnan(low) else f"[{signed(low)}, {signed(high)}]"
        cells = (*map(percent, row.every), *map(percent, row.kept))
        rows.append((row.name, group.corpus, row.folds, *cells, signed(row.gain.mean), shown))
    heads = (
        "method",
        "corpus",
        ">folds",
        *(f">{part}" for part in ("P", "R", "F1", "P kept", "R kept", "F1 kept")),
    )
    show_table(
        "Pairs of stage one, and those that the filter keeps: percent, mean over folds",
        (*heads, ">difference", ">interval"),
        rows,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
