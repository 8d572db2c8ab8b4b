"""How many flits and cycles every route brings to every link: the closed form of the NoC.

It does not depend on time, so it must agree with what an engine has counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import (
    EAST,
    HOST,
    LOCAL,
    NORTH,
    PORT_NAMES,
    SOUTH,
    WEST,
    Hop,
    crosses_boundary,
    entry_node,
    links,
    multicast_tree,
    xy_path,
)
from seneca_sim.cost.timing import packet_flits, serialisation_cycles
from seneca_sim.engine.activity import Ints
from seneca_sim.program import EventStream, Program


def route_packets(chip: Chip, stream: EventStream) -> Ints:
    """Packets of each size in events, [routes, sizes], over all tokens."""
    size = chip.noc.packet_events
    counts = stream.counts
    found = np.zeros((counts.shape[0], size + 1), np.int64)
    routes = np.arange(counts.shape[0])
    for events in counts.T:
        full = np.maximum(events - 1, 0) // size  # full packets before the last one
        found[routes, size] += full
        found[routes, events - full * size] += 1
        if chip.core.completion == "announce":
            found[routes, 0] += events > 0
    return found


def link_loads(chip: Chip, program: Program, stream: EventStream) -> tuple[Ints, Ints]:
    """Flits [links] of the whole run, and link cycles [layers + 1, links] by receiving layer.

    The last row of the cycles is what goes to the host and what credits take.
    """
    number = {link: index for index, link in enumerate(links(chip))}
    far = np.array([crosses_boundary(chip, link) for link in number])
    layers = 1 + max((site.layer for site in program.sites), default=0)
    flits = np.zeros(len(number), np.int64)
    cycles = np.zeros((layers + 1, len(number)), np.int64)
    packets = route_packets(chip, stream)
    near, across = (_cycles(chip, bits) for bits in (chip.noc.link_bits, chip.boundary.link_bits))
    each = packets @ _flits(chip)
    for index, crossed in enumerate(_crossed(chip, program)):
        site = program.sites[program.routes[index].site]
        apart = site.kind == "credit" or program.host in program.destinations(index)
        busy = np.where(far[crossed], packets[index] @ across, packets[index] @ near)
        np.add.at(flits, crossed, each[index])
        np.add.at(cycles[layers if apart else site.layer], crossed, busy)
    return flits, cycles


def link_flits(chip: Chip, program: Program, stream: EventStream) -> Ints:
    """Flits [links] of the whole run; they depend on no width and no latency."""
    each = route_packets(chip, stream) @ _flits(chip)
    flits = np.zeros(len(links(chip)), np.int64)
    for index, crossed in enumerate(_crossed(chip, program)):
        np.add.at(flits, crossed, each[index])
    return flits


def _crossed(chip: Chip, program: Program) -> Iterator[Ints]:
    """Numbers of the links that each route crosses, in the order of `chip.mesh.links`."""
    number = {link: index for index, link in enumerate(links(chip))}
    table = np.full((chip.cores, len(PORT_NAMES)), -1, np.int64)
    for (node, port), index in number.items():
        table[node, port] = index
    fast = chip.noc.multicast == "tree" and chip.noc.topology == "mesh"
    known: dict[tuple[int, tuple[int, ...]], Ints] = {}  # a core's routes share destinations
    for index, route in enumerate(program.routes):
        way = route.source, program.destinations(index)
        if way not in known:
            known[way] = (
                tree_links(chip, table, *way)
                if fast
                else np.array([number[hop] for hop in _crossings(chip, *way)], np.int64)
            )
        yield known[way]


def tree_links(chip: Chip, table: Ints, source: int, targets: tuple[int, ...]) -> Ints:
    """The links of `multicast_tree` on a mesh, as ranges along the source's row and each column.

    Args:
        chip: a mesh.
        table: number of each link, [nodes, ports].
        source: core, or the host.
        targets: cores, or the host.
    """
    wide = chip.columns
    start = entry_node(chip, source)
    row, column = divmod(start, wide)
    ends = np.array([entry_node(chip, target) for target in targets])
    rows, columns = np.divmod(ends, wide)
    line = row * wide
    parts = [
        table[line + column : line + max(column, int(columns.max())), EAST],
        table[line + min(column, int(columns.min())) + 1 : line + column + 1, WEST],
    ]
    for x in np.unique(columns).tolist():
        reached = rows[columns == x]
        low, high = min(row, int(reached.min())), max(row, int(reached.max()))
        parts.append(table[row * wide + x : high * wide + x : wide, SOUTH])
        parts.append(table[(low + 1) * wide + x : row * wide + x + 1 : wide, NORTH])
    hosts = np.array(targets) == chip.cores
    parts.append(table[np.unique(ends[~hosts]), LOCAL])
    parts.append(table[ends[hosts][:1], HOST])
    return np.concatenate(parts)


def _crossings(chip: Chip, source: int, targets: tuple[int, ...]) -> list[Hop]:
    """The router outputs that a packet of a route crosses: its tree, or each way by itself."""
    if chip.noc.multicast == "unicast":
        return [hop for target in targets for hop in xy_path(chip, source, target)]
    tree = multicast_tree(chip, source, targets)
    return [(node, port) for node, ports in tree.items() for port in ports]


def _flits(chip: Chip) -> Ints:
    """Flits of a packet of 0, 1, 2 … events."""
    noc = chip.noc
    sizes = range(noc.packet_events + 1)
    return np.array([packet_flits(n, noc.header_flits, noc.event_flits) for n in sizes], np.int64)


def _cycles(chip: Chip, link_bits: int) -> Ints:
    """Cycles on a link of a packet of 0, 1, 2 … events."""
    flits = _flits(chip).tolist()
    cycles = [serialisation_cycles(n, chip.noc.flit_bits, link_bits) for n in flits]
    return np.array(cycles, np.int64)
