"""What is known about a corpus before one of its files is read, and where its files lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pooch

from ecpe_zoo.corpora.document import Language
from ecpe_zoo.corpora.pins import PinnedFile
from ecpe_zoo.corpora.readers import OnError, Reader, Reading
from ecpe_zoo.tasks import TASKS

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SplitFiles = Callable[[int], Mapping[Split, Mapping[str, Reader]]]
"""The files of each part and how each is read, for a fold."""

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
ROOT_VARIABLE = "ECPE_ZOO_DATA"


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is known about a corpus before one of its files is read.

    Args:
        id: its name, and that of its folder below the root.
        description: one line.
        languages: of its documents.
        tasks: what it is annotated for, as ids of `tasks.TASKS`.
        licence: as its publisher states it.
        splits: the files of each part and how each is read, for a fold; a corpus without an official
            validation part leaves it empty.
        labels: all emotion labels of its segments, in the order in which methods number them: that of the
            publisher's own files or code where there is one.
        folds: how many train/test folds it has.
        whole: files with all documents, which the audit reads and no method does.
        beside: files that readers look up beside those of the parts.
        repository: `owner/name` of the published repository; empty for a bundled corpus and for own files.
        commit: of that repository.
        files: its pinned files; none for a bundled corpus, which comes with the package, and for own files.
        own: the user brings the files: nothing can be fetched, and nothing is pinned.
        stored: the name of its folder below the root, where that is not its id: two corpora may read the same
            files.
        official: The metric of its shared task. It chooses the epoch in place of the task's headline.
        home: its folder wherever the root is, for a corpus that a description file describes.
    """

    id: str
    description: str
    languages: tuple[Language, ...]
    tasks: tuple[str, ...]
    licence: str
    splits: SplitFiles
    labels: tuple[str, ...] = ()
    folds: int = 1
    whole: Mapping[str, Reader] = field(default_factory=dict)
    repository: str = ""
    commit: str = ""
    files: tuple[PinnedFile, ...] = ()
    beside: tuple[str, ...] = ()
    own: bool = False
    stored: str = ""
    official: str | None = None
    home: Path | None = None

    @property
    def paired(self) -> bool:
        """It is annotated with pairs of segments."""
        return any(not TASKS[task].labelled for task in self.tasks)

    @property
    def labelled(self) -> bool:
        """It is annotated with labels of segments."""
        return any(TASKS[task].labelled for task in self.tasks)

    @property
    def bundled(self) -> bool:
        """It comes with the package, so that nothing has to be fetched."""
        return not self.files and not self.own

    def folder(self, root: Path | None = None) -> Path:
        """Where its files lie; see `data_root`."""
        if self.home is not None:
            return self.home
        return BUNDLED_FOLDER if self.bundled else data_root(root) / (self.stored or self.id)

    def needed(self) -> tuple[str, ...]:
        """The names of all files that it needs, in the order of its pins where it has them."""
        if self.files:
            return tuple(file.name for file in self.files if not file.optional)
        named = dict.fromkeys(self.beside) | dict.fromkeys(self.whole)
        for fold in range(1, self.folds + 1):
            for files in self.splits(fold).values():
                named |= dict.fromkeys(files)
        return tuple(named)


@dataclass(frozen=True, slots=True)
class Prefixed:
    """A reader whose document ids get a prefix, for corpora that number each file from the start.

    A record keeps predictions by id, so an id is used once in a whole corpus.

    Args:
        reader: gives documents with the ids of the file.
        prefix: `train` makes `train-12` of 12.
    """

    reader: Reader
    prefix: str

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file; see the reader."""
        reading = self.reader(path, on_error)
        documents = tuple(replace(d, id=f"{self.prefix}-{d.id}") for d in reading.documents)
        return Reading(documents, reading.counts)


def data_root(root: Path | None = None) -> Path:
    """The folder that holds the corpora: the argument, else ECPE_ZOO_DATA, else the user's cache."""
    if root is not None:
        return Path(root).expanduser()
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named).expanduser()
    return Path(pooch.os_cache("ecpe-zoo"))
