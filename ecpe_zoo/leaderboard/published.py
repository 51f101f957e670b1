"""Figures printed in papers, with the practice they come from."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ecpe_zoo.leaderboard.papers import about, parts_of
from ecpe_zoo.tasks import find_task

NOT_STATED = "not stated"


class Published(BaseModel):
    """One printed row.

    Args:
        paper: Paper that prints it.
        table: Table of that paper.
        method: Method, as printed.
        task: Task, as in metric ids.
        item: What was scored.
        corpus: The zoo's name of it.
        split: Split, as printed.
        selection: Documents that chose the epoch.
        lexicon: Whether a filter with gold labels in it was used.
        precision: A fraction, if printed.
        recall: A fraction, if printed.
        f1: A fraction.
        kind: A main result, or an ablation or setting of one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    paper: str
    table: str
    method: str
    task: str
    item: str
    corpus: str
    split: str
    selection: str
    lexicon: str
    precision: float | None
    recall: float | None
    f1: float
    kind: Literal["main", "ablation"]

    @property
    def selected_on(self) -> str:
        """Which documents chose the epoch, without the remark after it.

        >>> published()[2].selected_on
        'test fold'
        """
        return self.selection.split(";")[0].split(" (")[0]

    @property
    def holds_gold(self) -> bool:
        """Whether a filter with gold labels is known to have been used."""
        return self.lexicon not in ("none", NOT_STATED)

    @property
    def practice(self) -> str:
        """How the figure was made, in few words.

        >>> row = published()[2]
        >>> row.method, row.practice
        ('Indep w/o filter', 'chosen on the test fold')
        """
        words = []
        if self.selection.startswith(NOT_STATED):
            words.append("selection not stated")
        elif "test" in self.selection:
            words.append(
                f"chosen on the {self.selected_on}" if self.selected_on == "test fold" else self.selected_on
            )
        else:
            words.append(self.selection)
        if self.lexicon == NOT_STATED:
            words.append("lexicon not stated")
        elif self.holds_gold:
            words.append("lexicon with gold labels")
        return ", ".join(words)


class PublishedFile(BaseModel):
    """The file of published rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    note: str
    rows: tuple[Published, ...]


@lru_cache
def published_file() -> PublishedFile:
    """The rows that come with the package, and the note on how to read them."""
    text = files("ecpe_zoo.leaderboard").joinpath("published.json").read_text(encoding="utf-8")
    return PublishedFile.model_validate_json(text)


def published(task: str | None = None, corpus: str | None = None) -> list[Published]:
    """Published rows; with a task, those of its headline item."""
    return [
        row
        for row in published_file().rows
        if (task is None or (row.task == task and row.item == find_task(task).leading))
        and (corpus is None or row.corpus == corpus)
    ]


def reported(task: str, corpus: str, label: str) -> Published | None:
    """What papers print for a row as a main result without a lexicon, the first such figure of the file.

    Args:
        task: Task, as in metric ids.
        corpus: The zoo's name of it.
        label: Label of the row. One that changes more than the form of its method, or leaves settings out (`...`), has
            no printed figure.

    >>> row = reported("ecpe", "xia-ding-2019", "mgcl")
    >>> row is not None and row.f1
    0.7736
    >>> row = reported("ecpe", "xia-ding-2019", "two_stage [form=indep]")
    >>> row is not None and row.f1
    0.5833
    >>> reported("ecpe", "xia-ding-2019", "mgcl [ablation=distillation]") is None
    True
    """
    name, changes = parts_of(label)
    if changes or label.endswith("...]"):
        return None
    rows = (row for row in published(task, corpus) if row.kind == "main" and row.lexicon == "none")
    return next((row for row in rows if row.method.lower() == name.lower()), None)


def source_of(row: Published) -> str | None:
    """Page of the paper that prints a figure, if a method of this package comes from it.

    >>> source_of(published()[2])
    'https://arxiv.org/abs/2002.10710'
    """
    found = about(row.paper.split(" (")[0].lower())
    return found.paper.url if found is not None and found.paper is not None else None
