"""The same program with INT8 or INT4 weights: for its values, without compiling it again.

Weights take the words of the narrow kernel, accumulators whole rows of it, and a stage that reads
an accumulator first multiplies it by the scales of its channels. Regions keep their order and move
together or apart; nothing else changes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from seneca_sim.cost.kernel import load_kernel
from seneca_sim.errors import InputError
from seneca_sim.functional.formats import EVENT_FORMATS, WORD_BITS, sums_of, words_of
from seneca_sim.functional.lanes import lanes_of
from seneca_sim.program import Consumer, Program, Region, Stage, Step

KERNELS = {8: "event_int8", 4: "event_int4"}


def narrow(program: Program, bits: int, *, kernel: str = "") -> Program:
    """Give a program with BF16 weights in the form that it has with narrower ones.

    Whether it fits the memories is not asked; `seneca_sim.program.verify` does.

    Args:
        program: its matrices are all applied by `event_bf16`.
        bits: of a weight: 8 or 4, or 16 for the program itself.
        kernel: event kernel of those bits; by default the one with free unpacking.

    Raises:
        InputError: other bits, or weights that are not BF16.
    """
    if bits == WORD_BITS:
        return program
    if bits not in KERNELS:
        raise InputError(f"weights of {bits} bits; expected 16, 8 or 4")
    wrong = next((c for c in program.consumers if c.kernel not in ("", "event_bf16")), None)
    if wrong is not None:
        raise InputError(f"program {program.name}: {wrong.kernel} already reads narrow weights")
    return _Narrowing(program, kernel or KERNELS[bits], lanes_of(program)).run()


class _Narrowing:
    def __init__(self, program: Program, kernel: str, lanes: int) -> None:
        self.program, self.kernel, self.lanes = program, kernel, lanes
        self.regions = list(program.regions)
        self.scales: dict[int, int] = {}  # consumer -> region of its scales

    def run(self) -> Program:
        consumers = tuple(self._consumer(i, c) for i, c in enumerate(self.program.consumers))
        stages = tuple(self._stage(stage) for stage in self.program.stages)
        return replace(
            self.program, consumers=consumers, stages=stages, regions=_laid_out(self.regions)
        )

    def _consumer(self, index: int, taker: Consumer) -> Consumer:
        if not taker.kernel:
            return taker
        kind, name = EVENT_FORMATS[self.kernel], self.program.sites[taker.site].name
        weights, target = self.regions[taker.weights], self.regions[taker.target]
        stride = words_of(self.kernel, taker.neurons, self.lanes) * WORD_BITS
        self.regions[taker.weights] = replace(weights, word_bits=kind.bits, stride_bits=stride)
        sums = sums_of(self.kernel, taker.neurons, self.lanes) * WORD_BITS
        self.regions[taker.target] = replace(target, stride_bits=max(target.stride_bits, sums))
        self.scales[index] = len(self.regions)
        self.regions.append(
            Region(
                taker.core, f"scale:{name}", 0, taker.neurons, 1, WORD_BITS,
                self._rows(taker.neurons) * self.lanes * WORD_BITS,
                tensor=f"scale:{weights.tensor}", low=weights.low, high=weights.high,
            )
        )  # fmt: skip
        rows = load_kernel(self.kernel, self.lanes).rows_for(taker.neurons)
        return replace(taker, kernel=self.kernel, rows=rows)

    def _stage(self, stage: Stage) -> Stage:
        first = tuple(self._scaling(need) for need in stage.needs if need in self.scales)
        return replace(stage, steps=(*first, *stage.steps))

    def _scaling(self, index: int) -> Step:
        taker = self.program.consumers[index]
        operands = (("acc", taker.target), ("scale", self.scales[index]))
        return Step("scale_rows", self._rows(taker.neurons), operands)

    def _rows(self, neurons: int) -> int:
        return load_kernel("scale_rows", self.lanes).rows_for(neurons)


def _laid_out(regions: list[Region]) -> tuple[Region, ...]:
    """Regions of each core one after another, those in off-core memory last."""
    placed, ends = list(regions), defaultdict[int, int](int)
    for index in sorted(range(len(regions)), key=lambda i: regions[i].shared):
        region = regions[index]
        placed[index] = replace(region, address_bits=ends[region.core])
        ends[region.core] += region.bits
    return tuple(placed)
