"""A corpus of the user's own, described by a small YAML or JSON file.

    name: letters                 # default: the file's name
    tasks: [emotions]             # or [erc], for conversations
    language: en                  # or zh
    labels: [joy, anger, none]    # the order in which methods number them
    format:                       # see readers.TableFormat: what the columns mean
      text: body
      label: feeling
      separator: ";"
    files:                        # beside the description; one, or a list
      train: train.csv
      validation: dev.csv         # may be left out: a part of the training documents is taken
      test: [test_a.csv, test_b.csv]

Its path stands wherever the name of a corpus does: `--data.corpus my/letters.yaml`. `description` and
`licence` may be given too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import yaml

from ecpe_zoo.corpora.corpus import SPLITS, Corpus, Prefixed, Split
from ecpe_zoo.corpora.document import Language
from ecpe_zoo.corpora.readers import OnError, Reader, Reading, TableFormat, read_table
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.tasks import EMOTIONS, ERC, TASKS

ENDINGS = (".yaml", ".yml", ".json")
_KEYS = ("name", "description", "tasks", "language", "labels", "licence", "format", "files")
_COLUMNS = tuple(
    field.name for field in fields(TableFormat) if field.name not in ("labels", "language", "single")
)


@dataclass(frozen=True, slots=True)
class TableReader:
    """A reader of files in one format.

    Args:
        format: what the columns mean.
    """

    format: TableFormat

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file; see `read_table`."""
        return read_table(path, self.format, on_error)


class _Description:
    """The values of a description, and where they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise ZooError(f"Expected a description of a corpus at {path}, but there is no such file.")
        try:
            self.text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise CorpusError(path, None, "UTF-8 text", f"bytes that are none ({error.reason})") from None
        try:
            value = json.loads(self.text) if path.suffix == ".json" else yaml.safe_load(self.text)
        except json.JSONDecodeError as error:
            raise CorpusError(path, error.lineno, "JSON", f"text that is none ({error.msg})") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else None
            problem = getattr(error, "problem", None) or "it cannot be read"
            raise CorpusError(path, line, "YAML", f"text that is none ({problem})") from None
        if not isinstance(value, Mapping):
            raise CorpusError(path, 1, f"the keys {', '.join(_KEYS)}", type(value).__name__)
        self.values: Mapping[Any, Any] = value

    def error(self, key: str, expected: str, found: object) -> CorpusError:
        """An error at the line of a key; of the whole file where it is not there."""
        match = re.search(rf"""^[^#\n]*?(?<![\w-])["']?{re.escape(key)}["']?\s*:""", self.text, re.MULTILINE)
        line = None if match is None else self.text.count("\n", 0, match.end()) + 1
        return CorpusError(self.path, line, expected, str(found))

    def known(self, values: Mapping[Any, Any], keys: tuple[str, ...], where: str) -> None:
        """Check that all keys are known.

        Raises:
            CorpusError: another one.
        """
        for key in values:
            if key not in keys:
                raise self.error(str(key), f"one of {', '.join(keys)}{where}", repr(key))

    def words(self, key: str, value: Any) -> tuple[str, ...]:
        """A list of texts.

        Raises:
            CorpusError: something else.
        """
        if not (isinstance(value, list) and value and all(isinstance(item, str) and item for item in value)):
            hint = " (write words like yes, no, on and off in quotes)"
            raise self.error(key, f"a list of texts as {key}{hint}", repr(value))
        return tuple(value)

    def word(self, key: str, default: str) -> str:
        """A text.

        Raises:
            CorpusError: something else.
        """
        value = self.values.get(key, default)
        if not (isinstance(value, str) and value.strip()):
            raise self.error(key, f"text as {key}", repr(value))
        return value.strip()


def read_description(path: Path) -> Corpus:
    """The corpus that a file describes; its files lie beside the description, wherever the root is.

    Raises:
        ZooError: there is no such file.
        CorpusError: it cannot be used; the message has the line.
    """
    described = _Description(path)
    described.known(described.values, _KEYS, "")
    name = described.word("name", path.stem)
    if not re.fullmatch(r"[\w.-]+", name):
        raise described.error("name", "letters, digits, `-`, `_` and `.` as name", repr(name))
    language = described.word("language", "en")
    if language not in get_args(Language):
        raise described.error(
            "language", f"one of {', '.join(get_args(Language))} as language", repr(language)
        )
    format = _format(described, language)
    usual = ERC if format.conversation else EMOTIONS
    tasks = described.words("tasks", described.values.get("tasks", [usual.id]))
    possible = [task.id for task in TASKS.values() if task.labelled]
    for task in tasks:
        if task not in possible:
            raise described.error("tasks", f"tasks of {', '.join(possible)}", repr(task))
    if all(TASKS[task].single for task in tasks):
        format = replace(format, single=True)
    splits = _files(described, format)
    return Corpus(
        id=name,
        description=described.word("description", "own files"),
        languages=(format.language,),
        tasks=tasks,
        licence=described.word("licence", "not stated"),
        splits=partial(_every_fold, splits),
        labels=format.known,
        own=True,
        home=path.parent,
        beside=(path.name,),  # what its columns mean decides a result as its rows do
    )


def _every_fold(
    splits: Mapping[Split, Mapping[str, Reader]], fold: int
) -> Mapping[Split, Mapping[str, Reader]]:
    return splits


def _format(described: _Description, language: str) -> TableFormat:
    values = described.values.get("format", {})
    if not isinstance(values, Mapping):
        raise described.error("format", "a mapping as format", repr(values))
    described.known(values, _COLUMNS, " in format")
    options: dict[str, Any] = {"language": language}
    for key, value in values.items():
        if key in ("columns", "context"):
            options[key] = described.words(key, value)
        elif key in ("scale", "least"):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise described.error(key, f"a number as {key}", repr(value))
            options[key] = float(value)
        elif key == "quoted":
            if not isinstance(value, bool):
                raise described.error(key, "true or false as quoted", repr(value))
            options[key] = value
        elif not isinstance(value, str):
            raise described.error(key, f"text as {key}", repr(value))
        else:
            options[key] = value
    if "labels" in described.values:
        options["labels"] = described.words("labels", described.values["labels"])
    try:
        return TableFormat(**options)
    except ZooError as error:
        raise described.error("format", "a format that can be used", f"this: {error}") from None


def _files(described: _Description, format: TableFormat) -> Mapping[Split, Mapping[str, Reader]]:
    values = described.values.get("files")
    if not (isinstance(values, Mapping) and values):
        raise described.error("files", f"files for {', '.join(SPLITS)}", repr(values))
    described.known(values, SPLITS, " in files")
    splits: dict[Split, Mapping[str, Reader]] = {}
    for split in SPLITS:
        if split not in values:
            continue
        value = values[split]
        named = described.words(split, [value] if isinstance(value, str) else value)
        for name in named:
            if Path(name).is_absolute():
                raise described.error(split, "paths from the folder of the description on", repr(name))
        plain = TableReader(format)
        # conversations are often numbered from the start in each file
        reader: Reader = Prefixed(plain, split) if format.conversation else plain
        splits[split] = dict.fromkeys(named, reader)
    return splits
