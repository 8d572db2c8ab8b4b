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

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.errors import DeadlockError, InputError
from seneca_sim.functional.arithmetic import Apply, arithmetic
from seneca_sim.functional.binding import Binder, Call
from seneca_sim.functional.formats import EVENT_FORMATS, sums_of, words_of
from seneca_sim.functional.image import ELEMENT_BITS, MemoryImage
from seneca_sim.functional.lanes import lanes_of
from seneca_sim.functional.precision import Floats, Words, decode, encode
from seneca_sim.functional.wiring import wire
from seneca_sim.program import NO_ROUTE, Consumer, Program

Vectors = Mapping[str, Floats]


class Events(NamedTuple):
    """What a route carries for a token: channels ascending, int64, and their values as words."""

    channels: NDArray[np.int64]
    values: Words


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
    interpret: bool = False,
) -> Iterator[dict[str, Floats]]:
    """Run tokens one after another; yields, for each, the vector of every site by name.

    The image says at which precision. At bf16 everything is rounded as on the chip: what the host
    sends, thresholds, recorded values, and every single operation.

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
        interpret: run the micro-kernels' own texts, instruction by instruction, instead of the
            compiled functions; bf16 only, the same bits, thousands of times slower.

    Raises:
        InputError: values cannot run on this program, or an input is missing.
        DeadlockError: a stage waits for something that nobody sends.
    """
    machine = ValueMachine(program, image, thresholds or {}, interpret=interpret)
    tokens = min(len(vector) for vector in inputs.values())
    for t in range(tokens):
        now = {name: vectors[t] for name, vectors in (recorded or {}).items()}
        yield machine.token({name: vectors[t] for name, vectors in inputs.items()}, now)


class ValueMachine:
    """A program on its memory image, ready for one token after another; see `run_values`."""

    def __init__(
        self,
        program: Program,
        image: MemoryImage,
        thresholds: Mapping[str, float],
        *,
        interpret: bool = False,
    ) -> None:
        self.program, self.image = program, image
        self.tokens = 0
        lanes = lanes_of(program)
        self._arithmetic = arithmetic(image.dtype, lanes, interpret=interpret)
        self._binder = Binder(
            program, image, self._arithmetic.steps, lanes, self._arithmetic.padded
        )
        self._wiring = wire(program)
        self._stage_of = program.stage_of
        self._thresholds = [thresholds.get(site.name, 0.0) for site in program.sites]
        if self._arithmetic.padded:
            self._thresholds = [float(round_bf16(t)) for t in self._thresholds]
        self._store_thresholds(thresholds)
        self._answers = {c.site for c in program.consumers if c.core == program.host}
        self._period = math.lcm(1, *(region.copies for region in program.regions))
        self._calls: dict[tuple[int, int], tuple[Call, ...]] = {}
        self._wave = self._begin({})
        self._appliers = [self._applier(taker, lanes) for taker in program.consumers]

    def token(self, inputs: Vectors, recorded: Vectors) -> dict[str, Floats]:
        """Run the next token on vectors [width]; returns the vector of every site by name.

        Raises:
            InputError: a site that the host sends has no input.
        """
        program = self.program
        wave = self._wave = self._begin(recorded)
        for index in program.host_routes:
            route = program.routes[index]
            name = program.sites[route.site].name
            if name not in inputs:
                raise InputError(f"program {program.name}: no input for site {name}")
            values = encode(inputs[name][route.low : route.high], self.image.dtype)
            self._send(index, values)
        with np.errstate(all="ignore"):  # what is not finite shows in the values
            while wave.ready:
                self._run_stage(wave.ready.popleft())
        self._check_finished()
        self.tokens += 1
        return wave.own

    def _applier(self, taker: Consumer, lanes: int) -> Apply | None:
        """What applies events for a consumer; the compiled loops check no bounds, so here."""
        if not taker.kernel:
            return None
        weights, target = (self.program.regions[i] for i in (taker.weights, taker.target))
        words = sums = taker.neurons
        if self._arithmetic.padded or EVENT_FORMATS[taker.kernel].width > 1:
            words = words_of(taker.kernel, taker.neurons, lanes)
            sums = sums_of(taker.kernel, taker.neurons, lanes)
        self.image.columns(weights, words)
        self.image.table(target, target.copies - 1, rows=sums)
        return self._arithmetic.events(taker.kernel, taker.neurons)

    def _store_thresholds(self, thresholds: Mapping[str, float]) -> None:
        """Write them into the words of memory that kernels compare with."""
        for region in self.program.regions:
            kind, _, site = region.tensor.partition(":")
            if kind == "threshold":
                value = encode(thresholds.get(site, 0.0), self.image.dtype)
                self.image.table(region)[:] = value

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
            self._calls[key] = self._binder.stage(*key)
        for function, views in self._calls[key]:
            function(*views)
        for emitted in self.program.stages[index].emits:
            route = self.program.routes[emitted]
            if route.acknowledges == NO_ROUTE:
                region = self.program.regions[route.buffer]
                buffer = self.image.view(region, self.tokens)
                self._send(emitted, buffer[route.low - region.low : route.high - region.low])

    # -- routes ------------------------------------------------------------------------------

    def _send(self, index: int, values: Words) -> None:
        """Choose a route's events and deliver them to every destination."""
        wave, route = self._wave, self.program.routes[index]
        wave.sent[index] = self._events(index, values)
        if route.site not in self._answers:
            own = wave.own[self.program.sites[route.site].name]
            own[route.low : route.high] = decode(values)
        for consumer in self._wiring.takers[index]:
            wave.missing[consumer] -= 1
            if not wave.missing[consumer]:
                self._complete(consumer)

    def _events(self, index: int, values: Words) -> Events:
        route = self.program.routes[index]
        site, threshold = self.program.sites[route.site], self._thresholds[route.site]
        recorded = self._wave.recorded.get(site.name)
        if recorded is not None and route.site not in self._answers:
            values = encode(recorded[route.low : route.high], self.image.dtype)
            threshold = 0.0
        if site.kind == "events":
            return Events(*self._arithmetic.fire(values, threshold, route.low))
        return Events(np.arange(route.low, route.high), np.array(values))

    def _complete(self, index: int) -> None:
        """All routes of a consumer have delivered: apply or store, and start what waited."""
        wave, taker = self._wave, self.program.consumers[index]
        channels, values = events = self._gather(self._wiring.incoming[index])
        if taker.core == self.program.host:
            wave.own[self.program.sites[taker.site].name][channels] = decode(values)
            return
        applier = self._appliers[index]
        if applier is not None:
            self._apply(applier, taker, events)
        else:
            region = self.program.regions[taker.target]
            place = self.image.table(region, self.tokens)
            place[:] = 0
            at = channels - region.low  # consecutive channels go to consecutive columns
            place[at % region.columns, at // region.columns] = values
        stage = self._stage_of[index]
        wave.unmet[stage] -= 1
        if not wave.unmet[stage]:
            wave.ready.append(stage)

    def _apply(self, applier: Apply, taker: Consumer, events: Events) -> None:
        weights = self.program.regions[taker.weights]
        target = self.image.start(self.program.regions[taker.target], self.tokens)
        stride = weights.stride_bits // ELEMENT_BITS
        start = self.image.start(weights) - weights.column_low * stride  # column of channel 0
        applier(self.image.words[taker.core], target, start, stride, *events)

    def _gather(self, routes: tuple[int, ...]) -> Events:
        """Put the events of several routes into canonical order; consumers of a site share it."""
        if len(routes) == 1:
            return self._wave.sent[routes[0]]
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
