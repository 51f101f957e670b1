"""Truncation that looks at gold: which clauses stay, and predictions on whole documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.data.gold_view import GoldView
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.text.document_rows import DocumentCollator
from ecpe_zoo.text.prompts import PROMPT_TEXTS
from ecpe_zoo.text.queries import QueryBuilder, QueryCollator
from ecpe_zoo.text.tokenizers import VocabularyTokenizer, count_vocabulary
from ecpe_zoo.text.transitions import ParserCollator

TEXTS = [f"a b {n}" for n in "cdefgh"]  # 3 words each


class Batch(NamedTuple):
    cut: tuple[int, ...]


def at_most(clauses: int) -> GoldView:
    """Stands for an encoder that takes so many clauses."""

    def collate(documents: Sequence[Document]) -> Batch:
        assert all(document.pairs is None for document in documents)
        return Batch(tuple(max(0, len(document) - clauses) for document in documents))

    return GoldView(collate)


@pytest.mark.parametrize(
    ("pairs", "most", "kept", "left"),
    [
        ([(1, 0)], 6, "cdefgh", {(1, 0)}),  # it fits
        ([(1, 0), (5, 5)], 4, "cdef", {(1, 0)}),  # the first pair decides; the other is lost
        ([(5, 4), (4, 5)], 3, "fgh", {(2, 1), (1, 2)}),  # the head goes
        ([(2, 3)], 3, "def", {(1, 2)}),  # the pair is in the middle: the tail first, then the head
        ([(0, 5)], 3, "cdefgh", {(0, 5)}),  # the pair alone is too long: cut by lengths
        ([], 3, "cdefgh", set()),
    ],
)
def test_the_end_far_from_the_first_pair_goes(
    pairs: list[tuple[int, int]], most: int, kept: str, left: set[tuple[int, int]]
) -> None:
    document = document_from_texts("1", TEXTS, pairs=pairs, language="en")
    part = at_most(most)(document)
    assert "".join(segment.text[-1] for segment in part.segments) == kept
    assert set(part.pairs or ()) == left


def test_predictions_come_back_on_whole_documents() -> None:
    view = at_most(2)
    document = document_from_texts("1", TEXTS, pairs=[(4, 3)], language="en")
    part = view(document)
    assert view.places == {"1": (3, 6)}
    scores = {
        "pair": np.array([[1, 2], [3, 4]], np.float32),
        "emotion": np.array([5, 6], np.float32),
        "token_teacher_emotion": np.ones((2, 3), np.float32),
    }
    whole = view.restored(Prediction("1", scores, 1))
    assert len(part) == 2
    assert whole.scores["pair"].shape == (6, 6)
    assert whole.scores["pair"][3:5, 3:5].tolist() == [[1, 2], [3, 4]]
    assert whole.scores["pair"].sum() == 10
    assert whole.scores["emotion"].tolist() == [0, 0, 0, 5, 6, 0]
    assert np.isnan(whole.scores["token_teacher_emotion"]).any(axis=1).tolist() == [True] * 3 + [
        False
    ] * 2 + [True]
    assert whole.truncated == 5
    other = Prediction("2", scores)
    assert view.restored(other) is other


def test_batches_say_what_they_cut() -> None:
    """Rows of documents, of a parser and of questions; the longest question leaves room for any clause."""
    tokenizer = VocabularyTokenizer(
        count_vocabulary(TEXTS, "words", min_count=1, always=PROMPT_TEXTS), "words"
    )
    document = document_from_texts("1", TEXTS, pairs=[(5, 4)], language="en")
    rows = DocumentCollator(tokenizer, 15, "document")  # three clauses of 3 + 2 tokens
    for collate in (rows, ParserCollator(rows, False, None)):
        part = GoldView(collate)(document)
        assert [segment.text for segment in part.segments] == TEXTS[3:]
        assert collate([part]).cut == (0,)
    assert rows([document]).cut == (6,)
    builder = QueryBuilder(tokenizer, 30)
    part = GoldView(QueryCollator(builder, False))(document)
    assert 2 <= len(part) < 6
    assert set(part.pairs or ()) == {(len(part) - 1, len(part) - 2)}
    assert builder.tokenise(document).cut > 0
    whole = DocumentCollator(tokenizer, None, "document")
    assert GoldView(whole)(document) is document
