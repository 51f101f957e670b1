"""What a method can say of its own reading, for `ecpe-zoo explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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


class Traceable:
    """The hook; `Method` inherits it."""

    def clues(self, document: Document) -> Clues | None:
        """What the method itself says of its reading, beside its scores; None by default.

        Called in evaluation mode and without gradients, on a document without gold.
        """
        return None
