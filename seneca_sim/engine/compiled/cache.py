"""`kernel` and `inlined`: how functions of this engine are compiled, and from which files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seneca_sim.chip import mesh
from seneca_sim.compile_cache import Compiler, config
from seneca_sim.cost import timing
from seneca_sim.engine import activity

FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""No fastmath, no parallel; a division by zero, which no rule allows, is not checked for."""


COMPILED = (
    "cache", "controller", "floors", "host", "layout", "loop", "machine", "packets", "parts",
    "pointers", "routers", "trees", "units",
)  # fmt: skip


def sources() -> tuple[Path, ...]:
    """The files that compiled code, and the constants in it, are made from."""
    folder = Path(__file__).parent
    others = (Path(str(module.__file__)) for module in (mesh, timing, activity))
    return (*(folder / f"{name}.py" for name in COMPILED), *others)


compiler = Compiler("compiled", sources, **FLAGS)
kernel, inlined = compiler.kernel, compiler.inlined

__all__ = ["compiler", "config", "inlined", "kernel", "sources"]
