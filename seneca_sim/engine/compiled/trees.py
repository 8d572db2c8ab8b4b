"""Multicast trees as arrays (S7): what a packet finds at each router on its way.

A place of a tree is one integer, `first_child << 6 | ports`: bit p of `ports` says that a copy
leaves by output p, and the children follow each other in the order of their ports.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import EAST, HOST, LOCAL, NORTH, SOUTH, WEST
from seneca_sim.engine.compiled.cache import inlined, kernel

Ints = NDArray[np.int64]
PORT_BITS = 6


@inlined
def _signed(at: int, to: int, size: int, torus: bool) -> int:
    """Steps from `at` to `to`, along a row or column; negative to the west or north."""
    if not torus:
        return to - at
    ahead = (to - at) % size
    return ahead if ahead <= size // 2 else ahead - size


@kernel
def grow_trees(
    columns: int,
    rows: int,
    torus: bool,
    host_node: int,
    sources: Ints,
    starts: Ints,
    targets: Ints,
) -> tuple[Ints, Ints, Ints]:
    """All trees of a program.

    Args:
        columns: of the mesh.
        rows: of the mesh.
        torus: whether rows and columns are rings.
        host_node: the node of the host's port.
        sources: [trees] endpoints.
        starts: [trees + 1] where each tree's targets start in `targets`.
        targets: endpoints.

    Returns:
        Roots [trees], places, and the node of each place.
    """
    cores = columns * rows
    roots = np.empty(sources.size, np.int64)
    places, nodes = np.empty(1024, np.int64), np.empty(1024, np.int64)
    # Reach of the tree to the north and south of each column, and bits of the ports of endpoints.
    north = np.zeros(2 * columns + 1, np.int64)
    south = np.zeros(2 * columns + 1, np.int64)
    ends = np.zeros((2 * columns + 1) * (2 * rows + 1), np.int64)
    # A place that waits for its children: steps from the source.
    across = np.empty(cores + 1, np.int64)
    along = np.empty(cores + 1, np.int64)
    used = 0
    for tree in range(sources.size):
        source = sources[tree] if sources[tree] < cores else host_node
        x, y = source % columns, source // columns
        west = east = 0
        for i in range(starts[tree], starts[tree + 1]):
            end = targets[i] if targets[i] < cores else host_node
            dx = _signed(x, end % columns, columns, torus)
            dy = _signed(y, end // columns, rows, torus)
            west, east = min(west, dx), max(east, dx)
            north[columns + dx] = min(north[columns + dx], dy)
            south[columns + dx] = max(south[columns + dx], dy)
            port = LOCAL if targets[i] < cores else HOST
            ends[(columns + dx) * (2 * rows + 1) + rows + dy] |= 1 << port
        if used + cores + 1 > places.size:
            more = np.empty(2 * (places.size + cores + 1), np.int64)
            more[:used] = places[:used]
            places = more
            more = np.empty(places.size, np.int64)
            more[:used] = nodes[:used]
            nodes = more
        roots[tree] = used
        across[0] = along[0] = 0
        made, place = 1, 0
        while place < made:
            dx, dy = across[place], along[place]
            ports = ends[(columns + dx) * (2 * rows + 1) + rows + dy]
            first = used + made
            if dy == 0 and 0 <= dx < east:
                ports |= 1 << EAST
                across[made], along[made] = dx + 1, 0
                made += 1
            if dy == 0 and west < dx <= 0:
                ports |= 1 << WEST
                across[made], along[made] = dx - 1, 0
                made += 1
            if north[columns + dx] < dy <= 0:
                ports |= 1 << NORTH
                across[made], along[made] = dx, dy - 1
                made += 1
            if 0 <= dy < south[columns + dx]:
                ports |= 1 << SOUTH
                across[made], along[made] = dx, dy + 1
                made += 1
            places[used + place] = (first << PORT_BITS) | ports
            nodes[used + place] = (x + dx) % columns + (y + dy) % rows * columns
            place += 1
        used += made
        for dx in range(west, east + 1):
            for dy in range(north[columns + dx], south[columns + dx] + 1):
                ends[(columns + dx) * (2 * rows + 1) + rows + dy] = 0
            north[columns + dx] = south[columns + dx] = 0
    return roots, places[:used].copy(), nodes[:used].copy()


def trees_of(chip: Chip, sources: Ints, starts: Ints, targets: Ints) -> tuple[Ints, Ints, Ints]:
    """`grow_trees` for a chip."""
    torus = chip.noc.topology == "torus"
    found: tuple[Ints, Ints, Ints] = grow_trees(
        chip.columns, chip.rows, torus, chip.host_node, sources, starts, targets
    )
    return found
