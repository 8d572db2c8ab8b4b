"""Reads the text of a micro-kernel (`.npe`): header lines, then sections of NPE instructions.

The notation is described in docs/kernels.md. This module knows the grammar only; what a kernel
means and costs is `seneca_sim.cost.kernel`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from seneca_sim.cost.bf16 import to_bits
from seneca_sim.errors import InputError

MNEMONICS: Final = {
    # mnemonic: (op, operands), d destination, s source, n shift amount, m memory, f optional flag
    "ADD": ("npe.add", "dss"),
    "SUB": ("npe.sub", "dss"),
    "MUL": ("npe.mul", "dss"),
    "ADD8": ("npe.i8", "dss"),
    "SUB8": ("npe.i8", "dss"),
    "MUL8": ("npe.i8", "dss"),
    "GTH": ("npe.gth", "dss"),
    "MAX": ("npe.max", "dss"),
    "MIN": ("npe.min", "dss"),
    "EQL": ("npe.eql", "dss"),
    "ABS": ("npe.abs", "ds"),
    "AND": ("npe.and", "dss"),
    "ORR": ("npe.orr", "dss"),
    "SHL": ("npe.shl", "dsn"),
    "SHR": ("npe.shr", "dsn"),
    "I2F": ("npe.i2f", "ds"),
    "RND": ("npe.rnd", "ds"),
    "MLD": ("npe.mld", "dm"),
    "MST": ("npe.mst", "sm"),
    "EVC": ("npe.evc", "sf"),
}
"""The NPE instruction set: the op each mnemonic counts as, and its operands."""

SECTIONS: Final = ("prologue", "row", "between", "epilogue")
_FIELDS: Final = ("kernel", "mark", "source", "doc", "width", "max_rows", "error", "in", "out")
_MARKS: Final = ("published", "second-hand", "derived", "assumed")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_OPERAND = re.compile(r"[a-z_][a-z0-9_]*(\[(g|l|[0-9]+|\+h)\])?(\.[nbf][0-9])?|[0-9]+")


@dataclass(frozen=True)
class Instruction:
    """One NPE instruction, or a `call` (operands: kernel, inputs…, outputs…), and its line."""

    mnemonic: str
    operands: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Loop:
    """A repeated block: `G` runs once per event, `lanes` once per NPE, `tree` log2(NPEs) times."""

    trips: str
    body: tuple[Instruction, ...]
    line: int


Statement = Instruction | Loop


@dataclass(frozen=True)
class Section:
    """A named part; `row` runs once per row of lanes, the others once per task."""

    kind: str
    body: tuple[Statement, ...]

    @property
    def instructions(self) -> tuple[tuple[Instruction, str], ...]:
        """Each instruction once, with the trips of the loop it stands in, or ''."""
        pairs: list[tuple[Instruction, str]] = []
        for statement in self.body:
            if isinstance(statement, Loop):
                pairs += [(instruction, statement.trips) for instruction in statement.body]
            else:
                pairs.append((statement, ""))
        return tuple(pairs)

    @property
    def captures(self) -> int:
        """How many EVC there are."""
        return sum(instruction.mnemonic == "EVC" for instruction, _ in self.instructions)


@dataclass(frozen=True)
class KernelText:
    """A parsed file. `memory` maps an operand to its axes, `constants` a name to BF16 bits.

    `max_rows` bounds the trips of `row:`; `error` says what the values are worth, where known.
    """

    file: str
    name: str
    mark: str
    source: str
    doc: str
    width: int
    max_rows: int | None
    error: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    memory: dict[str, tuple[str, ...]]
    constants: dict[str, int]
    sections: tuple[Section, ...]


def parse(text: str, file: str) -> KernelText:
    """Parses the text of one kernel; `file` names it in messages.

    Raises:
        InputError: with `file:line:` in front, where the text breaks the grammar.
    """
    reader = _Reader(file)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.split("#", 1)[0].rstrip()
        if stripped:
            reader.line(number, len(stripped) - len(stripped.lstrip()), stripped.strip())
    return reader.finish()


class _Reader:
    """Collects header lines until the first section, then statements by their indentation."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.fields: dict[str, str] = {}
        self.memory: dict[str, tuple[str, ...]] = {}
        self.constants: dict[str, int] = {}
        self.sections: list[tuple[str, list[Statement]]] = []
        self.loop: tuple[str, int, list[Instruction]] | None = None

    def error(self, line: int, message: str) -> InputError:
        return InputError(f"{self.file}:{line}: {message}")

    def line(self, number: int, indent: int, text: str) -> None:
        if indent == 0:
            self._close_loop()
            self._top(number, text)
        elif not self.sections:
            raise self.error(number, "an instruction stands before the first section")
        elif text.endswith(":"):
            self._close_loop()
            self._open_loop(number, text[:-1])
        else:
            if indent < 4:
                self._close_loop()
            self._statement(number, self._instruction(number, text))

    def _top(self, number: int, text: str) -> None:
        head, _, rest = text.partition(" ")
        if text.endswith(":") and " " not in text:
            self._open_section(number, text[:-1])
        elif self.sections:
            raise self.error(number, f"header line '{text}' stands after the first section")
        elif head == "memory":
            self._memory(number, rest)
        elif head == "const":
            self._constant(number, rest)
        else:
            self._field(number, text)

    def _open_section(self, number: int, name: str) -> None:
        if name not in SECTIONS:
            raise self.error(number, f"unknown section '{name}'{_hint(name, SECTIONS)}")
        self.sections.append((name, []))

    def _open_loop(self, number: int, text: str) -> None:
        trips = {"repeat G": "G", "repeat lanes": "lanes", "tree": "tree"}.get(text)
        if trips is None:
            message = f"unknown block '{text}:'; expected 'repeat G:', 'repeat lanes:' or 'tree:'"
            raise self.error(number, message)
        self.loop = (trips, number, [])

    def _close_loop(self) -> None:
        if self.loop is None:
            return
        trips, number, body = self.loop
        if not body:
            raise self.error(number, "the block is empty; indent its instructions by four spaces")
        self.sections[-1][1].append(Loop(trips, tuple(body), number))
        self.loop = None

    def _statement(self, number: int, instruction: Instruction) -> None:
        if self.loop is not None:
            self.loop[2].append(instruction)
        else:
            self.sections[-1][1].append(instruction)

    def _field(self, number: int, text: str) -> None:
        match = re.match(r"(\w+)(?::\s*|\s+)(.*)", text)
        key, value = match.groups() if match else (text, "")
        if key not in _FIELDS:
            raise self.error(number, f"unknown header '{key}'{_hint(key, _FIELDS)}")
        if key in self.fields:
            raise self.error(number, f"header '{key}' is given twice")
        if key == "mark" and value not in _MARKS:
            raise self.error(number, f"unknown mark '{value}'; expected one of {', '.join(_MARKS)}")
        if key in ("width", "max_rows") and not re.fullmatch("[1-9][0-9]*", value):
            raise self.error(number, f"{key} is '{value}'; expected a positive integer")
        self.fields[key] = value

    def _memory(self, number: int, text: str) -> None:
        if not re.fullmatch(r"(\w+(\[[\w, ]*\])?\s*)+", text):
            raise self.error(number, f"cannot read 'memory {text}'; expected names as 'acc[row]'")
        for name, axes in re.findall(r"(\w+)(?:\[([^\]]*)\])?", text):
            self.memory[name] = tuple(part.strip() for part in axes.split(",")) if axes else ()
            if unknown := [axis for axis in self.memory[name] if not _is_axis(axis)]:
                message = (
                    f"unknown axis '{unknown[0]}' of '{name}'; expected row, lane, lanes, g or a "
                    "number"
                )
                raise self.error(number, message)

    def _constant(self, number: int, text: str) -> None:
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            bits = int(value, 16) if value.startswith("0x") else int(to_bits(float(value)))
        except ValueError:
            message = f"constant '{name}' is '{value}'; expected a number or 0x and four digits"
            raise self.error(number, message) from None
        if not _NAME.fullmatch(name):
            raise self.error(number, f"'{name}' is not a name of lower-case letters and digits")
        self.constants[name] = bits

    def _instruction(self, number: int, text: str) -> Instruction:
        mnemonic, _, rest = text.partition(" ")
        if mnemonic == "call":
            return self._call(number, rest)
        if mnemonic not in MNEMONICS:
            message = f"unknown instruction '{mnemonic}'{_hint(mnemonic, MNEMONICS)}"
            raise self.error(number, message)
        operands = tuple(part.strip() for part in rest.split(",")) if rest else ()
        signature = MNEMONICS[mnemonic][1]
        if len(operands) != len(signature) and not (signature == "sf" and len(operands) == 1):
            message = f"{mnemonic} takes {len(signature)} operands, got {len(operands)}"
            raise self.error(number, message)
        for operand in operands:
            if not _OPERAND.fullmatch(operand):
                raise self.error(number, f"'{operand}' is not an operand")
        return Instruction(mnemonic, operands, number)

    def _call(self, number: int, text: str) -> Instruction:
        match = re.fullmatch(r"(\w+)\s+(\w.*?)\s*->\s*(\w.*)", text)
        if not match:
            raise self.error(number, f"cannot read 'call {text}'; expected 'call kernel x -> y'")
        callee, inputs, outputs = match.groups()
        names = [part.strip() for part in f"{inputs},{outputs}".split(",")]
        return Instruction("call", (callee, *names), number)

    def finish(self) -> KernelText:
        self._close_loop()
        for key in ("kernel", "mark", "source", "doc"):
            if key not in self.fields:
                raise self.error(1, f"header '{key}' is missing")
        if not any(kind == "row" for kind, _ in self.sections):
            raise self.error(1, "section 'row:' is missing")
        return KernelText(
            file=self.file,
            name=self.fields["kernel"],
            mark=self.fields["mark"],
            source=self.fields["source"],
            doc=self.fields["doc"],
            width=int(self.fields.get("width", "1")),
            max_rows=int(self.fields["max_rows"]) if "max_rows" in self.fields else None,
            error=self.fields.get("error", ""),
            inputs=_names(self.fields.get("in", "")),
            outputs=_names(self.fields.get("out", "")),
            memory=self.memory,
            constants=self.constants,
            sections=tuple(Section(kind, tuple(body)) for kind, body in self.sections),
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_axis(axis: str) -> bool:
    return axis in ("row", "lane", "lanes", "g") or axis.isdigit()


def _hint(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(word, known, n=1) or get_close_matches(word.upper(), known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(known)}"
