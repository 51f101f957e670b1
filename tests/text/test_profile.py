"""What texts are like for a model, and when others are unlike them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.text import profile
from ecpe_zoo.text.profile import FEWEST_TOKENS, LIMIT, count_texts, profile_of, unlike, wrong_profile
from ecpe_zoo.text.tokenizers import UNK
from tests.annotation.making import built, some_documents

ENGLISH = {
    "corpus": "a",
    "unknown": {"train": 0.0, "validation": 0.05},
    "scripts": {"Latin": 0.995, "Han": 0.005},
}


def texts_of(documents: list[Document]) -> list[str]:
    return [segment.text for document in documents for segment in document.segments]


@pytest.mark.parametrize("id", ["mgcl", "eqn", "e2eecpe", "two_stage"])
def test_unknown_tokens_are_those_that_the_method_has_no_row_for(id: str) -> None:
    method = built(id)
    counter = method.token_counter()
    texts = texts_of(some_documents(method.task.id))
    if id == "e2eecpe":
        words = [word.lower() for text in texts for word in text.split()]
        assert isinstance(method.vocabulary, list)
        expected = len(words), sum(word not in set(method.vocabulary) for word in words)
    else:
        encoder = next(m for m in method.modules() if hasattr(m, "tokenizer"))
        ids: list[int] = [id for text in texts for id in encoder.tokenizer.encode(text)]
        assert isinstance(method.vocabulary, list)
        expected = len(ids), ids.count(method.vocabulary.index(UNK))
    counts = count_texts(texts, counter)
    assert (counts["tokens"], counts["unknown tokens"]) == expected
    assert counter("Qzyx 𠮷")[1] == counter("Qzyx 𠮷")[0] > 0


def test_a_method_without_tokens_has_scripts_alone() -> None:
    method = built("rule")
    documents = some_documents("ecpe")
    found = profile_of("c", {"train": documents, "validation": []}, method.token_counter())
    assert found["unknown"] == {}
    assert found["scripts"].keys() == {"Han", "Latin"}
    assert sum(found["scripts"].values()) == pytest.approx(1)


def test_parts_have_shares_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "train": [document_from_texts("1", ["a b c x"])],
        "validation": [document_from_texts("2", ["x x a", "x"])],
    }

    def counter(text: str) -> tuple[int, int]:
        return len(text.split()), text.split().count("x")

    assert profile_of("c", parts, counter) == {
        "corpus": "c",
        "unknown": {"train": 0.25, "validation": 0.75},
        "scripts": {"Latin": 1.0},
    }
    monkeypatch.setattr(profile, "MOST_TEXTS", 1)  # every second text of the second part
    assert profile_of("c", parts, counter)["unknown"] == {"train": 0.25, "validation": 2 / 3}


def counted(latin: int, han: int, tokens: int = 0, unknown: int = 0) -> Counter[str]:
    return Counter(
        {"words in Latin": latin, "words in Han": han, "tokens": tokens, "unknown tokens": unknown}
    )


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            counted(0, 5),
            "100.0 % of their words are in scripts that it hardly saw in training (Han; training: Latin",
        ),
        (counted(80, 20), None),
        (counted(79, 21), "21.0 % of their words"),
        (counted(9, 0, 100, 25), None),
        (counted(9, 0, 100, 26), "26.0 % of their tokens are unknown to it (5.0 % of its own corpus's)"),
        (counted(9, 0, FEWEST_TOKENS - 1, FEWEST_TOKENS - 1), None),
        (Counter(), None),
    ],
)
def test_texts_are_unlike_above_the_limit(counts: Counter[str], words: str | None) -> None:
    assert LIMIT == 0.2
    found = unlike(ENGLISH, counts)
    assert found is None if words is None else found is not None and words in found


def test_old_checkpoints_and_training_in_two_languages_warn_of_nothing() -> None:
    assert unlike(None, counted(0, 100, 100, 100)) is None
    both = ENGLISH | {"scripts": {"Latin": 0.98, "Han": 0.02}}
    assert unlike(both, counted(0, 100)) is None
    assert unlike({"corpus": "a", "unknown": {}, "scripts": {}}, counted(0, 100, 100, 100)) is None


@pytest.mark.parametrize(
    "value",
    [
        1,
        {},
        {"corpus": 1, "unknown": {}, "scripts": {}},
        {"corpus": "a", "unknown": {}},
        {"corpus": "a", "unknown": {"train": 2}, "scripts": {}},
        {"corpus": "a", "unknown": {"train": "x"}, "scripts": {}},
        {"corpus": "a", "unknown": {}, "scripts": {"\x1b[2J": 1.0}},
        {"corpus": "a", "unknown": {1: 0.5}, "scripts": {}},
    ],
)
def test_a_wrong_profile_is_named(value: Any) -> None:
    assert wrong_profile(value)
    assert not wrong_profile(ENGLISH)
    assert not wrong_profile(None)
