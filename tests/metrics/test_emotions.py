"""The scores of many labels a segment, against hand-made tables, naive versions, torchmetrics and scipy."""

from __future__ import annotations

import math
import time

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multilabel_average_precision,
    multilabel_f1_score,
    multilabel_ranking_average_precision,
)

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.emotions import (
    FIXED,
    GRID,
    highest,
    intensity_spearman,
    label_correlations,
    lay_labels,
    score_emotions,
    spearman,
    sweep,
    tune_threshold,
)
from ecpe_zoo.metrics.modular import MultiLabelF1

LABELS = ("joy", "anger", "neutral")
Table = npt.NDArray[np.float32]


def comment(id: str, *emotions: str, **intensities: float) -> Document:
    return Document(id, (Segment("so", emotions=emotions, intensities=intensities or None),))


def answer(id: str, *scores: float, labels: tuple[str, ...] = LABELS) -> Prediction:
    return Prediction(id, {"emotions": np.array([scores], dtype=np.float32)}, labels=labels)


def random_set(size: int, labels: int, seed: int = 0) -> tuple[list[Prediction], dict[str, Document], Table]:
    """Predictions of some use, their documents, and gold (size, labels); every segment has a label."""
    random = np.random.default_rng(seed)
    names = tuple(f"label{index}" for index in range(labels))
    gold = random.random((size, labels)) < 1.2 / labels
    gold[np.arange(size), random.integers(0, labels, size)] = True
    scores = np.clip(0.25 * gold + random.beta(1, 6, gold.shape), 0, 1).astype(np.float32)
    made = [Prediction(str(i), {"emotions": scores[i : i + 1]}, labels=names) for i in range(size)]
    documents = {
        str(i): comment(str(i), *(name for name, true in zip(names, row, strict=True) if true))
        for i, row in enumerate(gold)
    }
    return made, documents, scores


