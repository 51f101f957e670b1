"""The scorer's functions against hand-made tables and a naive version over sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.counts import Counts, count_sets
from ecpe_zoo.metrics.modular import PairScore
from ecpe_zoo.metrics.pairs import GRID, score_pairs, sweep, tune_threshold


def document(id: str, size: int, pairs: list[tuple[int, int]]) -> Document:
    return document_from_texts(id, [f"clause {index}" for index in range(size)], pairs=pairs)


def prediction(id: str, size: int, pairs: dict[tuple[int, int], float], **heads: list[float]) -> Prediction:
    scores = np.zeros((size, size), dtype=np.float32)
    for pair, score in pairs.items():
        scores[pair] = score
    extra = {name: np.array(values, dtype=np.float32) for name, values in heads.items()}
    return Prediction(id, {"pair": scores, **extra})


def counts_at(made: list[Prediction], gold: dict[str, Document], threshold: float) -> Counts:
    correct, predicted, total = sweep(made, gold, [threshold])
    return Counts(int(correct[0]), int(predicted[0]), total)


@pytest.mark.parametrize(
    ("predicted", "gold", "counts", "f1"),
    [
        ([(1, 0)], [(1, 0)], Counts(1, 1, 1), 1.0),
        ([(1, 0), (1, 0)], [(1, 0), (1, 0)], Counts(1, 1, 1), 1.0),  # duplicates count once
        ([], [(1, 0)], Counts(0, 0, 1), 0.0),  # nothing predicted
        ([(1, 0)], [], Counts(0, 1, 0), 0.0),  # nothing to find
        ([], [], Counts(0, 0, 0), 0.0),
        ([(0, 1)], [(1, 0)], Counts(0, 1, 1), 0.0),  # the order of a pair matters
        ([(1, 0), (2, 2), (3, 3)], [(1, 0), (2, 1)], Counts(1, 3, 2), 0.4),
    ],
)
def test_hand_made_table(
    predicted: list[tuple[int, int]], gold: list[tuple[int, int]], counts: Counts, f1: float
) -> None:
    found = count_sets(predicted, gold)
    assert found == counts
    assert found.f1 == pytest.approx(f1)


def test_all_metrics_of_two_documents_by_hand() -> None:
    gold = {"a": document("a", 4, [(1, 0), (3, 3)]), "b": document("b", 3, [(2, 1)])}
    made = [
        prediction("a", 4, {(1, 0): 0.9, (3, 1): 0.8}, emotion=[0, 0.9, 0, 0.2], cause=[0.6, 0, 0, 0.7]),
        prediction("b", 3, {(2, 1): 0.4}, emotion=[0.9, 0, 0.9], cause=[0, 0, 0]),
    ]
    scores = score_pairs(made, gold, 0.5)
    assert (scores["pair_correct"], scores["pair_predicted"], scores["pair_gold"]) == (1, 2, 3)
    assert scores["pair_precision"] == pytest.approx(1 / 2)
    assert scores["pair_recall"] == pytest.approx(1 / 3)
    assert scores["pair_f1"] == pytest.approx(2 / 5)
    assert scores["emotion_from_head_f1"] == scores["emotion_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert scores["emotion_from_pairs_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert scores["cause_from_head_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert scores["pair_offset_-1_f1"] == pytest.approx(2 * 1 / (1 + 2))
    assert scores["pair_offset_0_recall"] == 0.0
    assert scores["pair_offset_other_precision"] == 0.0
    assert scores["pair_single_f1"] == 0.0
    assert scores["pair_multiple_recall"] == pytest.approx(1 / 2)
    assert score_pairs(made, gold, 0.3)["pair_correct"] == 2


def test_a_document_without_prediction_counts_as_missed() -> None:
    gold = {"a": document("a", 2, [(1, 0)]), "b": document("b", 2, [(1, 0)])}
    scores = score_pairs([prediction("a", 2, {(1, 0): 1.0})], gold, 0.5)
    assert (scores["pair_correct"], scores["pair_gold"]) == (1, 2)


def test_a_method_without_heads_derives_clauses_from_pairs() -> None:
    gold = {"a": document("a", 3, [(1, 0)])}
    scores = score_pairs([prediction("a", 3, {(1, 0): 1.0, (2, 0): 1.0})], gold, 0.5)
    assert scores["emotion_f1"] == scores["emotion_from_pairs_f1"] == pytest.approx(2 / 3)
    assert "emotion_from_head_f1" not in scores


def test_each_document_is_scored_once_and_in_full() -> None:
    gold = {"a": document("a", 2, [(1, 0)])}
    twice = [prediction("a", 2, {}), prediction("a", 2, {})]
    with pytest.raises(ZooError, match="'a' was scored twice"):
        score_pairs(twice, gold, 0.5)
    with pytest.raises(ZooError, match="scored documents only, but got 'x'"):
        score_pairs([prediction("x", 2, {})], gold, 0.5)
    with pytest.raises(ZooError, match="2 rows, one per segment"):
        score_pairs([prediction("a", 3, {})], gold, 0.5)


@st.composite
def scored_documents(draw: st.DrawFn) -> tuple[list[Prediction], dict[str, Document]]:
    made, gold = [], {}
    for number in range(draw(st.integers(0, 4))):
        size = draw(st.integers(1, 5))
        cells = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
        pairs = draw(st.lists(cells, max_size=4))
        scores = draw(st.dictionaries(cells, st.integers(0, 100).map(lambda value: value / 100), max_size=6))
        id = str(number)
        gold[id] = document(id, size, pairs)
        made.append(prediction(id, size, scores))
    return made, gold


@settings(max_examples=60, deadline=None)
@given(scored_documents(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.99]))
def test_against_a_naive_version(
    data: tuple[list[Prediction], dict[str, Document]], threshold: float
) -> None:
    made, gold = data
    true = {(id, pair) for id, found in gold.items() for pair in found.pairs or ()}
    said = {
        (p.id, (e, c))
        for p in made
        for e in range(len(p.scores["pair"]))
        for c in range(len(p.scores["pair"]))
        if p.scores["pair"][e, c] > np.float32(threshold)
    }
    hit = len(true & said)
    counts = counts_at(made, gold, threshold)
    assert counts == Counts(hit, len(said), len(true))
    if gold:
        scores = score_pairs(made, gold, threshold)
        assert (scores["pair_correct"], scores["pair_predicted"], scores["pair_gold"]) == tuple(counts)
        precision, recall = hit / len(said) if said else 0, hit / len(true) if true else 0
        harmonic = 2 * precision * recall / (precision + recall) if hit else 0
        assert scores["pair_f1"] == pytest.approx(harmonic)
        for bucket, offsets in {"0": {0}, "-1": {-1}, "other": set(range(-9, 10)) - {0, -1}}.items():
            these = {(id, (e, c)) for id, (e, c) in true if c - e in offsets}
            found = len(these & said) / len(these) if these else 0
            assert scores[f"pair_offset_{bucket}_recall"] == pytest.approx(found)


def test_nan_exceeds_no_threshold() -> None:
    gold = {"a": document("a", 2, [(1, 0)])}
    made = [Prediction("a", {"pair": np.full((2, 2), np.nan, np.float32)})]
    counts = counts_at(made, gold, 0.3)
    assert counts == Counts(0, 0, 1)
    assert score_pairs(made, gold, 0.3)["pair_predicted"] == 0


def test_tuning_takes_the_best_threshold_and_the_nearest_to_the_default_among_equals() -> None:
    gold = {"a": document("a", 3, [(1, 0)])}
    made = [prediction("a", 3, {(1, 0): 0.605, (2, 2): 0.405})]
    assert tune_threshold(made, gold, 0.3) == (0.41, 1.0)  # 0.41 .. 0.60 are equally good
    assert tune_threshold([prediction("a", 3, {})], gold, 0.3) == (0.3, 0.0)
    assert tune_threshold(made, gold, 0.5) == (0.5, 1.0)
    assert 0.3 in GRID


def test_the_torchmetrics_class_adds_up_batches() -> None:
    whole, parts = PairScore(), PairScore()
    predicted = [[(1, 0)], [(0, 0), (0, 0)], []]
    gold = [[(1, 0)], [(1, 1)], [(2, 0)]]
    whole.update(predicted, gold)
    for mine, true in zip(predicted, gold, strict=True):
        parts.update([mine], [true])
    expected = {"precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5}
    for metric in (whole, parts):
        computed = metric.compute()
        for name, value in expected.items():
            torch.testing.assert_close(computed[name], torch.tensor(value))
    with pytest.raises(ValueError, match=r"shorter|longer"):
        whole.update([[]], [])
