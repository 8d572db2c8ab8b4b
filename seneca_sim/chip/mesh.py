"""Geometry of the mesh or torus: ports, XY routes, multicast trees, links.

Node `y * columns + x` stands in column x and row y; east is x + 1 and south is y + 1. A way goes
along x first, then along y, so no turn from y back to x exists and no ring of waiting packets can
close. A torus joins the ends of each row and column; a way takes the shorter side of a ring, east
or south where both are as long.

The host is an endpoint with the id `chip.cores`, one past the last core, behind port HOST
of the node (host.x, host.y).

A route is a sequence of (node, output port) pairs. Every router output crossed counts as a hop,
the last one, into the core or the host, included.
"""

from collections.abc import Iterable

from seneca_sim.chip.spec import Chip
from seneca_sim.errors import InputError

EAST, WEST, NORTH, SOUTH, LOCAL, HOST = range(6)
PORT_NAMES = ("east", "west", "north", "south", "local", "host")
OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}

Hop = tuple[int, int]


def entry_node(chip: Chip, endpoint: int) -> int:
    """Return the node of a core's or the host's router."""
    if not 0 <= endpoint <= chip.cores:
        raise InputError(
            f"endpoint {endpoint} is not on {chip.name}: expected 0 to {chip.cores - 1},"
            f" or {chip.cores} for the host"
        )
    return chip.host_node if endpoint == chip.cores else endpoint


def neighbour(chip: Chip, node: int, port: int) -> int | None:
    """Return the node behind a port, or None at the edge of the mesh and for LOCAL and HOST."""
    x, y = chip.position(node)
    if chip.noc.topology == "torus":
        return _ring_neighbour(chip, x, y, port)
    if port == EAST and x + 1 < chip.columns:
        return node + 1
    if port == WEST and x > 0:
        return node - 1
    if port == NORTH and y > 0:
        return node - chip.columns
    if port == SOUTH and y + 1 < chip.rows:
        return node + chip.columns
    return None


def _ring_neighbour(chip: Chip, x: int, y: int, port: int) -> int | None:
    dx = {EAST: 1, WEST: -1}.get(port, 0)
    dy = {SOUTH: 1, NORTH: -1}.get(port, 0)
    if (dx and chip.columns == 1) or (dy and chip.rows == 1) or not (dx or dy):
        return None
    return chip.node((x + dx) % chip.columns, (y + dy) % chip.rows)


def step(chip: Chip, at: int, to: int, size: int) -> int:
    """Return the next step along a row or column of `size`: +1 or -1, or 0 where it is reached."""
    if at == to:
        return 0
    if chip.noc.topology == "torus":
        return 1 if (to - at) % size <= size // 2 else -1
    return 1 if to > at else -1


def crosses_boundary(chip: Chip, hop: Hop) -> bool:
    """Whether a link leads from one reticle to the next."""
    node, port = hop
    target = neighbour(chip, node, port)
    return target is not None and _tile(chip, node) != _tile(chip, target)


def _tile(chip: Chip, node: int) -> tuple[int, int]:
    x, y = chip.position(node)
    wide, high = chip.boundary.tile_columns, chip.boundary.tile_rows
    return (x // wide if wide else 0, y // high if high else 0)


def xy_path(chip: Chip, source: int, destination: int) -> tuple[Hop, ...]:
    """List the router outputs crossed from `source` to `destination`, the ejection port last.

    Both are cores or the host's id; a core may send to itself (one hop, by LOCAL).
    """
    x, y = chip.position(entry_node(chip, source))
    to_x, to_y = chip.position(entry_node(chip, destination))
    hops: list[Hop] = []
    while dx := step(chip, x, to_x, chip.columns):
        hops.append((chip.node(x, y), EAST if dx > 0 else WEST))
        x = (x + dx) % chip.columns
    while dy := step(chip, y, to_y, chip.rows):
        hops.append((chip.node(x, y), SOUTH if dy > 0 else NORTH))
        y = (y + dy) % chip.rows
    hops.append((chip.node(x, y), HOST if destination == chip.cores else LOCAL))
    return tuple(hops)


def multicast_tree(
    chip: Chip, source: int, destinations: Iterable[int]
) -> dict[int, tuple[int, ...]]:
    """Unite the XY paths to `destinations`: node -> output ports, both ascending.

    It is a tree: two XY paths from one source, once apart, do not meet again.
    """
    ports: dict[int, set[int]] = {}
    for destination in destinations:
        for node, port in xy_path(chip, source, destination):
            ports.setdefault(node, set()).add(port)
    if not ports:
        raise InputError(f"a multicast from {source} needs at least one destination")
    return {node: tuple(sorted(ports[node])) for node in sorted(ports)}


def links(chip: Chip) -> tuple[Hop, ...]:
    """List all router outputs that lead somewhere, by node and port: mesh links, LOCAL and HOST."""
    found: list[Hop] = []
    for node in range(chip.cores):
        found += [(node, p) for p in OPPOSITE if neighbour(chip, node, p) is not None]
        found.append((node, LOCAL))
        if node == chip.host_node:
            found.append((node, HOST))
    return tuple(found)
