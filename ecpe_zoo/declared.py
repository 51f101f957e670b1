"""What a class of the package declares, read from its source because importing a method loads torch, which is slow.

Only files of the package are read. `tests/results/test_declared.py` compares every method with its class.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ecpe_zoo import options
from ecpe_zoo.escaping import is_class_path

PACKAGE = Path(__file__).resolve().parent


class Declared(NamedTuple):
    """What a class declares, read without importing it.

    Args:
        defaults: Default of each argument, flattened: `encoder.size` -> None.
        ablations: See `Method.ablations`.
        idle: See `Method.idle`.
        seedless: See `Method.seedless`.
    """

    defaults: Mapping[str, Any]
    ablations: frozenset[str]
    idle: Callable[[Mapping[str, Any]], frozenset[str]]
    seedless: bool = False


@cache
def declared(class_path: str) -> Declared | None:
    """What a class of the package declares; None if the class does not exist or belongs to another package."""
    if not is_class_path(class_path):
        return None
    package, _, rest = class_path.partition(".")
    module, _, name = rest.rpartition(".")
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    if package != PACKAGE.name or not module or not path.is_file() or PACKAGE not in path.resolve().parents:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if found is None:
        return None
    known = _constants(tree.body, vars(options).copy())
    values = _constants(found.body, dict(known))
    functions = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
    defaults = _defaults(functions["__init__"], known) if "__init__" in functions else {}
    idle = _function(functions["idle"], known) if "idle" in functions else lambda cls, options: frozenset()
    ablations, seedless = values.get("ablations", frozenset()), values.get("seedless", False)
    return Declared(defaults, ablations, lambda given: idle(None, given), seedless)


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), str(PACKAGE), "eval"), known)  # our own source


def _constants(body: list[ast.stmt], known: dict[str, Any]) -> dict[str, Any]:
    """Names whose values depend only on other such names; they are added to `known`."""
    for node in body:
        target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(target, ast.Name) and value is not None:
            try:
                known[target.id] = _value(value, known)
            except Exception:
                continue  # it needs an import
    return known


def _defaults(function: ast.FunctionDef, known: dict[str, Any]) -> dict[str, Any]:
    given = function.args
    found: dict[str, Any] = {}
    positional = given.args[len(given.args) - len(given.defaults) :]
    pairs = [
        *zip(positional, given.defaults, strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    for argument, node in pairs:
        if node is not None:
            annotation = "" if argument.annotation is None else ast.unparse(argument.annotation)
            found |= options.flat_default(argument.arg, annotation, _value(node, known))
    return found


def _function(node: ast.FunctionDef, known: dict[str, Any]) -> Callable[..., Any]:
    plain = ast.FunctionDef(**{name: getattr(node, name) for name in node._fields})
    plain.decorator_list, plain.returns = [], None
    for argument in plain.args.args:
        argument.annotation = None
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(plain, node)], []))
    exec(compile(module, str(PACKAGE), "exec"), known)
    found: Callable[..., Any] = known[node.name]
    return found
