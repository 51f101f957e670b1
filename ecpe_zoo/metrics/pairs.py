"""Scores of emotion-cause pair extraction as pure functions.

Gold is the set of distinct pairs of every scored document. Counts are summed over documents; precision,
recall and F1 are fractions, and 0 if undefined. Pairs lost to truncation count as missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.counts import Counts, best_of, count_above, count_sets, divided, nearest_first

CLAUSE_THRESHOLD = 0.5
"""Emotion and cause heads have two classes: a probability above 0.5 is their argmax."""

BUCKETS: dict[str, Callable[[int], bool]] = {
    "0": lambda offset: offset == 0,
    "-1": lambda offset: offset == -1,
    "other": lambda offset: offset not in (0, -1),
}
"""Cause index minus emotion index: the same clause, the clause before, anything else."""


def above(scores: npt.NDArray[np.float32], threshold: float) -> set[tuple[int, ...]]:
    """The indices of all scores strictly above a threshold."""
    return set(map(tuple, np.argwhere(scores > np.float32(threshold)).tolist()))


def predicted_pairs(prediction: Prediction, threshold: float) -> set[Pair]:
    """The (emotion, cause) pairs of a prediction, 0-based; none if it has no pair scores."""
    if "pair" not in prediction.scores:
        return set()
    return {(emotion, cause) for emotion, cause in above(prediction.scores["pair"], threshold)}


def matched(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> list[tuple[Prediction, Document]]:
    """Match each prediction with its document.

    Raises:
        ZooError: A document is predicted twice or is not to be scored, or its scores have the wrong size.
    """
    seen: set[str] = set()
    rows = []
    for prediction in predictions:
        if prediction.id in seen:
            raise ZooError(
                f"Expected each document to be scored once, but {prediction.id!r} was scored twice."
            )
        seen.add(prediction.id)
        if prediction.id not in documents:
            raise ZooError(f"Expected predictions of the scored documents only, but got {prediction.id!r}.")
        document = documents[prediction.id]
        for name, scores in prediction.scores.items():
            if scores.shape[:1] != (len(document),):
                raise ZooError(
                    f"Expected {name!r} of document {document.id!r} to have {len(document)} rows, one per "
                    f"segment, but got shape {scores.shape}."
                )
        rows.append((prediction, document))
    return rows


def score_pairs(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], threshold: float
) -> dict[str, float]:
    """All ECPE metrics of a set of documents at one pair threshold.

    Args:
        predictions: At most one per document; a document without one counts all its gold as missed.
        documents: Gold documents by id.
        threshold: Score that predicted pairs exceed strictly.

    Returns:
        `{item}_{precision,recall,f1}` for the items `pair`; `emotion`, `cause` (from the heads if the method has
        them, else derived from the pairs), `emotion_from_pairs`, `cause_from_pairs`, and with heads also
        `emotion_from_head`, `cause_from_head`; `pair_offset_{0,-1,other}`: gold and predicted pairs of that
        cause-minus-emotion offset only; `pair_single`, `pair_multiple`: documents with one gold pair, and
        all others.
        In addition, `documents` and the raw counts `pair_correct`, `pair_predicted`, `pair_gold`.

        The first stage of a two-stage method predicts no `pair`: only the items of its heads are returned, with
        `clause_f1`, the mean of their F1, and the counts `documents` and `pair_gold`.

    Raises:
        ZooError: See `matched`.
    """
    rows = matched(predictions, documents)
    found = {prediction.id: prediction for prediction, _ in rows}
    heads = [name for name in ("emotion", "cause") if all(name in p.scores for p, _ in rows)]
    clauses_only = bool(rows) and not any("pair" in p.scores for p, _ in rows)
    counts: dict[str, Counts] = {}

    def add(name: str, predicted: Iterable[object], gold: Iterable[object]) -> None:
        counts[name] = counts.get(name, Counts(0, 0, 0)) + count_sets(predicted, gold)

    for id in (*found, *(id for id in documents if id not in found)):
        prediction, gold = found.get(id, Prediction(id, {})), documents[id].pairs or frozenset()
        pairs = predicted_pairs(prediction, threshold)
        if not clauses_only:
            add("pair", pairs, gold)
            add("pair_single" if len(gold) == 1 else "pair_multiple", pairs, gold)
            for bucket, inside in BUCKETS.items():
                add(
                    f"pair_offset_{bucket}",
                    *({p for p in some if inside(p[1] - p[0])} for some in (pairs, gold)),
                )
        for place, name in enumerate(("emotion", "cause")):
            items = {pair[place] for pair in gold}
            if not clauses_only:
                add(f"{name}_from_pairs", {pair[place] for pair in pairs}, items)
            if name in heads:
                said = above(prediction.scores[name], CLAUSE_THRESHOLD) if id in found else set()
                add(f"{name}_from_head", {index for (index,) in said}, items)
    for name in ("emotion", "cause"):
        source = f"{name}_from_head" if name in heads else f"{name}_from_pairs"
        if source in counts:
            counts[name] = counts[source]
    values = {"documents": float(len(documents))}
    for name, count in counts.items():
        values |= count.named(name)
        if name == "pair":
            values |= {f"pair_{field}": float(value) for field, value in count._asdict().items()}
    if clauses_only:
        values["clause_f1"] = float(divided(sum(values[f"{name}_f1"] for name in heads), len(heads)))
        values["pair_gold"] = float(sum(len(document.pairs or ()) for document in documents.values()))
    return values


def count_pairs(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], threshold: float
) -> dict[str, Counts]:
    """Counts of pairs; their sum over documents gives the pair F1."""
    gold = {(id, pair) for id, document in documents.items() for pair in document.pairs or ()}
    found = {(p.id, pair) for p in predictions for pair in predicted_pairs(p, threshold)}
    return {"pair": count_sets(found, gold)}


def sweep(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], thresholds: Sequence[float]
) -> Counts:
    """Pair counts at each of K thresholds, equal to the counts of `score_pairs`.

    Args:
        predictions: See `score_pairs`; predictions without pair scores have no pairs.
        documents: Gold documents by id.
        thresholds: The K thresholds, in any order, in [0, 1].

    Returns:
        Counts (K,), with a single number of gold pairs.
    """
    rows = [row for row in matched(predictions, documents) if "pair" in row[0].scores]
    nothing = np.zeros(0, dtype=np.float32)
    scores = [prediction.scores["pair"].ravel() for prediction, _ in rows]
    hits = [p.scores["pair"][pair] for p, document in rows for pair in document.pairs or ()]
    counted = count_above(np.concatenate([nothing, *scores]), np.array(hits, dtype=np.float32), thresholds)
    return Counts(*counted, sum(len(document.pairs or ()) for document in documents.values()))


GRID = tuple(round(0.01 * step, 2) for step in range(1, 100))
"""Thresholds that tuning tries."""


def tune_threshold(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], default: float
) -> tuple[float, float]:
    """The threshold with the best pair F1, and that F1.

    In a tie, the threshold nearest to the method's default wins, so that a flat or empty validation part
    changes nothing.
    """
    candidates = nearest_first(GRID, default)
    return best_of(candidates, sweep(predictions, documents, candidates).f1)
