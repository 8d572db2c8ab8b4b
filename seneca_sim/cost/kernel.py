"""Micro-kernels: the NPE programs that are the single truth of what computing costs.

A kernel's cost is read off its text. It is exactly linear in the rows of lanes and in the size
`g` of the event group: cycles = p0 + p1 g + rows (r0 + r1 g) + e0, one instruction per cycle.
The set-up of a task is not part of it (`CoreSpec.task_setup_cycles`).
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, NamedTuple

from seneca_sim.cost.link import LinkedKernel, link
from seneca_sim.cost.notation import MNEMONICS, KernelText, Section, parse
from seneca_sim.cost.ops import OPS
from seneca_sim.errors import CapacityError, InputError

REGISTERS: Final = 64
"""Words of an NPE's register file (second-hand: facts on SENECA, Tang et al. 2023)."""
LOOP_BUFFER_ENTRIES: Final = 128
LOOP_BUFFER_WORD_BITS: Final = 23
"""An instruction as the loop buffer holds it (second-hand, as above)."""
"""Instructions that the loop buffer holds (second-hand, as above)."""


class Coefficients(NamedTuple):
    """The five integers of one linear cost: prologue, row and epilogue; `1` goes with `g`."""

    p0: int
    p1: int
    r0: int
    r1: int
    e0: int


class KernelCost(NamedTuple):
    """What one task costs: cycles, and counts of issued instructions in the order of `OPS`.

    An instruction counts once for all lanes. Events that EVC captures depend on values; they are
    counted by the engine (`evg.event`), not here.
    """

    cycles: int
    counts: tuple[int, ...]


def linear_cost(p0: int, p1: int, r0: int, r1: int, e0: int, rows: int, g: int) -> int:
    """The cost of a task, cycles or a count; plain ints, so that Numba compiles it too."""
    return p0 + p1 * g + rows * (r0 + r1 * g) + e0


