"""Everything on the page of the Python API says what it is: fields, arguments, shapes, errors."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from docs_tools import DOCS

OURS = ("seneca_sim", "workloads")
ARRAYS = re.compile(r"ndarray|Tensor|Ints|Floats|Words")
SHAPE = re.compile(r"\[[\w.…, ×*+-]+\]|\((?:[A-Z]|\w+,|…)[\w.…, ]*\)|scalar")
NOT_THE_CALLERS = {"NotImplementedError", "InternalError", "AssertionError", "AttributeError"}


def _modules() -> list[tuple[str, bool]]:
    """Modules of the page, and whether it shows what they import."""
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    found = re.findall(r"automodule:: (\S+)\n((?:   :.*\n)*)", text)
    return [(name, "imported-members" in options) for name, options in found]


def _public(name: str, imported: bool) -> Iterator[tuple[str, Any]]:
    module = importlib.import_module(name)
    for key in getattr(module, "__all__", [k for k in vars(module) if not k.startswith("_")]):
        thing = getattr(module, key)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if thing.__module__.startswith(OURS) and (imported or thing.__module__ == name):
            yield f"{thing.__module__}.{thing.__qualname__}", thing


API = dict(pair for module in _modules() for pair in _public(*module))
CLASSES = {name: thing for name, thing in API.items() if inspect.isclass(thing)}


def _functions() -> dict[str, Callable[..., Any]]:
    """Functions, and the methods and properties of classes."""
    found = {name: thing for name, thing in API.items() if inspect.isfunction(thing)}
    for name, cls in CLASSES.items():
        for key, value in vars(cls).items():
            inner = getattr(value, "fget", None) or getattr(value, "__func__", None)
            inner = inner or getattr(value, "func", value)
            if inspect.isfunction(inner) and not key.startswith("_"):
                found[f"{name}.{key}"] = inner
    return found


FUNCTIONS = _functions()


def _said(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _block(text: str, heading: str) -> str:
    """The lines under a heading of a docstring."""
    found = re.search(rf"^{heading}:\n((?:    .*\n?|\n)*)", text, re.M)
    return found[1] if found else ""


def _raised(function: Callable[..., Any]) -> set[str]:
    """Names of the errors that stand in a function's own `raise` statements."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [n.exc for n in ast.walk(tree) if isinstance(n, ast.Raise)]
    names = {c.func.id for c in calls if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}
    return {name for name in names if name.endswith("Error")} - NOT_THE_CALLERS


def test_there_is_something_to_look_at() -> None:
    assert len(CLASSES) > 50
    assert len(FUNCTIONS) > 150


def test_all_have_docstrings() -> None:
    silent = []
    for name, thing in (API | FUNCTIONS).items():
        said = _said(thing)  # a dataclass without one gets its signature
        if len(said) < len("The chip.") or said.startswith(f"{thing.__name__}("):
            silent.append(name)
    assert silent == []


def test_fields_are_told() -> None:
    missing = []
    for name, cls in CLASSES.items():
        source = inspect.getsource(cls) if hasattr(cls, "__dataclass_fields__") else ""
        for key in getattr(cls, "__dataclass_fields__", ()):
            beside = rf'^    {key}:.*(?:  # |\n(?:        .*\n)*    """)'
            told = re.search(rf"\b{key}\b", cls.__doc__ or "") or re.search(beside, source, re.M)
            if not key.startswith("_") and not told:
                missing.append(f"{name}.{key}")
    assert missing == []


def test_arguments_are_those_of_the_signature() -> None:
    wrong = []
    for name, function in FUNCTIONS.items():
        listed = _block(_said(function), "Args")
        known = set(inspect.signature(function).parameters) - {"self", "cls"}
        if listed:
            told = set(re.findall(r"^    (\w+):", listed, re.M))
            unsaid = {key for key in known if not re.search(rf"\b{key}\b", _said(function))}
            wrong += [f"{name}: {key}" for key in sorted((told - known) | unsaid)]
    assert wrong == []


def test_arrays_have_shapes() -> None:
    without = []
    for name, function in FUNCTIONS.items():
        if ARRAYS.search(str(inspect.signature(function))) and not SHAPE.search(_said(function)):
            without.append(name)
    assert without == []


def test_errors_are_told() -> None:
    silent, stale = [], []
    for name, function in FUNCTIONS.items():
        raised, said = _raised(function), _said(function)
        silent += [f"{name}: {error}" for error in sorted(raised) if error not in said]
        told = re.findall(r"^    (\w+):", _block(said, "Raises"), re.M)
        stale += [f"{name}: {error}" for error in told if not _known_error(error)]
    assert (silent, stale) == ([], [])


def _known_error(name: str) -> bool:
    import builtins

    from seneca_sim import errors

    return hasattr(errors, name) or hasattr(builtins, name)
