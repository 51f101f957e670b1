"""Settings files: read YAML or JSON into a pydantic model and report every mistake with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import visible

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]
"""Path to a value in a file: keys of mappings and positions in lists."""

_QUOTES = "write words like yes, no, on and off in quotes"
_NAMES = {  # pydantic's error types: what was expected
    "string_type": "text",
    "string_too_short": "text",
    "string_pattern_mismatch": "letters, digits, '.', '_' or '-'",  # the only pattern of our models
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "dict_type": "a mapping",
    "tuple_type": "a list",
}
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_NO_MAPPING = ("model_type", "dataclass_type", "model_attributes_type")


def words(value: object) -> tuple[str, ...]:
    """Validator: convert a list of strings to a tuple.

    Raises:
        ValueError: The value is anything else; note that a bare `no` in YAML is false.
    """
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) and item for item in value):
        return tuple(value)
    raise ValueError(f"expected a list of texts ({_QUOTES})")


def read_yaml(path: Path, model: type[Model], what: str) -> Model:
    """Read and check a settings file: YAML, or JSON if its name ends in .json. An empty file sets no fields.

    Args:
        path: The file.
        model: Model of its fields; pydantic models, dataclasses, and lists and mappings of them.
        what: What to call the file in messages: "a suite file".

    Raises:
        ZooError: The file is missing or not valid YAML, repeats a field, or has wrong fields. The message has one line
            per mistake, with its line in the file, the field's name and the choices.
    """
    tree, content = _parsed(path, what)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        listed = ", ".join(model.model_fields)
        raise ZooError(f"{path}:1: expected {what} with the fields {listed}, but got {shown(content)}.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # if a list item is wrong, pydantic also reports the list as too short
        problems = error.errors()
        inner = {problem["loc"][:-1] for problem in problems if len(problem["loc"]) > 1}
        kept = [p for p in problems if not (p["type"] == "too_short" and p["loc"] in inner)]
        messages = [_message(path, tree, model, problem) for problem in kept]
        raise ZooError("\n".join(dict.fromkeys(messages))) from error


def _parsed(path: Path, what: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a file, which carry line numbers, and its values."""
    language = "JSON" if path.suffix == ".json" else "YAML"
    try:
        text = path.read_text(encoding="utf-8-sig")
        if language == "YAML":
            return _composed(path, text)
        value = json.loads(text)
    except OSError as error:
        raise ZooError(f"Expected {what} at {path}, but got: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where, problem = _what_is_wrong(error)
        raise ZooError(f"{path}{where}: expected {language}, but got invalid text: {problem}.") from error
    try:  # for line numbers: JSON is YAML except for tabs, which no JSON string contains
        return _composed(path, text.replace("\t", " "))[0], value
    except (yaml.YAMLError, RecursionError):
        return None, value


def _what_is_wrong(error: Exception) -> tuple[str, object]:
    """The line of an error as `:3`, if known, and the problem."""
    mark = getattr(error, "problem_mark", None)
    number = mark.line + 1 if mark is not None else getattr(error, "lineno", None)
    if isinstance(error, UnicodeDecodeError):
        number = error.object.count(b"\n", 0, error.start) + 1
    if isinstance(error, RecursionError):
        return "", "values that are nested too deeply, or in themselves"
    return f":{number}" if number else "", getattr(error, "problem", None) or getattr(error, "msg", error)


class _Loader(yaml.SafeLoader):
    """Report values that cannot be built (`!!int x`, the 99th of a month) as errors with a line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            reason = f"a value that is no {kind}" if isinstance(error, LookupError) else str(error)
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark) from error


def _composed(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        _forbid_repeated(path, tree)
        return tree, None if tree is None else loader.construct_document(tree)
    finally:
        loader.dispose()


def _forbid_repeated(path: Path, node: yaml.Node | None) -> None:
    """Reject repeated keys: YAML silently keeps the last one."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ZooError(f"{path}:{line}: expected the name of a field, but got a list or a mapping.")
            if key.value in seen:
                raise ZooError(
                    f"{path}:{line}: expected each field once, but got {key.value!r} again (line {seen[key.value]})."
                )
            seen[key.value] = line
            _forbid_repeated(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _forbid_repeated(path, item)


def _message(path: Path, tree: yaml.Node | None, model: type[BaseModel], problem: Any) -> str:
    """One pydantic error as `file:line: field: expected ..., but got ...`."""
    place = tuple(part for part in problem["loc"] if part != "[key]")
    line, depth = _line(tree, place)
    name = ".".join(str(part) for part in place[: max(depth, 1)])
    kind, got = problem["type"], shown(problem["input"])
    if kind == "missing":
        return f"{path}:{line}: expected a field {'.'.join(map(str, place))!r}, but got none."
    if kind in _UNKNOWN:
        listed = ", ".join(_fields(model, place[:-1]))
        return f"{path}:{line}: {name}: expected one of the fields {listed}, but got this one."
    if kind in _NO_MAPPING:
        expected = f"expected the fields {', '.join(_fields(model, place))}"
    elif kind in _NAMES:
        expected = f"expected {_NAMES[kind]}"
        if kind == "string_type" and isinstance(problem["input"], bool):
            expected += f" ({_QUOTES})"
    else:
        expected = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if ", but " in expected:  # the validator already says what it got
        return f"{path}:{line}: {name}: {expected[0].lower()}{expected[1:]}"
    return f"{path}:{line}: {name}: {expected}, but got {got}."


def shown(value: object) -> str:
    """A value for a message: on one line, and shortened if it is long."""
    text = visible(repr(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _fields(model: type[Any], place: Place) -> list[str]:
    """The fields of the part of a model at this path."""
    for part in place:
        field = model.model_fields.get(str(part)) if issubclass(model, BaseModel) else None
        model = next(_models(field.annotation), model) if field is not None else model
    return [field.name for field in fields(model)] if is_dataclass(model) else list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[Any]]:
    """The models in an annotation like `dict[str, Part] | None`."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _line(node: yaml.Node | None, place: Place) -> tuple[int, int]:
    """The 1-based line of a field, and how many parts of its path the file contains."""
    line = 1
    for depth, part in enumerate(place):
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                return line, depth
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line, depth
    return line, len(place)
