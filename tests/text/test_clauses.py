"""Clauses of running text, and words with spaces between them."""

from __future__ import annotations

import sys

import pytest

from ecpe_zoo.corpora.document import Language
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text import words
from ecpe_zoo.text.clauses import cut_clauses
from ecpe_zoo.text.words import is_segmented, longest_words, with_words_apart


@pytest.mark.parametrize(
    ("language", "text", "clauses"),
    [
        (
            "zh",
            "6月6日，黄某出差到江门市新会区。然而，她很失望！",
            ["6月6日，", "黄某出差到江门市新会区。", "然而，", "她很失望！"],
        ),
        ("zh", "他说：“我输了！”于是他哭了", ["他说：", "“我输了！”", "于是他哭了"]),
        ("zh", "12：30他来了……我很高兴", ["12：30他来了……", "我很高兴"]),
        ("zh", "花了10,000元,他很心疼.真的?", ["花了10,000元,", "他很心疼.", "真的?"]),
        ("zh", "苹果、梨——都坏了", ["苹果、梨——都坏了"]),
        ("zh", "据 电视台 报道 ， 他 输 了 。", ["据 电视台 报道 ，", "他 输 了 。"]),
        ("zh", "第一行\n\n第二行\n", ["第一行", "第二行"]),
        ("zh", "……他来了", ["……他来了"]),
        (
            "en",
            "Dr. J. Smith paid $3.50 at 12:30, then he cried.",
            ["Dr. J. Smith paid $3.50 at 12:30,", "then he cried."],
        ),
        (
            "en",
            'He looked up. "I won a medal," she said, and she laughed.',
            ["He looked up.", '"I won a medal,"', "she said, and she laughed."],
        ),
        (
            "en",
            "I bought apples, pears, and figs. Why? See www.x.org or e.g. this.",
            ["I bought apples,", "pears, and figs.", "Why?", "See www.x.org or e.g. this."],
        ),
        (
            "en",
            "The blake 's got divorced . Really ? Mr . Black left .",
            ["The blake 's got divorced .", "Really ?", "Mr . Black left ."],
        ),
        ("en", "He lost his phone, sadly.", ["He lost his phone, sadly."]),
        ("en", "On Nov. 20 he won. It was May.", ["On Nov. 20 he won.", "It was May."]),
        ("en", "Well...", ["Well..."]),
        ("en", "!!!", ["!!!"]),
        ("en", "  ", []),
    ],
)
def test_marks_cut(language: Language, text: str, clauses: list[str]) -> None:
    assert [clause.text for clause in cut_clauses(text, language)] == clauses


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("I cried because he left.", ["I cried", "because he left."]),
        ("I cried because of him.", ["I cried because of him."]),
        ("I was glad and I danced", ["I was glad", "and I danced"]),
        ("The dog died and we wept", ["The dog died", "and we wept"]),
        ("Mum and I won the lottery", ["Mum and I won the lottery"]),
        ("She laughed and cried", ["She laughed and cried"]),
        ("I felt proud even though we lost", ["I felt proud", "even though we lost"]),
        ("He waited for a while and nobody came", ["He waited for a while", "and nobody came"]),
        (
            "I do n't know if he won but when he came I left",
            ["I do n't know", "if he won", "but when he came I left"],
        ),
        ("When he left I cried", ["When he left I cried"]),
        ("I left because", ["I left because"]),
        # several clauses by their marks: as the corpora are cut
        ("I cried because he left. It rained.", ["I cried because he left.", "It rained."]),
    ],
)
def test_one_english_clause_is_cut_at_connectives(text: str, clauses: list[str]) -> None:
    assert [clause.text for clause in cut_clauses(text, "en")] == clauses


def test_the_corpora_keep_their_clauses_whatever_connectives_they_hold() -> None:
    text = "我哭了 because he left and I was sad"
    assert [clause.text for clause in cut_clauses(text, "zh")] == [text]


def test_no_character_of_a_text_is_lost() -> None:
    text = 'He said: "No." Then (at 5.30 p.m.) he left... “Why?” 他说：“好！”走了。'
    for language in ("zh", "en"):
        clauses = cut_clauses(text, language)  # type: ignore[arg-type]
        assert "".join(c.text for c in clauses).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(("language", "mark"), [("zh", "，"), ("en", ", ")])
def test_clauses_of_the_corpus_come_back(language: Language, mark: str) -> None:
    documents = [d for d in load_corpus("bundled-ecpe").test if d.language == language]
    assert documents
    for document in documents:
        texts = [segment.text for segment in document.segments]
        if language == "en" and min(len(text.split()) for text in texts) < 3:
            continue
        assert [clause.bare for clause in cut_clauses(mark.join(texts) + ".", language)] == texts
        assert is_segmented(" ".join(texts), language)
        if language == "zh":
            assert not is_segmented("".join(texts).replace(" ", ""), language)


def test_chinese_needs_jieba_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    words._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(ZooError, match=r"ecpe-zoo\[chinese\]"):
        with_words_apart("我很高兴", "zh")


def test_without_jieba_the_words_of_a_model_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    words._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    known = {"高兴", "很高", "礼物", "一份"}
    assert with_words_apart("他很高兴，收到一份礼物iPhone 3.5元", "zh", known) == (
        "他 很 高兴 ， 收 到 一份 礼物 iPhone 3.5 元"
    )
    text = "".join(
        segment.text for document in load_corpus("bundled-ecpe").test for segment in document.segments
    )
    assert "".join(longest_words(text, known)) == text
    assert longest_words("", known) == []


def test_words_of_chinese_text() -> None:
    pytest.importorskip("jieba")
    assert with_words_apart("他收到了一份礼物", "zh").split() == ["他", "收到", "了", "一份", "礼物"]
