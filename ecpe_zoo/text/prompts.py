"""The four questions of multi-turn machine reading, and truncation by length alone.

Short questions in the style of MM-R (Zhou et al., COLING 2022), whose paper and MGCL's print English glosses
only: the wording is ours. The Chinese ones are word-segmented, so that encoders over words can read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from ecpe_zoo.corpora.document import Language

Kind = Literal["EE", "CE", "ESCE", "CSEE"]
"""All emotion clauses; all cause clauses; the causes of an emotion clause; the emotions of a cause clause."""
KINDS: tuple[Kind, ...] = get_args(Kind)

QUESTIONS: dict[Language, dict[Kind, tuple[str, str]]] = {
    "zh": {
        "EE": ("", "哪些 子句 表达 了 情绪 ？"),
        "CE": ("", "哪些 子句 是 情绪 的 原因 ？"),
        "ESCE": ("", "， 这 种 情绪 的 原因 是 哪些 子句 ？"),
        "CSEE": ("", "， 这 个 原因 引起 的 情绪 在 哪些 子句 ？"),
    },
    "en": {
        "EE": ("", "which clauses express an emotion ?"),
        "CE": ("", "which clauses are causes of an emotion ?"),
        "ESCE": ("", ", which clauses are the causes of this emotion ?"),
        "CSEE": ("", ", which clauses express the emotion that this causes ?"),
    },
}
"""Text before and after the clause in question; EE and CE ask about no clause."""

PROMPT_TEXTS = tuple(part for kinds in QUESTIONS.values() for parts in kinds.values() for part in parts)


def shortened(lengths: Sequence[int], fits: Callable[[Sequence[int]], bool]) -> list[int] | None:
    """Lengths with the longest ones reduced to one common length, the greatest that fits; None if 1 does not fit.

    >>> shortened([9, 2, 5], lambda kept: sum(kept) <= 10)
    [4, 2, 4]
    """
    low, high = 0, max(lengths)
    while low < high:  # by bisection
        middle = (low + high + 1) // 2
        if fits([min(length, middle) for length in lengths]):
            low = middle
        else:
            high = middle - 1
    return [min(length, low) for length in lengths] if low else None


def fit_lengths(lengths: Sequence[int], question: int, max_tokens: int | None) -> list[int]:
    """Numbers of tokens that the clauses of a document keep.

    Room is left for a question that repeats any clause, so that a document is truncated identically for every
    question about it: a row holds [CLS] question clause [SEP] clause_1 [SEP] ... clause_n. The
    longest clauses are shortened to one common length. If even one token per clause is too much, the last
    clauses are lost.

    Args:
        lengths: Number of tokens of each clause.
        question: Number of tokens of the longest question without its clause.
        max_tokens: Maximum tokens of a row; None for no limit.

    Returns:
        Number of tokens kept of each clause, 0 for a lost one.

    >>> fit_lengths([9, 2, 5], question=3, max_tokens=None)
    [9, 2, 5]
    >>> fit_lengths([9, 2, 5], question=3, max_tokens=22)
    [4, 2, 4]
    >>> fit_lengths([1, 1, 1], question=3, max_tokens=9)
    [1, 1, 0]
    """

    def slots(kept: Sequence[int]) -> int:
        return 1 + question + max(kept) + sum(kept) + len(kept)  # len(kept): a [SEP] before each clause

    if max_tokens is None:
        return list(lengths)
    if (kept := shortened(lengths, lambda kept: slots(kept) <= max_tokens)) is not None:
        return kept
    places = max((max_tokens - 2 - question) // 2, 0)  # one token and one [SEP] per clause
    return [1 if index < places else 0 for index in range(len(lengths))]