def test_all_metrics_by_hand() -> None:
    gold = {"a": comment("a", "joy", "anger"), "b": comment("b", "neutral"), "c": comment("c", "joy")}
    said = [answer("a", 0.9, 0.2, 0.4), answer("b", 0.1, 0.0, 0.3), answer("c", 0.3, 0.6, 0.5)]
    scores = score_emotions(said, gold, 0.3)  # strictly above: a joy, neutral; c anger, neutral
    # joy 1 of 1 said, 2 gold; anger 0 of 1, 1 gold; neutral 0 of 2, 1 gold
    assert scores["class_joy_f1"] == pytest.approx(2 / 3)
    assert scores["class_joy_precision"] == 1.0
    assert scores["class_anger_support"] == 1
    assert scores["macro_f1"] == pytest.approx(2 / 9)
    assert scores["micro_f1"] == pytest.approx(2 * 1 / (4 + 4))
    assert scores["weighted_f1"] == pytest.approx(2 * (2 / 3) / 4)
    assert scores["macro_f1_without_neutral"] == pytest.approx(1 / 3)
    assert scores["micro_f1_without_neutral"] == pytest.approx(2 * 1 / (2 + 3))
    assert scores["micro_f1_at_30"] == scores["micro_f1"]
    assert scores["labels_per_segment"] == pytest.approx(4 / 3)
    # the highest: a joy (right), b neutral (right), c anger (wrong); of two: c anger and neutral
    assert scores["micro_f1_top_1"] == pytest.approx(2 * 2 / (3 + 4))
    assert scores["micro_precision_top_2"] == pytest.approx(2 / 6)
    assert scores["micro_recall_top_3"] == 1.0
    # ranks of gold: a joy 1 of 1, anger 2 of 3; b neutral 1; c joy 1 of 3
    ranking = ((1 + 2 / 3) / 2 + 1 + 1 / 3) / 3
    assert scores["ranking_average_precision"] == pytest.approx(ranking)
    # joy: c at rank 2 and a at 1; anger: a at 2 of 2 at least as high; neutral: b at 3
    assert scores["mean_average_precision"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    off = np.array([[1, 8, 4], [1, 0, 7], [7, 6, 5]])
    assert scores["mean_absolute_error"] == pytest.approx(off.mean(), rel=1e-6)
    assert scores["mean_squared_error"] == pytest.approx(np.square(off).mean(), rel=1e-6)
    assert (scores["segments"], scores["documents"]) == (3, 3)


def test_which_segments_are_scored() -> None:
    segments = (
        Segment("context", emotions=("joy",), judged=False),
        Segment("not annotated"),
        Segment("annotated, no emotion", intensities={}),
        Segment("joy", emotions=("joy",)),
    )
    rows = np.array([[np.nan] * 3, [0.9] * 3, [0.9, 0, 0], [0.9, 0, 0]], dtype=np.float32)
    said = Prediction("a", {"emotions": rows}, labels=LABELS)
    scores = score_emotions([said], {"a": Document("a", segments)}, 0.5)
    assert scores["segments"] == 2
    assert (scores["class_joy_precision"], scores["class_joy_recall"]) == (0.5, 1.0)


def test_gold_without_an_answer_is_missed_and_earns_nothing() -> None:
    gold = {name: comment(name, "joy") for name in "abcd"}
    said = [answer("a", 0.9, 0, 0), answer("b", *[math.nan] * 3), answer("c", 0, 0, 0)]  # d: no prediction
    for threshold in (0.5, 0.0):
        scores = score_emotions(said, gold, threshold)
        assert scores["class_joy_recall"] == 1 / 4
        assert scores["class_joy_precision"] == 1.0
    for name in ("micro_recall_top_3", "ranking_average_precision", "mean_average_precision"):
        assert scores[name] == 1 / 4
    assert scores["mean_absolute_error"] == pytest.approx((1 + 3 * 10) / 12, rel=1e-6)


def test_a_gold_label_that_predictions_do_not_know_is_missed() -> None:
    gold = {"a": comment("a", "joy", "shame"), "b": comment("b", "shame")}
    scores = score_emotions([answer("a", 0.9, 0, 0), answer("b", 0.1, 0, 0.2)], gold, 0.5)
    assert scores["class_shame_support"] == 2
    assert scores["macro_f1"] == pytest.approx(1 / 2)
    assert scores["micro_recall"] == pytest.approx(1 / 3)
    assert scores["ranking_average_precision"] == pytest.approx((1 / 2 + 0) / 2)
    assert scores["mean_average_precision"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("said", "gold"),
    [([], {}), ([], {"a": comment("a", "joy")}), ([answer("a", 1, 0, 0)], {"a": comment("a")})],
    ids=["nothing", "no prediction", "no gold"],
)
def test_emptiness_scores_0(said: list[Prediction], gold: dict[str, Document]) -> None:
    scores = score_emotions(said, gold, 0.5)
    assert all(np.isfinite(value) for value in scores.values())
    assert scores["macro_f1"] == scores["ranking_average_precision"] == scores["micro_f1_top_1"] == 0.0
    assert tune_threshold(said, gold, 0.3) == (0.3, 0.0)
    assert intensity_spearman(said, gold) == {}


def test_what_does_not_fit_is_an_error() -> None:
    gold = {"a": comment("a", "joy")}
    with pytest.raises(ZooError, match="'a' was scored twice"):
        score_emotions([answer("a", 1, 0, 0)] * 2, gold, 0.5)
    with pytest.raises(ZooError, match="a column for each of 3 different labels"):
        score_emotions([answer("a", 1, 0)], gold, 0.5)


def test_the_highest_scores() -> None:
    scores = np.array([[0.2, 0.2, 0.2], [0.0, 0.1, 0.0], [-1, -1, -1]], dtype=np.float32)
    assert highest(scores, 2).tolist() == [[True, True, False], [False, True, False], [False] * 3]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from([*LABELS, "unknown"])),
            st.lists(st.integers(0, 10).map(lambda n: n / 10), min_size=3, max_size=3) | st.none(),
        ),
        max_size=8,
    ),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]),
)
def test_against_a_naive_version(rows: list[tuple[set[str], list[float] | None]], threshold: float) -> None:
    documents = {str(i): comment(str(i), *sorted(gold)) for i, (gold, _) in enumerate(rows)}
    said = [answer(str(i), *made) for i, (_, made) in enumerate(rows) if made is not None]
    true = {(i, label) for i, (gold, _) in enumerate(rows) for label in gold}
    made = {
        (i, label)
        for i, (gold, made) in enumerate(rows)
        if made is not None and gold
        for label, score in zip(LABELS, made, strict=True)
        if np.float32(score) > np.float32(threshold)
    }

    def f1(*labels: str) -> float:
        mine, theirs = ({item for item in some if item[1] in labels} for some in (made, true))
        return 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine or theirs else 0.0

    every = (*LABELS, "unknown")
    support = {label: sum(g == label for _, g in true) for label in every}
    present = [label for label in every if support[label]]
    scores = score_emotions(said, documents, threshold)
    assert scores["micro_f1"] == pytest.approx(f1(*every))
    assert scores["macro_f1"] == pytest.approx(sum(map(f1, present)) / max(len(present), 1))
    assert scores["weighted_f1"] == pytest.approx(sum(support[x] * f1(x) for x in every) / max(len(true), 1))
    if said:
        assert scores["micro_f1_without_neutral"] == pytest.approx(f1("joy", "anger", "unknown"))
    laid = lay_labels(said, documents)
    counts = sweep(laid, [threshold])
    assert counts.correct.sum() == len(made & true)
    assert counts.predicted.sum() == len(made)

    earned = []  # ranking: of the labels at least as high as a gold one, the share that is gold
    for gold, given_scores in rows:
        if not gold:
            continue
        by = dict(zip(LABELS, given_scores or [0.0] * 3, strict=True))
        answered = any(by.values())
        shares = []
        for label in gold:
            over = [other for other in by if by[other] >= by[label]] if label in by else []
            shares.append(sum(other in gold for other in over) / len(over) if over and answered else 0.0)
        earned.append(sum(shares) / len(shares))
    assert scores["ranking_average_precision"] == pytest.approx(sum(earned) / len(earned) if earned else 0.0)


