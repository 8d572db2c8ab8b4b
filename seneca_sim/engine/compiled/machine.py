"""Everything that the loop works on: one tuple of arrays, which compiled code takes apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.pointers import pointer

Ints = NDArray[np.int64]
Narrow = NDArray[np.int32]


class Machine(NamedTuple):
    """Tables of records (`layout`), flat; narrow ones hold int32."""

    nodes: Narrow
    tasks: Narrow
    pushed: Ints
    arrivals: Ints
    ports: Narrow
    traffic: Ints
    since: Ints
    buffers: Narrow
    cores: Narrow
    clocks: Ints
    channels: Ints
    packets: Narrow
    stamps: Ints
    places: Narrow
    leaves: Narrow
    ways: Narrow
    routes: Narrow
    counts: Ints
    emits: Narrow
    host_routes: Narrow
    consumers: Narrow
    stages: Narrow
    vectors: Narrow
    waits: Narrow
    cycles: Ints
    serials: Ints
    items: Ints
    tokens: Ints
    windows: Ints
    wheel: Narrow
    occupied: Ints
    heap: Ints
    credits_in: Narrow
    answers: Ints
    stage_done: Ints
    dirty: Narrow
    asking: Narrow
    calling: Narrow
    log: Ints
    slices: Ints
    x: Ints
    z: Ints


@inlined
def bare(m: Machine) -> Machine:
    """The same with bare pointers for arrays."""
    return Machine(
        pointer(m.nodes), pointer(m.tasks), pointer(m.pushed), pointer(m.arrivals),
        pointer(m.ports), pointer(m.traffic),
        pointer(m.since), pointer(m.buffers), pointer(m.cores), pointer(m.clocks),
        pointer(m.channels), pointer(m.packets), pointer(m.stamps), pointer(m.places),
        pointer(m.leaves), pointer(m.ways), pointer(m.routes), pointer(m.counts),
        pointer(m.emits), pointer(m.host_routes), pointer(m.consumers), pointer(m.stages),
        pointer(m.vectors), pointer(m.waits), pointer(m.cycles), pointer(m.serials),
        pointer(m.items), pointer(m.tokens), pointer(m.windows), pointer(m.wheel),
        pointer(m.occupied), pointer(m.heap), pointer(m.credits_in), pointer(m.answers),
        pointer(m.stage_done), pointer(m.dirty), pointer(m.asking), pointer(m.calling),
        pointer(m.log), pointer(m.slices), pointer(m.x), pointer(m.z),
    )  # fmt: skip


def aligned(size: int, dtype: type[np.generic], fill: int = 0) -> NDArray[np.generic]:
    """A new array of at least one element that starts at a cache line, as its records do then."""
    count = max(1, size)
    width = np.dtype(dtype).itemsize
    memory = np.zeros(count * width + at.LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % at.LINE_BYTES
    made = memory[start : start + count * width].view(dtype)
    if fill:
        made[:] = fill
    return made


def wide(size: int, fill: int = 0) -> Ints:
    """`aligned`, int64."""
    made: Ints = aligned(size, np.int64, fill)  # type: ignore[assignment]
    return made


def narrow(size: int, fill: int = 0) -> Narrow:
    """`aligned`, int32."""
    made: Narrow = aligned(size, np.int32, fill)  # type: ignore[assignment]
    return made
