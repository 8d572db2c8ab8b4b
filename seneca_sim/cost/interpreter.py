"""Executes micro-kernels on NumPy arrays at BF16, so that their values can be tested.

All lanes of a row run at once, as they do on the chip; nothing here knows of time or energy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from seneca_sim.cost.bf16 import Bits, Floats, from_bits, to_bits
from seneca_sim.cost.kernel import Kernel
from seneca_sim.cost.notation import MNEMONICS, Instruction, Loop, Statement
from seneca_sim.errors import InputError

_TRUE = np.uint16(0xFFFF)  # what GTH and EQL write where they hold (assumed); ready for AND


@dataclass(frozen=True)
class CapturedRow:
    """What one EVC captured: a word for each lane, and which lanes made an event."""

    words: Bits
    fired: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def values(self) -> Floats:
        """The words as numbers."""
        return from_bits(self.words)


@dataclass
class KernelRun:
    """The data memory and registers after a run, as BF16 bits, and the captured events."""

    memory: dict[str, Bits]
    registers: dict[str, Bits] = field(default_factory=dict)
    events: list[CapturedRow] = field(default_factory=list)

    def value(self, name: str) -> Floats:
        """A data-memory operand as float32."""
        return from_bits(self.memory[name])


def run_kernel(
    kernel: Kernel,
    memory: Mapping[str, ArrayLike],
    rows: int,
    g: int = 0,
    registers: Mapping[str, ArrayLike] | None = None,
) -> KernelRun:
    """Runs a kernel and returns its memory, registers and events; the arguments stay as they are.

    Args:
        kernel: a linked kernel; its `npes` is the number of lanes.
        memory: each operand as floats, or as uint16 words taken as they are. An operand has the
            shape of its declared axes, and lanes last if `row` is among them: `w[g, row]` is
            (g, rows, npes), `acc[row, 4]` is (rows, 4, npes), `value[g]` is (g,), and
            `keys[row, lanes]` is (rows, npes, npes).
        rows: how often `row:` runs.
        g: events of the group.
        registers: values of the kernel's `in` registers, for kernels that have them.

    Raises:
        InputError: an operand or input is missing or has another shape.
    """
    run = KernelRun(_memory_of(kernel, memory, rows, g))
    for name in kernel.inputs:
        if registers is None or name not in registers:
            raise InputError(f"kernel {kernel.name}: input register '{name}' is missing")
        run.registers[name] = np.broadcast_to(_bits(registers[name]), (kernel.npes,))
    with np.errstate(all="ignore"):
        for section in kernel.sections:
            for row in range(rows if section.kind == "row" else 1):
                for instruction, index in _unroll(section.body, g, kernel.npes):
                    _Step(kernel, run, row, index).execute(instruction)
    return run


def _memory_of(
    kernel: Kernel, given: Mapping[str, ArrayLike], rows: int, g: int
) -> dict[str, Bits]:
    sizes = {"row": rows, "lane": kernel.npes, "lanes": kernel.npes, "g": g}
    memory = {}
    for name, axes in kernel.memory:
        shape = tuple(sizes[axis] if axis in sizes else int(axis) for axis in axes)
        shape += (kernel.npes,) if "row" in axes else ()
        words = _bits(given[name]) if name in given else np.zeros(shape, np.uint16)
        if words.shape != shape:
            message = f"'{name}' has shape {words.shape}; expected {shape}"
            raise InputError(f"kernel {kernel.name}: {message}")
        memory[name] = words.copy()
    return memory


def _bits(values: ArrayLike) -> Bits:
    array = np.asarray(values)
    return array if array.dtype == np.uint16 else to_bits(array)


def _unroll(body: tuple[Statement, ...], g: int, npes: int) -> Iterator[tuple[Instruction, int]]:
    """Instructions in the order they issue, with the event, the lane or the tree's lane shift."""
    for statement in body:
        if not isinstance(statement, Loop):
            yield statement, 0
            continue
        shifts = [npes >> step for step in range(1, npes.bit_length())]
        turns = {"G": range(g), "lanes": range(npes), "tree": shifts}
        for index in turns[statement.trips]:
            yield from ((instruction, index) for instruction in statement.body)


