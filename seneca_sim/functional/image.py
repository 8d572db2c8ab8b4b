"""MemoryImage: what the data memories of all cores hold, at the program's own addresses.

A core's memory is a flat array with one element for each 16-bit word, so addresses and strides are
those of the machine. At fp32 an element is a float32 number; at bf16 it is the word itself, uint16.
An event word of 32 bits, id and value, takes two elements; the value is the second. A word of INT8
or INT4 weights is those 16 bits at either precision, in a float32 element its low half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional.contents import Contents
from seneca_sim.functional.formats import WORD_BITS
from seneca_sim.functional.parameters import at_bf16
from seneca_sim.functional.precision import Floats, Precision, Words, decode, dtype_of, encode
from seneca_sim.program import Program, Region

ELEMENT_BITS = WORD_BITS


_BITS = (4, 8, ELEMENT_BITS, 2 * ELEMENT_BITS)


@dataclass(frozen=True, eq=False)
class MemoryImage:
    """`words[core]`: one element per 16-bit word, as far as the memory map reaches."""

    words: tuple[Words, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 at fp32, uint16 at bf16."""
        return self.words[0].dtype

    @classmethod
    def load(
        cls,
        program: Program,
        tensors: Mapping[str, NDArray[np.float32]],
        precision: Precision = "fp32",
    ) -> MemoryImage:
        """Fill every region that names a tensor or a constant with its slice; the rest is 0.

        Args:
            program: its regions say what lies where.
            tensors: the checkpoint, matrices as outputs x inputs, vectors flat. Matrices that the
                program applies as INT8 or INT4 are quantised (`quantise`).
            precision: of all words; at bf16 every value is rounded to the nearest.

        Raises:
            InputError: a tensor is missing or of another shape than the regions imply, or a
                region consists of words that nothing reads.
        """
        image = cls(_blank(program, dtype_of(precision)))
        contents = Contents(program, tensors)
        for region in program.regions:
            if region.tensor and region.word_bits < WORD_BITS:
                image._put_packed(region, contents.packed(region))
            elif region.tensor:
                values = contents.numbers(region)
                if precision == "bf16":
                    values = at_bf16(region.tensor.partition(":")[0], values)
                for copy in range(region.copies):
                    image.table(region, copy)[:] = encode(values.T, image.dtype)
        return image

    def _put_packed(self, region: Region, words: NDArray[np.uint16]) -> None:
        as_held = words if self.dtype == np.uint16 else words.astype(np.uint32).view(np.float32)
        self.columns(region, words.shape[1])[:] = as_held

    def table(self, region: Region, token: int = 0, rows: int = 0) -> Words:
        """Give a region as it lies in memory, a view [columns, rows].

        Args:
            region: of the map.
            token: where a region has copies, token t uses copy t mod copies.
            rows: how many words of a column; 0 for the region's own, more for padding, too.

        Raises:
            InputError: the region lies outside this image, or its columns are shorter.
        """
        if region.word_bits < ELEMENT_BITS:
            raise InputError(f"region {region.name} of core {region.core} holds packed weights")
        count = rows or region.rows
        step, stride = region.word_bits // ELEMENT_BITS, region.stride_bits // ELEMENT_BITS
        start = self.start(region, token)
        block = self.words[region.core][start : start + region.columns * stride]
        if block.size < region.columns * stride or count * step > stride:
            raise _outside(region, count)
        view: Words = block.reshape(region.columns, stride)[:, step - 1 : count * step : step]
        return view

    def columns(self, region: Region, words: int) -> Words:
        """Give so many elements of every column of a region as they lie: [columns, words].

        Raises:
            InputError: the region lies outside this image, or its columns are shorter.
        """
        stride, start = region.stride_bits // ELEMENT_BITS, self.start(region)
        block = self.words[region.core][start : start + region.columns * stride]
        if block.size < region.columns * stride or words > stride:
            raise _outside(region, words)
        whole: Words = block.reshape(region.columns, stride)[:, :words]
        return whole

    def view(self, region: Region, token: int = 0) -> Words:
        """Give a region's first column, [rows]."""
        first: Words = self.table(region, token)[0]
        return first

    def start(self, region: Region, token: int = 0) -> int:
        """Index of a region's first element."""
        copy = (token % region.copies) * region.columns * region.stride_bits
        return (region.address_bits + copy) // ELEMENT_BITS

    def set_layers(
        self, program: Program, name: str, values: NDArray[np.float32], sequence: int = 0
    ) -> None:
        """Write a vector of every layer, such as a recurrent state, into its regions, rounded.

        Args:
            program: its regions called `name` take their channels low:high.
            name: region name, the same in all layers.
            values: [layers, width], or [words, layers, width] for numbers of several words.
            sequence: whose state it is, where a program runs several side by side.
        """
        planes = encode(values if values.ndim == 3 else values[None], self.dtype)
        for layer, region in _layer_regions(program, name):
            columns = min(len(planes), region.columns)
            place = self.table(region, sequence)
            place[:columns] = planes[:columns, layer, region.low : region.high]

    def get_layers(self, program: Program, name: str) -> Floats:
        """Read a vector of every layer back: [layers, width], of several words the first."""
        found = _layer_regions(program, name)
        layers = 1 + max(layer for layer, _ in found)
        values = np.full((layers, max(r.high for _, r in found)), np.nan, np.float32)
        for layer, region in found:
            values[layer, region.low : region.high] = decode(self.view(region))
        return values


def _outside(region: Region, words: int) -> InputError:
    return InputError(
        f"region {region.name} of core {region.core}: {region.columns} columns of {words} words "
        "do not lie in the memory image; load it from this program"
    )


def _blank(program: Program, dtype: type) -> tuple[Words, ...]:
    ends = [0] * program.cores
    for region in program.regions:
        if region.word_bits not in _BITS:
            raise InputError(
                f"region {region.name} of core {region.core} has words of {region.word_bits} "
                "bits; values run on words of 16 and 32 bits, and on weights of 8 and 4"
            )
        if region.address_bits % ELEMENT_BITS or region.stride_bits % ELEMENT_BITS:
            raise InputError(
                f"region {region.name} of core {region.core} starts at bit {region.address_bits} "
                f"with columns every {region.stride_bits} bits; expected whole 16-bit words"
            )
        ends[region.core] = max(ends[region.core], region.address_bits + region.bits)
    return tuple(np.zeros(-(-bits // ELEMENT_BITS), dtype) for bits in ends)


def _layer_regions(program: Program, name: str) -> list[tuple[int, Region]]:
    """(layer, region) for every region of a name; the stages that use it say which layer."""
    found = {
        index: stage.layer
        for stage in program.stages
        for step in stage.steps
        for _, index in step.regions
        if program.regions[index].name == name
    }
    if not found:
        raise InputError(f"program {program.name}: no stage uses a region called {name!r}")
    return [(layer, program.regions[index]) for index, layer in sorted(found.items())]
