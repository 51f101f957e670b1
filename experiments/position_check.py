"""What position alone is worth: pair F1 on the test documents whose cause offsets are balanced, and on the others.

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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ecpe_zoo.cli.screen import show_table
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction, read_predictions
from ecpe_zoo.metrics.pairs import score_pairs
from ecpe_zoo.results import statistics
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.store import RunGroup, find_records, group_records

CORPUS, BALANCED = "xia-ding-2019", "xia-ding-balanced"


class Scores(NamedTuple):
    """Pair F1 of a run, as fractions.

    Args:
        balanced: On the test documents that the balanced corpus has.
        others: On the rest.
        every: On all.
    """

    balanced: float
    others: float
    every: float


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
    """Score the predictions of one test part on the documents with these texts, on the others, and on all."""
    inside = {id for id, document in documents.items() if text_of(document) in texts}
    groups = (inside, documents.keys() - inside, documents.keys())
    found = []
    for ids in groups:
        chosen = [prediction for prediction in predictions if prediction.id in ids]
        found.append(score_pairs(chosen, {id: documents[id] for id in ids}, threshold)["pair_f1"])
    return Scores(*found)


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
    texts = balanced_texts(options.root)
    groups = [g for g in group_records(find_records(options.records)) if g.corpus == CORPUS]
    names, tests = labels(groups), dict[int, dict[str, Document]]()
    for fold in sorted({fold for group in groups for fold in group.folds}):
        tests[fold] = {document.id: document for document in load_corpus(CORPUS, options.root, fold).test}
    both = [document for fold in tests.values() for document in fold.values()]
    for name, chosen in (
        ("balanced", [d for d in both if text_of(d) in texts]),
        ("others", [d for d in both if text_of(d) not in texts]),
    ):
        counted = offsets(chosen)
        shares = ", ".join(f"{o:+d}: {100 * counted[o] / counted.total():.0f} %" for o in (-2, -1, 0, 1))
        print(
            f"{name}: {len(chosen)} test documents, {counted.total()} gold pairs; cause minus emotion {shares}"
        )
    rows = [_row(names[id(group)], group, tests, texts) for group in groups]
    heads = ("method", ">folds", ">all", ">others", ">balanced", ">difference", ">interval")
    show_table("Pair F1 in percent, mean over folds", heads, rows)


def _row(
    name: str, group: RunGroup, tests: Mapping[int, Mapping[str, Document]], texts: frozenset[str]
) -> tuple[str, ...]:
    found: dict[tuple[int, str], Scores] = {}
    for run in group.finished:
        threshold = run.threshold
        assert threshold is not None
        predictions = read_predictions(run.predictions)
        found[run.fold, run.id] = split_scores(predictions, tests[run.fold], texts, threshold)

    def over(part: int) -> float:
        return statistics.over_runs({key: scores[part] for key, scores in found.items()}).over.mean

    gap = statistics.over_runs({key: s.balanced - s.others for key, s in found.items()}).over
    shown = [f"{100 * value:.1f}" for value in (over(2), over(1), over(0), gap.mean)]
    interval = "–" if math.isnan(gap.low) else f"[{100 * gap.low:.1f}, {100 * gap.high:.1f}]"
    return name, str(len(group.folds)), *shown, interval


if __name__ == "__main__":
    main()
