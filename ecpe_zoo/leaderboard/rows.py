"""The leaderboard as data: a board for each task and corpus, a row for each method and variant."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ecpe_zoo.leaderboard.comparisons import Against
from ecpe_zoo.leaderboard.papers import About, about, parts_of, title_of
from ecpe_zoo.leaderboard.published import Published
from ecpe_zoo.results import choosing, statistics
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.store import RunGroup
from ecpe_zoo.tasks import find_task

PROTOCOLS = ("strict", "paper")


@dataclass(frozen=True, eq=False)
class Cell:
    """A row's runs under one protocol.

    Args:
        group: The runs.
        spread: Spread of the headline metric over all finished runs, collapsed ones too; None if none finished.
        without_collapsed: The same without the collapsed ones; None if none collapsed.
        wanting: What it needs before it can be ranked, in words; "" if nothing, and for rows that never are.
        rank: Rank among the rows with enough runs for a verdict, from 1; None for the others.
        pooled: The out-of-fold score of all folds' documents together; None if they cannot be counted.
        against: Comparisons with other rows, the most telling one first; see `comparisons`.
        uncounted: Why its documents cannot be counted, "" if they can.
    """

    group: RunGroup
    spread: statistics.RunSpread | None
    without_collapsed: statistics.RunSpread | None
    wanting: str = ""
    rank: int | None = None
    pooled: float | None = None
    against: tuple[Against, ...] = ()
    uncounted: str = ""

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the number, first what it needs before it can be ranked."""
        return [*([f"not ranked: {self.wanting}"] if self.wanting else []), *self.remarks]

    @property
    def remarks(self) -> list[str]:
        """The other notes."""
        group, said = self.group, []
        if group.failed:
            said.append(f"{len(group.failed)} of {len(group.entries)} runs failed ({_places(group.failed)})")
        if group.collapsed:
            rest = self.without_collapsed
            beside = f"; without: {100 * rest.over.mean:.1f}" if rest is not None else ""
            said.append(f"{len(group.collapsed)} collapsed, in the mean ({_places(group.collapsed)}{beside})")
        said += group.remarks
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
        label: Id of the method, and what sets the row apart from its other variants.
        method: Id of the method.
        slug: Name of its page.
        cells: Cells by protocol.
        reported: Figure that a paper prints for it, if the row is the method without a named change.
        encoder: Encoder, as configured.
        of: Label of the row whose ablation this is, "" if it is none.
    """

    label: str
    method: str
    slug: str
    cells: dict[str, Cell]
    reported: Published | None
    encoder: str
    of: str = ""

    @property
    def name(self) -> str:
        """The method's own name."""
        return parts_of(self.label)[0]

    @property
    def change(self) -> str:
        """What the label adds to the method, or to the row whose ablation this is."""
        base = parts_of(self.of)[1]
        return ", ".join(word for word in parts_of(self.label)[1] if word not in base)

    @property
    def about(self) -> About | None:
        """Paper and code; None for a method of others."""
        return about(self.method)

    @property
    def rank(self) -> int | None:
        """Rank among strict rows; None without one."""
        return self.cells["strict"].rank if "strict" in self.cells else None

    @property
    def wanting(self) -> str:
        """What it needs before it can be ranked among strict rows; "" if nothing, or if more runs would not help."""
        if self.of or self.apart:
            return ""
        return self.cells["strict"].wanting if "strict" in self.cells else "runs under the strict protocol"

    @property
    def protocols(self) -> list[str]:
        """Protocols that it has numbers of; "reported" for a printed figure."""
        return [*self.cells, *(["reported"] if self.reported is not None else [])]

    @property
    def apart(self) -> bool:
        """Whether a run read gold of the test documents: the row is shown apart and never ranked."""
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
    def remarks(self) -> list[str]:
        """Remarks on its cells, after the protocol if it has several."""
        several = len(self.cells) > 1
        return [
            f"{name}: {note}" if several else note
            for name, cell in self.cells.items()
            for note in cell.remarks
        ]

    @property
    def best_mean(self) -> float:
        """The strict mean, else the paper protocol's; -1 if nothing finished."""
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
        rows: Ranked rows first; then the others, those of most folds first; those that read test gold last.
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

    @cached_property
    def titles(self) -> dict[str, str]:
        """Labels of rows -> titles for people, each its own."""
        made = {row.label: title_of(row.label) for row in self.rows}
        often = Counter(made.values())
        return {label: title if often[title] == 1 else label for label, title in made.items()}

    def ablations(self, row: BoardRow) -> list[BoardRow]:
        """The ablations of a row, best first."""
        return [other for other in self.rows if other.of == row.label]


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
