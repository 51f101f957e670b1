"""Damaged and hostile inputs for everything that reads a file: `python -m experiments.fuzz --seconds 120`.

Small files in the true formats are mutated: bytes, lines and fields are dropped, doubled, swapped and replaced by
values that parsers stumble on (5,000 digits, deep brackets, half characters, NaN, tags of YAML), and JSON trees node by
node.
Each reader has to read its input or to refuse it by a `ZooError`. Anything else is counted by the place where it was
raised; the exit status is then 1, and the first input of each place can be kept (--keep FOLDER).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecpe_zoo.errors import ZooError
from experiments import fuzz_formats
from experiments.fuzz_formats import Format

LONGEST = 20
"""Seconds that a reader may take for one input."""

TEXTS = (
    "",
    " ",
    "\0",
    "\x1b[2J",
    "\u2028",
    "\ufeff",
    "\u202e",
    '"',
    "'",
    "|",
    ",",
    "\t",
    ";",
    "<b>",
    "../..",
    "=1+1",
    "null",
    "true",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "0",
    "99999999999999999999",
    "9" * 5000,
    "[" * 3000,
    '{"a":' * 3000,
    "!!int x",
    "!!python/name:os.system",
    "&a [*a]",
    "*a",
    "2001-99-99",
    "no",
    "喜悦",
    "\\ud800",
    "(1,",
    "$(x)",
    "{{x}}",
    "%",
    "x" * 200_000,
)
"""Replacements for a piece of text."""

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**30,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x1b[2J",
    "../../x",
    "<b>",
    [],
    [1],
    ["x"],
    [[]],
    {},
    {"x": 1},
    {"": None},
    "9" * 50,
    "joy",
    2.0,
    10**400,
)
"""Replacements for a JSON value."""


class Hang(BaseException):
    """A reader took too long."""


@dataclass
class Found:
    """Results for the inputs of a format."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    kept: dict[str, bytes] = field(default_factory=dict)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A text file with a few pieces changed."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        content = chance.choice((_byte, _cut, _piece, _piece, _line, _line))(content, chance)
    return content


def _byte(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + bytes([chance.randrange(256)]) + content[place + chance.randrange(2) :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    return content[:start] + content[start + chance.choice((1, 5, 50, len(content))) :]


def _piece(content: bytes, chance: random.Random) -> bytes:
    """A word or field replaced by something that parsers stumble on."""
    ends = [match.start() for match in re.finditer(rb"[ \t,;|:\n\"'\[\]{}()]", content)] or [0]
    start = chance.choice(ends)
    stop = next((end for end in ends if end > start), len(content))
    new = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
    return content[: start + 1] + new + content[stop if chance.random() < 0.8 else start + 1 :]


def _line(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(4):
        case 0:
            del lines[one]
        case 1:
            lines.insert(other, lines[one])
        case 2:
            lines[one], lines[other] = lines[other], lines[one]
        case _:
            lines[one] = chance.choice(TEXTS).encode()
    return b"\n".join(lines)


def mutated_tree(tree: Any, chance: random.Random, values: tuple[Any, ...] = VALUES) -> Any:
    """A tree of JSON values with a few nodes changed."""
    tree = deepcopy(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        node: Any = tree
        while isinstance(node, dict | list) and node:
            key = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
            inner = node[key]
            if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
                match chance.randrange(8):
                    case 0:
                        del node[key]
                    case 1 if isinstance(node, dict):
                        node[chance.choice(TEXTS[:20])] = node.pop(key)
                    case _:
                        node[key] = deepcopy(chance.choice(values))
                break
            node = inner
    return tree


def made(format: Format, chance: random.Random) -> Any:
    """An input: bytes of a file, or the tree that `Format.save` writes."""
    if format.tree is not None and (format.save is not None or chance.random() < 0.7):
        tree = mutated_tree(format.tree, chance)
        if format.save is not None:
            return tree
        return json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    assert format.content is not None
    return mutated(format.content, chance)


def fuzz(format: Format, inputs: int, folder: Path, seed: int = 0, seconds: float = math.inf) -> Found:
    """Read mutated inputs of a format.

    Args:
        format: Format to read, with its reader.
        inputs: Number of inputs.
        folder: Folder for the files.
        seed: Seed of the mutations.
        seconds: Time limit in seconds.
    """
    found, chance, start = Found(), random.Random(f"{format.name} {seed}"), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in format.beside.items():
        (folder / name).write_bytes(content)
    path = folder / format.file
    signal.signal(signal.SIGALRM, _too_long)
    while found.inputs < inputs and time.monotonic() - start < seconds:
        content = made(format, chance)
        found.inputs += 1
        if format.save is not None:
            format.save(content, path)
        else:
            path.write_bytes(content)
        signal.alarm(LONGEST)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                format.read(path)
            found.read += 1
        except ZooError as error:
            found.refused += 1
            if "\x1b" in str(error) or not str(error).strip():
                _failed(found, "escape sequence in a message", path)
        except (Exception, Hang) as error:
            _failed(found, f"{type(error).__name__} at {_place(error)}", path)
        finally:
            signal.alarm(0)
    found.seconds = time.monotonic() - start
    return found


def _failed(found: Found, what: str, path: Path) -> None:
    found.failures[what] += 1
    file = path if path.is_file() else next(path.iterdir())  # of a folder of records, the record
    found.kept.setdefault(what, file.read_bytes())


def _too_long(*_: object) -> None:
    raise Hang


def _place(error: BaseException) -> str:
    """The innermost line of the package that an error passed."""
    place, trace = "?", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "/ecpe_zoo/" in name:
            place = f"{name.rpartition('/ecpe_zoo/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def main() -> int:
    """Fuzz all formats in turn; 1 if a reader failed other than by a ZooError."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1000, help="inputs of each format at most")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all formats together")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--only", default="", help="formats whose name contains this")
    parser.add_argument("--keep", type=Path, help="folder for the first input of each failure")
    options = parser.parse_args()
    sys.set_int_max_str_digits(4300)  # as Python has it
    bad = total = 0
    with tempfile.TemporaryDirectory() as folder:
        chosen = [format for format in fuzz_formats.all_formats(Path(folder)) if options.only in format.name]
        end = time.monotonic() + options.seconds
        for place, format in enumerate(chosen):
            share = (end - time.monotonic()) / (len(chosen) - place)
            work = Path(folder) / format.name
            found = fuzz(format, options.inputs, work, options.seed, share)
            total += found.inputs
            print(
                f"{format.name:<16} {found.inputs:>7,} inputs {found.read:>7,} read {found.refused:>7,} refused "
                f"{sum(found.failures.values()):>6,} failures in {len(found.failures)} places {found.seconds:6.1f} s",
                flush=True,
            )
            for what, count in found.failures.most_common():
                print(f"    {count:>6,} {what}")
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    name = f"{format.name}-{'-'.join(what.split()).replace('/', '-')}-{format.file}"
                    (options.keep / name).write_bytes(found.kept[what])
            bad += len(found.failures)
    print(f"{total:,} inputs, {bad} places with failures")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
