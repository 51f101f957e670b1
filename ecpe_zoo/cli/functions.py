"""Commands from typed functions: the signature gives the options, the docstring their help.

Parameters before `*` are positional, those after it are options. `bool` makes a flag, `Literal` a choice, a sequence
takes several words, `Repeated` one word each time the option is given, and a dataclass becomes a group of options.
The option of a parameter `from_` is `--from`.
Option names have underscores; dashes, as in release 0.1.0, are accepted.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args, get_origin

from docstring_parser import parse
from jsonargparse import ArgumentParser

from ecpe_zoo.errors import one_sentence

Command = Callable[..., int]
T = TypeVar("T")
Repeated = Annotated[Sequence[T], "one value each time that the option is given"]

_METAVARS = {Path: "PATH", int: "N", float: "X"}


class _Parser(ArgumentParser):
    """Short messages, with names like an unknown option."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        message = re.sub(r'Parser key "([\w.]+)":\s+', r"argument --\1: ", message)
        if message.startswith("the following arguments are required"):
            options = {
                action.dest: action.option_strings for action in self._actions if action.option_strings
            }
            message = re.sub(r"\w+", lambda word: options.get(word[0], [word[0]])[0], message)
        reason = one_sentence(message, self._option_string_actions)
        print(f"{self.prog}: error: {reason} See {self.prog} --help.", file=sys.stderr)
        sys.exit(2)


def run(commands: Command | Mapping[str, Command], prog: str, about: str, argv: Sequence[str]) -> int:
    """Run the command that the arguments name.

    Args:
        commands: One function, or several by their names.
        prog: What the user types before the arguments.
        about: Says what several commands have in common.
        argv: The arguments.

    Returns:
        The exit status that the function returns. A wrong option leaves through `SystemExit` with status 2.
    """
    if not isinstance(commands, Mapping):
        return commands(**_options(commands, prog, argv))
    parser = argparse.ArgumentParser(prog=prog, description=about)
    names = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name, function in commands.items():
        names.add_parser(name, help=parse(function.__doc__ or "").short_description, add_help=False)
    name = parser.parse_args(argv[:1]).command
    return commands[name](**_options(commands[name], f"{prog} {name}", argv[1:]))


def _options(function: Command, prog: str, argv: Sequence[str]) -> dict[str, Any]:
    """The arguments of a function, parsed."""
    doc = parse(function.__doc__ or "")
    about = "\n\n".join(filter(None, (doc.short_description, doc.long_description)))
    parser = _Parser(
        prog=prog,
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=True,
    )
    groups = _add(parser, function)
    parsed: dict[str, Any] = vars(parser.parse_args([_with_underscores(word) for word in argv]))
    for name, kind in groups.items():
        try:
            parsed[name] = kind(**{field.name: parsed.pop(field.name) for field in fields(kind)})
        except ValueError as error:
            parser.error(str(error))
    return parsed


def _with_underscores(word: str) -> str:
    """An option of release 0.1.0 in its present spelling.

    >>> _with_underscores("--dry-run"), _with_underscores("--set-x=a-b"), _with_underscores("a-b")
    ('--dry_run', '--set_x=a-b', 'a-b')
    """
    name, sign, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{sign}{value}" if name.startswith("--") else word


def _add(parser: Any, function: Callable[..., Any]) -> dict[str, Any]:
    """Add the parameters of a function or dataclass to a parser; returns its parameters that are dataclasses."""
    found = parse(function.__doc__ or "").params
    help_of = {parameter.arg_name: " ".join((parameter.description or "").split()) for parameter in found}
    groups: dict[str, Any] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if is_dataclass(parameter.annotation) and isinstance(parameter.annotation, type):
            _add(parser.add_argument_group(help_of[name]), parameter.annotation)
            groups[name] = parameter.annotation
        elif is_dataclass(function) or parameter.kind == parameter.KEYWORD_ONLY:
            option = f"--{name.removesuffix('_')}"
            parser.add_argument(option, dest=name, **_argument(parameter, help_of[name]))
        else:
            options = _argument(parameter, help_of[name]) | {"metavar": name.upper()}
            del options["required"]
            parser.add_argument(name, **options)
    return groups


def _argument(parameter: inspect.Parameter, help: str) -> dict[str, Any]:
    """What `add_argument` takes for a parameter."""
    kind, default = parameter.annotation, parameter.default
    options: dict[str, Any] = {"help": help.replace("%", "%%"), "required": default is parameter.empty}
    if NoneType in get_args(kind):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if kind is bool:
        return options | {"action": "store_true"}
    if default is not parameter.empty:
        options["default"] = list(default) if isinstance(default, tuple) else default
        if default not in (None, "") and not isinstance(default, tuple):
            options["help"] += f" (default: {default})"
    if get_origin(kind) is Annotated:  # Repeated
        options["action"] = "append"
        kind = get_args(get_args(kind)[0])[0]
    elif get_origin(kind) in (Sequence, tuple):
        options["nargs"] = "+"
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return options | {"choices": get_args(kind)}
    metavars = (word for base, word in _METAVARS.items() if issubclass(kind, base))
    return options | {"type": kind, "metavar": next(metavars, parameter.name.upper())}
