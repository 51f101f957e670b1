"""A corpus of the user's own, described by a small YAML or JSON file.

    name: letters                 # default: the file's name
    tasks: [emotions]             # or [erc], for conversations
    language: en                  # or zh
    labels: [joy, anger, none]    # the order in which methods number them
    format:                       # see readers.table.Columns: what the columns mean
      text: body
      label: feeling
      separator: ";"
    files:                        # beside the description; one, or a list
      train: train.csv
      validation: dev.csv         # may be left out: a part of the training documents is taken
      test: [test_a.csv, test_b.csv]

Its path can be given wherever the name of a corpus can: `--data.corpus my/letters.yaml`. `description` and
`licence` may be given too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from ecpe_zoo.corpora.corpus import SPLITS, Corpus, Prefixed, Split
from ecpe_zoo.corpora.document import Language
from ecpe_zoo.corpora.readers.lines import OnError, Reader, Reading
from ecpe_zoo.corpora.readers.table import Columns, TableFormat, Words, read_table
from ecpe_zoo.errors import ZooError
from ecpe_zoo.settings import read_yaml, words
from ecpe_zoo.tasks import EMOTIONS, ERC, TASKS

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@dataclass(frozen=True, slots=True)
class TableReader:
    """A reader of files in one format.

    Args:
        format: what the columns mean.
        name: see `read_table`.
    """

    format: TableFormat
    name: str = ""

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file; see `read_table`."""
        return read_table(path, self.format, on_error, self.name)


class Files(BaseModel):
    """The files of each part: one, or a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    @field_validator(*SPLITS, mode="before")
    @classmethod
    def _named(cls, value: object) -> tuple[str, ...]:
        names = words([value] if isinstance(value, str) else value)
        if any(Path(name).is_absolute() for name in names):
            raise ValueError("expected paths from the folder of the description on")
        return names


class Description(BaseModel):
    """The fields of a description; see the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = ""
    description: Text = "own files"
    tasks: tuple[Literal["erc", "emotions"], ...] = Field(default=(), min_length=1)
    language: Language = "en"
    labels: Words = ()
    licence: Text = "not stated"
    format: Columns = Field(default=Columns(), validate_default=True)
    files: Files

    @field_validator("format")
    @classmethod
    def _whole_format(cls, columns: Columns, info: ValidationInfo) -> Columns:
        """The columns with what is the same for all files."""
        if not {"labels", "language", "tasks"} <= info.data.keys():
            return columns  # these have mistakes of their own
        tasks = info.data["tasks"] or ((ERC if columns.conversation else EMOTIONS).id,)
        try:
            return TableFormat(
                **asdict(columns),
                labels=info.data["labels"],
                language=info.data["language"],
                single=all(TASKS[task].single for task in tasks),
            )
        except ZooError as error:
            raise ValueError(str(error)) from None

    @field_validator("files")
    @classmethod
    def _some(cls, files: Files) -> Files:
        if not files.model_fields_set:
            raise ValueError(f"expected files for {', '.join(SPLITS)}")
        return files


def read_description(path: Path) -> Corpus:
    """The corpus that a file describes; its files are in the folder of the description, wherever the root is.

    Raises:
        ZooError: see `read_yaml`.
    """
    described = read_yaml(path, Description, "a description of a corpus")
    format = described.format
    assert isinstance(format, TableFormat)
    tasks = described.tasks or ((ERC if format.conversation else EMOTIONS).id,)
    parts = _readers(described.files, format)
    return Corpus(
        id=described.name or path.stem,
        description=described.description,
        languages=(described.language,),
        tasks=tasks,
        licence=described.licence,
        splits=lambda fold: parts,
        labels=format.known,
        own=True,
        home=path.parent,
        beside=(path.name,),  # what its columns mean decides a result as its rows do
    )


def _readers(files: Files, format: TableFormat) -> Mapping[Split, Mapping[str, Reader]]:
    parts: dict[Split, tuple[str, ...]] = {
        split: getattr(files, split) for split in SPLITS if split in files.model_fields_set
    }
    starts = _id_starts(dict.fromkeys(name for names in parts.values() for name in names))
    readers: dict[Split, Mapping[str, Reader]] = {}
    for split, names in parts.items():
        tables = {name: TableReader(format, starts[name]) for name in names}
        # conversations are often numbered from the start in each file
        readers[split] = (
            {name: Prefixed(table, split) for name, table in tables.items()}
            if format.conversation
            else tables
        )
    return readers


def _id_starts(names: Iterable[str]) -> dict[str, str]:
    """What the ids of a file's documents start with: its bare name, and more of its path if two files share that.

    >>> _id_starts(["a/data.csv", "b/data.csv", "c/more.csv", "c/more.tsv"])
    {'a/data.csv': 'a/data', 'b/data.csv': 'b/data', 'c/more.csv': 'c/more.csv', 'c/more.tsv': 'c/more.tsv'}
    """
    forms: dict[str, tuple[str, ...]] = {}
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        forms[name] = path.stem, str(path.with_suffix("")), str(path)
    used = Counter(form for listed in forms.values() for form in set(listed))
    return {name: next((form for form in listed if used[form] == 1), name) for name, listed in forms.items()}