@dataclass(frozen=True)
class _Step:
    """One place in the run: the row, and the event, lane or lane shift of the loop."""

    kernel: Kernel
    run: KernelRun
    row: int
    index: int

    def execute(self, instruction: Instruction) -> None:
        mnemonic, operands = instruction.mnemonic, instruction.operands
        if mnemonic == "MST":
            self._store(operands[1], self._read(operands[0]))
        elif mnemonic == "EVC":
            self._capture([self._read(operand) for operand in operands])
        elif mnemonic == "MLD":
            self._write(operands[0], self._load(operands[1]))
        elif mnemonic in ("SHL", "SHR"):
            shift = np.uint16(int(operands[2]))
            word = self._read(operands[1])
            self._write(operands[0], word << shift if mnemonic == "SHL" else word >> shift)
        else:
            words = [self._read(operand) for operand in operands[1:]]
            self._write(operands[0], _ARITHMETIC[mnemonic](*words))

    def _register(self, operand: str) -> str:
        return operand.replace("[g]", f"[{self.index}]")

    def _write(self, operand: str, word: Bits) -> None:
        self.run.registers[self._register(operand)] = np.broadcast_to(word, (self.kernel.npes,))

    def _read(self, operand: str) -> Bits:
        name, _, part = operand.partition(".")
        word = self.run.registers[self._register(name)]
        return _part(word, part) if part else word

    def _load(self, operand: str) -> Bits:
        if operand.startswith("$"):
            return np.asarray(int(operand[1:], 16), np.uint16)
        words, index = self._locate(operand)
        if operand.endswith("[+h]"):
            return np.roll(words, -self.index)
        return np.array(words[index])  # a copy: a later store must not change the register

    def _store(self, operand: str, word: Bits) -> None:
        words, index = self._locate(operand)
        words[index] = word

    def _locate(self, operand: str) -> tuple[Bits, tuple[int, ...]]:
        """The array of an operand and where in it this step reads or writes."""
        name, _, subscript = operand.rstrip("]").partition("[")
        axes = dict(self.kernel.memory)[name]
        places = {"row": self.row, "g": self.index, "lanes": self.index}
        index = tuple(
            places[axis] if axis in places else int(subscript) for axis in axes if axis != "lane"
        )
        if subscript == "l" and "lanes" not in axes:
            index += (self.index,)  # one lane's word, for all of them
        return self.run.memory[name], index

    def _capture(self, words: list[Bits]) -> None:
        fired = words[1] != 0 if len(words) == 2 else np.ones(self.kernel.npes, np.bool_)
        self.run.events.append(CapturedRow(words[0], fired))


def _part(word: Bits, part: str) -> Bits:
    """Byte or nibble of a word: sign-extended (`b`, `n`) or read as a BF16 number (`f`)."""
    size = 8 if part[0] == "b" else 4
    up, down = np.int16(16 - size * (int(part[1]) + 1)), np.int16(16 - size)
    signed = (word.view(np.int16) << up) >> down
    return to_bits(signed.astype(np.float32)) if part[0] == "f" else signed.view(np.uint16)


def _floats(operation: Callable[..., Floats]) -> Callable[..., Bits]:
    """The BF16 instruction of a float32 operation; one rounding, as both are exact before it."""
    return lambda *words: to_bits(operation(*(from_bits(word) for word in words)))


def _bytes(operation: Callable[[Bits, Bits], Bits]) -> Callable[[Bits, Bits], Bits]:
    """The instruction that works on both bytes of a word, modulo 256, without a carry between."""

    def apply(a: Bits, b: Bits) -> Bits:
        low = operation(a & np.uint16(0xFF), b & np.uint16(0xFF)) & np.uint16(0xFF)
        high = operation(a >> np.uint16(8), b >> np.uint16(8)) & np.uint16(0xFF)
        return (high << np.uint16(8)) | low

    return apply


def _choice(compare: Callable[[Floats, Floats], np.ndarray]) -> Callable[[Bits, Bits], Bits]:
    """The instruction that gives a where it compares so to b or is NaN, else b.

    Written out, as NumPy's maximum of -0 and 0 depends on where they stand in an array.
    """

    def apply(a: Bits, b: Bits) -> Bits:
        x, y = from_bits(a), from_bits(b)
        return to_bits(np.where(compare(x, y) | np.isnan(x), x, y))

    return apply


def _test(compare: Callable[[Floats, Floats], np.ndarray]) -> Callable[[Bits, Bits], Bits]:
    """The instruction that writes all ones where a comparison holds."""
    return lambda a, b: np.where(compare(from_bits(a), from_bits(b)), _TRUE, np.uint16(0))


_ARITHMETIC: dict[str, Callable[..., Bits]] = {
    "ADD": _floats(np.add),
    "SUB": _floats(np.subtract),
    "MUL": _floats(np.multiply),
    "ADD8": _bytes(np.add),
    "SUB8": _bytes(np.subtract),
    "MUL8": _bytes(np.multiply),
    "MAX": _choice(np.greater),
    "MIN": _choice(np.less),
    "GTH": _test(np.greater),
    "EQL": _test(np.equal),
    "ABS": lambda a: a & np.uint16(0x7FFF),
    "AND": np.bitwise_and,
    "ORR": np.bitwise_or,
    "I2F": lambda a: to_bits(a.view(np.int16).astype(np.float32)),
    "RND": _floats(np.rint),
}
assert set(_ARITHMETIC) | {"MLD", "MST", "EVC", "SHL", "SHR"} == set(MNEMONICS)
