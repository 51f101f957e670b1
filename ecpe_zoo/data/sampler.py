"""Batches of documents of similar length, equally many in every epoch and on every rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from ecpe_zoo.errors import ZooError

IntArray = npt.NDArray[np.int64]
SLACK = 25
"""Under a token budget, one batch in 25 (4 %) is added: mixed lengths fill a budget less well than sorted ones."""


def pack(costs: Sequence[int], batch_size: int | None, batch_tokens: int | None) -> list[int]:
    """Cut a sequence of documents into batches, filling each as far as its limits allow.

    Args:
        costs: Token slots of each document, in batching order.
        batch_size: Maximum number of documents in a batch.
        batch_tokens: Maximum number of token slots in a batch; a longer document gets its own batch.

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
    """Split the largest batches until every rank has one: Lightning refuses a rank without batches.

    >>> _at_least(3, [5, 1])
    [2, 3, 1]
    """
    sizes = list(sizes)
    while len(sizes) < count and max(sizes, default=1) > 1:
        largest = sizes.index(max(sizes))
        sizes[largest : largest + 1] = [sizes[largest] // 2, sizes[largest] - sizes[largest] // 2]
    return sizes


class LikeLengthBatchSampler(Sampler[list[int]]):
    """Batches documents of similar length and distributes the batches over the ranks.

    In training, new batches are drawn in each epoch: the position of a document in the order by length is moved by a
    random amount, up to `spread` batches, before the order is cut into batches, and the batches are shuffled. Two
    documents of equal length then share a batch about once in `spread` epochs. The number of batches is the
    same in every epoch (Lightning relies on it), and a token budget holds in each of them: if the budget needs more
    batches than planned, documents move less in that epoch. If the number of ranks does not divide the batches, some
    are repeated. In evaluation, documents are sorted by length, and nothing is shuffled or repeated: ranks may get
    different numbers of batches.

    Args:
        lengths: Length of each document, in tokens or segments, by which documents are alike.
        costs: Token slots of each document.
        batch_size: Maximum number of documents in a batch (on one rank).
        batch_tokens: Maximum number of token slots in a batch (on one rank).
        shuffle: Whether to use the training order.
        spread: Batches over which a document moves in training, at least 0; 0 exchanges only documents of equal
            length.
        seed: Seed of the shuffling.
        epoch: Function that returns the current epoch when iteration starts; a resumed run continues the sequence.
        rank: Rank of this process, 0-based.
        world_size: Number of processes.

    Raises:
        ZooError: There is no count or budget of at least 1, or the spread is negative.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        costs: Sequence[int],
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        shuffle: bool = False,
        spread: float = 0.0,
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
        if not spread >= 0:
            raise ZooError(f"Expected --data.batch_spread to be at least 0, but got {spread}.")
        # without a budget, a document's cost does not affect its batch
        self.costs = np.array(costs, dtype=np.int64)
        self.keys = np.array([lengths, costs if batch_tokens is not None else [0] * len(costs)])
        self.order = np.lexsort((self.keys[1], self.keys[0]))
        self.limits = (batch_size, batch_tokens)
        sizes = pack(self.costs[self.order].tolist(), *self.limits)
        if not shuffle:
            sizes = _at_least(world_size, sizes)
        elif spread and batch_tokens is not None and len(sizes) > 1:
            # a mixed order fills a budget a little worse than a sorted one
            sizes = _at_least(min(len(costs), len(sizes) + -(-len(sizes) // SLACK)), sizes)
        self.sizes = sizes
        self.width = spread * len(costs) / len(sizes) if sizes else 0.0  # in positions
        self.shuffle, self.seed, self.epoch = shuffle, seed, epoch
        self.rank, self.world_size = rank, world_size

    def _batches(self) -> list[list[int]]:
        if not len(self.order):
            return []
        if not self.shuffle:
            return _cut(self.order, self.sizes)
        random = np.random.default_rng((self.seed, self.epoch()))
        # lexsort is stable: shuffled first, then sorted, documents of equal length are in random order
        order = random.permutation(len(self.order))
        order = order[np.lexsort((self.keys[1][order], self.keys[0][order]))]
        moves = random.random(len(order))
        batches = _cut(*self._mixed(order, moves))
        dealt = [batches[index] for index in random.permutation(len(batches))]
        return dealt + [dealt[index % len(dealt)] for index in range(-len(dealt) % self.world_size)]

    def _mixed(self, order: IntArray, moves: npt.NDArray[np.float64]) -> tuple[IntArray, list[int]]:
        """The order with each position moved by its share (0 to 1) of the width, and the resulting batch sizes."""
        width = self.width
        while width >= 1:
            mixed = order[np.argsort(np.arange(len(order)) + width * moves, kind="stable")]
            if self.limits[1] is None:
                return mixed, self.sizes
            sizes = pack(self.costs[mixed].tolist(), *self.limits)
            if len(sizes) <= len(self.sizes):
                return mixed, _at_least(len(self.sizes), sizes)
            width /= 2
        return order, self.sizes

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches()[
            self.rank :: self.world_size
        ]  # reads the epoch when the first batch is taken

    def __len__(self) -> int:
        batches = len(self.sizes)
        if self.shuffle:
            return -(-batches // self.world_size)
        return len(range(self.rank, batches, self.world_size))


def _cut(order: IntArray, sizes: Sequence[int]) -> list[list[int]]:
    return [batch.tolist() for batch in np.split(order, np.cumsum(sizes)[:-1])]
