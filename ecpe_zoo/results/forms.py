"""Checks of the names, numbers and sections of a record when it is read: records are exchanged, and untrusted.

Names that become file names, headings and labels must be plain names. What a user may choose freely (options, file
names, emotion labels, ids of documents) is not checked here but escaped where it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ecpe_zoo.escaping import NAME, has_hidden, is_class_path, is_name, visible
from ecpe_zoo.settings import shown

if TYPE_CHECKING:
    from ecpe_zoo.results.record import RunRecord

SHOWN = ("protocol", "machine", "code", "stages")
"""Parts whose texts are shown as they are."""

SECTIONS = ("model", "data", "trainer", "early_stopping", "checkpoint", "scorer")
"""Sections of a config that hold options by name, or nothing."""

LARGEST = 1e15
"""Above all counts of bytes, seconds, steps and scores; whole numbers up to it are exact as floats."""


def wrong_form(record: RunRecord) -> str | None:
    """The first field of a record that is not well formed, in words; None if all are."""
    for field, name in _names(record):
        if not is_name(name):
            return f"{field} to be a name ({NAME}), but got {shown(name)}"
    for field, value in _leaves(record.model_dump(exclude={"config", "history"}), ""):
        if isinstance(value, str):
            if field.split(".")[0] in SHOWN and has_hidden(value):
                return f"{field} without control characters, but got {shown(value)}"
        elif not abs(value) <= LARGEST:
            return f"{field} to be a finite number of at most {LARGEST:.0e} in size"
    return _wrong_section(record.config)


def _names(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "method", record.method
    yield "corpus.id", record.corpus.id
    for stage in record.stages:
        yield "stages.name", stage.name
    for field in ("metrics", "metrics_default"):
        for task in dict.fromkeys(id.split(".", 1)[0] for id in getattr(record, field)):
            yield f"the task in {field}", task


def _leaves(value: Any, place: str) -> Iterator[tuple[str, str | float]]:
    """Every text and number of a part, including names of fields."""
    if isinstance(value, (str, int, float)):  # a union of types takes longer
        yield place, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield place or name, name
            yield from _leaves(inner, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, place)


def _wrong_section(config: Mapping[str, Any]) -> str | None:
    for name in SECTIONS:
        if not isinstance(config.get(name), Mapping | None):
            return f"config.{name} to be options by name, but got {shown(config[name])}"
    model = config.get("model") or {}
    if not is_class_path(model.get("class_path", "a.B")):
        return f"config.model.class_path to be package.module.Class, but got {shown(model['class_path'])}"
    if not isinstance(model.get("init_args"), Mapping | None):
        return f"config.model.init_args to be options by name, but got {shown(model['init_args'])}"
    return None


def in_one_line(error: Exception) -> str:
    """What is wrong with a record, as `a field: the reason`, and how many more fields are wrong."""
    if not isinstance(error, ValidationError):
        return visible(str(error))
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    place = ".".join(map(str, first["loc"]))
    more = f"; {len(problems) - 1} more fields are wrong" if len(problems) > 1 else ""
    return visible(f"{place + ': ' if place else ''}{first['msg']}{more}")
