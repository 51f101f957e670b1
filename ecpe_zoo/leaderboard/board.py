"""Boards from records: one for each task and corpus, with a row for each method and variant."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ecpe_zoo.corpora.corpus import data_root
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.comparisons import compare_rows, method_of
from ecpe_zoo.leaderboard.published import Published, published, reported
from ecpe_zoo.leaderboard.rows import PROTOCOLS, Board, BoardRow, Cell, slug_of
from ecpe_zoo.results import choosing
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import document_counts
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.significance import RESAMPLES, pooled_score
from ecpe_zoo.results.store import RunGroup, encoder_of, group_records
from ecpe_zoo.results.verdict import folds_of, missing_runs


def build_boards(
    entries: Sequence[Entry],
    root: Path | None = None,
    against: str | None = None,
    resamples: int = RESAMPLES,
) -> list[Board]:
    """Make the boards of some records, then those of published rows that have no records.

    Args:
        entries: Records.
        root: Folder of the corpora, for records without kept counts; a board says if its corpus is missing.
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
    bases: dict[tuple[str, str], str] = {}
    for protocol in PROTOCOLS:
        some = {label: group for (label, of), group in placed.items() if of == protocol}
        bases |= {(label, protocol): base for label in some if (base := method_of(label, some)) is not None}
    folds = folds_of(groups)
    cells = {
        (label, protocol): Cell(
            group,
            group.spread(),
            group.spread(without_collapsed=True) if group.collapsed else None,
            wanting="" if (label, protocol) in bases or not _rankable(group) else missing_runs(group, folds),
            pooled=pooled_score(group, root) if uncounted.get((label, protocol)) == "" else None,
            uncounted="" if missing else uncounted.get((label, protocol), ""),
        )
        for (label, protocol), group in placed.items()
    }
    tests = 0
    for protocol in PROTOCOLS:
        _rank(cells, protocol, bases.keys())
        tests += _compare_all(cells, protocol, against, root, resamples)
    rows = []
    for label in dict.fromkeys(label for label, _ in cells):
        own = {protocol: cell for (of, protocol), cell in cells.items() if of == label}
        group = next(iter(own.values())).group
        printed = reported(task, corpus, label)
        slug = f"{slug_of(f'{task}-{corpus}')}-{slug_of(label)}"
        base = next((bases[label, protocol] for protocol in own if (label, protocol) in bases), "")
        rows.append(BoardRow(label, group.method, slug, own, printed, encoder_of(group.first), base))
    rows.sort(key=_order)
    return Board(task, corpus, tuple(rows), _sorted_published(task, corpus), missing, tests)


def _order(row: BoardRow) -> tuple[bool, float, bool, int, float, str]:
    """By rank, then strict rows by folds and mean, then the paper protocol alone, then those shown apart."""
    strict = row.cells.get("strict")
    rank = strict.rank if strict is not None and strict.rank is not None else math.inf
    folds = len(strict.group.folds) if strict is not None else 0
    return (row.apart, rank, strict is None or strict.spread is None, -folds, -row.best_mean, row.label)


def _rankable(group: RunGroup) -> bool:
    """Whether more runs are all that it can lack."""
    return bool(group.finished) and group.comparable and not choosing.gold_read(group.first.record)


def _rank(cells: dict[tuple[str, str], Cell], protocol: str, ablations: Collection[tuple[str, str]]) -> None:
    """Rank the rows of a protocol that have enough runs, ablations aside; a single one has no rank."""
    enough = {
        place: cell.spread.over.mean
        for place, cell in cells.items()
        if place[1] == protocol and place not in ablations
        if cell.spread is not None and _rankable(cell.group) and not cell.wanting
    }
    if len(enough) == 1:
        (place,) = enough
        cells[place] = replace(cells[place], wanting="a second row with enough runs")
        return
    for rank, place in enumerate(sorted(enough, key=lambda place: (-enough[place], place)), start=1):
        cells[place] = replace(cells[place], rank=rank)


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
    """The first reason why the documents of a group cannot be counted, without folders of this machine; else ""."""
    for entry in group.finished:
        if entry.partial:
            return f"{entry.path.name} scored a part of the test documents"
        try:
            document_counts(entry, root)
        except ZooError as error:
            said, named = str(error), Path(str((entry.record.config.get("data") or {}).get("corpus")))
            for folder in (entry.path.parent, data_root(root), named.parent):
                said = said.replace(f"{folder}/", "")
            return said
    return ""
