"""One tree of errors, each with the exit code of the command line.

A message is one line: where, what, what was expected, what to try. For example
``chip.yaml:12:3: unknown key 'npe' in core; did you mean 'npes'?``
"""

from typing import ClassVar


class SenecaError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 3


class Finding(SenecaError):  # noqa: N818 - a result, not a fault: the run worked and found something
    """The command worked and its answer is bad news: a regression, a bound not held."""

    exit_code: ClassVar[int] = 1


class DeadlockError(Finding):
    """A run that cannot go on; the message names the cycle and the components that wait."""


class InputError(SenecaError):
    """What the user gave cannot be used: a file, an option, a combination of values.

    `field` is the dotted path of the field at fault (``core.npes``), where there is one, so that
    a reader of files can say on which line it stands.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class CapacityError(InputError):
    """A program that does not fit the chip: which memory, how much it needs, the limit."""


class InternalError(SenecaError):
    """A broken invariant of the simulator itself: a bug to report."""
