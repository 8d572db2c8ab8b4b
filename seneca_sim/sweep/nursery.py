"""Where a sweep's processes come from: a server that has loaded everything forks them.

The server (`multiprocessing`'s fork server) loads in the background while the study is still being
checked; a process that it forks has NumPy, Numba, the engine's compiled code and the compiler from
the start. The server runs no thread of ours and never torch, so that forking it is safe, which
forking the command's own process would not be. Elsewhere than on Linux processes load themselves.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from typing import Any, Final

from seneca_sim.sweep.pool import deaf_to_interrupts

FORKS: Final = sys.platform == "linux"
CONTEXT: Final[Any] = multiprocessing.get_context("forkserver" if FORKS else "spawn")
ENGINE: Final = ("seneca_sim.engine.compiled", "seneca_sim.sweep.stages")


def start_loading(modules: Sequence[str] = ENGINE) -> None:
    """Start the server, if there is none yet; it imports `modules` and nobody waits for it."""
    if FORKS:
        CONTEXT.set_forkserver_preload(list(modules))
        with deaf_to_interrupts():
            forkserver.ensure_running()
