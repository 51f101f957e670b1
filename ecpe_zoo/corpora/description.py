"""A corpus of the user's own, described by a small YAML or JSON file.

    name: letters                 # default: the file's name
    tasks: [emotions]             # or [erc], for conversations; [ecpe], for pairs
    language: en                  # or zh
    unlabelled_test: false        # true: the test files have no labels or pairs, and `predict` reads them
    labels: [joy, anger, none]    # the order in which methods number them
    format:                       # see readers.table.Columns: what the columns mean
      text: body
      label: feeling
      separator: ";"
    files:                        # beside the description; one, or a list; names may end in .gz
      train: train.csv
      validation: dev.csv         # may be left out: a part of the training documents is taken
      test: [test_a.csv, test_b.csv]  # may be left out under `fit --test false`

Its path can be given wherever the name of a corpus can: `--data.corpus my/letters.yaml`. `description` and
`licence` may be given too.

Files with emotion-cause pairs have documents in JSON or JSONL (see `readers.documents`), or blocks of lines as the ECPE
benchmark (see `xia_ding`; an id is any word), or the form of a shared task (`ecac`); `format: {kind: ...}` says which,
if the name does not. They need no `labels`. If emotions are learned too (`tasks: [ecpe, erc]`), files are no blocks of
lines, and `labels` lists all emotions.

Published JSON files of conversations need neither columns nor labels: `kind` is a name in `published.FORMS`.

A corpus with folds has `folds: 10` and names like `fold{fold}_train.txt`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationInfo, field_validator

from ecpe_zoo.corpora.corpus import SPLITS, Corpus, Split, prefixed
from ecpe_zoo.corpora.document import Language
from ecpe_zoo.corpora.ecac import LABELS, ConversationReader
from ecpe_zoo.corpora.published import FORMS
from ecpe_zoo.corpora.readers.documents import DocumentReader
from ecpe_zoo.corpora.readers.labels import Names
from ecpe_zoo.corpora.readers.lines import OnError, Reader, Reading, check_encoding, unpacked_name
from ecpe_zoo.corpora.readers.table import Columns, TableFormat, Words, table_reader
from ecpe_zoo.corpora.xia_ding import clause_reader
from ecpe_zoo.errors import ZooError
from ecpe_zoo.settings import read_yaml, words
from ecpe_zoo.tasks import ECPE, EMOTIONS, ERC, TASKS

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
PAIR_KINDS = ("clauses", "json", "jsonl", "ecac")
"""Kinds of files with pairs."""
_FOR_PAIRS = ("kind", "encoding", "any_case", "synonyms")
"""Options of `format` for such files."""
LONGEST = 255
"""Bytes of a file's name on common file systems."""
FOLD = "{fold}"
"""The number of the fold, in the name of a file."""


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
        if any(len(os.fsencode(part)) > LONGEST for name in names for part in Path(name).parts):
            raise ValueError(f"expected names of at most {LONGEST} bytes")
        return names


