"""Whether results depend on the order in which threads add."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def alike_with_two_threads(compute: Callable[[], Sequence[Tensor]], times: int) -> bool:
    """Whether repeated results are equal to the last digit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first = compute()
        return all(
            torch.equal(mine, other)
            for _ in range(times)
            for mine, other in zip(first, compute(), strict=True)
        )
    finally:
        torch.set_num_threads(threads)
