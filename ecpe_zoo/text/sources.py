"""Where the tokens of a batch come from: document in the batch, segment, and number among the segment's tokens.

Special tokens, questions and padding have no source. A token that a row repeats, or that several rows read, has the
same source each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

Source = tuple[int, int, int]
"""Document in the batch, segment, and number of the token."""

NO_SOURCE: Source = (-1, -1, -1)


def no_source(shape: Sequence[int]) -> Tensor:
    """Sources (*shape, 3) of tokens without one."""
    return torch.tensor(NO_SOURCE).repeat(*shape, 1)


def sources_in(document: int, segment: int, count: int) -> list[Source]:
    """The sources of a segment's tokens."""
    return [(document, segment, number) for number in range(count)]


def mark(sources: Tensor, row: int, tokens: Iterable[tuple[int, int, int]]) -> None:
    """Set the sources of tokens in a row, in place.

    Args:
        sources: Sources (R, T, 3).
        row: Index of the row.
        tokens: Position, document and segment of tokens that begin their segment, in order.
    """
    counts: Counter[tuple[int, int]] = Counter()
    for at, document, segment in tokens:
        sources[row, at] = torch.tensor((document, segment, counts[document, segment]))
        counts[document, segment] += 1
