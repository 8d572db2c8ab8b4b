"""Multicast trees as arrays (S7): what a packet finds at each router on its way.

A place of a tree is one integer, `first_child << 6 | ports`: bit p of `ports` says that a copy
leaves by output p, and the children follow each other in the order of their ports.

In a mesh, what is left to do in a router depends on the destinations and on the input by which a
packet has come, and not on its source. So all trees to the same destinations share their branches:
as many places as routers instead of routers times sources. In a torus the source says which
way round a destination is nearer, so each tree is grown by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import EAST, HOST, LOCAL, NORTH, SOUTH, WEST
from seneca_sim.engine.compiled.cache import inlined, kernel
from seneca_sim.engine.compiled.parts import BITS

Ints = NDArray[np.int64]
PORT_BITS = 6
SOURCE = 4
HEADINGS = 5


@inlined
def _signed(at: int, to: int, size: int, torus: bool) -> int:
    """Steps from `at` to `to`, along a row or column; negative to the west or north."""
    if not torus:
        return to - at
    ahead = (to - at) % size
    return ahead if ahead <= size // 2 else ahead - size


@inlined
def _ports(
    x: int, y: int, high: int, heading: int, west: int, east: int, north: Ints, south: Ints,
    ends: Ints,
) -> int:  # fmt: skip
    """By which outputs a packet leaves the router (x, y) that it has reached with a heading."""
    ports: int = ends[x * high + y]
    if heading in (EAST, SOURCE) and x < east:
        ports |= 1 << EAST
    if heading in (WEST, SOURCE) and x > west:
        ports |= 1 << WEST
    if heading != SOUTH and north[x] < y:
        ports |= 1 << NORTH
    if heading != NORTH and south[x] > y:
        ports |= 1 << SOUTH
    return ports


@inlined
def _room(places: Ints, used: int) -> Ints:
    """The same places, with room for the next few."""
    if places.size >= used + HEADINGS:
        return places
    longer = np.empty(2 * places.size, np.int64)
    longer[:used] = places[:used]
    return longer


@kernel
def grow_trees(
    columns: int,
    rows: int,
    torus: bool,
    host_node: int,
    first: Ints,
    sources: Ints,
    starts: Ints,
    targets: Ints,
) -> tuple[Ints, Ints]:
    """All trees of a program, by groups that have their destinations in common.

    Args:
        columns: of the mesh.
        rows: of the mesh.
        torus: whether rows and columns are rings; then a group may have one source only.
        host_node: the node of the host's port.
        first: [groups + 1] where each group's sources start in `sources`.
        sources: [trees] endpoints.
        starts: [groups + 1] where each group's targets start in `targets`.
        targets: endpoints.

    Returns:
        Roots [trees] and places.
    """
    cores = columns * rows
    # A ring is unrolled around the source: the node itself lies in the middle of three rounds.
    wide, high = (3 * columns, 3 * rows) if torus else (columns, rows)
    left, top = (columns, rows) if torus else (0, 0)
    roots, places = np.empty(sources.size, np.int64), np.empty(1024, np.int64)
    # Reach of the branches to the north and south in each column, and bits of the ports of ends.
    north, south = np.full(wide, high, np.int64), np.full(wide, -1, np.int64)
    ends = np.zeros(wide * high, np.int64)
    # Where the children begin for (x, y, heading), and the states whose children are to be made.
    known = np.full(wide * high * HEADINGS, -1, np.int64)
    todo = np.empty(wide * high * HEADINGS, np.int64)
    marked = np.empty(2 * wide * high + 1, np.int64)
    used = 0
    for group in range(first.size - 1):
        source = sources[first[group]]
        source = source if source < cores else host_node
        x, y = source % columns, source // columns
        west, east, count = wide, -1, 0
        for i in range(starts[group], starts[group + 1]):
            end = targets[i] if targets[i] < cores else host_node
            to_x = left + x + _signed(x, end % columns, columns, torus)
            to_y = top + y + _signed(y, end // columns, rows, torus)
            west, east = min(west, to_x), max(east, to_x)
            north[to_x], south[to_x] = min(north[to_x], to_y), max(south[to_x], to_y)
            ends[to_x * high + to_y] |= 1 << (LOCAL if targets[i] < cores else HOST)
            marked[count] = to_x * high + to_y
            count += 1
        made = done = 0
        for tree in range(first[group], first[group + 1]):
            source = sources[tree] if sources[tree] < cores else host_node
            x, y = left + source % columns, top + source // columns
            ports = _ports(x, y, high, SOURCE, west, east, north, south, ends)
            state = (x * high + y) * HEADINGS + SOURCE
            places = _room(places, used + 1)
            roots[tree] = used
            used += 1
            if known[state] < 0:  # known where host and core send from one router
                known[state] = used
                todo[made] = state
                made += 1
                used += BITS[ports & 15]
            places[roots[tree]] = (known[state] << PORT_BITS) | ports
        while done < made:
            state = todo[done]
            done += 1
            place, here, heading = known[state], state // HEADINGS, state % HEADINGS
            x, y = here // high, here % high
            ports = _ports(x, y, high, heading, west, east, north, south, ends)
            for port in range(SOURCE):
                if ports >> port & 1:
                    to_x = x + (port == EAST) - (port == WEST)
                    to_y = y + (port == SOUTH) - (port == NORTH)
                    below = _ports(to_x, to_y, high, port, west, east, north, south, ends)
                    child = (to_x * high + to_y) * HEADINGS + port
                    if known[child] < 0:
                        places = _room(places, used)
                        known[child] = used
                        todo[made] = child
                        made += 1
                        used += BITS[below & 15]
                    places[place] = (known[child] << PORT_BITS) | below
                    place += 1
        for i in range(made):
            known[todo[i]] = -1
        for i in range(count):
            ends[marked[i]] = 0
            north[marked[i] // high], south[marked[i] // high] = high, -1
    return roots, places[:used].copy()


def trees_of(
    chip: Chip, first: Ints, sources: Ints, starts: Ints, targets: Ints
) -> tuple[Ints, Ints]:
    """`grow_trees` for a chip."""
    torus = chip.noc.topology == "torus"
    found: tuple[Ints, Ints] = grow_trees(
        chip.columns, chip.rows, torus, chip.host_node, first, sources, starts, targets
    )
    return found
