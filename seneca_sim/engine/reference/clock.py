"""Cycles, phases and the bell: how processes sleep and wake (rules S1-S3).

SimPy time is 3 x cycle + phase. In ARRIVE results appear: work ends, packets arrive, room is
given back. In START idle units look at their inputs and begin. In ARBITRATE output ports choose.
A phase reads only what earlier phases wrote, so the order inside a phase cannot matter.
"""

from __future__ import annotations

from simpy import Environment
from simpy.events import Event

PHASES = 3
ARRIVE, START, ARBITRATE = range(PHASES)


def cycle_of(env: Environment) -> int:
    """The present cycle."""
    return int(env.now) // PHASES


class Wake(Event):
    """An event that is scheduled for later the moment it is rung."""

    def ring(self, delay: int) -> None:
        """Fire `delay` phases from now."""
        self._ok = True
        self._value = None
        self.env.schedule(self, delay=delay)


class Bell:
    """Wakes one sleeping process; ringing when nobody sleeps does nothing."""

    __slots__ = ("_sleeper", "env")

    def __init__(self, env: Environment) -> None:
        self.env = env
        self._sleeper: Wake | None = None

    def wait(self) -> Wake:
        """The event to yield on."""
        self._sleeper = Wake(self.env)
        return self._sleeper

    def ring(self, phase: int) -> None:
        """Wake the sleeper in a later phase of this cycle."""
        sleeper = self._sleeper
        if sleeper is not None:
            self._sleeper = None
            sleeper.ring(phase - int(self.env.now) % PHASES)

    def ring_next_cycle(self) -> None:
        """Wake the sleeper in ARRIVE of the next cycle."""
        sleeper = self._sleeper
        if sleeper is not None:
            self._sleeper = None
            sleeper.ring(PHASES - int(self.env.now) % PHASES)
