"""How many flits and cycles every route brings to every link: the closed form of the NoC.

It does not depend on time, so it must agree with what an engine has counted.
"""

from __future__ import annotations

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import links, multicast_tree
from seneca_sim.cost.timing import packet_flits, serialisation_cycles
from seneca_sim.engine.activity import Ints
from seneca_sim.program import EventStream, Program


def route_loads(chip: Chip, program: Program, stream: EventStream) -> tuple[Ints, Ints]:
    """Flits and link cycles, [routes] each, over all tokens of one crossing of a link."""
    size = chip.noc.packet_events
    flits_of, cycles_of = _packet_costs(chip)
    full = np.maximum(stream.counts - 1, 0) // size  # full packets before the last one
    last = stream.counts - full * size
    flits = full * flits_of[size] + flits_of[last]
    cycles = full * cycles_of[size] + cycles_of[last]
    return flits.sum(axis=1), cycles.sum(axis=1)


def link_loads(chip: Chip, program: Program, stream: EventStream) -> tuple[Ints, Ints]:
    """Flits [links] of the whole run, and link cycles [layers + 1, links] by receiving layer.

    The last row of the cycles is what goes to the host and what credits take.
    """
    number = {link: index for index, link in enumerate(links(chip))}
    layers = 1 + max((site.layer for site in program.sites), default=0)
    flits = np.zeros(len(number), np.int64)
    cycles = np.zeros((layers + 1, len(number)), np.int64)
    route_flits, route_cycles = route_loads(chip, program, stream)
    for index, route in enumerate(program.routes):
        targets = program.destinations(index)
        tree = multicast_tree(chip, route.source, targets)
        crossed = [number[node, port] for node, ports in tree.items() for port in ports]
        site = program.sites[route.site]
        apart = site.kind == "credit" or program.host in targets
        flits[crossed] += route_flits[index]
        cycles[layers if apart else site.layer, crossed] += route_cycles[index]
    return flits, cycles


def _packet_costs(chip: Chip) -> tuple[Ints, Ints]:
    """Flits and link cycles of a packet of 0, 1, 2 … events."""
    noc = chip.noc
    flits = [
        packet_flits(events, noc.header_flits, noc.event_flits)
        for events in range(noc.packet_events + 1)
    ]
    cycles = [serialisation_cycles(n, noc.flit_bits, noc.link_bits) for n in flits]
    return np.array(flits, np.int64), np.array(cycles, np.int64)
