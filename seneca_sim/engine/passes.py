"""Programs in passes: each pass is loaded, then run by an engine, and all is put together.

A *turn* is what goes through all passes together: in generation one token of each sequence, in
pipelined mode all tokens. The chip is empty between passes, so each run is one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.engine.activity import (
    POWER_WINDOW_CYCLES,
    WHOLE_RUN,
    Activity,
    Ints,
    Mode,
)
from seneca_sim.engine.pass_logs import PassLogs
from seneca_sim.errors import InputError
from seneca_sim.program import EventStream, Program
from seneca_sim.program.passes import Load, load_of, parts_of

_WRITE = OP_INDEX["dm.write_word"]
_BY_CORE = (
    "controller_busy", "controller_blocked", "npe_busy", "generator_busy", "npe_starved",
    "core_active", "channel_busy", "channel_bits", "output_blocked", "link_flits", "link_packets",
    "link_busy", "link_blocked",
)  # fmt: skip
_PEAKS = ("input_peak", "output_peak", "fifo_peak")
_BY_ITEM = ("item_events_in", "item_events_out", "item_npe_cycles")


def simulate_passes(
    simulate: Callable[..., Activity],
    chip: Chip,
    program: Program,
    stream: EventStream,
    *,
    mode: Mode = "generation",
    window_cycles: int = POWER_WINDOW_CYCLES,
    progress: Callable[[int], None] | None = None,
    **logs: Any,
) -> Activity:
    """Run a program with an engine, pass after pass if it has passes.

    Args:
        simulate: of an engine.
        chip: the hardware; with off-core memory where there are passes.
        program: any.
        stream: events per route and token, of all passes.
        mode: ``generation`` or ``pipelined``.
        window_cycles: width of the windows of `Activity.window_ops`.
        progress: called with the number of tokens done.
        logs: further options of the engine. Logs are those of the whole run, loads included.

    Raises:
        InputError: what an engine raises.
        CapacityError: a log would have more rows than `log_window` allows.
    """
    if not program.passes:
        return simulate(
            chip, program, stream, mode=mode, window_cycles=window_cycles, progress=progress, **logs
        )
    if stream.counts.shape[0] != len(program.routes) or not stream.tokens:
        raise InputError("event stream: make the stream from this program, of at least one token")
    kept = PassLogs(
        logs.get("log_packets", False),
        logs.get("log_slices", False),
        logs.get("log_window", WHOLE_RUN),
    )
    run = _Run(simulate, chip, program, stream, mode, window_cycles, kept)
    for done in run.turns():
        if progress is not None:
            progress(done)
    return run.activity()


class _Run:
    """Adds up one engine run after another; `now` is the cycle that has been reached."""

    def __init__(
        self,
        simulate: Callable[..., Activity],
        chip: Chip,
        program: Program,
        stream: EventStream,
        mode: Mode,
        window_cycles: int,
        logs: PassLogs,
    ) -> None:
        self.logs = logs
        self.simulate, self.chip, self.program, self.stream = simulate, chip, program, stream
        self.parts = parts_of(program)
        self.loads = [load_of(part, chip) for part in self.parts]
        self.width = window_cycles
        self.turn = program.sequences if mode == "generation" else stream.tokens
        tokens, items = stream.tokens, len(program.consumers) + len(program.stages) + 1
        self.memory = OP_INDEX[f"mem.{chip.memory.kind.replace('-', '_')}_bit"]
        self.item_ops = np.zeros((items, len(OPS)), np.int64)
        self.token_ops = np.zeros((tokens, len(OPS)), np.int64)
        self.window_ops = np.zeros((1, len(OPS)), np.int64)
        self.item_load_bits = np.zeros(items, np.int64)
        self.start, self.done = np.zeros((2, tokens), np.int64)
        self.stage_done = np.zeros((len(program.stages), tokens), np.int64)
        self.by_item = {name: np.zeros(items, np.int64) for name in _BY_ITEM}
        self.sums: dict[str, Ints] = {}
        self.totals = dict.fromkeys(("wakeups", "packet_hops", "deliveries", "loading"), 0)
        self.now = self.loaded = 0  # cycles: the chip is free; the weights of the next pass are in
        self.engine = ""

    def turns(self) -> Iterator[int]:
        """Run turn after turn; yields the tokens that are done."""
        for low in range(0, self.stream.tokens, self.turn):
            high = min(low + self.turn, self.stream.tokens)
            self.start[low:high] = self.now
            for number in range(len(self.parts)):
                self._pass(number, low, high)
            yield high

    def _pass(self, number: int, low: int, high: int) -> None:
        """Load, unless that was done ahead, then run."""
        last = high == self.stream.tokens and number == len(self.parts) - 1
        if not self.program.ahead or (low, number) == (0, 0):
            self._load(number, low, high, self.now)
        self.totals["loading"] += max(0, self.loaded - self.now)
        self.now = max(self.now, self.loaded)
        if self.program.ahead and not last:
            following = (number + 1) % len(self.parts)
            first = low if following else high
            self._load(following, first, min(first + self.turn, self.stream.tokens), self.now)
        base = self.now // self.width * self.width
        found = self.simulate(
            self.chip,
            self.parts[number],
            EventStream(np.ascontiguousarray(self.stream.counts[self._rows(number), low:high])),
            mode="pipelined",
            window_cycles=self.width,
            first_cycle=self.now - base,
            **self.logs.options(base),
        )
        self._add(number, low, high, found, base)
        self.now = found.cycles + base

    def _rows(self, number: int) -> slice:
        start = sum(p.routes for p in self.program.passes[:number])
        return slice(start, start + self.program.passes[number].routes)

    def _items(self, number: int) -> Ints:
        """Item of the whole program for every item of a pass; the host is the last of both."""
        passes, all_consumers = self.program.passes, len(self.program.consumers)
        consumers = sum(p.consumers for p in passes[:number])
        stages = all_consumers + sum(p.stages for p in passes[:number])
        return np.concatenate(
            (
                np.arange(consumers, consumers + passes[number].consumers),
                np.arange(stages, stages + passes[number].stages),
                [len(self.item_ops) - 1],
            )
        )

    # -- adding up ---------------------------------------------------------------------------

    def _load(self, number: int, low: int, high: int, since: int) -> None:
        """Book a load, its bits evenly over its cycles and over the tokens of the turn."""
        load, items = self.loads[number], self._items(number)
        self.loaded = since + load.cycles
        words = 0
        for item, bits in load.items.items():
            row = int(items[item])
            self.item_ops[row, [self.memory, _WRITE]] += bits, bits // 16
            self.item_load_bits[row] += bits
            words += bits // 16
        for op, amount in ((self.memory, load.bits), (_WRITE, words)):
            shares = np.diff(amount * np.arange(high - low + 1) // (high - low))
            self.token_ops[low:high, op] += shares
            self._spread(op, amount, since, load.cycles)
        self._channels(load)
        self.logs.load(load, number, low, since, self.chip.memory.channel_bits)

    def _spread(self, op: int, amount: int, since: int, cycles: int) -> None:
        windows = np.arange(since // self.width, (since + cycles - 1) // self.width + 1)
        self._longer(int(windows[-1]) + 1)
        edges = np.clip(np.append(windows, windows[-1] + 1) * self.width - since, 0, cycles)
        parts = [amount * int(edge) // cycles for edge in edges]
        self.window_ops[windows, op] += np.diff(np.array(parts, np.int64))

    def _channels(self, load: Load) -> None:
        count = self.chip.channel(self.chip.cores - 1) + 1
        bits = np.zeros(count, np.int64)
        bits[list(load.channels)] = list(load.channels.values())
        self._sum("channel_bits", bits)
        self._sum("channel_busy", -(-bits // self.chip.memory.channel_bits))

    def _sum(self, name: str, values: Ints) -> None:
        self.sums[name] = self.sums[name] + values if name in self.sums else values.copy()

    def _longer(self, windows: int) -> None:
        more = windows - len(self.window_ops)
        if more > 0:
            grown = max(more, len(self.window_ops))
            self.window_ops = np.pad(self.window_ops, ((0, grown), (0, 0)))

    def _add(self, number: int, low: int, high: int, found: Activity, base: int) -> None:
        self.engine = found.engine
        items = self._items(number)
        self.logs.add(found, base, self._rows(number).start, low, items)
        self.item_ops[items] += found.item_ops
        self.token_ops[low:high] += found.token_ops
        first = base // self.width
        self._longer(first + len(found.window_ops))
        self.window_ops[first : first + len(found.window_ops)] += found.window_ops
        self.done[low:high] = found.token_done + base
        stage = int(items[len(self.parts[number].consumers)]) - len(self.program.consumers)
        self.stage_done[stage : stage + len(found.stage_done), low:high] = found.stage_done + base
        for name in _BY_ITEM:
            self.by_item[name][items] += getattr(found, name)
        for name in _BY_CORE:
            self._sum(name, getattr(found, name))
        for name in _PEAKS:
            peak = getattr(found, name)
            self.sums[name] = np.maximum(self.sums[name], peak) if name in self.sums else peak
        for name in ("wakeups", "packet_hops", "deliveries"):
            self.totals[name] += getattr(found, name)

    def activity(self) -> Activity:
        """All of it."""
        used = np.flatnonzero(self.window_ops.any(axis=1))
        last = int(used[-1]) + 1 if used.size else 1
        count = max(1, -(-self.now // self.width), last)
        self._longer(count)
        fields: dict[str, Any] = {
            "engine": self.engine,
            "cycles": self.now,
            "window_cycles": self.width,
            "token_start": self.start,
            "token_done": self.done,
            "stage_done": self.stage_done,
            "item_ops": self.item_ops,
            "token_ops": self.token_ops,
            "window_ops": self.window_ops[:count],
            "item_load_bits": self.item_load_bits,
        }
        tables = self.logs.tables()
        return Activity(**(fields | self.by_item | self.sums | self.totals | tables))
