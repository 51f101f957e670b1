"""What a class of the package declares, read from its source because importing a method loads torch, which is slow.

Only files of the package are read. A class that declares by names from other modules is imported after all.
`tests/results/test_declared.py` compares every method with its class.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
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
    try:
        return _read(found, _constants(tree.body, vars(options).copy()), lambda: _imported(class_path))
    except NameError:
        return _imported(class_path)


def _read(found: ast.ClassDef, known: dict[str, Any], imported: Callable[[], Declared]) -> Declared:
    """What a class declares by constants alone.

    Args:
        found: The class.
        known: Name -> value of its module's constants; gains the names of its functions.
        imported: Imports the class; called once `idle` needs more than constants.

    Raises:
        NameError: a default, `ablations` or `seedless` needs more than constants.
    """
    values, functions = _constants(found.body, dict(known)), {}
    for node in found.body:
        name, value = _assigned(node)
        if name in ("ablations", "seedless") and value is not None:
            values[name] = _value(value, values)
        elif isinstance(node, ast.FunctionDef):
            functions[node.name] = node
    defaults = _defaults(functions["__init__"], known) if "__init__" in functions else {}
    own = _function(functions["idle"], known) if "idle" in functions else lambda cls, options: frozenset()

    def idle(given: Mapping[str, Any]) -> frozenset[str]:
        try:
            return frozenset(own(None, given))
        except (AttributeError, NameError, RuntimeError):  # an imported name, the class or super()
            return imported().idle(given)

    return Declared(defaults, values.get("ablations", frozenset()), idle, values.get("seedless", False))


def _imported(class_path: str) -> Declared:
    """What a class declares, by importing it."""
    module, _, name = class_path.rpartition(".")
    kind = getattr(import_module(module), name)
    defaults: dict[str, Any] = {}
    for argument, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is not parameter.empty:
            defaults |= options.flat_default(argument, parameter.annotation, parameter.default)
    return Declared(defaults, kind.ablations, kind.idle, kind.seedless)


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), str(PACKAGE), "eval"), known)  # our own source


def _constants(body: list[ast.stmt], known: dict[str, Any]) -> dict[str, Any]:
    """Names whose values depend only on other such names; they are added to `known`."""
    for node in body:
        name, value = _assigned(node)
        if name is not None and value is not None:
            try:
                known[name] = _value(value, known)
            except Exception:
                continue  # it needs an import
    return known


def _assigned(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    """The name that a statement gives a value to, and the value; None where it does not."""
    target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return (target.id if isinstance(target, ast.Name) else None), value


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
