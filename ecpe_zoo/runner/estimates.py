"""How long cells will take, from records of cells like them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ecpe_zoo.options import flat
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.results.store import each_record
from ecpe_zoo.runner.cells import Cell

START = 15.0  # seconds for imports, the corpus and the closing test


class _Cost(NamedTuple):
    """What an earlier run took, on one core where it ran on the CPU."""

    seconds: float
    epochs: int
    planned: int
    parameters: int


class Estimates:
    """Times of earlier runs.

    Args:
        folders: that hold records; what cannot be read is passed over.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.costs: dict[tuple[str, str, bool], list[_Cost]] = defaultdict(list)
        known = each_record((folder for folder in folders if folder.is_dir()), skip_unreadable=True)
        for record in {entry.id: entry.record for entry in known}.values():
            self.add(record)

    def add(self, record: RunRecord) -> None:
        """Learn from a record."""
        accelerated = " x NVIDIA" in record.machine.hardware or " x AMD Instinct" in record.machine.hardware
        cores = 1 if accelerated else record.machine.threads
        cost = _Cost(
            record.machine.seconds * cores,
            max(record.epochs, 1),
            _epochs(record.config) or record.epochs,
            _size(record.config),
        )
        self.costs[record.method, record.corpus.id, accelerated].append(cost)

    def seconds(self, cell: Cell, threads: int, accelerated: bool) -> float | None:
        """What a cell will take; None where no record of its method and corpus is known.

        Seconds an epoch of earlier runs with as many epochs planned, where there are any, else of all; times
        the epochs that such runs took, which early stopping cuts; over the cores.

        Args:
            cell: which.
            threads: of the fit.
            accelerated: it runs on an accelerator.
        """
        costs = self.costs.get((cell.method, cell.corpus, accelerated))
        if not costs:
            return None
        planned, size = _epochs(cell.config), _size(cell.config)
        alike = [cost for cost in costs if cost.parameters == size] or costs
        same = [cost for cost in alike if cost.planned == planned]
        if same:
            work = median(cost.seconds for cost in same)
        else:
            share = median(cost.epochs / max(cost.planned, 1) for cost in alike)
            work = median(cost.seconds / cost.epochs for cost in alike) * (planned or 1) * share
        return START + work / (1 if accelerated else threads)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Time until all are done when the next one starts in the first free slot.

    >>> makespan([10, 10, 10], 2)
    20.0
    """
    free = [0.0] * slots
    for needed in seconds:
        first = free.index(min(free))
        free[first] += needed
    return max(free)


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(42), clock(130), clock(7380)
    ('42 s', '2 min', '2 h 03')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02}"


def _epochs(config: dict[str, object]) -> int:
    trainer = config.get("trainer")
    value = trainer.get("max_epochs") if isinstance(trainer, dict) else None
    return value if isinstance(value, int) else 0


def _size(config: dict[str, object]) -> int:
    """A number that is the same for runs that cost the same an epoch: of the arguments that shape the network."""
    model = config.get("model")
    arguments = flat(model.get("init_args", {})) if isinstance(model, dict) else {}
    shapes = {name: str(value) for name, value in arguments.items() if isinstance(value, int | bool)}
    # methods of the user's own may take the encoder as a plain text
    encoder = arguments.get("encoder.name", arguments.get("encoder"))
    return hash((Path(str(encoder)).name, *sorted(shapes.items())))
