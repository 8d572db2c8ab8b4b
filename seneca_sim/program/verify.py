"""The verifier: small rules that every program must keep; each says what is wrong in one line.

Compilers call it after lowering and engines may rely on it, so that no engine checks anything
that is a property of the program.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program.ir import HOST_STAGE, NO_REGION, NO_ROUTE, Ints, Program
from seneca_sim.program.passes import parts_of
from seneca_sim.program.verify_memory import (
    code_fits,
    fetches_have_a_channel,
    memory_fits,
    places_exist,
    regions_are_local,
    slices_match_rows,
)


def verify(program: Program, chip: Chip) -> None:
    """Check a program against every rule.

    Raises:
        CapacityError: data or code of a core is larger than its memory.
        InputError: any other rule is broken; the message names rule and place.
    """
    if program.passes:
        if sum(part.stages for part in program.passes) != len(program.stages):
            raise InputError(f"program {program.name}: its passes do not have all of its stages")
        for part in parts_of(program):
            verify(part, chip)
        return
    for rule in RULES:
        for problem in rule(program, chip):
            error = CapacityError if rule in (memory_fits, code_fits) else InputError
            raise error(f"program {program.name}: {problem}")


def chip_is_the_right_one(program: Program, chip: Chip) -> Iterator[str]:
    """The program is placed on as many cores as the chip has."""
    if program.cores != chip.cores:
        yield f"placed on {program.cores} cores, but chip {chip.name} has {chip.cores}"


def indices_exist(program: Program, chip: Chip) -> Iterator[str]:
    """Every index points into its table."""
    endpoints = range(program.cores + 1)
    if program.sequences < 1:
        yield f"{program.sequences} sequences; expected at least 1"
    for i, route in enumerate(program.routes):
        if not (
            route.site in range(len(program.sites))
            and route.destinations in range(len(program.core_sets))
            and route.source in endpoints
            and route.stage in range(HOST_STAGE, len(program.stages))
            and route.acknowledges in range(NO_ROUTE, len(program.routes))
            and route.buffer in range(NO_REGION, len(program.regions))
        ):
            yield f"route {i} points outside its tables"
    for i, cores in enumerate(program.core_sets):
        if not cores or len(set(cores)) != len(cores) or not _all_in(cores, endpoints):
            yield f"core set {i} is empty, repeats a core or names a missing one"
    for i, consumer in enumerate(program.consumers):
        if consumer.core not in endpoints or consumer.site not in range(len(program.sites)):
            yield f"consumer {i} points outside its tables"
    yield from places_exist(program)
    for i, stage in enumerate(program.stages):
        known = range(len(program.consumers)), range(len(program.routes))
        if not all(n in known[0] for n in stage.needs) or not all(
            e in known[1] for e in stage.emits
        ):
            yield f"stage {i} ({stage.name}) points outside its tables"


def _all_in(cores: tuple[int, ...], endpoints: range) -> bool:
    return all(isinstance(core, int) for core in cores) and (
        endpoints.start <= min(cores) <= max(cores) < endpoints.stop
    )


def stages_are_local(program: Program, chip: Chip) -> Iterator[str]:
    """A stage needs consumers of its own core, runs something, and sends from its own core."""
    for i, stage in enumerate(program.stages):
        if not stage.needs or not stage.steps:
            yield f"stage {stage.name} on core {stage.core} needs nothing or does nothing"
        for consumer in stage.needs:
            if program.consumers[consumer].core != stage.core:
                yield f"stage {stage.name} on core {stage.core} needs a consumer of another core"
        for number in stage.emits:
            route = program.routes[number]
            if route.source != stage.core or route.stage != i:
                yield f"stage {stage.name} on core {stage.core} sends another stage's route"


def routes_are_sent_once(program: Program, chip: Chip) -> Iterator[str]:
    """A route is sent once by its stage, or by the host; and the host gets an answer."""
    sent = Counter(number for stage in program.stages for number in stage.emits)
    for i, route in enumerate(program.routes):
        site = program.sites[route.site].name
        if route.stage == HOST_STAGE and route.source != program.host:
            yield f"route {i} of {site} leaves core {route.source}, but no stage sends it"
        if route.stage != HOST_STAGE and sent[i] != 1:
            yield f"route {i} of {site} is sent {sent[i]} times by its stage, not once"
    if not any(
        route.acknowledges == NO_ROUTE and program.host in program.destinations(i)
        for i, route in enumerate(program.routes)
    ):
        yield "nothing is sent to the host, so no token would ever be done"


def consumers_are_used_once(program: Program, chip: Chip) -> Iterator[str]:
    """Every consumer on a core belongs to one stage, and a (site, core) is one consumer."""
    uses = Counter(c for stage in program.stages for c in stage.needs)
    for i, consumer in enumerate(program.consumers):
        if consumer.core != program.host and uses[i] != 1:
            site = program.sites[consumer.site].name
            yield f"{site} on core {consumer.core} is needed by {uses[i]} stages, not by one"
    if len(program.consumer_at) != len(program.consumers):
        yield "two consumers take the same site on one core"


def routes_arrive(program: Program, chip: Chip) -> Iterator[str]:
    """Every destination has a consumer for the site (a credit goes back to its route's source)."""
    for i, route in enumerate(program.routes):
        if route.acknowledges != NO_ROUTE:
            for core in program.destinations(i):
                if core != program.routes[route.acknowledges].source:
                    yield f"credit route {i} goes to core {core}, not to its route's source"
    routes, cores, takers = program.deliveries
    for at in np.flatnonzero(takers < 0):
        site = program.sites[program.routes[routes[at]].site].name
        yield f"{site} is sent to core {cores[at]}, where nobody takes it"


def channels_are_covered(program: Program, chip: Chip) -> Iterator[str]:
    """The routes that reach a consumer bring every channel of its slice exactly once."""
    routes, _, takers = program.deliveries
    ends = np.array([(r.low, r.high) for r in program.routes] or [(0, 0)], np.int64)
    lows, highs = ends[routes, 0], ends[routes, 1]
    order = np.lexsort((highs, lows, takers))
    order = order[takers[order] >= 0]
    lows, highs, takers = lows[order], highs[order], takers[order]
    for i in _uncovered(program, lows, highs, takers):
        taker, (low, high) = program.consumers[i], program.channels_of(i)
        site = program.sites[taker.site].name
        mine = takers == i
        for start, stop in zip(lows[mine].tolist(), highs[mine].tolist(), strict=True):
            if start != low:
                yield f"{site} reaches core {taker.core} with channel {low} missing or doubled"
            low = stop
        if low != high:
            yield f"{site} reaches core {taker.core} up to channel {low} of {high}"


def _uncovered(program: Program, lows: Ints, highs: Ints, takers: Ints) -> list[int]:
    """Consumers whose sorted pieces do not join up from their first channel to their last."""
    count = len(program.consumers)
    wanted = np.array([program.channels_of(i) for i in range(count)] or [(0, 0)], np.int64)
    first = np.ones(takers.size, np.bool_)
    first[1:] = takers[1:] != takers[:-1]
    expected = np.where(first, wanted[takers, 0], np.roll(highs, 1))
    bad = np.zeros(count, np.bool_)
    bad[takers[lows != expected]] = True
    reached = wanted[:count, 0].copy()
    reached[takers] = highs  # sorted, so the last piece stays
    bad |= reached != wanted[:count, 1]
    found: list[int] = np.flatnonzero(bad).tolist()
    return found


def windows_are_answered(program: Program, chip: Chip) -> Iterator[str]:
    """Every destination of a windowed route sends exactly one credit back."""
    answers: dict[int, list[int]] = defaultdict(list)
    for route in program.routes:
        if route.acknowledges != NO_ROUTE:
            answers[route.acknowledges].append(route.source)
    for i, route in enumerate(program.routes):
        expected = sorted(program.destinations(i)) if route.window else []
        if sorted(answers[i]) != expected:
            site = program.sites[route.site].name
            yield f"route {i} of {site} is acknowledged by {sorted(answers[i])}, not by {expected}"


def no_cycle_in_a_token(program: Program, chip: Chip) -> Iterator[str]:
    """Within one token no stage waits, through others, for itself."""
    routes, _, takers = program.deliveries
    senders = np.array([r.stage for r in program.routes] or [0], np.int64)[routes]
    feeds = np.array(program.stage_of or [0], np.int64)[takers]
    inside = (senders != HOST_STAGE) & (takers >= 0) & (feeds >= 0)
    unmet = np.bincount(feeds[inside], minlength=len(program.stages))
    edges = _Edges(senders[inside], feeds[inside], len(program.stages))
    ready, seen = np.flatnonzero(unmet == 0), 0
    while ready.size:
        seen += ready.size
        fed, times = np.unique(edges.of(ready), return_counts=True)
        unmet[fed] -= times
        ready = fed[unmet[fed] == 0]
    if seen < len(program.stages):
        stuck = int(np.flatnonzero(unmet > 0)[0])
        stage_name = program.stages[stuck].name
        yield f"stage {stage_name} on core {program.stages[stuck].core} waits for itself"


class _Edges:
    """Who feeds whom, by sender."""

    def __init__(self, senders: Ints, feeds: Ints, stages: int) -> None:
        self.feeds = feeds[np.argsort(senders, kind="stable")]
        self.sizes = np.bincount(senders, minlength=stages)
        self.starts = np.cumsum(self.sizes) - self.sizes

    def of(self, senders: Ints) -> Ints:
        """All stages that these stages feed, as often as they do."""
        sizes = self.sizes[senders]
        shift = np.repeat(self.starts[senders] - (np.cumsum(sizes) - sizes), sizes)
        fed: Ints = self.feeds[shift + np.arange(shift.size)]
        return fed


RULES = (
    chip_is_the_right_one,
    indices_exist,
    regions_are_local,
    stages_are_local,
    routes_are_sent_once,
    consumers_are_used_once,
    routes_arrive,
    channels_are_covered,
    windows_are_answered,
    slices_match_rows,
    memory_fits,
    code_fits,
    fetches_have_a_channel,
    no_cycle_in_a_token,
)
"""In order: later rules may rely on earlier ones."""
