"""The leaderboard as data: a board for each task and corpus, a row for each method and variant."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.comparisons import Against, compare_rows
from ecpe_zoo.leaderboard.published import Published, published, reported
from ecpe_zoo.results import choosing, statistics
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import document_counts
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.significance import RESAMPLES, pooled_score
from ecpe_zoo.results.store import RunGroup, encoder_of, group_records
from ecpe_zoo.tasks import find_task

PROTOCOLS = ("strict", "paper")


@dataclass(frozen=True, eq=False)
class Cell:
    """A row's runs under one protocol.

    Args:
        group: The runs.
        spread: Spread of the headline metric over all finished runs, collapsed ones too; None if none finished.
        without_collapsed: The same without the collapsed ones; None if none collapsed.
        complete: It has runs on every fold that any row of the board has under this protocol.
        rank: Rank among the complete rows of the protocol, from 1; None for the others.
        pooled: The out-of-fold score of all folds' documents together; None if they cannot be counted.
        against: Comparisons with other rows, the most telling one first; see `comparisons`.
        uncounted: Why its documents cannot be counted, "" if they can.
    """

    group: RunGroup
    spread: statistics.RunSpread | None
    without_collapsed: statistics.RunSpread | None
    complete: bool = False
    rank: int | None = None
    pooled: float | None = None
    against: tuple[Against, ...] = ()
    uncounted: str = ""

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the number."""
        group, said = self.group, []
        if group.failed:
            said.append(f"{len(group.failed)} of {len(group.entries)} runs failed ({_places(group.failed)})")
        if group.collapsed:
            rest = self.without_collapsed
            beside = f"; without: {100 * rest.over.mean:.1f}" if rest is not None else ""
            said.append(f"{len(group.collapsed)} collapsed, in the mean ({_places(group.collapsed)}{beside})")
        if group.repeated:
            said.append(f"{group.repeated} runs repeat a fold and seed")
        if group.partial:
            first = group.partial[0].record.corpus
            several = f"{len(group.partial)} run{'s' * (len(group.partial) > 1)}"
            said.append(
                f"{several} scored a part of the test documents ({_places(group.partial[:1])}: {first.scored} of "
                f"{first.test}): not ranked"
            )
        if group.content:
            files = ", ".join(f"{name} {sha[:8]}" for name, sha in group.content)
            said.append(f"on other corpus files than most records ({files}): not ranked")
        for reason in dict.fromkeys(reason for _, reason in group.not_strict):
            runs = [entry for entry, why in group.not_strict if why == reason]
            said.append(f"{reason} ({_places(runs)}): not ranked")
        if self.spread is not None and not self.complete and self.group.comparable:
            said.append(f"{folds_in_words(group.folds)} only: not ranked")
        if group.overlap is not None and group.overlap.notable:
            said.append(group.overlap.in_words)
        if self.uncounted:
            said.append(f"no pooled score and no difference: {self.uncounted}")
        return said


def folds_in_words(folds: Sequence[int]) -> str:
    """`folds 1, 3`."""
    return f"fold{'s' * (len(folds) != 1)} {', '.join(map(str, folds))}"


def _places(entries: Sequence[Entry]) -> str:
    return "; ".join(f"fold {entry.fold} seed {entry.record.seed}" for entry in entries)


