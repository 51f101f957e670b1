"""Shortens jsonargparse's long messages about a wrong option to one line with the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ecpe_zoo.configs import shipped
from ecpe_zoo.errors import ZooError, did_you_mean, one_sentence
from ecpe_zoo.methods.loading import arguments_of

NOISE = (
    r"Does not validate against any of the Union subtypes",
    r"Subtypes: .*",
    r"Errors:",
    r"Given value type: .*",
    r"Given value: (NestedArg|\{).*",
    r"Problem with given class_path .*:",
    r"- Expected a <class 'NoneType'>",
    r"Expected a path but .* either not accessible or invalid",
)
"""Lines that say nothing to the user."""


def one_line(message: str, options: Iterable[str]) -> str:
    """The reason of a parser's message, ending in a full stop.

    >>> one_line("unrecognized arguments: --trainer.max_epoch 1", ["--trainer.max_epochs"])
    'unrecognized arguments: --trainer.max_epoch 1. Did you mean --trainer.max_epochs?'

    Args:
        message: Message of the parser.
        options: All options of the command; those of its method are known from the message.
    """
    method = re.search(r"given class_path '([\w.]+)'", message)
    if method and (nested := _unknown(message)):
        option = f"--model.{nested}"
        return f"unrecognized arguments: {option}.{did_you_mean(option, _arguments(method[1]))}"
    message = re.sub(
        r"Subcommand '\w+' does not accept option '([\w.]+)'", r"unrecognized arguments: --\1", message
    )
    if not method and "unrecognized arguments" not in message and (unknown := _unknown(message)):
        message = f"unrecognized arguments: --{unknown}"  # of the parser of one command
    if re.search(r"are required: (?:\w+\.)?model\b", message):
        return "expected a method, but got none: give --config NAME (see `ecpe-zoo configs list`)."
    lines = (
        re.sub(r"^- (?!Expected a <class 'NoneType'>)", "", line.strip()) for line in message.splitlines()
    )
    kept = [line for line in lines if line and not any(re.fullmatch(noise, line) for noise in NOISE)]
    text = " ".join(kept)
    keys = re.findall(r'Parser key "([\w.]+)":', text)
    text = re.sub(r'Parser key "[\w.]+":\s*', "", text).strip()
    text = re.sub(r"Expected an? <class 'int'>", "Expected an int", text)
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    text = re.sub(r"Expected an? typing\.Literal\[([^]]*)\]\.?", r"expected one of \1,", text)
    text = re.sub(r"[.,]? Got value: |,? Given value: ", ", but got ", text)
    text = re.sub(r'in "<(?:unicode|byte) string>", ', "in ", text)
    if keys:
        text = f"argument --{'.'.join(keys)}: {text[:1].lower()}{text[1:]}"
    if text.startswith("Unexpected config:"):
        nothing = " it is empty" if text == "Unexpected config:" else ""
        return f"{text}{nothing}. Expected options by section, as `ecpe-zoo configs show mgcl` prints them."
    return one_sentence(text, options) + _like_class(message)


def _like_class(message: str) -> str:
    """A suggestion after a class path that does not exist; "" if the message is about something else."""
    given = re.search(
        r"given class_path '([\w.]+)':\s+(?:module .* has no attribute|No module named)|import path string: ([\w.]+)",
        message,
    )
    known = {config.class_path for config in shipped().values()} if given else ()
    return did_you_mean(given[1] or given[2], sorted(known)) if given else ""


def _unknown(message: str) -> str:
    """The argument that a method does not have; "" if the message is about something else."""
    if grouped := re.search(r"Group '([\w.]+)' does not accept (?:option|nested key) '([\w.]+)'", message):
        return f"{grouped[1]}.{grouped[2].removeprefix(grouped[1] + '.')}"
    if ungrouped := re.search(r"Option '([\w.]+)' is not accepted", message):
        groups = re.findall(r'Parser key "([\w.]+)":', message)[1:]  # below the method's own key
        return ".".join([*groups, ungrouped[1]])
    found = re.search(r"unrecognized arguments: --([\w.]+)", message)
    return found[1] if found else ""


def _arguments(class_path: str) -> list[str]:
    """The arguments of a method; none if its class cannot be imported."""
    try:
        return [f"--model.{name}" for name in arguments_of(class_path)]
    except ZooError:
        return []
