"""The rule without training, which every method has to beat.

An emotion clause holds an emotion keyword of the training documents; its cause is the clause before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ecpe_zoo.corpora.document import Document, Pair, Segment


def _held(clause: Segment, keywords: Iterable[str]) -> list[str]:
    """The keywords in the text, also as a part of a longer word: gold keywords often are."""
    return [word for word in keywords if word in clause.text]


def emotion_keywords(documents: Iterable[Document], precision: float = 0.5) -> frozenset[str]:
    """The gold keywords that are rarely anything else.

    Args:
        documents: The training documents, with gold keywords.
        precision: Least share, 0 to 1, of the clauses with this word that are emotion clauses.
    """
    clauses = [segment for document in documents for segment in document.segments]
    keywords = {segment.keyword for segment in clauses if segment.keyword}
    held: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for clause in clauses:
        for word in _held(clause, keywords):
            held[word] += 1
            gold[word] += bool(clause.emotions)
    return frozenset(word for word in keywords if held[word] and gold[word] / held[word] >= precision)


def rule_pairs(document: Document, keywords: frozenset[str]) -> frozenset[Pair]:
    """The pairs that the rule finds: the clause before the emotion clause, or itself if it is the first.

    >>> from ecpe_zoo.corpora.document import document_from_texts
    >>> sorted(rule_pairs(document_from_texts("1", ["he won", "he is glad"]), frozenset({"glad"})))
    [(1, 0)]
    """
    return frozenset(
        (index, max(index - 1, 0))
        for index, segment in enumerate(document.segments)
        if _held(segment, keywords)
    )


def rule_f1(train: Sequence[Document], test: Sequence[Document], precision: float = 0.5) -> float:
    """Pair F1, 0 to 1, of the rule: keywords of the training documents, scored on the test documents."""
    keywords = emotion_keywords(train, precision)
    found = {(document.id, pair) for document in test for pair in rule_pairs(document, keywords)}
    gold = {(document.id, pair) for document in test for pair in document.pairs or ()}
    return 2 * len(found & gold) / (len(found) + len(gold)) if found or gold else 0.0
