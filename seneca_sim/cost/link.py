"""Links a micro-kernel: inlines calls, loads constants, allocates registers, checks names.

In a linked kernel a register is named as the text names it, `~3` if it is the third scratch
register of the inlined kernels, or `$4340` if it holds the constant of those BF16 bits.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from seneca_sim.cost.notation import (
    MNEMONICS,
    Instruction,
    KernelText,
    Loop,
    Section,
    Statement,
)
from seneca_sim.errors import InputError

_BLOCKS = {
    "G": ("repeat G:", ("prologue", "row")),
    "lanes": ("repeat lanes:", ("row",)),
    "tree": ("tree:", ("between", "epilogue")),
}


@dataclass(frozen=True)
class LinkedKernel:
    """Sections without calls, constants loaded first thing in the prologue, and register use."""

    sections: tuple[Section, ...]
    registers: int
    registers_per_event: int


def link(text: KernelText, find: Callable[[str], KernelText]) -> LinkedKernel:
    """Links `text`; `find` returns the text of a called kernel by its name.

    Raises:
        InputError: with file and line, for anything that does not fit together.
    """
    linker = _Linker(text, find)
    sections = tuple(Section(s.kind, tuple(linker.body(s))) for s in text.sections)
    _check_order(text, sections)
    per_event = sum(name.endswith("[g]") for name in linker.registers)
    fixed = len(linker.registers) - per_event + len(linker.constants) + linker.scratch
    return LinkedKernel(_with_constants(sections, linker.constants), fixed, per_event)


def _with_constants(
    sections: tuple[Section, ...], constants: dict[str, None]
) -> tuple[Section, ...]:
    """Every constant costs one load in the prologue, which is created if there is none."""
    loads = tuple(Instruction("MLD", (name, name), 1) for name in constants)
    if sections[0].kind == "prologue":
        return (Section("prologue", loads + sections[0].body), *sections[1:])
    return (Section("prologue", loads), *sections) if loads else sections


@dataclass
class _Scope:
    """The registers of one kernel while its text is linked; `base` is its first free scratch."""

    text: KernelText
    names: dict[str, str] = field(default_factory=dict)
    base: int = 0


class _Linker:
    """Renames operands and inlines calls; remembers what the whole kernel needs."""

    def __init__(self, text: KernelText, find: Callable[[str], KernelText]) -> None:
        self.top = _Scope(text)
        self.find = find
        self.constants: dict[str, None] = {}
        self.registers: dict[str, None] = dict.fromkeys((*text.inputs, *text.outputs))
        self.scratch = 0

    def body(self, section: Section) -> Iterator[Statement]:
        for statement in section.body:
            if isinstance(statement, Loop):
                _check_block(self.top.text, section, statement)
                _check_lanes(self.top.text, statement.body, inside=statement.trips == "lanes")
                body = tuple(self._straight(self.top, statement.body))
                yield Loop(statement.trips, body, statement.line)
            else:
                _check_lanes(self.top.text, (statement,), inside=False)
                yield from self._straight(self.top, (statement,))

    def _straight(self, scope: _Scope, body: Iterable[Statement]) -> Iterator[Instruction]:
        for statement in body:
            if isinstance(statement, Loop):
                raise _error(scope.text, statement.line, "a called kernel cannot hold a block")
            if statement.mnemonic == "call":
                yield from self._call(scope, statement)
            else:
                yield self._rename(scope, statement)

    def _rename(self, scope: _Scope, instruction: Instruction) -> Instruction:
        signature = MNEMONICS[instruction.mnemonic][1]
        operands = []
        for kind, operand in zip(signature, instruction.operands, strict=False):
            if kind == "m":
                _check_memory(scope.text, instruction.line, operand)
            elif kind != "n":
                _check_register(scope.text, instruction.line, kind, operand)
                operand = self._register(scope, operand)
            operands.append(operand)
        return Instruction(instruction.mnemonic, tuple(operands), instruction.line)

    def _register(self, scope: _Scope, operand: str) -> str:
        """The linked name of a register; the next free scratch for a new one of a callee."""
        name, dot, part = operand.partition(".")
        if name in scope.text.constants:
            linked = f"${scope.text.constants[name]:04X}"
            self.constants.setdefault(linked)
        elif scope is self.top:
            linked = name
            self.registers.setdefault(linked)
        else:
            if name not in scope.names:
                scope.names[name] = f"~{scope.base}"
                scope.base += 1
                self.scratch = max(self.scratch, scope.base)
            linked = scope.names[name]
        return linked + dot + part

    def _call(self, scope: _Scope, call: Instruction) -> Iterator[Instruction]:
        callee = self.find(call.operands[0])
        formal = (*callee.inputs, *callee.outputs)
        if len(formal) != len(call.operands) - 1:
            message = f"{callee.name} takes {len(formal)} registers, got {len(call.operands) - 1}"
            raise _error(scope.text, call.line, message)
        if len(set(call.operands)) != len(call.operands):
            raise _error(scope.text, call.line, f"a register is passed twice to {callee.name}")
        if len(callee.sections) != 1:
            raise _error(scope.text, call.line, f"{callee.name} is more than one 'row:'")
        arguments = [self._register(scope, operand) for operand in call.operands[1:]]
        inner = _Scope(callee, dict(zip(formal, arguments, strict=True)), scope.base)
        for instruction in self._straight(inner, callee.sections[0].body):
            yield replace(instruction, line=call.line)


def _error(text: KernelText, line: int, message: str) -> InputError:
    return InputError(f"{text.file}:{line}: {message}")


def _check_block(text: KernelText, section: Section, loop: Loop) -> None:
    block, allowed = _BLOCKS[loop.trips]
    if section.kind not in allowed:
        expected = " or ".join(f"'{kind}:'" for kind in allowed)
        message = f"'{block}' stands in '{section.kind}:'; expected in {expected}"
        raise _error(text, loop.line, message)


def _check_lanes(text: KernelText, body: Iterable[Instruction], *, inside: bool) -> None:
    """`[l]` picks a word of memory, in a block that steps over the lanes."""
    for instruction in body:
        signature = MNEMONICS.get(instruction.mnemonic, ("", ""))[1]
        for kind, operand in zip(signature, instruction.operands, strict=False):
            if operand.endswith("[l]") and not (inside and kind == "m"):
                message = f"'{operand}' is not memory in a block 'repeat lanes:'"
                raise _error(text, instruction.line, message)


def _check_memory(text: KernelText, line: int, operand: str) -> None:
    name = operand.partition("[")[0]
    if name not in text.memory:
        known = ", ".join(text.memory) or "none"
        message = f"'{name}' is not declared as memory; declared: {known}"
        raise _error(text, line, message)


def _check_register(text: KernelText, line: int, kind: str, operand: str) -> None:
    name = operand.partition(".")[0]
    if name.isdigit():
        raise _error(text, line, f"'{operand}' is a number; use a 'const' in a register")
    if kind == "d" and (name in text.constants or name in text.inputs):
        what = "a constant" if name in text.constants else "an input"
        raise _error(text, line, f"'{name}' is {what} and cannot be written")


def _check_order(text: KernelText, sections: tuple[Section, ...]) -> None:
    """Every register is written before it is read, in the order of the text."""
    written = set(text.inputs)
    for section in sections:
        for statement in section.body:
            body = statement.body if isinstance(statement, Loop) else (statement,)
            for instruction in body:
                _check_reads(text, instruction, written)


def _check_reads(text: KernelText, instruction: Instruction, written: set[str]) -> None:
    signature = MNEMONICS[instruction.mnemonic][1]
    pairs = list(zip(signature, instruction.operands, strict=False))
    for kind, operand in pairs:
        name = operand.partition(".")[0]
        if kind in "sf" and not name.startswith("$") and name not in written:
            message = f"register '{name}' is read before it is written"
            raise _error(text, instruction.line, message)
    written.update(operand for kind, operand in pairs if kind == "d")
