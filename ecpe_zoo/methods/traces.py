"""What a method can say of its own reading, for `ecpe-zoo explain`; both hooks are optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Array


class Clues(NamedTuple):
    """What a method says of a document beyond its scores.

    Args:
        tokens: By name: values (N, T) in [0, 1] of the tokens of each segment, as its tokenizer makes them; NaN after a
            segment's last token that was read.
        segments: By name: values (N,) in [0, 1]; NaN for segments without one.
    """

    tokens: Mapping[str, Array] = {}
    segments: Mapping[str, Array] = {}


class Place(NamedTuple):
    """Where a token of a row is in the document.

    Args:
        segment: Index of its segment.
        token: Its place among the tokens that the tokenizer makes of the segment.
    """

    segment: int
    token: int


class Trace(NamedTuple):
    """A score that gradients flow from, and the rows of tokens that gave it.

    Args:
        score: () in [0, 1].
        rows: Token ids of each row that the embedding layer reads for it; one row may hold several segments.
        places: For each row and token, where it is; None for special tokens, prompts and padding.
    """

    score: Tensor
    rows: list[list[int]]
    places: list[list[Place | None]]


class Traceable:
    """The hooks; `Method` inherits them."""

    def clues(self, document: Document) -> Clues | None:
        """What the method itself says of its reading, beside its scores.

        Called in evaluation mode and without gradients, on a document without gold.
        """
        return None

    def trace(self, document: Document, segment: int, cause: int | None, label: int | None) -> Trace | None:
        """A score of a document, with its gradient; None if the method has no score that one flows from.

        Called in evaluation mode with gradients on.

        Args:
            document: Without gold.
            segment: Index of the emotion clause, or of the segment with a label.
            cause: Index of the cause clause; None for a label.
            label: Index of the label; None for a pair.
        """
        return None


def clause_places(clause_of: Sequence[int], first: int = 0) -> list[Place | None]:
    """Places in a row from the number of each token's clause.

    Args:
        clause_of: Numbers, `first` for the first clause; smaller ones belong to no clause.
        first: The number of the document's first clause.

    >>> clause_places([-1, 0, 0, -1, 1])[1:3]
    [Place(segment=0, token=0), Place(segment=0, token=1)]
    """
    seen: dict[int, int] = {}
    places: list[Place | None] = []
    for number in clause_of:
        if number < first:
            places.append(None)
            continue
        places.append(Place(number - first, seen.get(number, 0)))
        seen[number] = seen.get(number, 0) + 1
    return places
