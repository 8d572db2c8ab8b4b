"""Progress bars on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, int, str], None]
"""``tell(done, total, message)``."""


def _silent(done: int, total: int, message: str = "") -> None:
    pass


@contextmanager
def progress(title: str) -> Iterator[Tell]:
    """Show one bar on stderr while the block runs, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<34.34}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)

        def tell(done: int, total: int, message: str = "") -> None:
            bars.update(task, completed=done, total=total, description=message or title)

        yield tell
