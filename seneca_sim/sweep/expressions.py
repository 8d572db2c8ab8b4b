"""Expressions of a study: filters, settings that follow others, derived quantities, constraints.

Plain arithmetic and comparisons over dotted names, by `simpleeval`: no calls but a few functions,
no assignments, no way to anything else of Python.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from simpleeval import InvalidExpression, SimpleEval

from seneca_sim.config.check import nearest
from seneca_sim.errors import InputError

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs, "ceil": math.ceil, "floor": math.floor, "log2": math.log2, "max": max,
    "min": min, "round": round, "sqrt": math.sqrt,
}  # fmt: skip
_LONGEST = 500


class Expression:
    """One expression and where it stands."""

    def __init__(self, text: str, where: str) -> None:
        """Parse it.

        Raises:
            InputError: no expression, at `where`.
        """
        self.text, self.where = text.strip(), where
        if len(text) > _LONGEST:
            raise InputError(f"{where}: the expression is longer than {_LONGEST} characters")
        try:
            self._tree = ast.parse(self.text, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
            raise InputError(f"{where}: {self.text!r} is no expression: {reason}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names in it, in their order."""
        found: dict[str, None] = {}
        self._collect(self._tree.body, found)
        return tuple(found)

    def _collect(self, node: ast.AST, found: dict[str, None]) -> None:
        dotted = _dotted(node)
        if dotted is not None:
            found.setdefault(dotted)
            return
        if isinstance(node, ast.Call):
            children: Iterable[ast.AST] = [*node.args, *node.keywords]
        else:
            children = ast.iter_child_nodes(node)
        for child in children:
            self._collect(child, found)

    def check_names(self, known: Mapping[str, Any]) -> None:
        """Refuse names that are not in nested `known`.

        Raises:
            InputError: with the nearest known name.
        """
        for name in self.names:
            if not _has(known, name):
                raise InputError(
                    f"{self.where}: unknown name '{name}' in {self.text!r}"
                    f"{nearest(name, _paths(known))}"
                )

    def value(self, names: Mapping[str, Any]) -> Any:
        """Evaluate over nested `names`.

        Raises:
            InputError: it cannot be evaluated, as in a division by zero.
        """
        try:
            return _Evaluator(names=dict(names), functions=FUNCTIONS).eval(
                self.text, previously_parsed=self._tree.body
            )
        except (InvalidExpression, ArithmeticError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.where}: {self.text!r}: {reason}") from None


class _Evaluator(SimpleEval):  # type: ignore[misc]
    """Tuples and lists, too, for `core.npes in (4, 8)`."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.nodes |= {ast.Tuple: self._several, ast.List: self._several}

    def _several(self, node: ast.Tuple | ast.List) -> tuple[Any, ...]:
        return tuple(self._eval(item) for item in node.elts)


def _dotted(node: ast.AST) -> str | None:
    """`core.npes` as text, if the node is a name or attributes of one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def _has(known: Mapping[str, Any], name: str) -> bool:
    value: Any = known
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _paths(known: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in known.items():
        found.append(prefix + key)
        if isinstance(value, Mapping):
            found += _paths(value, f"{prefix}{key}.")
    return found


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted paths as mappings of mappings; a value in the way of a path gives way."""
    out: dict[str, Any] = {}
    for path, value in flat.items():
        put(out, path, value)
    return out


def put(names: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted path in nested mappings."""
    *owners, last = path.split(".")
    for owner in owners:
        inner = names.get(owner)
        if not isinstance(inner, dict):
            inner = names[owner] = {}
        names = inner
    names[last] = value