class Description(BaseModel):
    """The fields of a description; see the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = ""
    description: Text = "own files"
    tasks: tuple[Literal["ecpe", "erc", "emotions"], ...] = Field(default=(), min_length=1)
    language: Language = "en"
    labels: Words = ()
    unlabelled_test: Annotated[bool, Strict()] = False
    licence: Text = "not stated"
    folds: Annotated[int, Field(ge=1, strict=True)] = 1
    format: Columns = Field(default=Columns(), validate_default=True)
    files: Files

    @field_validator("format")
    @classmethod
    def _complete(cls, columns: Columns, info: ValidationInfo) -> Columns:
        """The columns with what is the same for all files."""
        if not {"labels", "language", "tasks"} <= info.data.keys():
            return columns  # these have mistakes of their own
        tasks, labels = info.data["tasks"], info.data["labels"]
        if columns.kind in FORMS:
            return _published_format(columns, tasks, labels, info.data["language"])
        if ECPE.id in tasks:
            return _pairs_format(columns, labels, labelled=len(set(tasks)) > 1)
        tasks = tasks or ((ERC if columns.conversation else EMOTIONS).id,)
        single = all(TASKS[task].single for task in tasks)
        try:
            return TableFormat(
                **asdict(columns), labels=labels, language=info.data["language"], single=single
            )
        except ZooError as error:
            raise ValueError(str(error)) from None

    @field_validator("files")
    @classmethod
    def _named(cls, files: Files, info: ValidationInfo) -> Files:
        if not files.model_fields_set:
            raise ValueError(f"expected files for {', '.join(SPLITS)}")
        if info.data.get("unlabelled_test") and not files.test:
            raise ValueError("expected files for test under `unlabelled_test: true`, but got none")
        folds, format = info.data.get("folds"), info.data.get("format")
        if folds is None or format is None:
            return files
        numbered = any(FOLD in name for split in SPLITS for name in getattr(files, split))
        if numbered != (folds > 1):
            raise ValueError(
                f"expected names with {FOLD} in a corpus with `folds: 2` or more, and in no other, but got "
                f"`folds: {folds}`"
            )
        if folds > 1 and isinstance(format, TableFormat) and not (format.id or format.conversation):
            raise ValueError(
                "expected a column `id` or `conversation` in the format of a corpus with folds, which have the same "
                "documents, but got none"
            )
        return files


def _given(columns: Columns) -> list[str]:
    """Names of the options that are not at their defaults."""
    usual = Columns()
    return [f.name for f in fields(columns) if getattr(columns, f.name) != getattr(usual, f.name)]


def _published_format(
    columns: Columns, tasks: tuple[str, ...], labels: tuple[str, ...], language: Language
) -> Columns:
    """Check the format of published files, which says everything."""
    form = FORMS[columns.kind or ""]
    if strange := [name for name in _given(columns) if name != "kind"]:
        raise ValueError(
            f"expected no other option beside `kind: {columns.kind}`, but got {', '.join(strange)}"
        )
    if labels or language != "en":
        raise ValueError(
            f"expected neither `labels` nor another language than en: `kind: {columns.kind}` has its own "
            f"({', '.join(form.labels)})"
        )
    if strange := [task for task in tasks if task not in form.tasks]:
        raise ValueError(
            f"expected tasks of `kind: {columns.kind}` ({', '.join(form.tasks)}), but got {', '.join(strange)}"
        )
    return columns


def _pairs_format(columns: Columns, labels: tuple[str, ...], labelled: bool) -> Columns:
    """Check the format of files with pairs, which have no columns."""
    if strange := [name for name in _given(columns) if name not in _FOR_PAIRS]:
        raise ValueError(
            f"expected only {', '.join(f'`{name}`' for name in _FOR_PAIRS)} in the format of a corpus with pairs, but "
            f"got {', '.join(strange)}"
        )
    kinds = PAIR_KINDS[1:] if labelled else PAIR_KINDS
    if columns.kind is not None and columns.kind not in kinds:
        with_pairs = [name for name, form in FORMS.items() if ECPE.id in form.tasks]
        listed = ", ".join([*kinds, *with_pairs])
        raise ValueError(f"expected kind to be one of: {listed}, but got {columns.kind!r}")
    try:
        check_encoding(columns.encoding)
        names = labels or (LABELS if columns.kind == "ecac" else ())
        Names(names, columns.synonyms, columns.any_case).check()
    except ZooError as error:
        raise ValueError(f"{error}") from None
    if labelled and not labels and columns.kind != "ecac":
        raise ValueError(
            "expected labels, the list of all emotions, since other tasks than ecpe learn them, but got none"
        )
    return columns


def read_description(path: Path) -> Corpus:
    """The corpus that a file describes; its files are in the folder of the description, wherever the root is.

    Raises:
        ZooError: See `read_yaml`.
    """
    described = read_yaml(path, Description, "a description of a corpus")
    format = described.format
    form = FORMS.get(format.kind or "")
    default = form.tasks if form else ((ERC if format.conversation else EMOTIONS).id,)

    @cache
    def splits(fold: int) -> Mapping[Split, Mapping[str, Reader]]:
        return _readers(described, fold)

    return Corpus(
        id=described.name or path.stem,
        description=described.description,
        languages=(described.language,),
        tasks=tuple(dict.fromkeys(described.tasks)) or default,
        licence=described.licence,
        splits=splits,
        labels=_labels(described),
        folds=described.folds,
        own=True,
        unlabelled_test=described.unlabelled_test,
        home=path.parent,
        beside=(path.name,),  # what its columns mean decides a result as its rows do
    )


def _labels(described: Description) -> tuple[str, ...]:
    format = described.format
    if isinstance(format, TableFormat):
        return format.known
    if format.kind in FORMS:
        return FORMS[format.kind].labels
    return described.labels or (LABELS if format.kind == "ecac" else ())


def _readers(described: Description, fold: int) -> Mapping[Split, Mapping[str, Reader]]:
    parts: dict[Split, list[str]] = {
        split: [name.replace(FOLD, str(fold)) for name in getattr(described.files, split)]
        for split in SPLITS
        if split in described.files.model_fields_set
    }
    format = described.format
    bare = {"test"} if described.unlabelled_test else set()
    starts = _id_starts(dict.fromkeys(name for names in parts.values() for name in names))

    def numbered(reader: Reader, split: Split, name: str) -> Reader:
        several = len(parts[split]) > 1
        return prefixed(reader, f"{split}-{starts[name]}" if several else split)

    if not isinstance(format, TableFormat):
        form = FORMS.get(format.kind or "")
        found = {
            split: {name: _pair_reader(described, name, split in bare) for name in names}
            for split, names in parts.items()
        }
        if form is None or not form.renumbered or described.folds > 1:
            return found
        return {
            split: {name: numbered(reader, split, name) for name, reader in named.items()}
            for split, named in found.items()
        }
    readers: dict[Split, Mapping[str, Reader]] = {}
    for split, names in parts.items():
        columns = replace(format, unlabelled=True) if split in bare else format
        tables = {name: table_reader(columns, starts[name]) for name in names}
        if format.conversation and described.folds == 1:  # often numbered from the start in each file
            tables = {name: numbered(table, split, name) for name, table in tables.items()}
        readers[split] = tables
    return readers


@cache
def _pair_reader(described: Description, name: str, unlabelled: bool) -> Reader:
    format, labels = described.format, described.labels
    if format.kind in FORMS:
        reader = FORMS[format.kind].reader
        return _without_gold(reader) if unlabelled else reader
    kind = format.kind or unpacked_name(name).rpartition(".")[2].lower()
    others = [TASKS[task] for task in described.tasks if task != ECPE.id]
    if kind not in PAIR_KINDS[1:] and not others:
        encoding = format.encoding
        reader = clause_reader(described.language, labels=labels, numeric=False, encoding=encoding)
        return _without_gold(reader) if unlabelled else reader
    names = Names(labels, format.synonyms, format.any_case)
    if kind == "ecac":
        names = names if labels else replace(names, known=LABELS)
        return ConversationReader(names, unlabelled, format.encoding, described.language)
    return DocumentReader(
        kind in ("jsonl", "ndjson"),
        described.language,
        labelled=bool(others),
        single=any(task.single for task in others),
        unlabelled=unlabelled,
        names=names,
        encoding=format.encoding,
    )


def _without_gold(reader: Reader) -> Reader:
    """The reader for files whose gold, if they have any, is not used."""

    def read(path: Path, on_error: OnError = "raise") -> Reading:
        reading = reader(path, on_error)
        return Reading(tuple(document.without_gold() for document in reading.documents), reading.counts)

    return read


def _id_starts(names: Iterable[str]) -> dict[str, str]:
    """What the ids of a file's documents start with: its bare name, and more of its path if two files share that.

    >>> _id_starts(["a/data.csv", "b/data.csv", "c/more.csv", "c/more.tsv"])
    {'a/data.csv': 'a/data', 'b/data.csv': 'b/data', 'c/more.csv': 'c/more.csv', 'c/more.tsv': 'c/more.tsv'}
    """
    forms: dict[str, tuple[str, ...]] = {}
    for name in names:
        path = PurePosixPath(unpacked_name(name.replace("\\", "/")))
        forms[name] = path.stem, str(path.with_suffix("")), str(path)
    used = Counter(form for listed in forms.values() for form in set(listed))
    return {name: next((form for form in listed if used[form] == 1), name) for name, listed in forms.items()}
