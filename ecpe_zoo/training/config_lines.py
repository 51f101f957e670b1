"""The file and line of a config that a parser's message is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

OPTION = re.compile(r"(?:unrecognized arguments: |argument )--([\w.]*\w)")
"""Begins a message about one option."""

WHOLE = re.compile(r"Unexpected config|Problems parsing config")
"""Begins a message about a config as a whole."""


def place(reason: str, args: Sequence[str]) -> str:
    """`FILE:LINE: ` for the option of a message, if a config file gives it; `FILE: ` for a message about a whole file.

    Args:
        reason: Message about a command line, in one line.
        args: That command line. What it says itself has no place in a file.

    Returns:
        The place; "" if the message is about no config file.
    """
    if WHOLE.match(reason):
        files = [file for file in _configs(args) if file.is_file()]
        wrong = [file for file in files if not isinstance(_content(file), yaml.MappingNode)]
        return f"{(wrong or files)[0]}: " if wrong or len(files) == 1 else ""
    found = OPTION.match(reason)
    return given_at(found[1], args) if found else ""


def given_at(option: str, args: Sequence[str]) -> str:
    """`FILE:LINE: ` for an option such as `data.fold`, if a config file gives it and the command line does not."""
    files = list(_configs(args))
    if not all(file.is_file() for file in files):  # YAML on the command line may be what is wrong
        return ""
    names = option.split(".")
    groups = {".".join(names[:end]) for end in range(1, len(names) + 1)} - {"model"}
    if groups & {_option(argument) for argument in args}:  # typed, as `--data.fold` or in `--data {...}`
        return ""
    contents = [(file, content) for file in reversed(files) if (content := _content(file)) is not None]
    # the whole name first; `lr` is the old name of `optimiser.lr`
    for name in (names, [names[0], names[-1]]):
        for file, content in contents:  # the last one wins
            if line := _line(content, name):
                return f"{file}:{line}: "
    return ""


def _configs(args: Sequence[str]) -> Iterator[Path]:
    """Values of `--config` and `-c`: files, or YAML, which is no file."""
    for argument, following in zip(args, [*args[1:], ""], strict=True):
        option, sign, value = argument.partition("=")
        if option in ("--config", "-c"):
            text = value if sign else following
            yield Path() if re.search(r"[\n{]", text) else Path(text)


def _option(argument: str) -> str:
    """The name of an option as messages give it: `--model.init_args.lr=1` -> `model.lr`."""
    return argument.removeprefix("--").partition("=")[0].replace(".init_args.", ".")


def _content(file: Path) -> yaml.Node | None:
    """A file's YAML with line numbers; None if there is none, or it cannot be read."""
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, RecursionError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _line(content: yaml.Node, names: Sequence[str]) -> int | None:
    """The line, from 1, of the key that names an option; of a class path for the method itself."""
    if not isinstance(content, yaml.MappingNode):
        return None
    for key, value in reversed(content.value):  # of a key given twice the last one counts
        if not isinstance(key, yaml.ScalarNode):
            continue
        own = key.value.split(".")
        if own == ["init_args"]:
            found = _line(value, names)
        elif own != list(names[: len(own)]):
            continue
        elif len(own) < len(names):
            found = _line(value, names[len(own) :])
        else:
            found = _line(value, ["class_path"]) or key.start_mark.line + 1
        if found is not None:
            return found
    return None
