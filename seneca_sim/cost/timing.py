"""Cycle functions that every engine calls: plain integers in, plain integers out.

They are written so that Numba compiles the same source: no objects, no exceptions.
Sources and marks of the parameters are in the chip presets.
"""

from __future__ import annotations


def packet_flits(events: int, header_flits: int, event_flits: int) -> int:
    """Flits of a packet; a packet is at least one flit long, also without header or events."""
    return max(1, header_flits + events * event_flits)


def serialisation_cycles(flits: int, flit_bits: int, link_bits: int) -> int:
    """Cycles for which a packet occupies a link (rounded up)."""
    return -(-flits * flit_bits // link_bits)


def closing_group(open_events: int, left: int, group_size: int) -> int:
    """How many of the `left` events close the open group; 0 if they do not fill it."""
    need = group_size - open_events
    return need if left >= need else 0


def task_cycles(setup: int, fixed: int, per_row: int, rows: int) -> int:
    """Cycles for which a task holds loop buffer and NPEs; a task takes at least one."""
    return max(1, setup + fixed + per_row * rows)


def capture_cycles(events: int, events_per_cycle: int) -> int:
    """Cycles in which the event generator writes one packet's events; at least one."""
    return max(1, -(-events // events_per_cycle))
