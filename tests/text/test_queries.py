"""Questions as rows, truncation, and groups of like length."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ecpe_zoo.corpora.document import document_from_texts
from ecpe_zoo.text.prompts import KINDS, PROMPT_TEXTS, QUESTIONS, fit_lengths
from ecpe_zoo.text.queries import (
    Query,
    QueryBuilder,
    QueryCollator,
    gold_queries,
    negative_queries,
)
from ecpe_zoo.text.tokenizers import VocabularyTokenizer, count_vocabulary

DOCUMENT = document_from_texts(
    "1", ["天下雨", "我哭", "他走", "我笑"], pairs=[(1, 0), (1, 2), (3, 2)], language="zh"
)
TOKENIZER = VocabularyTokenizer(
    count_vocabulary([s.text for s in DOCUMENT.segments], "characters", min_count=1, always=PROMPT_TEXTS),
    "characters",
)
EE, CE, ESCE, CSEE = range(4)


def words(ids: list[int]) -> str:
    names = {index: word for word, index in TOKENIZER.ids.items()}
    return " ".join(names[index] for index in ids)


def test_a_row_is_laid_out_as_the_card_says() -> None:
    builder = QueryBuilder(TOKENIZER, None)
    rows = builder.rows([builder.tokenise(DOCUMENT)], [Query(0, ESCE, 1)], [DOCUMENT])
    question = "我哭" + "".join("".join(QUESTIONS["zh"]["ESCE"]).split())
    expected = ["[CLS]", *question, "[SEP]", *"天下雨", "[SEP]", *"我哭", "[SEP]", *"他走", "[SEP]", *"我笑"]
    assert words(rows.tokens[0].tolist()).split() == expected
    own = [0] * len(question)
    assert rows.clause_of[0].tolist() == [-1, *own, -1, 1, 1, 1, -1, 2, 2, -1, 3, 3, -1, 4, 4]
    assert rows.types[0].tolist() == [0, *own, 0] + [1] * 12
    assert rows.labels.tolist() == [[1, 0, 1, 0]]
    assert rows.lengths == (len(expected),)


def test_the_asked_clause_can_be_marked() -> None:
    builder = QueryBuilder(TOKENIZER, None, mark_asked=True)
    rows = builder.rows([builder.tokenise(DOCUMENT)], [Query(0, CSEE, 2)])
    own = rows.clause_of[0]
    assert rows.types[0][own == 3].tolist() == [0, 0]
    assert rows.types[0][own == 2].tolist() == [1, 1]
    assert (rows.labels == -1).all()


def test_gold_questions_and_labels() -> None:
    queries = gold_queries(0, DOCUMENT, read=4)
    asked = [
        Query(0, EE),
        Query(0, CE),
        Query(0, ESCE, 1),
        Query(0, ESCE, 3),
        Query(0, CSEE, 0),
        Query(0, CSEE, 2),
    ]
    assert queries == asked
    builder = QueryBuilder(TOKENIZER, None)
    rows = builder.rows([builder.tokenise(DOCUMENT)], queries, [DOCUMENT])
    assert rows.labels.tolist() == [
        [0, 1, 0, 1],
        [1, 0, 1, 0],
        [1, 0, 1, 0],
        [0, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 1, 0, 1],
    ]
    assert gold_queries(0, DOCUMENT, read=1) == [Query(0, EE), Query(0, CE), Query(0, CSEE, 0)]
    drawn = negative_queries(0, DOCUMENT, read=4, count=9)
    assert {(KINDS[q.kind], q.asked) for q in drawn} == {("ESCE", 0), ("ESCE", 2), ("CSEE", 1), ("CSEE", 3)}


def test_evaluation_rows_know_no_gold() -> None:
    batch = QueryCollator(QueryBuilder(TOKENIZER, None), training=False)([DOCUMENT, DOCUMENT.without_gold()])
    assert [query.kind for query in batch.rows.queries] == [EE, CE, EE, CE]
    assert (batch.rows.labels == -1).all()


def test_truncation_keeps_the_limit_for_every_question() -> None:
    limit = 40
    document = document_from_texts("2", ["雨" * 30, "我哭", "走" * 20], pairs=[(1, 0)])
    builder = QueryBuilder(TOKENIZER, limit)
    short = builder.tokenise(document)
    assert [len(clause) for clause in short.clauses] == [6, 2, 6]
    assert short.cut == 2
    queries = [Query(0, kind, clause) for kind in (ESCE, CSEE) for clause in range(3)]
    assert max(builder.rows([short], queries).lengths) <= limit
    assert builder.slots(document) <= limit


def test_lost_clauses_leave_the_labels() -> None:
    document = document_from_texts("3", ["雨"] * 30, pairs=[(1, 0), (1, 29)])
    builder = QueryBuilder(TOKENIZER, 40)
    short = builder.tokenise(document)
    assert 0 < len(short.clauses) < 30
    assert short.cut == 30 - len(short.clauses)
    rows = builder.rows([short], [Query(0, ESCE, 1)], [document])
    assert rows.labels.shape == (1, len(short.clauses))
    assert rows.labels.sum() == 1


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(0, 30), st.integers(40, 200))
def test_fitted_lengths(lengths: list[int], question: int, limit: int) -> None:
    kept = fit_lengths(lengths, question, limit)
    assert 1 + question + max(kept) + sum(kept) + sum(k > 0 for k in kept) <= limit
    assert all(k <= length for k, length in zip(kept, lengths, strict=True))
    shortened = [k for k, length in zip(kept, lengths, strict=True) if 0 < k < length]
    assert len(set(shortened)) <= 1
    assert sorted(kept, key=bool, reverse=True) == kept or all(kept)


def test_rows_move() -> None:
    builder = QueryBuilder(TOKENIZER, None)
    rows = builder.rows([builder.tokenise(DOCUMENT)], [Query(0, EE)])
    assert all(
        value.device.type == "meta"
        for value in rows.to(torch.device("meta"))
        if isinstance(value, torch.Tensor)
    )
