"""Word segmentation for methods that look up words, and language detection."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Collection
from functools import cache
from typing import Any

from ecpe_zoo.corpora.document import Language
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text.tokenizers import split_units

LONGEST_WORDS = 2.5
"""Maximum mean number of Chinese characters between spaces or marks for a text to count as segmented: words of the
Chinese corpora average 1.7, and running text has several times as many between its marks."""

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_HAN_RUN = re.compile(rf"{_HAN.pattern}+")
_HAN_OR_OTHER = re.compile(rf"{_HAN.pattern}+|[^{_HAN.pattern[1:-1]}]+")
_APART = re.compile(rf"{_HAN.pattern}\s+{_HAN.pattern}")
_ATTACHED = re.compile(r"\w[,.!?;:]+(?:\s|$)")
_OTHER_WORD = re.compile(r"[^\W\d_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


def language_of(text: str) -> Language:
    """Chinese if there is at least one Chinese character and no more words of other scripts than characters.

    >>> language_of("他买了iPhone"), language_of("I went to 北京 last year"), language_of("!?")
    ('zh', 'en', 'en')
    """
    han = len(_HAN.findall(text))
    return "zh" if han and han >= len(_OTHER_WORD.findall(text)) else "en"


def is_segmented(text: str, language: Language) -> bool:
    """Whether spaces separate the words of a text, and words from marks.

    >>> is_segmented("老 吴 患上 肺癌", "zh"), is_segmented("老吴患上肺癌", "zh"), is_segmented("今天 我很高兴", "zh")
    (True, False, False)
    >>> is_segmented("Alright , that 's it .", "en"), is_segmented("Alright, that's it.", "en")
    (True, False)
    """
    if language == "en":
        return not _ATTACHED.search(text)
    runs = _HAN_RUN.findall(text)
    if not runs or max(map(len, runs)) == 1:
        return True
    return bool(_APART.search(text)) and sum(map(len, runs)) / len(runs) <= LONGEST_WORDS


def with_words_apart(text: str, language: Language, known: Collection[str] = ()) -> str:
    """The words and marks of a text with spaces between them.

    Args:
        text: Text that is not segmented.
        language: Chinese is segmented by jieba, other text at its spaces and marks.
        known: Words that a model knows; without jieba Chinese is segmented by them.

    Raises:
        ZooError: The text is Chinese, jieba is not installed, and no words are known.

    >>> with_words_apart("He said (loudly) that it's 3.5", "en")
    "He said ( loudly ) that it's 3.5"
    """
    if language == "zh" and known and not has_jieba():
        return " ".join(unit for part in split_units(text, "words") for unit in longest_words(part, known))
    if language == "zh":
        return " ".join(word for word in _jieba().cut(text) if word.strip())
    return " ".join(split_units(text, "words"))


LONGEST_KNOWN = 8
"""Characters of the longest Chinese word that is looked for."""


def longest_words(text: str, known: Collection[str]) -> list[str]:
    """Chinese text cut into the longest known words, from its end; a character that begins none stands alone.

    A model knows no other words. Of the words of xia-ding-2019's test fold it finds 84 % by the training vocabulary,
    which lacks 15 %.

    >>> longest_words("他很高兴iPhone", {"高兴", "很高"})
    ['他', '很', '高兴', 'iPhone']
    """
    found: list[str] = []
    for part in reversed(_HAN_OR_OTHER.findall(text)):
        if not _HAN.match(part):
            found.append(part)
            continue
        end = len(part)
        while end:
            lengths = range(min(LONGEST_KNOWN, end), 1, -1)
            length = next((n for n in lengths if part[end - n : end] in known), 1)
            found.append(part[end - length : end])
            end -= length
    return found[::-1]


def has_jieba() -> bool:
    """Whether jieba is installed."""
    try:
        _jieba()
    except ZooError:
        return False
    return True


@cache
def _jieba() -> Any:
    try:
        jieba = importlib.import_module("jieba")
    except ImportError:
        raise ZooError(
            "Expected the package jieba, which segments running Chinese text for a method over words, but it is not "
            "installed. Install it (pip install 'ecpe-zoo[chinese]'), or give text with spaces between its words."
        ) from None
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return jieba
