"""Lists of clauses that may hold an emotion, as a filter on predicted emotion clauses.

`rankcp_file` is the "sentiment lexicon" that came with RANKCP, MM-R and CD-MRC: document id -> clauses. It is no
lexicon: it holds every gold emotion clause, those of the test folds included, so that it shows what the leak is worth
and nothing else. `train_words` lists the clauses that hold an emotion keyword of the training documents: what such a
list can be without the gold of other documents.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import find_corpus
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.files import file_sha256

Lexicon = Literal["none", "rankcp_file", "train_words"]

RECORDED: dict[Lexicon, Literal["none", "rankcp_file (holds the gold emotion clauses)", "train_words"]] = {
    "none": "none",
    "rankcp_file": "rankcp_file (holds the gold emotion clauses)",
    "train_words": "train_words",
}
"""What a record says of each."""

FILES = ("sentimental_clauses.pkl", "sentiment_clauses.json")
"""Names of the released list in a corpus's folder: as released, and the same as JSON."""

SOURCE = "data/sentimental_clauses.pkl of https://github.com/Determined22/Rank-Emotion-Cause"

Listed = npt.NDArray[np.bool_]


class EmotionFilter(Protocol):
    """Says which clauses of a document may hold an emotion."""

    def __call__(self, document: Document) -> Listed:
        """(N,) True for clauses that pass."""


@dataclass(frozen=True)
class ReleasedList:
    """The released list.

    Args:
        path: Its file.
        clauses: Document id -> 0-based clauses.
    """

    path: Path
    clauses: Mapping[str, frozenset[int]]

    def __call__(self, document: Document) -> Listed:
        """The listed clauses; all of a document that the list does not name (1807 of the benchmark's text files).

        Raises:
            CorpusError: A clause beyond the document.
        """
        passed = np.full(len(document), document.id not in self.clauses)
        listed = sorted(self.clauses.get(document.id, ()))
        if listed and not 0 <= listed[0] <= listed[-1] < len(document):
            beyond = next(clause for clause in listed if not 0 <= clause < len(document))
            raise CorpusError(
                self.path,
                None,
                f"clauses from 1 to {len(document)} for document {document.id}",
                str(beyond + 1),
                "The list is of another release of the corpus.",
            )
        passed[listed] = True
        return passed


@dataclass(frozen=True)
class WordList:
    """Clauses that hold one of some words, also as a part of a longer word: gold keywords often are."""

    words: frozenset[str]

    def __call__(self, document: Document) -> Listed:
        """The clauses with such a word."""
        return np.array([any(word in s.text for word in self.words) for s in document.segments], dtype=bool)


def emotion_filter(
    lexicon: Lexicon, corpus: str, root: Path | None, train: Iterable[Document]
) -> EmotionFilter | None:
    """The filter of an option; None for `none`.

    Args:
        lexicon: The option.
        corpus: Name of the corpus, for the folder of the released list.
        root: See `data_root`.
        train: Training documents with gold keywords, for the list of words.

    Raises:
        ZooError: No released list for this corpus, or no keyword in the training documents.
    """
    if lexicon == "rankcp_file":
        released = read_released(released_file(corpus, root))
        if not any(document.id in released.clauses for document in train):
            raise CorpusError(
                released.path, None, f"clauses of documents of {corpus!r}", "none of its training documents"
            )
        return released
    if lexicon == "train_words":
        words = frozenset(s.keyword for document in train for s in document.segments if s.keyword)
        if not words:
            raise ZooError(
                f"Expected emotion keywords in the training documents of {corpus!r} for --data.lexicon train_words, "
                "but found none. Choose a corpus whose clauses have them (xia-ding-2019, ntcir-ecpe-en)."
            )
        return WordList(words)
    return None


def released_file(corpus: str, root: Path | None = None) -> Path:
    """The released list in a corpus's folder.

    Raises:
        ZooError: There is none.
    """
    folder = find_corpus(corpus).folder(root)
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise ZooError(
        f"Expected the released list in {folder} ({' or '.join(FILES)}) for the lexicon rankcp_file, but found "
        f"neither. It was made for xia-ding-2019: put {SOURCE} there. An honest list is --data.lexicon train_words."
    )


def lexicon_files(lexicon: str, corpus: str, root: Path | None = None) -> dict[str, str]:
    """Files that the option reads beside the corpus: name -> sha256.

    Raises:
        ZooError: See `released_file`.
    """
    if lexicon != "rankcp_file":
        return {}
    path = released_file(corpus, root)
    return {path.name: file_sha256(path)}


class _PlainOnly(pickle.Unpickler):
    """Builds dicts, lists, texts and numbers; refuses whatever would import or call something."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"the object {module}.{name}, which is not read")


def read_released(path: Path) -> ReleasedList:
    """Read the released list: document id -> 1-based clauses, as JSON or as a pickle of plain values.

    Raises:
        CorpusError: Something else.
    """
    expected = "document ids with lists of clause numbers from 1"
    content: Any
    try:
        raw = path.read_bytes()
        content = json.loads(raw) if path.suffix == ".json" else _PlainOnly(io.BytesIO(raw)).load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise CorpusError(path, None, expected, f"{error or type(error).__name__}") from error
    if not isinstance(content, dict) or not content:
        raise CorpusError(path, None, expected, type(content).__name__ if content else "nothing")
    clauses = {}
    for id, numbers in content.items():
        given = numbers if isinstance(numbers, list | tuple | set) else [None]
        if not all(type(number) is int and number > 0 for number in given):
            raise CorpusError(path, None, expected, f"{str(numbers)[:60]} for document {id}")
        clauses[str(id)] = frozenset(int(number) - 1 for number in given if number)
    return ReleasedList(path, clauses)


def filtered(prediction: Prediction, passed: Listed) -> Prediction:
    """The prediction with the score 0 for emotion clauses that do not pass, and for all pairs with them.

    Scores of causes stay: the list says nothing of them.

    >>> made = Prediction("d", {"pair": np.ones((2, 2), np.float32), "cause": np.ones(2, np.float32)})
    >>> {name: scores.tolist() for name, scores in filtered(made, np.array([True, False])).scores.items()}
    {'pair': [[1.0, 1.0], [0.0, 0.0]], 'cause': [1.0, 1.0]}
    """
    scores = dict(prediction.scores)
    for name in scores.keys() & {"pair", "emotion"}:
        mask = passed.reshape(-1, *(1,) * (scores[name].ndim - 1))
        scores[name] = np.where(mask, scores[name], np.float32(0))
    return prediction._replace(scores=scores)
