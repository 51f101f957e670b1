"""The tasks: for each, what is scored, tuned, counted, averaged, labelled and drawn.

No other code depends on the name of a task: a new task is an object here and a module in `metrics`. Every command
imports this module, so it imports nothing slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics import conversations, emotions, pairs
from ecpe_zoo.metrics.counts import THREE, Average, Counts
from ecpe_zoo.views import Confusion, Heatmap, View

Metrics = dict[str, float]
Documents = Mapping[str, Document]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Task:
    """One task.

    Args:
        id: Prefix of its metric ids, and its name in corpora and records.
        title: Title of its leaderboards.
        headline: Metric that chooses the epoch, ranks methods, and that `tune` maximises.
        average: How the headline's F1 is formed from the classes of `counting`.
        labelled: Whether each segment gets labels; otherwise pairs of segments are sought, and running text is split
            into clauses.
        decided_by: Name of the scores that decide.
        scoring: (predictions, gold documents by id, threshold) -> metrics; without `tune`, no threshold.
        counting: Same arguments -> counts by class, whose sum over documents gives the headline.
        gold: Gold items of a document.
        counted: Metric that holds the number of gold items in all scored documents.
        remembered: Metrics that the history of a run keeps; the others can be recomputed from saved scores.
        tune: (predictions, documents, default threshold) -> the best threshold and its headline; None if the
            highest score decides, so that each segment gets one label.
        sweep: (predictions, documents, K thresholds) -> counts (K,), for the plot on a method's page.
        stage_headline: Headline of a first stage that does not yet predict the scores in `decided_by`.
        annotations: Tasks of which a corpus must be annotated for at least one.
        rows: Item -> label in the printed table; an item has `{item}_{precision,recall,f1}`. Classes are added.
        shown: Metric -> label of the single figures below the table.
        families: Prefix of metrics -> title and format of the line below the table that lists them.
        kinds: Item -> label of the bars on a method's page; the classes if empty.
        kinds_caption: Their caption.
        unit: What is compared with the threshold.
        pictures: (predictions, gold documents by id) -> pictures of the scores.
    """

    id: str
    title: str
    headline: str = ""
    average: Average = "micro"
    labelled: bool = True
    decided_by: str = "emotions"
    scoring: Callable[..., Metrics] = lambda *_: {}
    counting: Callable[..., dict[str, Counts]] = lambda *_: {}
    gold: Callable[[Document], int] = lambda _: 0
    counted: str = ""
    remembered: tuple[str, ...] = ()
    tune: Callable[[Sequence[Prediction], Documents, float], tuple[float, float]] | None = None
    sweep: Callable[[Sequence[Prediction], Documents, Sequence[float]], Counts] | None = None
    stage_headline: str = ""
    annotations: frozenset[str] = frozenset()
    rows: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    families: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    kinds_caption: str = "F1 of each class."
    unit: str = "labels"
    pictures: Callable[[Sequence[Prediction], Documents], list[View]] = lambda *_: []

    def __str__(self) -> str:
        return self.id

    def __reduce__(self) -> tuple[Any, ...]:
        return find_task, (self.id,)  # a copied method keeps the same task

    @property
    def thresholded(self) -> bool:
        """Whether scores are compared with a threshold; otherwise the highest score decides."""
        return self.tune is not None

    @property
    def single(self) -> bool:
        """Whether each segment gets exactly one label."""
        return self.labelled and not self.thresholded

    @property
    def leading(self) -> str:
        """The item of the headline, `pair` for `pair_f1`."""
        return self.headline.removesuffix("_f1")

    @property
    def headline_in_words(self) -> str:
        """`pair F1`."""
        return self.headline.replace("_", " ").replace("f1", "F1")

    @property
    def decision(self) -> str:
        """What decides, for the line below the printed table."""
        return f"{self.unit} score above the threshold" if self.thresholded else "the highest score decides"

    def score(
        self, predictions: Sequence[Prediction], documents: Documents, threshold: float | None
    ) -> Metrics:
        """All metrics.

        Args:
            predictions: At most one per document.
            documents: Gold documents by id.
            threshold: None for a task without one.

        Raises:
            ValueError: There is no threshold, and the task needs one.
        """
        return self._at(self.scoring, predictions, documents, threshold)

    def count(
        self, predictions: Sequence[Prediction], documents: Documents, threshold: float | None
    ) -> dict[str, Counts]:
        """Counts of each class; see `score` for the arguments."""
        return self._at(self.counting, predictions, documents, threshold)

    def _at(
        self,
        function: Callable[..., T],
        predictions: Sequence[Prediction],
        documents: Documents,
        threshold: float | None,
    ) -> T:
        if not self.thresholded:
            return function(predictions, documents)
        if threshold is None:
            raise ValueError("Expected a threshold for a task that compares scores with one, but got None.")
        return function(predictions, documents, threshold)

    def tunable(self, predictions: Iterable[Prediction]) -> bool:
        """Whether the predictions have the scores whose threshold is tuned; those of a first stage may lack them."""
        return self.thresholded and all(self.decided_by in prediction.scores for prediction in predictions)

    def headline_of(self, metrics: Mapping[str, float]) -> str:
        """The headline metric, or that of a first stage if the metrics have only the latter."""
        return self.stage_headline if self.stage_headline in metrics else self.headline

    def short(self, metrics: Mapping[str, float]) -> Metrics:
        """The metrics of a validation that are kept in the history."""
        return {name: metrics[name] for name in self.remembered if name in metrics}

    def table_rows(self, metrics: Mapping[str, float]) -> dict[str, str]:
        """Labels of the rows of the printed table that these metrics have; classes come last.

        >>> ERC.table_rows({"weighted_f1": 0.5, "class_joy_f1": 0.5, "class_joy_support": 3.0})
        {'weighted': 'weighted by class size', 'class_joy': '  joy (3)'}
        """
        rows = {item: label for item, label in self.rows.items() if f"{item}_f1" in metrics}
        classes = [n.removesuffix("_f1") for n in metrics if n.startswith("class_") and n.endswith("_f1")]
        return rows | {
            item: f"  {item.removeprefix('class_')} ({metrics.get(f'{item}_support', 0.0):.0f})"
            for item in classes
        }

    def lines(self, metrics: Mapping[str, float]) -> list[str]:
        """The lines below the printed table: single figures in percent, then families of metrics.

        >>> ERC.lines({"accuracy": 0.5, "taken_joy_for_anger": 0.25})
        ['accuracy 50.00', 'similar emotions taken for each other: joy for anger 25.0']
        """
        figures = [
            f"{label} {100 * metrics[name]:.2f}" for name, label in self.shown.items() if name in metrics
        ]
        lines = ["; ".join(figures)] if figures else []
        for prefix, (title, form) in self.families.items():
            listed = [
                f"{name.removeprefix(prefix).replace('_', ' ')} {form.format(value=value, percent=100 * value)}"
                for name, value in metrics.items()
                if name.startswith(prefix)
            ]
            lines += [f"{title}: {', '.join(listed)}"] if listed else []
        return lines

    def check(self, metrics: Mapping[str, float], documents: Iterable[Document]) -> None:
        """Check that no gold was lost between the documents and their scores.

        Raises:
            ZooError: The metrics cover more or fewer gold items than the documents have.
        """
        expected = sum(self.gold(document) for document in documents)
        if metrics[self.counted] != expected:
            raise ZooError(
                f"Expected scores on the {expected} gold items of the documents, but {metrics[self.counted]:.0f} were "
                f"scored ({self.counted}). This is a bug in ecpe_zoo: please report it with the corpus."
            )

    def collapsed(self, metrics: Mapping[str, float]) -> bool:
        """Whether nothing was learned: the headline is 0, or only one of several classes is ever found.

        >>> ECPE.collapsed({"pair_f1": 0.0})
        True
        """
        if not metrics.get(self.headline_of(metrics), 0.0) > 0:
            return True
        support = {n.removesuffix("_support"): v for n, v in metrics.items() if n.endswith("_support")}
        found = [item for item in support if metrics[f"{item}_f1"] > 0]
        return len(found) <= 1 < sum(value > 0 for value in support.values())


def _confusion(predictions: Sequence[Prediction], documents: Documents) -> list[View]:
    return [Confusion("confusion", *conversations.confusion(predictions, documents))]


def _correlations(predictions: Sequence[Prediction], documents: Documents) -> list[View]:
    *both, labels = emotions.label_correlations(predictions, documents)
    return [
        Heatmap(f"correlation-{name}", f"Pearson correlation of labels, {name}", values, labels, -0.3, 0.3)
        for name, values in zip(("predicted", "annotated"), both, strict=True)
    ]


AVERAGES = {"weighted": "weighted by class size", "macro": "mean of the classes", "micro": "all together"}

ECPE = Task(
    id="ecpe",
    title="Emotion-cause pairs",
    headline="pair_f1",
    average="micro",
    labelled=False,
    decided_by="pair",
    scoring=pairs.score_pairs,
    counting=pairs.count_pairs,
    gold=lambda document: len(document.pairs or ()),
    counted="pair_gold",
    remembered=(
        *(f"{item}_{score}" for item in ("pair", "emotion", "cause") for score in THREE),
        "clause_f1",
    ),
    tune=pairs.tune_threshold,
    sweep=pairs.sweep,
    stage_headline="clause_f1",
    annotations=frozenset({"ecpe"}),
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
    shown={"clause_f1": "mean F1 of emotions and causes"},
    kinds={
        "pair_offset_-1": "one before",
        "pair_offset_0": "the same",
        "pair_offset_other": "other offsets",
        "pair_single": "one pair",
        "pair_multiple": "more pairs",
    },
    kinds_caption="F1 by the offset of the cause from the emotion, and by the number of pairs in the document.",
    unit="pairs",
)

ERC = Task(
    id="erc",
    title="Emotions in conversation",
    headline="weighted_f1",
    average="weighted",
    scoring=conversations.score_conversations,
    counting=conversations.count_utterances,
    gold=lambda document: sum(segment.judged and bool(segment.emotions) for segment in document.segments),
    counted="utterances",
    remembered=(
        *(f"{average}_f1" for average in AVERAGES),
        "accuracy",
        "micro_f1_without_neutral",
        "micro_f1_without_others",
    ),
    annotations=frozenset({"erc"}),
    rows={name: AVERAGES[name] for name in ("weighted", "macro")},
    shown={
        "accuracy": "accuracy",
        "micro_f1_without_neutral": "micro F1 without neutral",
        "micro_f1_without_others": "micro F1 without others",
    },
    families={conversations.TAKEN: ("similar emotions taken for each other", "{percent:.1f}")},
    pictures=_confusion,
)

EMOTIONS = Task(
    id="emotions",
    title="Emotions of a text",
    headline="macro_f1",
    average="macro",
    scoring=emotions.score_emotions,
    counting=emotions.count_emotions,
    gold=lambda document: sum(segment.has_gold for segment in document.segments),
    counted="segments",
    remembered=(
        *(f"{average}_{score}" for average in AVERAGES for score in THREE),
        "macro_f1_without_neutral",
        "ranking_average_precision",
        "mean_average_precision",
        "mean_squared_error",
        "mean_absolute_error",
    ),
    tune=emotions.tune_threshold,
    annotations=frozenset({"emotions", "erc"}),  # single emotions can be learned from conversations too
    rows={name: AVERAGES[name] for name in ("macro", "micro", "weighted")},
    shown={
        "macro_f1_without_neutral": "macro F1 without neutral",
        "macro_f1_top_1": "macro F1 of the highest label",
        "ranking_average_precision": "label ranking average precision",
        "mean_average_precision": "mean average precision",
    },
    families={emotions.SPEARMAN: ("rank correlation with the annotated intensity", "{value:+.2f}")},
    pictures=_correlations,
)

TASKS = {task.id: task for task in (ECPE, ERC, EMOTIONS)}


def find_task(id: str) -> Task:
    """The task of that name; for a name known only from a record, an empty task without a headline.

    >>> find_task("erc").headline, find_task("unknown").headline
    ('weighted_f1', '')
    """
    return TASKS[id] if id in TASKS else Task(id, title=id)
