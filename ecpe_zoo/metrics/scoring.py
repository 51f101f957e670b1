"""How each task is scored: what the scorer, the recorder, the report and the command line need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.metrics import emotions, pairs
from ecpe_zoo.metrics.conversations import score_conversations

Metrics = dict[str, float]
Score = Callable[[Sequence[Prediction], Mapping[str, Document], float | None], Metrics]
Tune = Callable[[Sequence[Prediction], Mapping[str, Document], float], tuple[float, float]]

THREE = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Scoring:
    """The scores of one task.

    Args:
        task: its name.
        headline: the metric that chooses the epoch, leads the table, and that `tune` makes as high as it can.
        remembered: metrics that are kept of each validation; the rest can be recomputed from saved scores.
        score: predictions, gold documents by id and the threshold (None where there is no `tune`) -> metrics.
        tune: predictions, gold documents and the default threshold -> the best threshold and its headline; None
            where the highest score decides.
        rows: item -> its label in the printed table; an item has `{item}_{precision,recall,f1}`. The classes of
            a task with labels follow by themselves: see `table_rows`.
        shown: single figures below the table -> their label.
        counted: the metric that holds the number of gold items: pairs, or judged texts.
        gold: the gold items of a document; `counted` must be their sum over the scored documents.
        above: what scores above the threshold, for the line below the table.
    """

    task: str
    headline: str
    remembered: tuple[str, ...]
    score: Score
    tune: Tune | None
    rows: Mapping[str, str]
    shown: Mapping[str, str]
    counted: str
    gold: Callable[[Document], int]
    above: str = ""

    @property
    def leading(self) -> str:
        """The item of the headline, `pair` for `pair_f1`."""
        return self.headline.removesuffix("_f1")

    def short(self, metrics: Mapping[str, float]) -> Metrics:
        """What is remembered of a validation's metrics."""
        return {name: metrics[name] for name in self.remembered if name in metrics}

    def table_rows(self, metrics: Mapping[str, float]) -> dict[str, str]:
        """The items of the printed table that these metrics have -> their labels; classes come last.

        >>> scoring_of("erc").table_rows({"weighted_f1": 0.5, "class_joy_f1": 0.5, "class_joy_support": 3.0})
        {'weighted': 'weighted by class size', 'class_joy': '  joy (3)'}
        """
        classes = [name.removesuffix("_f1") for name in metrics if name.startswith("class_")]
        rows = {item: label for item, label in self.rows.items() if f"{item}_f1" in metrics}
        for item in classes:
            if f"{item}_f1" in metrics:
                label = item.removeprefix("class_")
                rows[item] = f"  {label} ({metrics.get(f'{item}_support', 0.0):.0f})"
        return rows

    def figures(self, metrics: Mapping[str, float]) -> Metrics:
        """Label -> value of the single figures that these metrics have."""
        return {label: metrics[name] for name, label in self.shown.items() if name in metrics}

    def check(self, metrics: Mapping[str, float], documents: Iterable[Document]) -> None:
        """Check that no gold was lost between the documents and their scores.

        Raises:
            ZooError: the metrics were computed on more or fewer gold items than the documents have.
        """
        expected = sum(self.gold(document) for document in documents)
        if metrics[self.counted] != expected:
            raise ZooError(
                f"Expected scores on the {expected} gold items of the documents, but {metrics[self.counted]:.0f} were "
                f"scored ({self.counted}). This is a fault of the zoo: please report it with the corpus."
            )

    def collapsed(self, metrics: Mapping[str, float]) -> bool:
        """Whether nothing was learned: the headline is 0, or one class is all that is ever found of several.

        >>> scoring_of("ecpe").collapsed({"pair_f1": 0.0})
        True
        """
        if not metrics.get(self.headline, 0.0) > 0:
            return True
        support = {n.removesuffix("_support"): v for n, v in metrics.items() if n.endswith("_support")}
        found = [item for item in support if metrics[f"{item}_f1"] > 0]
        return len(found) <= 1 < sum(value > 0 for value in support.values())


def _threshold(threshold: float | None) -> float:
    if threshold is None:
        raise ValueError("Expected a threshold for a task whose scores are cut at one, but got None.")
    return threshold


def _score_pairs(
    predictions: Sequence[Prediction], documents: Mapping[str, Document], threshold: float | None
) -> Metrics:
    return pairs.score_pairs(predictions, documents, _threshold(threshold))


def _score_conversations(
    predictions: Sequence[Prediction], documents: Mapping[str, Document], threshold: float | None
) -> Metrics:
    return score_conversations(predictions, documents)  # the highest score decides: there is no threshold


def _score_emotions(
    predictions: Sequence[Prediction], documents: Mapping[str, Document], threshold: float | None
) -> Metrics:
    return emotions.score_emotions(predictions, documents, _threshold(threshold))


AVERAGES = {"weighted": "weighted by class size", "macro": "mean of the classes", "micro": "all together"}

SCORINGS: dict[str, Scoring] = {
    "ecpe": Scoring(
        task="ecpe",
        headline="pair_f1",
        remembered=tuple(f"{item}_{score}" for item in ("pair", "emotion", "cause") for score in THREE),
        score=_score_pairs,
        tune=pairs.tune_threshold,
        rows={
            "pair": "pairs",
            "emotion": "emotions",
            "cause": "causes",
            "emotion_from_pairs": "  emotions of the pairs",
            "cause_from_pairs": "  causes of the pairs",
            "pair_offset_-1": "  cause one before",
            "pair_offset_0": "  cause in the same",
            "pair_offset_other": "  other distances",
            "pair_single": "  documents with one pair",
            "pair_multiple": "  documents with more",
        },
        shown={},
        counted="pair_gold",
        gold=lambda document: len(document.pairs or ()),
        above="pairs",
    ),
    "erc": Scoring(
        task="erc",
        headline="weighted_f1",
        remembered=(
            *(f"{average}_f1" for average in AVERAGES),
            "accuracy",
            "micro_f1_without_neutral",
            "micro_f1_without_others",
        ),
        score=_score_conversations,
        tune=None,
        rows={name: AVERAGES[name] for name in ("weighted", "macro")},
        shown={
            "accuracy": "accuracy",
            "micro_f1_without_neutral": "micro F1 without neutral",
            "micro_f1_without_others": "micro F1 without others",
        },
        counted="utterances",
        gold=lambda document: sum(segment.judged and bool(segment.emotions) for segment in document.segments),
    ),
    "emotions": Scoring(
        task="emotions",
        headline="macro_f1",
        remembered=(
            *(f"{average}_{score}" for average in AVERAGES for score in THREE),
            "macro_f1_without_neutral",
            "ranking_average_precision",
            "mean_average_precision",
            "mean_squared_error",
            "mean_absolute_error",
        ),
        score=_score_emotions,
        tune=emotions.tune_threshold,
        rows={name: AVERAGES[name] for name in ("macro", "micro", "weighted")},
        shown={
            "macro_f1_without_neutral": "macro F1 without neutral",
            "macro_f1_top_1": "macro F1 of the highest label",
            "ranking_average_precision": "label ranking average precision",
            "mean_average_precision": "mean average precision",
        },
        counted="segments",
        gold=lambda document: sum(segment.has_gold for segment in document.segments),
        above="labels",
    ),
}
"""Task -> how it is scored."""


def scoring_of(task: str) -> Scoring:
    """How a task is scored.

    Raises:
        ZooError: there is no such task; the message lists them.

    >>> scoring_of("erc").headline
    'weighted_f1'
    """
    if task not in SCORINGS:
        raise unknown_choice("a task", task, SCORINGS)
    return SCORINGS[task]