def test_against_torchmetrics() -> None:
    made, documents, scores = random_set(300, 6)
    gold = torch.tensor(lay_labels(made, documents).gold).long()
    said = torch.tensor(scores)
    found = score_emotions(made, documents, 0.3)
    for average in ("macro", "micro", "weighted"):
        expected = multilabel_f1_score(said, gold, 6, threshold=0.3, average=average)
        assert found[f"{average}_f1"] == pytest.approx(float(expected), rel=1e-6)
    precision = multilabel_average_precision(said, gold, 6, average="macro")
    assert found["mean_average_precision"] == pytest.approx(float(precision), rel=1e-5)
    ranking = multilabel_ranking_average_precision(said, gold, 6)
    assert found["ranking_average_precision"] == pytest.approx(float(ranking), rel=1e-5)


def test_tuning_takes_the_best_threshold_and_the_nearest_to_the_default_among_equals() -> None:
    gold = {"a": comment("a", "joy"), "b": comment("b", "neutral")}
    said = [answer("a", 0.605, 0, 0.2), answer("b", 0.405, 0, 0.8)]
    assert tune_threshold(said, gold, 0.3) == (0.41, 1.0)  # 0.41 .. 0.60 are equally good
    assert tune_threshold(said, gold, 0.5) == (0.5, 1.0)
    assert tune_threshold(said, gold, 0.77) == (0.6, 1.0)
    assert tune_threshold([answer("a", 0, 0, 0)], gold, 0.02) == (0.02, 0.0)
    assert (GRID[0], GRID[-1], len(GRID)) == (0.05, 0.95, 91)


def test_tuning_agrees_with_scoring_and_is_fast() -> None:
    made, documents, _ = random_set(5427, 28)
    start = time.process_time()
    best, f1 = tune_threshold(made, documents, 0.5)
    assert time.process_time() - start < 2.0  # 0.1 s on an idle core
    assert score_emotions(made, documents, best)["macro_f1"] == pytest.approx(f1)
    at = {fixed: score_emotions(made, documents, fixed)["macro_f1"] for fixed in FIXED}
    found = score_emotions(made, documents, 0.5)
    assert all(found[f"macro_f1_at_{round(100 * fixed)}"] == value <= f1 for fixed, value in at.items())


