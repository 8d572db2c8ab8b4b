"""Who sends to whom, read off a program once: tables that the value machine runs on."""

from __future__ import annotations

from dataclasses import dataclass

from seneca_sim.errors import InputError
from seneca_sim.functional.formats import EVENT_FORMATS
from seneca_sim.program import NO_REGION, NO_ROUTE, Consumer, Program


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
    if way.high > program.sites[way.site].width:
        raise _error(program, route, "sends channels that its site does not have")
    if way.buffer == NO_REGION:
        raise _error(program, route, "leaves no output buffer")
    buffer = program.regions[way.buffer]
    if way.low < buffer.low or way.high - buffer.low > buffer.rows:
        last = buffer.low + buffer.rows
        raise _error(program, route, f"leaves an output buffer of {buffer.low}:{last}")


def _check_consumer(program: Program, index: int, routes: tuple[int, ...]) -> None:
    taker = program.consumers[index]
    if taker.core == program.host:
        return
    if taker.kernel:
        _check_slice(program, taker)
        weights = program.regions[taker.weights]
        low, high = weights.column_low, weights.column_low + weights.columns
    else:
        low, high = program.regions[taker.target].low, program.regions[taker.target].high
    for route in routes:
        way = program.routes[route]
        if way.low < low or way.high > high:
            raise _error(program, route, f"reaches core {taker.core}, which takes {low}:{high}")


def _check_slice(program: Program, taker: Consumer) -> None:
    if taker.kernel not in EVENT_FORMATS:
        raise InputError(
            f"program {program.name}: values of kernel {taker.kernel!r} cannot be run; expected "
            f"one of {', '.join(EVENT_FORMATS)}"
        )
    weights, target = program.regions[taker.weights], program.regions[taker.target]
    bits = EVENT_FORMATS[taker.kernel].bits
    if weights.word_bits != bits:
        raise InputError(
            f"program {program.name}: {taker.kernel} on core {taker.core} reads weights of {bits} "
            f"bits, but {weights.name} has {weights.word_bits}"
        )
    for region in (weights, target):
        if taker.neurons > region.rows:
            raise InputError(
                f"program {program.name}: {taker.neurons} neurons on core {taker.core}, but "
                f"{region.name} has {region.rows} rows"
            )


def _error(program: Program, route: int, what: str) -> InputError:
    way = program.routes[route]
    site = program.sites[way.site].name
    return InputError(
        f"program {program.name}: route {route}, channels {way.low}:{way.high} of {site} from "
        f"core {way.source}, {what}"
    )
