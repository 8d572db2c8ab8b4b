"""`kernel` and `helper`: how functions of this package are compiled, and from which files."""

from __future__ import annotations

from pathlib import Path

from seneca_sim.compile_cache import Compiler
from seneca_sim.cost import bf16


def sources() -> tuple[Path, ...]:
    """The files that compiled code, and the constants in it, are made from."""
    return (*Path(__file__).parent.glob("*.py"), Path(bf16.__file__))


compiler = Compiler("functional", sources)
kernel, kernel_of, helper = compiler.kernel, compiler.kernel_of, compiler.helper
