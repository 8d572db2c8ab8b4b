"""MemoryImage: what the data memories of all cores hold, at the program's own addresses.

A core's memory is a flat float32 array with one element for each 16-bit word, so addresses and
strides are those of the machine while values have fp32 precision. An event word of 32 bits, id and
value, takes two elements; the value is the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional.parameters import TRANSFORMS
from seneca_sim.program import Program, Region

Floats = NDArray[np.float32]

ELEMENT_BITS = 16


@dataclass(frozen=True, eq=False)
class MemoryImage:
    """`words[core]`: float32, one element per 16-bit word, as far as the memory map reaches."""

    words: tuple[Floats, ...]

    @classmethod
    def load(cls, program: Program, tensors: Mapping[str, NDArray[np.float32]]) -> MemoryImage:
        """Fill every region that names a tensor with its slice; the rest is 0.

        Args:
            program: its regions say what lies where.
            tensors: the checkpoint, matrices as outputs x inputs, vectors flat.

        Raises:
            InputError: a tensor is missing or of another shape than the regions imply, or a
                region does not consist of 16- or 32-bit words.
        """
        image = cls(_blank(program))
        heights = _heights(program)
        for region in program.regions:
            if region.tensor:
                values = _values(region, heights[region.tensor], tensors)
                for copy in range(region.copies):
                    image.table(region, copy)[:] = values.T
        return image

    def table(self, region: Region, token: int = 0) -> Floats:
        """Give a region as it lies in memory, a view [columns, rows].

        Args:
            region: of the map.
            token: where a region has copies, token t uses copy t mod copies.

        Raises:
            InputError: the region lies outside this image.
        """
        step, stride = region.word_bits // ELEMENT_BITS, region.stride_bits // ELEMENT_BITS
        start = self.start(region, token)
        block = self.words[region.core][start : start + region.columns * stride]
        if block.size < region.columns * stride or region.rows * step > stride:
            raise InputError(
                f"region {region.name} of core {region.core}: {region.columns} columns of "
                f"{region.rows} words do not lie in the memory image; load it from this program"
            )
        return block.reshape(region.columns, stride)[:, step - 1 : region.rows * step : step]

    def view(self, region: Region, token: int = 0) -> Floats:
        """Give a region's first column, [rows]: all there is of it at fp32."""
        first: Floats = self.table(region, token)[0]
        return first

    def start(self, region: Region, token: int = 0) -> int:
        """Index of a region's first element."""
        copy = (token % region.copies) * region.columns * region.stride_bits
        return (region.address_bits + copy) // ELEMENT_BITS

    def set_layers(self, program: Program, name: str, values: NDArray[np.float32]) -> None:
        """Write a vector of every layer, such as a recurrent state, into its regions.

        Args:
            program: its regions called `name` take their channels low:high.
            name: region name, the same in all layers.
            values: [layers, width].
        """
        for layer, region in _layer_regions(program, name):
            self.view(region)[:] = values[layer, region.low : region.high]

    def get_layers(self, program: Program, name: str) -> Floats:
        """Read a vector of every layer back: [layers, width]."""
        found = _layer_regions(program, name)
        layers = 1 + max(layer for layer, _ in found)
        values = np.full((layers, max(r.high for _, r in found)), np.nan, np.float32)
        for layer, region in found:
            values[layer, region.low : region.high] = self.view(region)
        return values


def _blank(program: Program) -> tuple[Floats, ...]:
    ends = [0] * program.cores
    for region in program.regions:
        if region.word_bits not in (ELEMENT_BITS, 2 * ELEMENT_BITS):
            raise InputError(
                f"region {region.name} of core {region.core} has words of {region.word_bits} "
                "bits; values run on words of 16 and 32 bits"
            )
        if region.address_bits % ELEMENT_BITS or region.stride_bits % ELEMENT_BITS:
            raise InputError(
                f"region {region.name} of core {region.core} starts at bit {region.address_bits} "
                f"with columns every {region.stride_bits} bits; expected whole 16-bit words"
            )
        ends[region.core] = max(ends[region.core], region.address_bits + region.bits)
    return tuple(np.zeros(-(-bits // ELEMENT_BITS), np.float32) for bits in ends)


def _heights(program: Program) -> dict[str, int]:
    """Rows of every tensor: where its last slice ends."""
    heights: dict[str, int] = {}
    for region in program.regions:
        heights[region.tensor] = max(heights.get(region.tensor, 0), region.high)
    return heights


def _values(
    region: Region, height: int, tensors: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.floating]:
    """Give rows low:high of a region's tensor as [rows, columns]."""
    transform, _, prefix = region.tensor.rpartition(":")
    if transform and transform not in TRANSFORMS:
        raise InputError(
            f"region {region.name}: unknown transform in {region.tensor!r}; expected one of "
            f"{', '.join(TRANSFORMS)}"
        )
    name = f"{prefix}.{TRANSFORMS[transform][0]}" if transform else prefix
    if name not in tensors:
        raise InputError(f"weights: no tensor {name!r}, which region {region.name} is filled from")
    values: NDArray[np.floating] = np.asarray(tensors[name])
    expected = (height, region.columns) if values.ndim > 1 or region.columns > 1 else (height,)
    if values.shape != expected or region.high - region.low != region.rows:
        raise InputError(
            f"weights: {name!r} is {_by(values.shape)}, but region {region.name} of core "
            f"{region.core} is {region.rows} x {region.columns} words and takes rows "
            f"{region.low}:{region.high} of {_by(expected)}"
        )
    part = values[region.low : region.high]
    if transform:
        part = TRANSFORMS[transform][1](part.astype(np.float32))
    return part.reshape(region.rows, region.columns)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


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
