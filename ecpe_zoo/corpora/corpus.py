"""What is known about a corpus before one of its files is read, and where its files are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ecpe_zoo.corpora.document import Language
from ecpe_zoo.corpora.readers.lines import OnError, Reader, Reading
from ecpe_zoo.tasks import TASKS

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SplitFiles = Callable[[int], Mapping[Split, Mapping[str, Reader]]]
"""The files of each part and how each is read, for a fold."""

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
ROOT_VARIABLE = "ECPE_ZOO_DATA"
ENDINGS = (".yaml", ".yml", ".json")
"""A corpus name with one of these is the path of a description; see `description`."""


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of a published repository.

    Args:
        name: Its name in the corpus's folder.
        path: Its path in the repository.
        bytes: Its size, if known.
        sha256: hash of its content; None for a file that was never at hand, whose download is checked against
            `git_blob`.
        git_blob: Its git object id, which hashes the content too.
        optional: Nothing needs it unless the user asks for it.
    """

    name: str
    path: str
    bytes: int | None
    sha256: str | None
    git_blob: str
    optional: bool = False


@cache
def _pins() -> dict[str, dict[str, Any]]:
    """The published files by corpus and name. Every row was taken from the file at the commit of its corpus."""
    pins: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("pins.json").read_text("utf-8"))
    return pins


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is known about a corpus before one of its files is read.

    Args:
        id: Its name, and that of its folder below the root.
        tasks: Ids of the tasks that it is annotated for; see `tasks.TASKS`.
        licence: As its publisher states it.
        splits: The files of each part and how each is read, for a fold; a corpus without an official
            validation part leaves it empty. See `one_file_each`.
        labels: All emotion labels of its segments, in the order in which methods number them: that of the
            publisher's own files or code if there is one.
        folds: Number of train/test folds.
        whole: Files with all documents, which the audit reads and no method does.
        malformed: Id of each document that is known to be malformed, with the reason; it is left out.
        repository: `owner/name` of the published repository; empty for a bundled corpus and for own files.
        commit: Commit of that repository.
        beside: Files that readers look up in addition to those of the parts.
        unlabelled_test: The test files have no gold: they are predicted, and cannot be scored.
        own: Whether the user brings the files: nothing can be fetched, and nothing is pinned.
        stored: The name of its folder below the root, if it is not its id: two corpora may read the same files.
        official: The metric of its shared task. It chooses the epoch in place of the task's headline.
        home: Its folder wherever the root is, for a corpus that a description file describes.
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
    malformed: Mapping[str, str] = field(default_factory=dict)
    repository: str = ""
    commit: str = ""
    beside: tuple[str, ...] = ()
    own: bool = False
    unlabelled_test: bool = False
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
    def files(self) -> tuple[PinnedFile, ...]:
        """Its pinned files; none for a bundled corpus, which comes with the package, and for own files."""
        rows = _pins()[self.stored or self.id] if self.repository else {}
        return tuple(PinnedFile(name, **row) for name, row in rows.items())

    @property
    def bundled(self) -> bool:
        """It comes with the package, so that nothing has to be fetched."""
        return not self.repository and not self.own

    def folder(self, root: Path | None = None) -> Path:
        """Where its files are; see `data_root`."""
        if self.home is not None:
            return self.home
        return BUNDLED_FOLDER if self.bundled else data_root(root) / (self.stored or self.id)

    def read_in(self, fold: int) -> tuple[str, ...]:
        """The names of the files that a fold is read from."""
        named = (name for files in self.splits(fold).values() for name in files)
        return tuple(dict.fromkeys((*named, *self.beside)))

    def needed(self) -> tuple[str, ...]:
        """The names of all files that it needs, in the order of its pins if it has them."""
        if self.repository:
            return tuple(file.name for file in self.files if not file.optional)
        folds = (name for fold in range(1, self.folds + 1) for name in self.read_in(fold))
        return tuple(dict.fromkeys((*self.beside, *self.whole, *folds)))


def prefixed(reader: Reader, prefix: str) -> Reader:
    """The reader with a prefix before document ids, for corpora that number each file from the start.

    A record keeps predictions by id, so an id is used once in a corpus. `train` makes `train-12` of 12.
    """

    def read(path: Path, on_error: OnError = "raise") -> Reading:
        reading = reader(path, on_error)
        documents = tuple(replace(d, id=f"{prefix}-{d.id}") for d in reading.documents)
        return Reading(documents, reading.counts)

    return read


def one_file_each(
    reader: Reader, train: str, test: str, validation: str = "", *, renumbered: bool = False
) -> SplitFiles:
    """Parts of one file each.

    Args:
        reader: Reader of all files.
        train: Name of the file; `{fold}` in it is replaced by the number of the fold.
        test: Likewise.
        validation: Likewise; empty for a corpus without an official validation part.
        renumbered: Whether each file numbers its documents from the start; see `prefixed`.
    """
    names: dict[Split, str] = {"train": train, "validation": validation, "test": test}
    readers = {split: prefixed(reader, split) if renumbered else reader for split in names}
    return lambda fold: {
        split: {name.format(fold=fold): readers[split]} for split, name in names.items() if name
    }


def data_root(root: Path | None = None) -> Path:
    """The folder that holds the corpora: the argument, else ECPE_ZOO_DATA, else the user's cache."""
    if root is not None:
        return Path(root).expanduser()
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named).expanduser()
    import pooch  # only here: a command line with a root starts without it

    return Path(pooch.os_cache("ecpe-zoo"))
