"""What lies in each region before the first token: slices of tensors, constants, packed weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional.formats import EventFormat, packed_tensors
from seneca_sim.functional.lanes import lanes_of
from seneca_sim.functional.packing import pack_weights
from seneca_sim.functional.parameters import CONSTANTS, TRANSFORMS
from seneca_sim.functional.quantise import Quantised, quantise
from seneca_sim.program import Program, Region

Floats = NDArray[np.float32]

SCALE: Final = "scale"
"""A region's tensor `scale:<matrix>`: the scales of its output channels."""


@dataclass(frozen=True)
class Contents:
    """A checkpoint cut up as a program's memory map says.

    Attributes:
        program: whose regions.
        tensors: the checkpoint, matrices as outputs x inputs, vectors flat.
    """

    program: Program
    tensors: Mapping[str, NDArray[np.float32]]

    def numbers(self, region: Region) -> Floats:
        """Give rows low:high of a region's tensor, or its constant: float32 [rows, columns].

        Raises:
            InputError: a tensor is missing or of another shape than the regions imply.
        """
        name, _, text = region.tensor.partition(":")
        if name in CONSTANTS:
            return CONSTANTS[name](region.rows, text).reshape(region.rows, region.columns)
        if name == SCALE:
            return self._scales(region, text)
        transform, _, prefix = region.tensor.rpartition(":")
        if transform and transform not in TRANSFORMS:
            raise InputError(
                f"region {region.name}: unknown transform in {region.tensor!r}; expected one of "
                f"{', '.join((*TRANSFORMS, *CONSTANTS, SCALE))}"
            )
        part = self._rows(region, f"{prefix}.{TRANSFORMS[transform][0]}" if transform else prefix)
        if transform:
            part = TRANSFORMS[transform][1](part)
        columns = slice(region.column_low, region.column_low + region.columns)
        return _table(part)[:, columns]

    def packed(self, region: Region) -> NDArray[np.uint16]:
        """Give a slice of INT8 or INT4 weights as words, [columns, words].

        The scales are those of whole rows of the tensor, also where the region has some columns.

        Raises:
            InputError: as `numbers`, or weights that are not finite.
        """
        weights = self._quantised(region, region.tensor, region.word_bits).weights
        columns = slice(region.column_low, region.column_low + region.columns)
        return pack_weights(weights[:, columns], region.word_bits, self._lanes)

    @cached_property
    def _lanes(self) -> int:
        return lanes_of(self.program)

    @cached_property
    def _formats(self) -> dict[str, EventFormat]:
        return packed_tensors(self.program)

    @cached_property
    def _sizes(self) -> dict[str, tuple[int, int]]:
        """Tensor -> rows and columns: where its last slice ends."""
        sizes: dict[str, tuple[int, int]] = {}
        for region in self.program.regions:
            rows, columns = sizes.get(region.tensor, (0, 0))
            last = region.column_low + region.columns
            sizes[region.tensor] = max(rows, region.high), max(columns, last)
        return sizes

    def _rows(self, region: Region, name: str) -> Floats:
        """Rows low:high of a tensor, all columns."""
        if name not in self.tensors:
            raise InputError(
                f"weights: no tensor {name!r}, which region {region.name} is filled from"
            )
        values = np.asarray(self.tensors[name])
        height, width = self._sizes[region.tensor]
        expected = (height, width) if values.ndim > 1 or width > 1 else (height,)
        if values.shape != expected or region.high - region.low != region.rows:
            raise InputError(
                f"weights: {name!r} is {_by(values.shape)}, but region {region.name} of core "
                f"{region.core} is {region.rows} x {region.columns} words and takes rows "
                f"{region.low}:{region.high} of {_by(expected)}"
            )
        part: Floats = values[region.low : region.high].astype(np.float32)
        return part

    def _quantised(self, region: Region, matrix: str, bits: int) -> Quantised:
        part = self._rows(region, matrix)
        return quantise(_table(part), bits)

    def _scales(self, region: Region, matrix: str) -> Floats:
        if matrix not in self._formats:
            raise InputError(
                f"region {region.name} of core {region.core}: scales of {matrix!r}, which no core "
                "applies as INT8 or INT4"
            )
        kind = self._formats[matrix]
        whole = next(r for r in self.program.regions if r.tensor == matrix)
        rows = Region(
            region.core, region.name, 0, region.rows, whole.columns, kind.bits, 0,
            tensor=matrix, low=region.low, high=region.high,
        )  # fmt: skip
        scales: Floats = self._quantised(rows, matrix, kind.bits).scales / np.float32(kind.factor)
        return scales[:, None]


def _table(part: Floats) -> Floats:
    return part if part.ndim > 1 else part[:, None]


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
