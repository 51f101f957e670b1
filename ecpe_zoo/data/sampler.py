"""Batches of documents of like length, the same number in every epoch and on every rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from ecpe_zoo.errors import ZooError


def pack(costs: Sequence[int], batch_size: int | None, batch_tokens: int | None) -> list[int]:
    """Cut a sequence of documents into batches, filling each as far as its limits allow.

    Args:
        costs: token slots of each document, in the order in which they are to be batched.
        batch_size: most documents in a batch.
        batch_tokens: most token slots in a batch; a document above it gets a batch of its own.

    Returns:
        The size of each batch; the sizes add up to `len(costs)`.

    >>> pack([3, 3, 4, 9, 20], batch_size=None, batch_tokens=10)
    [3, 1, 1]
    >>> pack([1, 1, 1], batch_size=2, batch_tokens=None)
    [2, 1]
    """
    sizes: list[int] = []
    filled = 0
    for cost in costs:
        room = bool(sizes) and (batch_size is None or sizes[-1] < batch_size)
        if room and (batch_tokens is None or filled + cost <= batch_tokens):
            sizes[-1] += 1
            filled += cost
        else:
            sizes.append(1)
            filled = cost
    return sizes


def _at_least(count: int, sizes: list[int]) -> list[int]:
    """Halve the largest batches until there are enough for every rank: Lightning refuses a rank without one.

    >>> _at_least(3, [5, 1])
    [2, 3, 1]
    """
    sizes = list(sizes)
    while len(sizes) < count and max(sizes, default=1) > 1:
        largest = sizes.index(max(sizes))
        sizes[largest : largest + 1] = [sizes[largest] // 2, sizes[largest] - sizes[largest] // 2]
    return sizes


class LikeLengthBatchSampler(Sampler[list[int]]):
    """Packs documents of like length together and deals the batches out to the ranks.

    The cuts are made once, over the documents in order of length, so the number of batches never changes. In
    training each epoch shuffles documents among those of equal length and cost (no batch grows by it) and then
    the order of the batches; where the batches do not divide by the ranks, some are repeated. In evaluation
    nothing is shuffled and nothing repeated: ranks may get different numbers of batches.

    Args:
        lengths: what makes documents alike (tokens or segments), one a document.
        costs: token slots, one a document.
        batch_size: most documents in a batch (on one rank).
        batch_tokens: most token slots in a batch (on one rank).
        shuffle: training order.
        seed: of the shuffling.
        epoch: gives the current epoch whenever iteration starts; a resumed run continues the sequence.
        rank: of this process, 0-based.
        world_size: number of processes.

    Raises:
        ZooError: neither a count nor a budget of at least 1.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        costs: Sequence[int],
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        limits = [limit for limit in (batch_size, batch_tokens) if limit is not None]
        if not limits or min(limits) < 1:
            raise ZooError(
                "Expected a batch to be limited by a count or by a token budget of at least 1 "
                f"(--data.batch_size, --data.batch_tokens), but got {batch_size} and {batch_tokens}."
            )
        # without a budget the cost of a document is of no matter to its batch
        self.keys = np.array([lengths, costs if batch_tokens is not None else [0] * len(costs)])
        self.order = np.lexsort((self.keys[1], self.keys[0]))
        sizes = pack([costs[index] for index in self.order], batch_size, batch_tokens)
        if not shuffle:
            sizes = _at_least(world_size, sizes)
        self.ends = np.cumsum(sizes)
        self.shuffle, self.seed, self.epoch = shuffle, seed, epoch
        self.rank, self.world_size = rank, world_size

    def _batches(self) -> list[list[int]]:
        order = self.order
        if not len(order):
            return []
        if not self.shuffle:
            return [batch.tolist() for batch in np.split(order, self.ends[:-1])]
        random = np.random.default_rng((self.seed, self.epoch()))
        # lexsort is stable: shuffled first, then sorted again, equals change places and nothing else does
        order = random.permutation(len(order))
        order = order[np.lexsort((self.keys[1][order], self.keys[0][order]))]
        batches = [batch.tolist() for batch in np.split(order, self.ends[:-1])]
        dealt = [batches[index] for index in random.permutation(len(batches))]
        return dealt + [dealt[index % len(dealt)] for index in range(-len(dealt) % self.world_size)]

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches()[
            self.rank :: self.world_size
        ]  # the epoch is asked for when the first is taken

    def __len__(self) -> int:
        batches = len(self.ends)
        if self.shuffle:
            return -(-batches // self.world_size)
        return len(range(self.rank, batches, self.world_size))
