"""Tokenizers whose vocabulary is stored in the checkpoint."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypedDict

from tokenizers import Tokenizer as BackendTokenizer

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNK, CLS, SEP, MASK)
FROM_FILE = ""
"""Vocabulary entry after which the words with vectors from a file begin; no text contains it."""

PLACEHOLDERS = ("[NAME]", "[RELIGION]")
"""Placeholders of GoEmotions for names and religions (Demszky et al. 2020, section 3): one token each."""

Units = Literal["characters", "words"]

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PLACEHOLDER = "|".join(map(re.escape, PLACEHOLDERS))
_UNITS: dict[Units, re.Pattern[str]] = {
    # a Chinese character, a word of another script, or one mark
    "characters": re.compile(rf"{_PLACEHOLDER}|[{_HAN}]|[^\W{_HAN}]+|[^\w\s]"),
    # a word, with inner marks as in "don't" and "3.5", or a run of marks as in "……"
    "words": re.compile(rf"{_PLACEHOLDER}|\w+(?:['’.·-]\w+)*|(?:(?!{_PLACEHOLDER})[^\w\s])+"),
}


class Tokenizer(Protocol):
    """What methods need from a tokenizer."""

    cls_id: int
    sep_id: int
    mask_id: int
    pad_id: int
    vocab_size: int
    special_ids: frozenset[int]
    pair_separators: int
    """[SEP] between the two texts of a row: 1 for BERT-like models, 2 for RoBERTa-like ones."""

    @property
    def unk_id(self) -> int | None:
        """The token of text that it does not know; None if it knows every text, as tokenizers over bytes do."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""

    def pieces(self, text: str) -> list[str]:
        """What each token of `encode` stands for, as written."""


def split_units(text: str, units: Units) -> list[str]:
    """Split text into the units of a vocabulary; whitespace separates units and is dropped.

    >>> split_units("我 很高兴, Don't cry", "characters")
    ['我', '很', '高', '兴', ',', 'Don', "'", 't', 'cry']
    >>> split_units("我 很 高兴 , Don't cry", "words")
    ['我', '很', '高兴', ',', "Don't", 'cry']
    >>> split_units("Thanks ([NAME])!", "words")
    ['Thanks', '(', '[NAME]', ')!']
    """
    return _UNITS[units].findall(text)


def count_vocabulary(
    texts: Iterable[str],
    units: Units,
    *,
    min_count: int = 2,
    always: Iterable[str] = (),
    from_file: Sequence[str] = (),
) -> list[str]:
    """The vocabulary of a `VocabularyTokenizer`.

    Args:
        texts: Training texts.
        units: Kind of unit of an entry.
        min_count: Rarer units become [UNK], which is thereby trained; 2, as one occurrence cannot train a vector.
        always: Texts whose units are kept even if rare (the prompts).
        from_file: Words with a vector from a file; they follow `FROM_FILE`, in file order.

    Returns:
        The special tokens, then units by descending count (ties by code point), then the file's words.
    """
    known = set(from_file)

    def unknown(text: str) -> list[str]:
        words = split_units(text, units)
        return [word.lower() for word in words if word not in known and word.lower() not in known]

    counts = Counter(word for text in texts for word in unknown(text))
    kept = {word: count for word, count in counts.items() if count >= min_count}
    for text in always:
        for word in unknown(text):
            kept.setdefault(word, 0)
    listed = [*SPECIAL, *sorted(kept, key=lambda word: (-kept[word], word))]
    return [*listed, FROM_FILE, *from_file] if from_file else listed


class VocabularyTokenizer:
    """Looks units up in a list.

    Args:
        vocabulary: Result of `count_vocabulary`.
        units: Kind of unit of an entry.
    """

    def __init__(self, vocabulary: Sequence[str], units: Units) -> None:
        self.units = units
        self.ids = {word: index for index, word in enumerate(vocabulary)}
        self.ids |= {
            name: vocabulary.index(name) for name in SPECIAL
        }  # a file of vectors may contain them too
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self.ids[name] for name in SPECIAL
        )
        self.vocab_size = len(vocabulary)
        self.special_ids = frozenset(self.ids[name] for name in (*SPECIAL, FROM_FILE) if name in self.ids)
        self.pair_separators = 1

    def encode(self, text: str) -> list[int]:
        """Ids of the units as written, else in lower case, else [UNK]."""
        find, unknown = self.ids.get, self.unk_id
        return [find(unit, find(unit.lower(), unknown)) for unit in split_units(text, self.units)]

    def pieces(self, text: str) -> list[str]:
        """What each token of `encode` stands for, as written."""
        return split_units(text, self.units)


class TokenizerFacts(TypedDict):
    """Facts about a pretrained tokenizer that are not in its own file."""

    cls: int
    sep: int
    mask: int
    pad: int
    special: list[int]
    """Ids of all special tokens."""
    max_tokens: int
    """Maximum tokens of a row."""
    placeholders: NotRequired[list[list[int]]]
    """Ids of the pieces that initialise each placeholder's vector."""
    placeholder_ids: NotRequired[list[int]]


class PretrainedTokenizer:
    """The tokenizer of a pretrained model, rebuilt from strings alone: no file is read.

    Special tokens typed in a text, such as `[MASK]` or `</s>`, are plain text: rows get real ones as ids.

    Args:
        backend: The JSON of a `tokenizers.Tokenizer`.
        facts: Facts such as the ids of its special tokens.
    """

    def __init__(self, backend: str, facts: TokenizerFacts) -> None:
        self.backend = BackendTokenizer.from_str(backend)
        self.backend.no_truncation()
        self.backend.no_padding()
        self.backend.encode_special_tokens = True  # do not look for special tokens in a text
        self.cls_id, self.sep_id = facts["cls"], facts["sep"]
        self.mask_id, self.pad_id = facts["mask"], facts["pad"]
        self.special_ids = frozenset(facts["special"])
        self.unk_id = _unknown_id(json.loads(backend)["model"])
        self._marks = self.special_ids - {self.unk_id}
        self.vocab_size = self.backend.get_vocab_size()
        # a pair also has a start mark and an end mark
        self.pair_separators = max(self.backend.num_special_tokens_to_add(True) - 2, 1)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        ids = list(self.backend.encode(text, add_special_tokens=False).ids)
        return ids if self._marks.isdisjoint(ids) else [id for id, _ in self._without_marks(text)]

    def pieces(self, text: str) -> list[str]:
        """What each token of `encode` stands for, as written."""
        return [piece for _, piece in self._without_marks(text)]

    def _without_marks(self, text: str) -> list[tuple[int, str]]:
        """Ids and pieces of a text; a special token in the text is spelt out character by character.

        Some models contain them as regular pieces (Unigram) or as words (WordPiece between spaces), and some tokenizers
        add them without marking them as special.
        """
        tokens: list[tuple[int, str]] = []
        encoded = self.backend.encode(text, add_special_tokens=False)
        for id, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
            if id in self._marks:
                spelt = [(token.id, c) for c in text[start:end] for token in self.backend.model.tokenize(c)]
                tokens += [(token, piece) for token, piece in spelt if token not in self._marks]
            else:
                tokens.append((id, text[start:end]))
        return tokens


def _unknown_id(model: dict[str, Any]) -> int | None:
    """The id that the model of a `tokenizers.Tokenizer` assigns to unknown text, if it has one."""
    if model["type"] == "Unigram":
        unknown: int | None = model["unk_id"]
        return unknown
    name, vocabulary = model.get("unk_token"), model["vocab"]
    return vocabulary.get(name) if name else None
