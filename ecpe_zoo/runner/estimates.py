"""How long cells will take, from records of similar cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ecpe_zoo.options import flat
from ecpe_zoo.results import origin
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.results.store import each_record
from ecpe_zoo.runner.cells import Cell

START = 15.0  # seconds for imports, the corpus and the closing test


class _Cost(NamedTuple):
    """Cost of an earlier run: seconds (of one core if it ran on the CPU), epochs run and planned, network, machine."""

    seconds: float
    epochs: int
    planned: int
    encoder: tuple[str, str]
    shape: frozenset[tuple[str, str]]
    precision: str
    hardware: str


class Estimates:
    """Times of earlier runs.

    Args:
        folders: Folders with records; unreadable records are skipped.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.hardware = _kind(origin.hardware())
        self.costs: dict[tuple[str, str, bool], list[_Cost]] = defaultdict(list)
        known = each_record((folder for folder in folders if folder.is_dir()), skip_unreadable=True)
        for record in {entry.id: entry.record for entry in known}.values():
            self.add(record)

    def add(self, record: RunRecord) -> None:
        """Learn from a record."""
        machine, planned = record.machine, _epochs(record.config) or record.epochs
        accelerated = any(maker in machine.hardware for maker in (" x NVIDIA", " x AMD Instinct"))
        work = machine.seconds * (1 if accelerated else machine.threads)
        network, precision = _network(record.config), _precision(machine.precision)
        cost = _Cost(work, max(record.epochs, 1), planned, *network, precision, _kind(machine.hardware))
        self.costs[record.method, record.corpus.id, accelerated].append(cost)

    def seconds(self, cell: Cell, threads: int, accelerated: bool) -> float | None:
        """Estimated duration of a cell, from runs of its method and corpus on its encoder; None if there are none.

        Runs on such a processor come first, then those with the same settings. Other encoders and precisions say
        nothing: an epoch may take fifty times as long.
        If no such run planned as many epochs, the estimate is the time of an epoch, times the planned epochs, times the
        share of planned epochs that earlier runs used before early stopping ended them.

        Args:
            cell: The cell to be run.
            threads: Cores that the fit uses.
            accelerated: Whether it runs on an accelerator.
        """
        costs = self.costs.get((cell.method, cell.corpus, accelerated), [])
        planned, (encoder, shape) = _epochs(cell.config), _network(cell.config)
        precision = _precision((cell.config.get("trainer") or {}).get("precision"))
        alike = [cost for cost in costs if (cost.encoder, cost.precision) == (encoder, precision)]
        alike = [cost for cost in alike if cost.hardware == self.hardware] or alike
        similar = [cost for cost in alike if cost.shape == shape] or alike
        if not similar:
            return None
        same = [cost.seconds for cost in similar if cost.planned == planned]
        if same:
            work = median(same)
        else:
            share = median(cost.epochs / max(cost.planned, 1) for cost in similar)
            work = median(cost.seconds / cost.epochs for cost in similar) * (planned or 1) * share
        return START + work / (1 if accelerated else threads)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Time until all are done when the next one starts in the first free slot.

    >>> makespan([10, 10, 10], 2)
    20.0
    """
    free = [0.0] * slots
    for needed in seconds:
        free[free.index(min(free))] += needed
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


def _epochs(config: Mapping[str, Any]) -> int:
    value = (config.get("trainer") or {}).get("max_epochs")
    return value if isinstance(value, int) else 0


def _kind(hardware: str) -> str:
    """The processor or accelerator, without the number of them: a cell may see one of eight.

    >>> _kind("8 x NVIDIA H100")
    'NVIDIA H100'
    """
    return hardware.partition(" x ")[2]


def _precision(given: object) -> str:
    """A precision of Lightning under one name: `32-true` also for null and 32."""
    name = "32" if given is None else str(given)
    return {"64": "64-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}.get(name, name)


def _network(config: Mapping[str, Any]) -> tuple[tuple[str, str], frozenset[tuple[str, str]]]:
    """The encoder (name, layers), and the settings that shape the network: epochs of equal ones cost the same."""
    arguments = flat((config.get("model") or {}).get("init_args", {}))
    shape = {(name, str(value)) for name, value in arguments.items() if isinstance(value, int | bool)}
    # methods of the user's own may take the encoder as a plain text
    name = Path(str(arguments.get("encoder.name", arguments.get("encoder")))).name
    return (name, str(arguments.get("encoder.layers"))), frozenset(shape)
