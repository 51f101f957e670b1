"""Scores on the balanced documents and on the others, from kept scores."""

from __future__ import annotations

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from experiments.position_check import offsets, split_scores, text_of


def document(id: str, *pairs: tuple[int, int]) -> Document:
    return Document(id, tuple(Segment(f"{id} {place}") for place in range(3)), pairs=frozenset(pairs))


def test_documents_are_split_by_their_text() -> None:
    documents = {d.id: d for d in (document("a", (1, 0)), document("b", (1, 2)), document("c", (2, 2)))}
    scores = np.zeros((3, 3), dtype=np.float32)
    scores[1, 0] = 0.9  # right in the first document alone
    predictions = [Prediction(id, {"pair": scores}) for id in documents]
    texts = frozenset({text_of(documents["b"]), "another document"})
    found = split_scores(predictions, documents, texts, 0.5)
    assert found.balanced == 0
    assert found.others == pytest.approx(0.5)  # one of two predicted, one of two gold
    assert found.every == pytest.approx(1 / 3)
    assert text_of(document("a ", (1, 0))) == text_of(documents["a"])  # blanks do not matter


def test_offsets_are_cause_minus_emotion() -> None:
    assert offsets([document("a", (1, 0), (1, 1)), document("b", (2, 1))]) == {-1: 2, 0: 1}


def test_recall_is_told_by_offset() -> None:
    documents = {d.id: d for d in (document("a", (1, 0), (1, 1)), document("b", (2, 0), (0, 1)))}
    scores = np.zeros((3, 3), dtype=np.float32)
    scores[1, 0] = scores[2, 0] = 0.9
    predictions = [Prediction(id, {"pair": scores}) for id in documents]
    found = split_scores(predictions, documents, frozenset({text_of(documents["a"])}), 0.5)
    assert found.near == pytest.approx(1 / 2)  # of (1, 0) and (1, 1)
    assert found.far == pytest.approx(1 / 2)  # of (2, 0) and (0, 1)
