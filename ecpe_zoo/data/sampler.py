"""Batches of documents of like length, the same number in every epoch and on every rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from ecpe_zoo.errors import ZooError

POOL = 18
"""Width of the noise on the order of length, in batches: under 5 % of the pairs of a batch share one again."""

COUNTED_ORDERS = 8
"""Random orders that are packed to fix the number of batches of an epoch."""


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
    """Halve the largest batches until there are `count`, or one for each document.

    >>> _at_least(3, [5, 1])
    [2, 3, 1]
    """
    sizes = list(sizes)
    while len(sizes) < count and max(sizes, default=1) > 1:
        largest = sizes.index(max(sizes))
        sizes[largest : largest + 1] = [sizes[largest] // 2, sizes[largest] - sizes[largest] // 2]
    return sizes


class LikeLengthBatchSampler(Sampler[list[int]]):
    """Packs documents of similar length into batches and deals the batches out to the ranks.

    Evaluation sorts by length, shuffles nothing and repeats nothing: ranks may get different numbers of batches.

    Training draws new batches in every epoch. A document's place in the order of length, counted in batches, is
    moved by uniform noise of width `pool` before the documents are cut into batches. Two documents that share a batch
    share it again in the next epoch with a probability of about 2 / (3 pool). The order of the batches is shuffled,
    and where their number is not a multiple of the number of ranks some are repeated.

    Every epoch has the same number of batches. With a token budget the number depends on the order, so it is fixed at
    the most that the sorted order and a few random orders need. An epoch that needs fewer splits its largest batches.
    An epoch that needs more is drawn again, in the end with less noise: the sorted order always fits.

    Args:
        lengths: Length of each document by which batches are formed (tokens or segments).
        costs: Token slots of each document.
        batch_size: Most documents in a batch (on one rank).
        batch_tokens: Most token slots in a batch (on one rank). A document above it gets a batch of its own.
        shuffle: Training order.
        pool: Width of the noise, in batches; 0 reorders only documents of equal length.
        seed: Seed of the training order.
        epoch: Returns the current epoch when iteration starts; a resumed run continues the sequence.
        rank: Rank of this process, 0-based.
        world_size: Number of processes.

    Raises:
        ZooError: no limit of at least 1, or a negative pool.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        costs: Sequence[int],
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        shuffle: bool = False,
        pool: int = POOL,
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
        if pool < 0:
            raise ZooError(f"Expected --data.batch_pool of at least 0, but got {pool}.")
        self.costs, self.batch_size, self.batch_tokens = np.array(costs), batch_size, batch_tokens
        # without a budget costs do not matter
        self.keys = np.array([lengths, costs if batch_tokens is not None else [0] * len(costs)])
        self.order = np.lexsort((self.keys[1], self.keys[0]))
        self.sizes = self._pack(self.order)
        self.shuffle, self.pool, self.seed, self.epoch = shuffle, pool, seed, epoch
        self.rank, self.world_size = rank, world_size
        if not shuffle:  # Lightning refuses a rank without a batch
            self.sizes = _at_least(world_size, self.sizes)
        self.count = len(self.sizes)
        if shuffle:
            counts = np.repeat(self.sizes, self.sizes)
            # place of the i-th document in order of length, in batches
            self.places = (
                np.repeat(np.arange(self.count), self.sizes)
                + (np.arange(len(self.order)) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes))
                / counts
            )
            if batch_tokens is not None and pool:
                tries = (np.random.default_rng(number) for number in range(COUNTED_ORDERS))
                self.count = max(self.count, *(len(self._pack(self._draw(random, pool))) for random in tries))

    def _pack(self, order: npt.NDArray[np.intp]) -> list[int]:
        """The size of each batch of an order."""
        return pack(self.costs[order].tolist(), self.batch_size, self.batch_tokens)

    def _draw(self, random: np.random.Generator, pool: float) -> npt.NDArray[np.intp]:
        """A random order of about rising length."""
        order = random.permutation(len(self.order))
        # lexsort is stable: documents of equal length and cost change places
        order = order[np.lexsort((self.keys[1][order], self.keys[0][order]))]
        if not pool:
            return order
        return order[np.argsort(self.places + random.uniform(0, pool, len(order)), kind="stable")]

    def _batches(self) -> list[list[int]]:
        if not len(self.order):
            return []
        if not self.shuffle:
            return self._cut(self.order, self.sizes)
        random = np.random.default_rng((self.seed, self.epoch()))
        for pool in (*[self.pool] * 4, self.pool / 2, self.pool / 4, 0):
            order = self._draw(random, pool)
            sizes = self._pack(order)
            if len(sizes) <= self.count:
                break
        batches = self._cut(order, _at_least(self.count, sizes))
        dealt = [batches[index] for index in random.permutation(len(batches))]
        return dealt + [dealt[index % len(dealt)] for index in range(-len(dealt) % self.world_size)]

    @staticmethod
    def _cut(order: npt.NDArray[np.intp], sizes: list[int]) -> list[list[int]]:
        return [batch.tolist() for batch in np.split(order, np.cumsum(sizes)[:-1])]

    def __iter__(self) -> Iterator[list[int]]:
        # the epoch is read when the first batch is taken
        yield from self._batches()[self.rank :: self.world_size]

    def __len__(self) -> int:
        if self.shuffle:
            return -(-self.count // self.world_size)
        return len(range(self.rank, self.count, self.world_size))