@dataclass(frozen=True, eq=False)
class BoardRow:
    """A method in one variant.

    Args:
        label: Method and what differs from its other variants.
        method: Its id.
        slug: Name of its page.
        cells: Cells by protocol.
        reported: Its paper's own figure, if the row is the method without a named change.
        encoder: Encoder, as configured.
    """

    label: str
    method: str
    slug: str
    cells: dict[str, Cell]
    reported: Published | None
    encoder: str

    @property
    def change(self) -> str:
        """What the label adds to the method."""
        return self.label[len(self.method) :].strip(" []")

    @property
    def protocols(self) -> list[str]:
        """Protocols that it has numbers of; "reported" for its paper's own figure."""
        return [*self.cells, *(["reported"] if self.reported is not None else [])]

    @property
    def apart(self) -> bool:
        """Whether gold of the test documents was read: it is shown apart and never ranked."""
        return any(choosing.gold_read(cell.group.first.record) for cell in self.cells.values())

    @property
    def lexicons(self) -> list[str]:
        """Lexicons of its runs."""
        return sorted({cell.group.first.record.protocol.lexicon for cell in self.cells.values()})

    @property
    def selections(self) -> list[str]:
        """Documents that chose the epoch of its runs."""
        return sorted({cell.group.chosen_on for cell in self.cells.values()})

    @property
    def notes(self) -> list[str]:
        """Notes of its cells, after the protocol if it has several."""
        several = len(self.cells) > 1
        return [
            f"{name}: {note}" if several else note for name, cell in self.cells.items() for note in cell.notes
        ]

    @property
    def best_mean(self) -> float:
        """The strict mean, else the paper protocol's; -1 where nothing finished."""
        for protocol in PROTOCOLS:
            cell = self.cells.get(protocol)
            if cell is not None and cell.spread is not None:
                return cell.spread.over.mean
        return -1.0


@dataclass(frozen=True, eq=False)
class Board:
    """All rows of a task and corpus.

    Args:
        task: Task, as in metric ids.
        corpus: Its name.
        rows: Ranked strict rows first, by rank; then the others; those that read gold of the test documents last.
        published: Figures of the headline item, as printed; never ranked with rows.
        missing: Why document statistics are not there for any row, "" if some are.
        tests: Comparisons that Holm's correction counted, over both protocols.
    """

    task: str
    corpus: str
    rows: tuple[BoardRow, ...]
    published: tuple[Published, ...]
    missing: str = ""
    tests: int = 0

    @property
    def title(self) -> str:
        """For people."""
        return f"{find_task(self.task).title} on {self.corpus}"

    @property
    def slug(self) -> str:
        """For links and names of files."""
        return slug_of(f"{self.task}-{self.corpus}")


def build_boards(
    entries: Sequence[Entry],
    root: Path | None = None,
    against: str | None = None,
    resamples: int = RESAMPLES,
) -> list[Board]:
    """Make the boards of some records, and those of published rows without records after them.

    Args:
        entries: Records.
        root: Folder of the corpora, for statistics over documents; if a corpus is missing, its board says so.
        against: Label of the row that all others are compared with; see `comparisons` for the fixed ones.
        resamples: Draws of bootstrap and permutation test.

    Raises:
        ZooError: no row has the label `against`.
    """
    groups = group_records(entries)
    names = labels(groups)
    if against is not None and against not in names.values():
        raise ZooError(
            f"Expected a row to compare with ({', '.join(sorted(set(names.values())))}), but got {against!r}."
        )
    members: defaultdict[tuple[str, str], list[RunGroup]] = defaultdict(list)
    for group in groups:
        members[group.task, group.corpus].append(group)
    by_size = sorted(members.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1]))
    made = [_board(*place, some, names, root, against, resamples) for place, some in by_size]
    printed_only = {(row.task, row.corpus) for row in published()} - members.keys()
    return made + [Board(*place, (), _sorted_published(*place)) for place in sorted(printed_only)]


def _sorted_published(task: str, corpus: str) -> tuple[Published, ...]:
    return tuple(sorted(published(task, corpus), key=lambda row: -row.f1))


