"""What is found where: pair F1 on test documents whose cause offsets are balanced and on the others, recall by offset.

xia-ding-balanced (UECA-Prompt) is a part of xia-ding-2019 whose offsets between emotion and cause are near uniform.
Each of its documents is in the test part of one fold of xia-ding-2019, and the records of that fold were trained
without it. So nothing is trained here: kept test scores are scored again on two groups of each fold's test documents.
Documents are matched by their text.

    python -m experiments.position_check experiments/records/e2eecpe experiments/records/rule
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ecpe_zoo.cli.screen import show_table
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction, read_predictions
from ecpe_zoo.leaderboard.tables import percent, signed
from ecpe_zoo.metrics.pairs import predicted_pairs, score_pairs
from ecpe_zoo.results import statistics
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.store import RunGroup, find_records, group_records

CORPUS, BALANCED = "xia-ding-2019", "xia-ding-balanced"


NEAR = (-1, 0)
"""Offsets, cause minus emotion, of most gold pairs: the clause before, and the emotion clause itself."""


class Scores(NamedTuple):
    """Pair F1 and recall of a run, as fractions.

    Args:
        balanced: On the test documents that the balanced corpus has.
        others: On the rest.
        every: On all.
        near: Recall of gold pairs at the offsets `NEAR`.
        far: Recall of those at other offsets.
    """

    balanced: float
    others: float
    every: float
    near: float
    far: float


class Row(NamedTuple):
    """Pair F1 and recall of a group of runs, mean over folds, as fractions.

    Args:
        name: Name of the group.
        folds: Number of folds.
        balanced: See `Scores`.
        others: See `Scores`.
        every: See `Scores`.
        near: See `Scores`.
        far: See `Scores`.
        gap: Spread of `balanced` minus `others`.
    """

    name: str
    folds: int
    balanced: float
    others: float
    every: float
    near: float
    far: float
    gap: statistics.RunSpread


def text_of(document: Document) -> str:
    """What two corpora's copies of a document share."""
    return "".join("".join(segment.text.split()) for segment in document.segments)


def balanced_texts(root: Path | None = None) -> frozenset[str]:
    """Texts of all documents of the balanced corpus."""
    loaded = load_corpus(BALANCED, root, on_error="skip")
    return frozenset(text_of(document) for document in (*loaded.train, *loaded.test))


def split_scores(
    predictions: Sequence[Prediction],
    documents: Mapping[str, Document],
    texts: frozenset[str],
    threshold: float,
) -> Scores:
    """Score the predictions of one test part: documents with these texts, the others, all, and pairs by offset."""
    inside = {id for id, document in documents.items() if text_of(document) in texts}
    groups = (inside, documents.keys() - inside, documents.keys())
    found = []
    for ids in groups:
        chosen = [prediction for prediction in predictions if prediction.id in ids]
        found.append(score_pairs(chosen, {id: documents[id] for id in ids}, threshold)["pair_f1"])
    kinds: dict[bool, list[bool]] = {True: [], False: []}
    for prediction in predictions:
        pairs = predicted_pairs(prediction, threshold)
        for emotion, cause in documents[prediction.id].pairs or ():
            kinds[cause - emotion in NEAR].append((emotion, cause) in pairs)
    near, far = (sum(found) / len(found) if found else math.nan for found in kinds.values())
    balanced, others, every = found
    return Scores(balanced, others, every, near, far)


def offsets(documents: Sequence[Document]) -> Counter[int]:
    """How often each distance (cause minus emotion, in clauses) is a gold pair's."""
    return Counter(cause - emotion for document in documents for emotion, cause in document.pairs or ())


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--root", type=Path, help="folder of the corpora")
    options = parser.parse_args()
    groups = [g for g in group_records(find_records(options.records)) if g.corpus == CORPUS]
    names = labels(groups)
    for name, documents in tested(groups, options.root).items():
        counts = offsets(documents)
        shares = ", ".join(f"{o:+d}: {100 * counts[o] / counts.total():.0f} %" for o in (-2, -1, 0, 1))
        print(
            f"{name}: {len(documents)} test documents, {counts.total()} gold pairs; cause minus emotion {shares}"
        )
    rows = [
        (
            row.name,
            row.folds,
            *map(percent, (row.every, row.others, row.balanced, row.near, row.far)),
            signed(row.gap.over.mean),
            "–"
            if math.isnan(row.gap.over.low)
            else f"[{signed(row.gap.over.low)}, {signed(row.gap.over.high)}]",
        )
        for row in rows_of(groups, lambda group: names[id(group)], options.root)
    ]
    heads = (
        "method",
        ">folds",
        ">all",
        ">others",
        ">balanced",
        ">recall\nnear",
        ">recall\nfar",
        ">difference",
        ">interval",
    )
    show_table(
        "Pair F1 in percent, mean over folds; near: cause in the emotion clause or the one before",
        heads,
        rows,
    )


def tests_of(groups: Sequence[RunGroup], root: Path | None) -> dict[int, dict[str, Document]]:
    """Fold -> test documents by id, of the folds that any group has."""
    folds = sorted({fold for group in groups for fold in group.folds})
    return {fold: {d.id: d for d in load_corpus(CORPUS, root, fold).test} for fold in folds}


def tested(groups: Sequence[RunGroup], root: Path | None) -> dict[str, list[Document]]:
    """The test documents of the folds that any group has, balanced ones and others."""
    texts = balanced_texts(root)
    documents = [document for fold in tests_of(groups, root).values() for document in fold.values()]
    return {
        "balanced": [document for document in documents if text_of(document) in texts],
        "others": [document for document in documents if text_of(document) not in texts],
    }


def rows_of(
    groups: Sequence[RunGroup], name_of: Callable[[RunGroup], str], root: Path | None = None
) -> list[Row]:
    """The runs of each group, scored on both kinds of test documents."""
    texts, tests = balanced_texts(root), tests_of(groups, root)
    return [_row(name_of(group), group, tests, texts) for group in groups]


def _row(
    name: str, group: RunGroup, tests: Mapping[int, Mapping[str, Document]], texts: frozenset[str]
) -> Row:
    found: dict[tuple[int, str], Scores] = {}
    for run in group.finished:
        threshold = run.threshold
        assert threshold is not None
        predictions = read_predictions(run.predictions)
        found[run.fold, run.id] = split_scores(predictions, tests[run.fold], texts, threshold)

    def over(part: int) -> float:
        return statistics.over_runs({key: scores[part] for key, scores in found.items()}).over.mean

    gap = statistics.over_runs({key: s.balanced - s.others for key, s in found.items()})
    balanced, others, every, near, far = (over(part) for part in range(len(Scores._fields)))
    return Row(name, len(group.folds), balanced, others, every, near, far, gap)


if __name__ == "__main__":
    main()
