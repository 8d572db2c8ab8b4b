"""Traces that were recorded, replayed: as many of their tokens as are asked for, in sequences."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from seneca_sim.cli.settings import Settings
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.traces import ActivationTrace

TOKENS: Final = "workload.tokens"
SETTLED: Final = (
    "workload.context", "workload.seed", "workload.token_correlation", "workload.hot_channels",
)  # fmt: skip
"""Settings of the making of a trace: one that is there has them behind it."""


def replayed(trace: ActivationTrace, settings: Settings) -> ActivationTrace:
    """The trace as it runs: its first tokens if `workload.tokens` is set, else all of them.

    With `mapping.batch` the tokens are cut into that many sequences, which take turns;
    `workload.tokens` is then the tokens of each.

    Raises:
        InputError: more tokens than there are, or a setting of how traces are made.
    """
    from workloads.traces import in_pieces

    refuse_settled(settings.run, settings.given)
    batch = settings.whole("mapping.batch")
    if TOKENS in settings.given:
        trace = trace.slice(0, _asked(len(trace.tokens), settings, max(1, batch)))
    return in_pieces(trace, batch)


def refuse_settled(run: Mapping[str, str], given: Collection[str]) -> None:
    """Refuse settings of how a trace is made.

    Raises:
        InputError: one of `SETTLED` is among those that were given.
    """
    for path in SETTLED:
        if path in given:
            raise InputError(
                f"--set {path}={run[path]}: is about how a trace is made, and this one is "
                f"replayed; leave it out, only {TOKENS} can be chosen"
            )


def _asked(have: int, settings: Settings, batch: int) -> int:
    each = settings.whole(TOKENS)
    if not 1 <= each <= have // batch:
        several = f" for each of {batch} sequences" if batch > 1 else ""
        raise InputError(
            f"--set {TOKENS}={each}: the trace has {have} tokens; expected 1 to "
            f"{have // batch}{several}, or leave it out for all"
        )
    return each * batch