@dataclass(frozen=True, eq=False)
class Kernel:
    """A linked micro-kernel for cores of `npes` lanes.

    Attributes:
        name: of the kernel.
        mark: how sure its text is.
        source: where its text is from.
        doc: what it does, in a sentence.
        npes: lanes.
        inputs: operands that it reads.
        outputs: operands that it writes.
        sections: its instructions by section.
        width: rows of lanes that one `row:` serves; above 1 where a load brings several weights.
        max_rows: trips of `row:` at most, where a lane must not add up more terms; else None.
        error: what the values are worth, in words; empty where only rounding is to be said.
        memory: data-memory operands and their axes (`row`, `lane`, `lanes`, `g`, numbers).
        registers: words used apart from those held once per event, of which there are
            `registers_per_event`.
        cycles: coefficients of the cycle count.
        counts: coefficients of each op, in the order of `OPS`.
    """

    name: str
    mark: str
    source: str
    doc: str
    npes: int
    width: int
    max_rows: int | None
    error: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    memory: tuple[tuple[str, tuple[str, ...]], ...]
    sections: tuple[Section, ...]
    registers: int
    registers_per_event: int
    cycles: Coefficients
    counts: tuple[Coefficients, ...]

    @property
    def max_group(self) -> int | None:
        """The largest group whose events fit the register file; None if they need no register."""
        if not self.registers_per_event:
            return None
        return (REGISTERS - self.registers) // self.registers_per_event

    @property
    def captures(self) -> int:
        """How many events a row captures, or the whole task outside rows; 0 for none."""
        return sum(section.captures for section in self.sections)

    @property
    def stores(self) -> tuple[str, ...]:
        """Data-memory operands that the kernel writes, in the order of their declaration."""
        instructions = (i for section in self.sections for i, _ in section.instructions)
        written = {i.operands[1].partition("[")[0] for i in instructions if i.mnemonic == "MST"}
        return tuple(name for name, _ in self.memory if name in written)

    @property
    def code_bits(self) -> int:
        """Bits of the kernel's text in the instruction memory, from where it is loaded."""
        return LOOP_BUFFER_WORD_BITS * sum(len(s.instructions) for s in self.sections)

    def rows_for(self, neurons: int) -> int:
        """Trips of `row:` for so many neurons (or values): whole lines of the data memory.

        Raises:
            CapacityError: more rows than the kernel may run over.
        """
        rows = -(-neurons // (self.npes * self.width))
        _check_rows(self, rows)
        return rows

    def cost(self, rows: int, g: int = 0) -> KernelCost:
        """Cycles and counts of one task over `rows` rows with a group of `g` events.

        Raises:
            InputError: a negative number, or a group that does not fit the register file.
            CapacityError: more rows than the kernel may run over.
        """
        return _cost(self, rows, g)


@lru_cache(maxsize=65536)
def _cost(kernel: Kernel, rows: int, g: int) -> KernelCost:
    if rows < 0 or g < 0:
        raise InputError(f"kernel {kernel.name}: rows {rows} and g {g} must not be negative")
    if kernel.max_group is not None and g > kernel.max_group:
        need = kernel.registers + g * kernel.registers_per_event
        raise InputError(
            f"kernel {kernel.name}: a group of {g} events needs {need} registers of {REGISTERS}; "
            f"use a group of at most {kernel.max_group}"
        )
    _check_rows(kernel, rows)
    counts = tuple(linear_cost(*coefficients, rows, g) for coefficients in kernel.counts)
    return KernelCost(linear_cost(*kernel.cycles, rows, g), counts)


def _check_rows(kernel: Kernel, rows: int) -> None:
    if kernel.max_rows is not None and rows > kernel.max_rows:
        raise CapacityError(
            f"kernel {kernel.name}: {rows} rows of {kernel.npes} lanes, but a lane may add up "
            f"{kernel.max_rows} terms at most; split the vector over more cores"
        )


def event_kernel(
    weights: Literal["bf16", "int8", "int4"] = "bf16",
    *,
    binary: bool = False,
    unpack: Literal["free", "explicit"] = "free",
) -> str:
    """Name of the kernel that applies groups of events.

    Args:
        weights: how they are stored.
        binary: one-bit events, which need no multiplication.
        unpack: whether selecting a part of a word is free (assumed, the reading behind the
            published 2.8 pJ) or takes SHL and AND.

    Raises:
        InputError: no such kernel ships.
    """
    name = f"event_{'binary_' if binary else ''}{weights}"
    if unpack == "explicit" and weights != "bf16":  # a BF16 weight fills its word
        name += "_explicit"
    if name not in kernel_names():
        raise InputError(f"no kernel '{name}' for {weights} weights and unpack: {unpack}")
    return name


def kernel_names() -> tuple[str, ...]:
    """Names of the kernels that ship, sorted."""
    folder = files("seneca_sim.cost").joinpath("kernels")
    return tuple(sorted(f.name[:-4] for f in folder.iterdir() if f.name.endswith(".npe")))


@cache
def load_kernel(name: str, npes: int = 8) -> Kernel:
    """Loads a kernel that ships, or the file `name` if it ends with ".npe"; once in a process.

    Raises:
        InputError: no kernel of that name, or `npes` is not a power of two.
    """
    return build_kernel(_shipped(name), npes)


@cache
def _shipped(name: str) -> KernelText:
    if name.endswith(".npe"):
        return parse(_read(Path(name)), name)
    if name not in kernel_names():
        raise InputError(f"no kernel '{name}'; expected one of {', '.join(kernel_names())}")
    path = files("seneca_sim.cost").joinpath("kernels", f"{name}.npe")
    return parse(path.read_text(encoding="utf-8"), f"{name}.npe")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: cannot be read as a kernel: {reason}") from None


def build_kernel(text: KernelText, npes: int = 8) -> Kernel:
    """Links a parsed kernel, checks that it fits an NPE, and reads its cost off.

    Raises:
        InputError: an unknown name, a register read before it is written, too many registers
            or instructions, or `npes` is not a power of two.
    """
    if npes < 1 or npes & (npes - 1):
        raise InputError(f"kernel {text.name}: {npes} NPEs; expected a power of two")
    linked = link(text, _shipped)
    _check_limits(text, linked)
    counts = tuple(_coefficients(linked.sections, op, npes) for op in OPS)
    return Kernel(
        name=text.name,
        mark=text.mark,
        source=text.source,
        doc=text.doc,
        npes=npes,
        width=text.width,
        max_rows=text.max_rows,
        error=text.error,
        inputs=text.inputs,
        outputs=text.outputs,
        memory=tuple(text.memory.items()),
        sections=linked.sections,
        registers=linked.registers,
        registers_per_event=linked.registers_per_event,
        cycles=Coefficients(*(sum(column) for column in zip(*counts, strict=True))),
        counts=counts,
    )


def _check_limits(text: KernelText, linked: LinkedKernel) -> None:
    need = linked.registers + linked.registers_per_event
    if need > REGISTERS:
        raise InputError(f"{text.file}: {need} registers are used; an NPE has {REGISTERS}")
    for section in linked.sections:
        entries = len(section.instructions)
        if entries > LOOP_BUFFER_ENTRIES:
            raise InputError(
                f"{text.file}: a '{section.kind}:' section has {entries} instructions; the loop "
                f"buffer holds {LOOP_BUFFER_ENTRIES}; split it into two sections"
            )


def _coefficients(sections: tuple[Section, ...], op: str, npes: int) -> Coefficients:
    total = dict.fromkeys(Coefficients._fields, 0)
    for section in sections:
        letter = {"prologue": "p", "row": "r"}.get(section.kind, "e")
        for instruction, trips in section.instructions:
            if MNEMONICS[instruction.mnemonic][0] == op:
                steps = {"tree": npes.bit_length() - 1, "lanes": npes}.get(trips, 1)
                total[letter + ("1" if trips == "G" else "0")] += steps
    return Coefficients(**total)
