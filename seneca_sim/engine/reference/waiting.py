"""Who waits for whom when nothing moves: a deadlock error names the cycle, or the parts that wait.

Places are controllers, input and output queues, and router inputs. A place waits for another when
the other must give room, or do work, before the first can go on.
"""

from __future__ import annotations

from seneca_sim.chip.mesh import HOST, LOCAL, OPPOSITE, PORT_NAMES, neighbour
from seneca_sim.engine.reference.machine import Machine

_SHOWN = 6
Place = tuple[str, int, int]
"""(kind, node or core, input port of a router; 0 elsewhere)."""


def waiting_parts(machine: Machine) -> str:
    """Name the cycle of waiting parts; where there is none, the parts that still hold work."""
    cycle = find_cycle(wait_for(machine))
    if cycle:
        return "waiting in a cycle: " + " -> ".join(_name(place) for place in [*cycle, cycle[0]])
    found = _holding(machine)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "waiting: " + ("; ".join(found[:_SHOWN]) + more if found else "the host")


def wait_for(machine: Machine) -> dict[Place, list[Place]]:
    """The wait-for relation at a standstill, in a fixed order."""
    graph: dict[Place, list[Place]] = {}
    for controller in machine.controllers:
        core = controller.core
        if controller.inputs.packets:
            graph["input queue", core, 0] = [("controller", core, 0)]
        if controller.generator.output:
            graph["controller", core, 0] = [("output queue", core, 0)]
    for (node, index), buffer in sorted(machine.buffers.items()):
        if buffer.packets:
            targets = [
                _behind(machine, node, port)
                for port in buffer.packets[0].tree[node]
                if index in buffer.outputs[port].requests
            ]
            graph[_place(node, index)] = [place for place in targets if place is not None]
    return graph


def find_cycle(graph: dict[Place, list[Place]]) -> list[Place]:
    """A cycle of a directed graph, the first found from its nodes in order; empty if none."""
    done: set[Place] = set()
    for start in graph:
        path: list[Place] = []
        stack = [(start, iter(graph.get(start, ())))]
        on_path = {start: 0}
        path.append(start)
        while stack:
            place, successors = stack[-1]
            following = next(successors, None)
            if following is None:
                done.add(place)
                stack.pop()
                on_path.pop(path.pop())
            elif following in on_path:
                return path[on_path[following] :]
            elif following not in done:
                on_path[following] = len(path)
                path.append(following)
                stack.append((following, iter(graph.get(following, ()))))
    return []


def _behind(machine: Machine, node: int, port: int) -> Place | None:
    """The place at the far end of a link; the host never makes anybody wait."""
    if port == LOCAL:
        return "input queue", node, 0
    if port == HOST:
        return None
    target = neighbour(machine.chip, node, port)
    return None if target is None else _place(target, OPPOSITE[port])


def _place(node: int, index: int) -> Place:
    return ("output queue", node, 0) if index == LOCAL else ("router", node, index)


def _name(place: Place) -> str:
    kind, where, index = place
    return f"router {where} {PORT_NAMES[index]} input" if kind == "router" else f"{kind} {where}"


def _holding(machine: Machine) -> list[str]:
    found = [
        f"{_name(_place(node, index))} ({len(buffer.packets)} packets)"
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
    return found


def _site_of(machine: Machine, item: int) -> str:
    return machine.program.sites[machine.program.consumers[item].site].name
