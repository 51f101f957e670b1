"""Groups of rows of similar length, which run together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GROUP = 128
"""What a further group of rows costs, in token slots: calls of small kernels, and in training another gradient of the
embedding matrix. Measured in training on a CPU: all-MiniLM-L6-v2 is as fast with 64 to 512 and slower with 32, a BiLSTM
over clauses as fast with 64 to 512 and slower with 16 or 32."""


def chunk_rows(lengths: Sequence[int], slots: int, overhead: int = GROUP) -> list[list[int]]:
    """Group rows of similar length at the least cost: padded slots, and an overhead per group.

    Args:
        lengths: Number of tokens of each row.
        slots: Maximum number of token slots of a group; a longer row gets its own group.
        overhead: Cost of a group in slots; `slots` gives as few groups as fit.

    Returns:
        Row indices by group, longest rows first.

    >>> chunk_rows([5, 50, 52, 6], slots=110)
    [[2, 1], [3, 0]]
    >>> chunk_rows([5, 50, 52, 6], slots=1000, overhead=20)
    [[2, 1], [3, 0]]
    >>> chunk_rows([5, 50, 52, 6], slots=1000)
    [[2, 1, 3, 0]]
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    widths = np.array([lengths[row] for row in order])  # a group is as wide as its first row
    least = np.zeros(len(order) + 1, dtype=np.int64)  # least cost of the first rows
    first = np.zeros(len(order) + 1, dtype=np.int64)  # where their last group begins
    low = 0  # the earliest beginning of a group that fits; it never moves back
    for end in range(1, len(order) + 1):
        while low < end - 1 and (end - low) * widths[low] > slots:
            low += 1
        taken = (end - np.arange(low, end)) * widths[low:end]
        costs = least[low:end] + taken + overhead
        best = int(costs.argmin())
        least[end], first[end] = costs[best], low + best
    groups: list[list[int]] = []
    end = len(order)
    while end:
        groups.append(order[first[end] : end])
        end = int(first[end])
    return groups[::-1]