def test_correlation_between_labels() -> None:
    made, documents, scores = random_set(200, 4)
    predicted, annotated, labels = label_correlations(made, documents)
    assert labels == made[0].labels
    np.testing.assert_allclose(predicted, np.corrcoef(scores.T), atol=1e-6)
    gold = lay_labels(made, documents).gold.astype(float)
    np.testing.assert_allclose(annotated, np.corrcoef(gold.T), atol=1e-12)
    del made[0]  # without an answer: in neither
    predicted, annotated, _ = label_correlations(made, documents)
    np.testing.assert_allclose(predicted, np.corrcoef(scores[1:].T), atol=1e-6)
    np.testing.assert_allclose(annotated, np.corrcoef(gold[1:].T), atol=1e-12)
    constant, _, _ = label_correlations(
        [answer("a", 0.5, 0.1, 0.2), answer("b", 0.5, 0.3, 0.1)],
        {"a": comment("a", "joy"), "b": comment("b", "joy")},
    )
    assert np.isnan(constant[0]).all()
    assert constant[1, 2] == pytest.approx(-1)


def test_spearman_against_scipy_with_ties() -> None:
    random = np.random.default_rng(0)
    strength = random.integers(1, 5, 80)
    scores = strength + random.normal(0, 2, 80)
    found = spearman(scores, strength)
    rho = scipy.stats.spearmanr(scores, strength).statistic
    assert found.rho == pytest.approx(rho)
    half = scipy.stats.norm.ppf(0.975) * math.sqrt((1 + rho**2 / 2) / 77)
    assert math.atanh(found.low) == pytest.approx(math.atanh(rho) - half)
    assert math.atanh(found.high) == pytest.approx(math.atanh(rho) + half)
    assert spearman([1, 2, 3, 4], [1, 2, 3, 4])[1:] == pytest.approx((1, 1, 1))
    assert math.isnan(spearman([1, 2, 3, 4], [2, 2, 2, 2]).rho)
    assert spearman([1, 2, 3], [1, 3, 2]).rho == pytest.approx(0.5)
    assert math.isnan(spearman([1, 2, 3], [1, 3, 2]).low)


def test_the_strength_that_people_reported() -> None:
    reported = [
        ("joy", 1.0, 0.2),
        ("joy", 4.0, 0.9),
        ("joy", 3.0, 0.5),
        ("joy", 2.0, 0.6),
        ("joy", 0.0, 1.0),
        ("anger", 2.0, 0.3),
        ("shame", 4.0, 0.3),
    ]
    documents, said = {}, []
    for index, (emotion, strength, score) in enumerate(reported):
        id = str(index)
        documents[id] = comment(id, emotion, **{emotion: strength})
        said.append(answer(id, *(score if label == emotion else 0.1 for label in LABELS)))
    documents["no answer"] = comment("no answer", "joy", joy=4.0)
    found = intensity_spearman(said, documents)
    assert list(found) == ["joy", "anger"]  # shame is not among the predicted labels
    assert found["joy"].n == 4  # 0 is none reported
    assert found["joy"].rho == pytest.approx(scipy.stats.spearmanr([1, 4, 3, 2], [2, 9, 5, 6]).statistic)
    assert found["joy"].low < found["joy"].rho < found["joy"].high
    assert found["anger"].n == 1
    assert math.isnan(found["anger"].rho)
    scores = score_emotions(said, documents, 0.5)
    named = {name: value for name, value in scores.items() if name.startswith("intensity_spearman_")}
    assert named == {"intensity_spearman_joy": found["joy"].rho}  # the other is not defined


def test_the_torchmetrics_class_adds_up_batches() -> None:
    made, documents, scores = random_set(200, 6)
    gold = torch.tensor(lay_labels(made, documents).gold)
    said = torch.tensor(scores)
    whole, parts = MultiLabelF1(classes=6, threshold=0.3), MultiLabelF1(classes=6, threshold=0.3)
    whole.update(said, gold)
    for start in range(0, 200, 64):
        parts.update(said[start : start + 64], gold[start : start + 64].long())
    expected = score_emotions(made, documents, 0.3)
    for metric in (whole, parts):
        for name, value in metric.compute().items():
            assert float(value) == pytest.approx(expected[name])
    with pytest.raises(ValueError, match=r"shape \(M, 6\), but got \(2, 5\)"):
        whole.update(torch.zeros(2, 5), torch.zeros(2, 5))
    nothing = MultiLabelF1(classes=2)
    nothing.update(torch.zeros(0, 2), torch.zeros(0, 2))
    assert float(nothing.compute()["macro_f1"]) == 0.0
