"""Who waits for whom when nothing moves: the text of a deadlock error."""

from __future__ import annotations

from seneca_sim.chip.mesh import PORT_NAMES
from seneca_sim.engine.reference.machine import Machine

_SHOWN = 6


def waiting_parts(machine: Machine) -> str:
    """Name the parts that still hold work, at most a handful of them."""
    found = [
        f"router {node} input {PORT_NAMES[index]} ({len(buffer.packets)} packets)"
        for (node, index), buffer in sorted(machine.buffers.items())
        if buffer.packets
    ]
    for controller in machine.controllers:
        if controller.generator.output:
            packet = controller.generator.output[0]
            site = machine.program.sites[machine.program.routes[packet.route].site].name
            found.append(f"core {controller.core} output of {site}, token {packet.token}")
        found += [
            f"core {controller.core} {_site_of(machine, item)} of token {token}: "
            f"{vector.ends} of {machine.program.sources[item]} sources ended"
            for (item, token), vector in sorted(controller.vectors.items())
        ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more if found else "the host"


def _site_of(machine: Machine, item: int) -> str:
    return machine.program.sites[machine.program.consumers[item].site].name
