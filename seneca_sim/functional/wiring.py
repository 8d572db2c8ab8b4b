"""Who sends to whom, read off a program once: tables that the value machine runs on."""

from __future__ import annotations

from dataclasses import dataclass

from seneca_sim.errors import InputError
from seneca_sim.program import NO_REGION, NO_ROUTE, Program

EVENT_KERNELS = ("event_bf16",)
"""Event kernels whose values can be run in a program."""


@dataclass(frozen=True)
class Wiring:
    """Routes and consumers of a program, from either side.

    Attributes:
        takers: for every route, the consumers that it reaches; a credit reaches none.
        incoming: for every consumer, its routes in the order of their channels.
    """

    takers: tuple[tuple[int, ...], ...]
    incoming: tuple[tuple[int, ...], ...]


def wire(program: Program) -> Wiring:
    """Build the tables.

    Raises:
        InputError: values cannot run on this program: a route ends where nobody takes it or does
            not fit its buffer or the place where it is stored, or a kernel has no values.
    """
    takers = tuple(_takers(program, route) for route in range(len(program.routes)))
    incoming: list[list[int]] = [[] for _ in program.consumers]
    for route, consumers in enumerate(takers):
        for consumer in consumers:
            incoming[consumer].append(route)
    for routes in incoming:
        routes.sort(key=lambda route: (program.routes[route].low, route))
    wiring = Wiring(takers, tuple(map(tuple, incoming)))
    for route in range(len(program.routes)):
        _check_buffer(program, route)
    for consumer in range(len(program.consumers)):
        _check_consumer(program, consumer, wiring.incoming[consumer])
    return wiring


def _takers(program: Program, route: int) -> tuple[int, ...]:
    way = program.routes[route]
    if way.acknowledges != NO_ROUTE:
        return ()
    found = [program.consumer_at.get((way.site, core)) for core in program.destinations(route)]
    if None in found:
        core = program.destinations(route)[found.index(None)]
        raise _error(program, route, f"ends at core {core}, where nobody takes it")
    return tuple(consumer for consumer in found if consumer is not None)


def _check_buffer(program: Program, route: int) -> None:
    way = program.routes[route]
    if way.acknowledges != NO_ROUTE or way.stage < 0:
        return
    rows = 0 if way.buffer == NO_REGION else program.regions[way.buffer].rows
    if rows < way.high - way.low:
        raise _error(program, route, f"leaves an output buffer of {rows} words")
    if way.high > program.sites[way.site].width:
        raise _error(program, route, "sends channels that its site does not have")


def _check_consumer(program: Program, index: int, routes: tuple[int, ...]) -> None:
    taker = program.consumers[index]
    if taker.core == program.host:
        return
    low, high = 0, program.regions[taker.weights].columns if taker.kernel else 0
    if taker.kernel and taker.kernel not in EVENT_KERNELS:
        raise InputError(
            f"program {program.name}: values of kernel {taker.kernel!r} cannot be run; expected "
            f"{' or '.join(EVENT_KERNELS)}"
        )
    for place in (taker.weights, taker.target) if taker.kernel else ():
        region = program.regions[place]
        if taker.neurons > region.rows:
            raise InputError(
                f"program {program.name}: {taker.neurons} neurons on core {taker.core}, but "
                f"{region.name} has {region.rows} rows"
            )
    if not taker.kernel:
        low, high = program.regions[taker.target].low, program.regions[taker.target].high
    for route in routes:
        way = program.routes[route]
        if way.low < low or way.high > high:
            raise _error(program, route, f"reaches core {taker.core}, which takes {low}:{high}")


def _error(program: Program, route: int, what: str) -> InputError:
    way = program.routes[route]
    site = program.sites[way.site].name
    return InputError(
        f"program {program.name}: route {route}, channels {way.low}:{way.high} of {site} from "
        f"core {way.source}, {what}"
    )
