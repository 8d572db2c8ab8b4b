"""Bare queues of events: what remains of the loop when an event does nothing but come again.

The distance from these is the price of the rules; `bench` shows it.
"""

from __future__ import annotations

import numpy as np

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined, kernel
from seneca_sim.engine.compiled.machine import Ints, Machine, Narrow, narrow, wide
from seneca_sim.engine.compiled.machine import bare as pointers
from seneca_sim.engine.compiled.parts import next_cycle, pop_far, push_far, ring, schedule

LONGEST = 32


@inlined
def _delay(state: int) -> int:
    """1 to LONGEST cycles, from the high bits of a linear congruence."""
    return 1 + (state >> 20) % LONGEST


@inlined
def _next(state: int) -> int:
    return (1103515245 * state + 12345) & 0x7FFFFFFF


@kernel
def _wheel(arrays: Machine, events: int, nodes: int) -> int:
    m = pointers(arrays)
    state = 1
    for node in range(nodes):
        state = _next(state)
        schedule(m, _delay(state), node * at.NODE, at.OTHERS)
    done = 0
    while done < events:
        m.z[at.Z_NOW] = next_cycle(m)
        node = ring(m, at.OTHERS)
        while node != at.NONE:
            after = m.nodes[node + at.NEXT]
            state = _next(state)
            schedule(m, m.z[at.Z_NOW] + _delay(state), node, at.OTHERS)
            done += 1
            node = after
    return done


@kernel
def _heap(heap: Ints, z: Ints, events: int, nodes: int) -> int:
    state = 1
    for node in range(nodes):
        state = _next(state)
        push_far(heap, z, _delay(state), node)
    for _ in range(events):
        now = heap[0]
        node = pop_far(heap, z)
        state = _next(state)
        push_far(heap, z, now + _delay(state), node)
    return events


def bare_wheel(events: int, at_once: int) -> int:
    """Let so many events ring from the timing wheel, `at_once` of them under way; how many did."""
    fields: dict[str, Ints | Narrow] = {
        name: narrow(1) if kind is Narrow or kind == "Narrow" else wide(1)
        for name, kind in Machine.__annotations__.items()
    }
    fields["nodes"] = narrow(at_once * at.NODE)
    fields["wheel"] = narrow(at.WHEEL * at.LISTS, at.NONE)
    fields["occupied"] = wide(at.WHEEL // at.CHUNK)
    fields["z"] = wide(at.STATE)
    return int(_wheel(Machine(**fields), events, at_once))  # type: ignore[arg-type]


def bare_heap(events: int, at_once: int) -> int:
    """The same by way of the binary heap."""
    return int(_heap(wide(2 * at_once + 2), np.zeros(at.STATE, np.int64), events, at_once))
