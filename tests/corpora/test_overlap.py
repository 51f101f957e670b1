"""Scored texts that training holds too, by length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.corpora.overlap import long_texts, text_overlap
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.splits import partition


def talk(id: str, *texts: str, context: tuple[int, ...] = ()) -> Document:
    """An English conversation; turns in `context` get no label."""
    built = document_from_texts(id, texts, language="en")
    segments = tuple(replace(s, judged=index not in context) for index, s in enumerate(built.segments))
    return replace(built, segments=segments)


def test_exact_counts_by_length() -> None:
    train = [
        talk("a", "ok", "Oh no", "I do not know", "we won the big cup today"),
        talk("b", "ok", "never heard of", "one two three four five six seven eight nine ten", context=(1,)),
    ]
    scored = [
        talk("c", "ok", "OK", "hm", "Oh  no", "oh dear"),
        talk("d", "never heard of", "i do not know", "I do not know", "I do not care", "ok", context=(4,)),
        talk("e", "we won the big cup today", "we lost the big cup today"),
        talk("f", "One two three four five six seven eight nine ten", "ok so"),
    ]
    rows = text_overlap(train, scored)
    assert [(row.words, row.texts, row.held, row.same_case) for row in rows] == [
        ("1", 3, 2, 1),  # the second "ok" of training counts once, the context turn of d not at all
        ("2", 3, 1, 1),  # blanks do not count
        ("3-4", 4, 2, 1),  # "never heard of" is context in training
        ("5-9", 2, 1, 1),
        ("10+", 1, 1, 0),
    ]
    assert [row.share for row in rows] == pytest.approx([2 / 3, 1 / 3, 1 / 2, 1 / 2, 1.0])
    long = long_texts(rows)
    assert (long.words, long.texts, long.held, long.same_case) == ("5+", 3, 2, 1)


def test_nothing_scored_is_no_division_by_zero() -> None:
    rows = text_overlap([talk("a", "ok")], [])
    assert [row.texts for row in rows] == [0] * 5
    assert long_texts(rows).share == 0.0


def test_chinese_is_counted_in_words_where_blanks_separate_them_and_in_characters_where_none_do() -> None:
    segmented = document_from_texts("1", ["今天 下雨", "他 很 难过 很 难过", "因为"])
    plain = document_from_texts("2", ["今天下雨", "他很难过很难过呢", "他很难过很难过很难过", "因为"])
    counts = {row.words: row.texts for row in text_overlap([], [segmented])}
    assert counts == {"1": 1, "2": 1, "3-4": 0, "5-9": 1, "10+": 0}
    rows = text_overlap([segmented], [plain])
    assert {row.words: row.texts for row in rows} == {"1": 1, "2": 1, "3-4": 1, "5-9": 1, "10+": 0}
    assert [row.held for row in rows] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("corpus", "percent", "long"),
    [("emocontext", 30.5, (32, 1_553)), ("emorynlp", 17.1, (0, 564)), ("meld", 12.8, (3, 1_691))],
)
def test_shares_of_real_corpora(
    real_data: Callable[[str], object], corpus: str, percent: float, long: tuple[int, int]
) -> None:
    real_data(corpus)
    parts = partition(load_corpus(corpus))
    rows = text_overlap(parts.train, parts.test)
    share = 100 * sum(row.held for row in rows) / sum(row.texts for row in rows)
    assert round(share, 1) == percent
    found = long_texts(rows)
    assert (found.held, found.texts) == long