def slug_of(label: str) -> str:
    """A file name for a label, unique through a hash if the label is not one itself.

    It has small letters, digits and dashes only, so it can be a file, an id in HTML and a label in LaTeX.

    >>> slug_of("mgcl")
    'mgcl'
    >>> slug_of("mgcl [multi_instance=false]")
    'mgcl-multi-instance-false-1837fa'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if plain == label:
        return plain
    return f"{plain[:48].strip('-') or 'x'}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def _board(
    task: str,
    corpus: str,
    groups: Sequence[RunGroup],
    names: dict[int, str],
    root: Path | None,
    against: str | None,
    resamples: int,
) -> Board:
    placed: dict[tuple[str, str], RunGroup] = {}
    for group in groups:
        place = names[id(group)], group.protocol
        if place in placed:
            raise ValueError(f"Expected labels of their own, but two groups are {place[0]!r}.")
        placed[place] = group
    uncounted = {place: _why_uncounted(group, root) for place, group in placed.items() if group.finished}
    missing = next(iter(uncounted.values())) if uncounted and all(uncounted.values()) else ""
    every_fold: defaultdict[str, set[int]] = defaultdict(set)
    for group in groups:
        if not group.not_strict:
            every_fold[group.protocol] |= set(group.folds)
    cells = {
        (label, protocol): Cell(
            group,
            group.spread(),
            group.spread(without_collapsed=True) if group.collapsed else None,
            complete=bool(group.folds) and group.comparable and set(group.folds) == every_fold[protocol],
            pooled=pooled_score(group, root) if uncounted.get((label, protocol)) == "" else None,
            uncounted="" if missing else uncounted.get((label, protocol), ""),
        )
        for (label, protocol), group in placed.items()
    }
    tests = 0
    for protocol in PROTOCOLS:
        _rank(cells, protocol)
        tests += _compare_all(cells, protocol, against, root, resamples)
    rows = []
    for label in dict.fromkeys(label for label, _ in cells):
        own = {protocol: cell for (of, protocol), cell in cells.items() if of == label}
        group = next(iter(own.values())).group
        printed = reported(task, corpus, group.method) if label == group.method else None
        slug = f"{slug_of(f'{task}-{corpus}')}-{slug_of(label)}"
        rows.append(BoardRow(label, group.method, slug, own, printed, encoder_of(group.first)))
    rows.sort(key=_order)
    return Board(task, corpus, tuple(rows), _sorted_published(task, corpus), missing, tests)


def _order(row: BoardRow) -> tuple[bool, float, bool, float, str]:
    """By rank, then by strict mean, then the rows of the paper protocol alone, then those that are shown apart."""
    strict = row.cells.get("strict")
    rank = strict.rank if strict is not None and strict.rank is not None else math.inf
    return (row.apart, rank, strict is None or strict.spread is None, -row.best_mean, row.label)


def _rank(cells: dict[tuple[str, str], Cell], protocol: str) -> None:
    """Rank the complete rows of a protocol."""
    complete = [
        (-cell.spread.over.mean, label)
        for (label, of), cell in cells.items()
        if of == protocol and cell.complete and cell.spread is not None
    ]
    for rank, (_, label) in enumerate(sorted(complete), start=1):
        cells[label, protocol] = replace(cells[label, protocol], rank=rank)


def _compare_all(
    cells: dict[tuple[str, str], Cell], protocol: str, against: str | None, root: Path | None, resamples: int
) -> int:
    """Compare the rows of a protocol; returns how many comparisons have a verdict."""
    own = {label: cell for (label, of), cell in cells.items() if of == protocol}
    groups = {
        label: cell.group
        for label, cell in own.items()
        if cell.group.finished
        and not cell.group.not_strict
        and not cell.group.content
        and not cell.group.partial
    }
    countable = frozenset(label for label, cell in own.items() if cell.pooled is not None)
    found = compare_rows(groups, countable, against, root, resamples)
    for label, made in found.items():
        cells[label, protocol] = replace(cells[label, protocol], against=made)
    return sum(not one.verdict.missing for made in found.values() for one in made)


def _why_uncounted(group: RunGroup, root: Path | None) -> str:
    """The first reason why the documents of a group cannot be counted, without places of this machine; else ""."""
    for entry in group.finished:
        if entry.partial:
            return f"{entry.path.name} scored a part of the test documents"
        try:
            document_counts(entry, root)
        except ZooError as error:
            return str(error).replace(f"{entry.path.parent}/", "")
    return ""
