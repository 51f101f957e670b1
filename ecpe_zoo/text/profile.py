"""What texts are like for a model: the share of tokens that it does not know, and the scripts of the words.

A checkpoint holds these numbers of its training and validation texts, so that `annotate` can warn of texts that are
unlike them: a model answers Chinese with the emotions of the English that it knows.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from torch import nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.escaping import is_name
from ecpe_zoo.settings import shown
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import split_units

LIMIT = 0.2
"""Share above which texts are unlike those of training: of words in scripts that training hardly has, or of unknown
tokens more than in the validation texts. Measured with vocabularies of nine corpora: held-out texts of the same corpus
differ by 6 points at most (words of xia-ding-2019: 15), ten texts of it alone by 15, texts of other natural English
corpora by 16; texts of another language by 43 at least, and natural English by 48 from an invented corpus."""

HARDLY = 0.01
"""Share of the training words below which a script is one that the model hardly saw."""

FEWEST_TOKENS = 50
"""Of texts whose unknown tokens are judged: the share of fewer is chance. One word of another script is judged."""

MOST_TEXTS = 10_000
"""Texts of a part whose tokens are counted: 10 s of BERT's tokenizer at most."""

TOKENS, UNKNOWN, SCRIPT = "tokens", "unknown tokens", "words in "

TokenCounter = Callable[[str], tuple[int, int]]
"""A text -> how many tokens it has, and how many of them the model does not know."""

Profile = Mapping[str, Any]
"""`corpus`; `unknown`: part -> share of its tokens; `scripts`: script -> share of the training words."""


def token_counter(modules: Iterable[nn.Module]) -> TokenCounter:
    """Counts the tokens of the first token encoder among the modules; none if there is no such encoder."""
    encoder = next((module for module in modules if isinstance(module, TokenEncoder)), None)
    if encoder is None:
        return lambda text: (0, 0)
    tokenizer = encoder.tokenizer

    def count(text: str) -> tuple[int, int]:
        ids = tokenizer.encode(text)
        return len(ids), 0 if tokenizer.unk_id is None else ids.count(tokenizer.unk_id)

    return count


@lru_cache(maxsize=1 << 16)
def script_of(letter: str) -> str:
    """The script of a letter, by its name in Unicode; "" for what is no letter.

    >>> [script_of(letter) for letter in "Aａé情あя1!"]
    ['Latin', 'Latin', 'Latin', 'Han', 'Hiragana', 'Cyrillic', '', '']
    """
    plain = unicodedata.normalize("NFKC", letter)[:1]
    if not plain.isalpha():
        return ""
    first = unicodedata.name(plain, "unnamed").split()[0]
    return "Han" if first == "CJK" else first.capitalize()


def count_texts(texts: Iterable[str], counter: TokenCounter) -> Counter[str]:
    """Tokens, unknown ones, and words of each script; a Chinese character is a word, what has no letter is none.

    >>> dict(count_texts(["I love 北京 !"], lambda text: (5, 1)))
    {'tokens': 5, 'unknown tokens': 1, 'words in Latin': 2, 'words in Han': 2}
    """
    counts: Counter[str] = Counter()
    for text in texts:
        tokens, unknown = counter(text)
        counts[TOKENS] += tokens
        counts[UNKNOWN] += unknown
        for unit in split_units(text, "characters"):
            if script := script_of(unit[0]) or next(filter(None, map(script_of, unit)), ""):
                counts[f"{SCRIPT}{script}"] += 1
    return counts


def scripts_in(counts: Mapping[str, int]) -> dict[str, float]:
    """The share of each script in the words, the most frequent first; empty if there is no word."""
    words = {name.removeprefix(SCRIPT): n for name, n in counts.items() if name.startswith(SCRIPT)}
    return {name: n / sum(words.values()) for name, n in sorted(words.items(), key=lambda item: -item[1])}


def profile_of(corpus: str, parts: Mapping[str, Sequence[Document]], counter: TokenCounter) -> dict[str, Any]:
    """The numbers of training and validation texts, as plain values for a checkpoint.

    Args:
        corpus: Its id.
        parts: Documents of `train`, of which the vocabulary was made, and then of `validation`, which may be empty.
        counter: See `token_counter`.
    """
    unknown: dict[str, float] = {}
    scripts: dict[str, float] = {}
    for part, documents in parts.items():
        texts = [segment.text for document in documents for segment in document.segments]
        counts = count_texts(texts[:: -(-len(texts) // MOST_TEXTS) or 1], counter)
        scripts = scripts or scripts_in(counts)
        if counts[TOKENS]:
            unknown[part] = counts[UNKNOWN] / counts[TOKENS]
    return {"corpus": corpus, "unknown": unknown, "scripts": scripts}


def wrong_profile(value: object) -> str | None:
    """What is wrong with the profile in a checkpoint, in words; None is right too: older checkpoints have none."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("corpus"), str):
        return f"`texts` in `ecpe_zoo` to be numbers about a corpus, but got {shown(value)}"
    for name in ("unknown", "scripts"):
        shares = value.get(name)
        sound = isinstance(shares, Mapping) and all(
            is_name(key) and isinstance(share, float | int) and 0 <= share <= 1
            for key, share in shares.items()
        )
        if not sound:
            return f"`{name}` of the training texts to be shares by name, but got {shown(shares)}"
    return None


def unlike(profile: Profile | None, counts: Mapping[str, int]) -> str | None:
    """How texts differ from those of training, with the numbers; None if they do not, or if nothing is known.

    Args:
        profile: Of the checkpoint.
        counts: See `count_texts`.
    """
    if profile is None:
        return None
    trained: Mapping[str, float] = profile["scripts"]
    foreign = {name: share for name, share in scripts_in(counts).items() if trained.get(name, 0) < HARDLY}
    reasons = []
    if trained and (share := sum(foreign.values())) > LIMIT:
        reasons.append(
            f"{100 * share:.1f} % of their words are in scripts that it hardly saw in training "
            f"({', '.join(foreign)}; training: {_shares(trained)})"
        )
    usual = profile["unknown"].get("validation", profile["unknown"].get("train"))
    tokens = counts.get(TOKENS, 0)
    if usual is not None and tokens >= FEWEST_TOKENS:
        share = counts.get(UNKNOWN, 0) / tokens
        if share > usual + LIMIT:
            reasons.append(
                f"{100 * share:.1f} % of their tokens are unknown to it ({100 * usual:.1f} % of its own corpus's)"
            )
    return ", and ".join(reasons) or None


def _shares(scripts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in scripts.items() if share >= HARDLY)
