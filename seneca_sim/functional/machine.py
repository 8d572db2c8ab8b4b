"""ValueMachine: runs tokens through a program's stages and routes, without time.

A token is a wave: the host's routes deliver, a consumer is complete when all its routes have
delivered, a stage runs when all its consumers are complete and sends from its output buffers.
Events are applied in ascending order of channels, so no order of arrival can change a value.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import DeadlockError, InputError
from seneca_sim.functional.binding import Call, bind_stage
from seneca_sim.functional.image import ELEMENT_BITS, MemoryImage
from seneca_sim.functional.kernels import apply_events, fire
from seneca_sim.functional.wiring import wire
from seneca_sim.program import NO_ROUTE, Consumer, Program

Floats = NDArray[np.float32]
Vectors = Mapping[str, Floats]


class Events(NamedTuple):
    """What a route carries for a token: channels ascending, int64, and their values."""

    channels: NDArray[np.int64]
    values: Floats


@dataclass(slots=True)
class _Wave:
    """What there is of one token while it runs."""

    recorded: Vectors
    missing: list[int]  # routes that a consumer waits for
    unmet: list[int]  # consumers that a stage waits for
    own: dict[str, Floats]
    sent: dict[int, Events] = field(default_factory=dict)
    gathered: dict[tuple[int, ...], Events] = field(default_factory=dict)
    ready: deque[int] = field(default_factory=deque)


def run_values(
    program: Program,
    image: MemoryImage,
    inputs: Vectors,
    *,
    thresholds: Mapping[str, float] | None = None,
    recorded: Vectors | None = None,
) -> Iterator[dict[str, Floats]]:
    """Run tokens one after another; yields, for each, the vector of every site by name.

    A vector is what the program computed, before the threshold, or for a site that the host takes
    what has arrived there; channels that no route brought are NaN. The image's states move on.

    Args:
        program: what runs.
        image: the memories, filled from the same program.
        inputs: what the host sends, float32 [tokens, width] for each of its sites.
        thresholds: T by sparse site; 0 for sites that are not named.
        recorded: float32 [tokens, width] by site: delivered in place of the program's own values,
            so that errors do not add up. At a sparse site what is not 0 is an event. Sites that
            the host takes are never replaced.

    Raises:
        InputError: values cannot run on this program, or an input is missing.
        DeadlockError: a stage waits for something that nobody sends.
    """
    machine = ValueMachine(program, image, thresholds or {})
    tokens = min(len(vector) for vector in inputs.values())
    for t in range(tokens):
        now = {name: vectors[t] for name, vectors in (recorded or {}).items()}
        yield machine.token({name: vectors[t] for name, vectors in inputs.items()}, now)


class ValueMachine:
    """A program on its memory image, ready for one token after another; see `run_values`."""

    def __init__(
        self, program: Program, image: MemoryImage, thresholds: Mapping[str, float]
    ) -> None:
        self.program, self.image = program, image
        self.tokens = 0
        self._wiring = wire(program)
        self._stage_of = program.stage_of
        self._thresholds = [thresholds.get(site.name, 0.0) for site in program.sites]
        self._answers = {c.site for c in program.consumers if c.core == program.host}
        self._period = math.lcm(1, *(region.copies for region in program.regions))
        self._calls: dict[tuple[int, int], tuple[Call, ...]] = {}
        self._wave = self._begin({})
        for taker in program.consumers:
            if taker.kernel:  # the compiled loop checks no bounds
                image.table(program.regions[taker.weights])
                target = program.regions[taker.target]
                image.table(target, target.copies - 1)

    def token(self, inputs: Vectors, recorded: Vectors) -> dict[str, Floats]:
        """Run the next token on vectors [width]; returns the vector of every site by name."""
        program = self.program
        wave = self._wave = self._begin(recorded)
        for index in program.host_routes:
            route = program.routes[index]
            name = program.sites[route.site].name
            if name not in inputs:
                raise InputError(f"program {program.name}: no input for site {name}")
            self._send(index, inputs[name][route.low : route.high])
        with np.errstate(all="ignore"):  # what is not finite shows in the values
            while wave.ready:
                self._run_stage(wave.ready.popleft())
        self._check_finished()
        self.tokens += 1
        return wave.own

    def _begin(self, recorded: Vectors) -> _Wave:
        sites = (site for site in self.program.sites if site.kind != "credit")
        return _Wave(
            recorded,
            missing=[len(routes) for routes in self._wiring.incoming],
            unmet=[len(stage.needs) for stage in self.program.stages],
            own={site.name: np.full(site.width, np.nan, np.float32) for site in sites},
        )

    def _check_finished(self) -> None:
        for taker, missing, routes in zip(
            self.program.consumers, self._wave.missing, self._wiring.incoming, strict=True
        ):
            if missing or not routes:
                raise DeadlockError(
                    f"program {self.program.name}: token {self.tokens} cannot go on: core "
                    f"{taker.core} has {self.program.sites[taker.site].name} from "
                    f"{len(routes) - missing} of {len(routes)} sources"
                )

    # -- stages ------------------------------------------------------------------------------

    def _run_stage(self, index: int) -> None:
        key = index, self.tokens % self._period
        if key not in self._calls:
            self._calls[key] = bind_stage(self.program, self.image, self._wiring, *key)
        for function, views in self._calls[key]:
            function(*views)
        for emitted in self.program.stages[index].emits:
            route = self.program.routes[emitted]
            if route.acknowledges == NO_ROUTE:
                buffer = self.image.view(self.program.regions[route.buffer], self.tokens)
                self._send(emitted, buffer[: route.high - route.low])

    # -- routes ------------------------------------------------------------------------------

    def _send(self, index: int, values: Floats) -> None:
        """Choose a route's events and deliver them to every destination."""
        wave, route = self._wave, self.program.routes[index]
        wave.sent[index] = self._events(index, values)
        if route.site not in self._answers:
            wave.own[self.program.sites[route.site].name][route.low : route.high] = values
        for consumer in self._wiring.takers[index]:
            wave.missing[consumer] -= 1
            if not wave.missing[consumer]:
                self._complete(consumer)

    def _events(self, index: int, values: Floats) -> Events:
        route = self.program.routes[index]
        site, threshold = self.program.sites[route.site], self._thresholds[route.site]
        recorded = self._wave.recorded.get(site.name)
        if recorded is not None and route.site not in self._answers:
            values, threshold = recorded[route.low : route.high], 0.0
        if site.kind == "events":
            return Events(*fire(values, threshold, route.low))
        return Events(np.arange(route.low, route.high), np.array(values))

    def _complete(self, index: int) -> None:
        """All routes of a consumer have delivered: apply or store, and start what waited."""
        wave, taker = self._wave, self.program.consumers[index]
        channels, values = events = self._gather(self._wiring.incoming[index])
        if taker.core == self.program.host:
            wave.own[self.program.sites[taker.site].name][channels] = values
            return
        if taker.kernel:
            self._apply(taker, events)
        else:
            region = self.program.regions[taker.target]
            place = self.image.view(region, self.tokens)
            place[:] = 0
            place[channels - region.low] = values
        stage = self._stage_of[index]
        wave.unmet[stage] -= 1
        if not wave.unmet[stage]:
            wave.ready.append(stage)

    def _apply(self, taker: Consumer, events: Events) -> None:
        weights = self.program.regions[taker.weights]
        target = self.image.start(self.program.regions[taker.target], self.tokens)
        stride, start = weights.stride_bits // ELEMENT_BITS, self.image.start(weights)
        words = self.image.words[taker.core]
        apply_events(words, target, start, stride, taker.neurons, *events)

    def _gather(self, routes: tuple[int, ...]) -> Events:
        """Put the events of several routes into canonical order; consumers of a site share it."""
        gathered = self._wave.gathered
        if routes not in gathered:
            parts = [self._wave.sent[route] for route in routes]
            channels = np.concatenate([part.channels for part in parts])
            values = np.concatenate([part.values for part in parts])
            if np.any(channels[1:] <= channels[:-1]):  # only where routes overlap
                order = np.argsort(channels, kind="stable")
                channels, values = channels[order], values[order]
            gathered[routes] = Events(channels, values)
        return gathered[routes]
