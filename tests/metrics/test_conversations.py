"""The scores of one label a segment, against a hand-made table and a naive version over sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.conversations import SIMILAR, WORDS, confusion, score_conversations, similar
from ecpe_zoo.metrics.modular import WeightedF1

NOT_JUDGED = "-"
LABELS = ("neutral", "joy", "sadness")


def conversation(id: str, *emotions: str | None) -> Document:
    """One segment for each emotion; None is a judged segment without gold, `-` is context only."""
    segments = tuple(
        Segment("well", emotions=() if e in (None, NOT_JUDGED) else (str(e),), judged=e != NOT_JUDGED)
        for e in emotions
    )
    return Document(id, segments)


def answer(id: str, *answers: str | None, labels: tuple[str, ...] = LABELS) -> Prediction:
    """Scores whose highest is the named label; None is a row of NaN."""
    scores = np.full((len(answers), len(labels)), 0.1, dtype=np.float32)
    for row, label in enumerate(answers):
        if label is None:
            scores[row] = np.nan
        else:
            scores[row, labels.index(label)] = 0.8
    return Prediction(id, {"emotions": scores}, labels=labels)


def test_all_metrics_by_hand() -> None:
    gold = {
        "a": conversation("a", "neutral", "joy", NOT_JUDGED, "joy"),
        "b": conversation("b", "neutral", "neutral", None, "sadness"),
    }
    said = [
        answer("a", "neutral", "joy", None, "neutral"),
        answer("b", "neutral", "joy", "joy", "joy"),
    ]
    scores = score_conversations(said, gold)
    # neutral: 2 of 3 said, 3 gold; joy: 1 of 3 said, 2 gold; sadness: never said, 1 gold
    f1 = {"neutral": 2 * 2 / (3 + 3), "joy": 2 * 1 / (3 + 2), "sadness": 0.0}
    for label, value in f1.items():
        assert scores[f"class_{label}_f1"] == pytest.approx(value)
    assert scores["class_joy_precision"] == pytest.approx(1 / 3)
    assert scores["class_joy_recall"] == pytest.approx(1 / 2)
    assert scores["class_neutral_support"] == 3
    assert scores["weighted_f1"] == pytest.approx((3 * f1["neutral"] + 2 * f1["joy"]) / 6)
    assert scores["macro_f1"] == pytest.approx(sum(f1.values()) / 3)
    assert scores["accuracy"] == scores["micro_f1"] == pytest.approx(3 / 6)
    # without neutral: 1 correct, 3 said (all joy), 3 gold
    assert scores["micro_f1_without_neutral"] == pytest.approx(2 * 1 / (3 + 3))
    assert (scores["utterances"], scores["documents"]) == (6, 2)
    matrix, labels = confusion(said, gold)
    assert labels == LABELS
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_the_macro_mean_runs_over_classes_that_occur_in_gold() -> None:
    scores = score_conversations([answer("a", "joy", "sadness")], {"a": conversation("a", "joy", "joy")})
    assert scores["macro_f1"] == scores["weighted_f1"] == pytest.approx(2 / 3)


def test_gold_without_an_answer_is_missed() -> None:
    gold = {"a": conversation("a", "joy", "joy", "joy"), "b": conversation("b", "joy", NOT_JUDGED)}
    said = answer("a", "joy", None, "joy")
    said.scores["emotions"][2] = 0  # a lost segment
    scores = score_conversations([said], gold)  # and no prediction of b
    assert scores["class_joy_recall"] == scores["accuracy"] == pytest.approx(1 / 4)
    assert scores["class_joy_precision"] == 1.0
    assert scores["micro_f1"] == pytest.approx(2 * 1 / (1 + 4))
    assert confusion([said], gold)[0].sum() == 1


def test_a_gold_label_that_predictions_do_not_know_is_a_missed_class() -> None:
    gold = {"a": conversation("a", "joy", "shame", "guilt")}
    scores = score_conversations([answer("a", "joy", "joy", "sadness")], gold)
    assert scores["class_shame_support"] == 1
    assert scores["class_shame_f1"] == 0.0
    assert scores["macro_f1"] == pytest.approx((2 * 1 / (2 + 1)) / 3)
    matrix, labels = confusion([answer("a", "joy", "joy", "sadness")], gold)
    assert labels == (*LABELS, "guilt", "shame")
    assert matrix[labels.index("shame"), labels.index("joy")] == 1


def test_the_first_of_equal_scores_is_the_label() -> None:
    even = Prediction("a", {"emotions": np.full((1, 3), 0.5, dtype=np.float32)}, labels=LABELS)
    assert score_conversations([even], {"a": conversation("a", "neutral")})["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ([], {}),
        ([], {"a": conversation("a", "joy")}),
        ([answer("a", "joy")], {"a": conversation("a", None)}),
        ([answer("a", None)], {"a": conversation("a", NOT_JUDGED)}),
    ],
    ids=["nothing", "no prediction", "no gold", "context only"],
)
def test_emptiness_scores_0(said: list[Prediction], gold: dict[str, Document]) -> None:
    scores = score_conversations(said, gold)
    assert scores["weighted_f1"] == scores["macro_f1"] == scores["accuracy"] == 0.0
    assert all(np.isfinite(value) for value in scores.values())
    matrix, labels = confusion(said, gold)
    assert matrix.shape == (len(labels), len(labels))


def test_what_does_not_fit_is_an_error() -> None:
    gold = {"a": conversation("a", "joy"), "b": conversation("b", "joy")}
    with pytest.raises(ZooError, match="'a' was scored twice"):
        score_conversations([answer("a", "joy"), answer("a", "joy")], gold)
    with pytest.raises(ZooError, match="scored documents only, but got 'x'"):
        score_conversations([answer("x", "joy")], gold)
    with pytest.raises(ZooError, match="1 rows, one per segment"):
        score_conversations([answer("a", "joy", "joy")], gold)
    with pytest.raises(ZooError, match="same labels"):
        score_conversations([answer("a", "joy"), answer("b", "joy", labels=("joy", "fear"))], gold)
    with pytest.raises(ZooError, match="a column for each of 2 different labels"):
        score_conversations([answer("a", "joy")._replace(labels=("joy", "fear"))], gold)
    with pytest.raises(ZooError, match="a column for each of 2 different labels"):
        score_conversations([answer("a", "joy")._replace(labels=("joy", "fear", "joy"))], gold)
    with pytest.raises(ZooError, match="`emotions` of document 'a', but got: pair"):
        score_conversations([Prediction("a", {"pair": np.zeros((1, 1), dtype=np.float32)})], gold)


def test_similar_emotions_in_the_words_of_each_corpus() -> None:
    assert set(similar(["hap", "exc", "sad", "fru", "ang", "neu"])) == {
        ("hap", "exc"),
        ("exc", "hap"),
        ("sad", "fru"),
        ("fru", "sad"),
        ("ang", "fru"),
        ("fru", "ang"),
    }
    meld = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]
    assert {("disgust", "anger"), ("fear", "surprise")} < set(similar(meld))
    assert ("Joyful", "Peaceful") in similar(
        ["Joyful", "Mad", "Peaceful", "Neutral", "Sad", "Powerful", "Scared"]
    )
    assert all(name in WORDS for pair in SIMILAR for name in pair)


def test_the_share_of_similar_emotions_taken_for_the_other() -> None:
    labels = ("happy", "excited", "neutral")
    gold = {"a": conversation("a", "happy", "happy", "happy", "excited")}
    said = answer("a", "happy", "excited", None, "happy", labels=labels)
    scores = score_conversations([said], gold)
    assert scores["taken_happy_for_excited"] == pytest.approx(1 / 3)
    assert scores["taken_excited_for_happy"] == 1.0
    assert not any(name.startswith("taken") and "neutral" in name for name in scores)


WORD = st.sampled_from(["neutral", "joy", "sadness", "unknown"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.none() | WORD | st.just(NOT_JUDGED), st.none() | st.sampled_from(LABELS)),
            min_size=1,
            max_size=6,
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_against_a_naive_version(rows: list[list[tuple[str | None, str | None]]], lose_first: bool) -> None:
    gold = {str(n): conversation(str(n), *(g for g, _ in row)) for n, row in enumerate(rows)}
    said = [answer(str(n), *(p for _, p in row)) for n, row in enumerate(rows) if n or not lose_first]
    true = {
        (n, i, g) for n, row in enumerate(rows) for i, (g, _) in enumerate(row) if g not in (None, NOT_JUDGED)
    }
    asked = {(n, i) for n, i, _ in true}
    made = {
        (n, i, p)
        for n, row in enumerate(rows)
        for i, (_, p) in enumerate(row)
        if p is not None and (n, i) in asked and (n or not lose_first)
    }

    def f1(*left_out: str) -> float:
        mine, theirs = ({item for item in some if item[2] not in left_out} for some in (made, true))
        return 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine or theirs else 0.0

    every = {*LABELS, *(g for _, _, g in true if g)}
    by_class = {label: f1(*(every - {label})) for label in every}
    support = {label: sum(g == label for _, _, g in true) for label in every}
    present = [label for label in every if support[label]]
    scores = score_conversations(said, gold)
    assert scores["micro_f1"] == pytest.approx(f1())
    assert scores["accuracy"] == pytest.approx(len(true & made) / len(true) if true else 0)
    assert scores["macro_f1"] == pytest.approx(
        sum(by_class[label] for label in present) / max(len(present), 1)
    )
    weighted = sum(support[label] * by_class[label] for label in every) / max(len(true), 1)
    assert scores["weighted_f1"] == pytest.approx(weighted)
    if said:
        assert scores["micro_f1_without_neutral"] == pytest.approx(f1("neutral"))


def test_the_torchmetrics_class_adds_up_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    gold = torch.randint(0, 5, (200,), generator=generator)
    said = torch.where(torch.rand(200, generator=generator) < 0.5, gold, gold.roll(1))
    whole, parts = WeightedF1(classes=5), WeightedF1(classes=5)
    whole.update(said, gold)
    for start in range(0, 200, 64):
        parts.update(said[start : start + 64], gold[start : start + 64])
    parts.update(torch.tensor([0, 1]), torch.tensor([-1, -1]))  # not scored
    for metric in (whole, parts):
        values = metric.compute()
        for name, average in (("weighted_f1", "weighted"), ("macro_f1", "macro")):
            expected = multiclass_f1_score(said, gold, 5, average=average)  # type: ignore[arg-type]
            torch.testing.assert_close(values[name], expected)
        torch.testing.assert_close(values["accuracy"], multiclass_accuracy(said, gold, 5, average="micro"))
    parts.update(torch.tensor([-1]), torch.tensor([0]))  # no answer: one more missed
    assert parts.compute()["accuracy"] < whole.compute()["accuracy"]


def test_the_torchmetrics_class_names_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="`classes` to be at least 1, but got 0"):
        WeightedF1(classes=0)
    with pytest.raises(ValueError, match="as many predicted as gold"):
        WeightedF1(classes=2).update(torch.tensor([0]), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="from -1 to 1, but got 0 to 2"):
        WeightedF1(classes=2).update(torch.tensor([2]), torch.tensor([0]))
    nothing = WeightedF1(classes=2)
    nothing.update(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long))
    assert float(nothing.compute()["weighted_f1"]) == 0.0
