"""The notation of micro-kernels: what is read, and the full text of every error."""

import pytest

from seneca_sim.cost.kernel import build_kernel
from seneca_sim.cost.notation import Instruction, Loop, parse
from seneca_sim.errors import InputError

HEAD = "kernel k\nmark: assumed\nsource: none\ndoc: none\nmemory x[row] v[g]\nconst one = 1\n"


def test_a_kernel_is_read():
    text = parse(
        HEAD + "prologue:\n  repeat G:\n    MLD e[g], v[g]  # loads\n\nrow:\n  MLD a, x\n", "k.npe"
    )
    assert (text.name, text.mark, text.width) == ("k", "assumed", 1)
    assert text.memory == {"x": ("row",), "v": ("g",)}
    assert text.constants == {"one": 0x3F80}
    load = Instruction("MLD", ("e[g]", "v[g]"), 9)
    assert text.sections[0].body == (Loop("G", (load,), 8),)
    assert text.sections[1].body == (Instruction("MLD", ("a", "x"), 12),)


def test_constants_are_rounded_or_taken_as_bits():
    text = parse(HEAD + "const a = 0x7F\nconst b = 1.4426950408889634\nrow:\n  MLD y, x\n", "k.npe")
    assert text.constants["a"] == 0x007F
    assert text.constants["b"] == 0x3FB9  # 1.4453125, the nearest BF16


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("row:\n  MLDD a, x", "8: unknown instruction 'MLDD'; did you mean 'MLD'?"),
        ("row:\n  mul a, a, a", "8: unknown instruction 'mul'; did you mean 'MUL'?"),
        ("row:\n  MLD a", "8: MLD takes 2 operands, got 1"),
        ("row:\n  MLD A, x", "8: 'A' is not an operand"),
        ("row:\n  MLD a, y", "8: 'y' is not declared as memory; declared: x, v"),
        ("row:\n  ADD a, one, b", "8: register 'b' is read before it is written"),
        ("row:\n  ADD a, one, 1", "8: '1' is a number; use a 'const' in a register"),
        ("row:\n  MLD one, x", "8: 'one' is a constant and cannot be written"),
        ("row:\n  loop G:\n",
         "8: unknown block 'loop G:'; expected 'repeat G:', 'repeat lanes:' or 'tree:'"),
        ("row:\n  MLD a, x[l]", "8: 'x[l]' is not memory in a block 'repeat lanes:'"),
        ("row:\n  repeat lanes:\n    MLD a[l], x", "9: 'a[l]' is not memory in a block 'repeat "
         "lanes:'"),
        ("prologue:\n  repeat lanes:\n    MLD a, x[l]\nrow:\n  MLD a, x",
         "8: 'repeat lanes:' stands in 'prologue:'; expected in 'row:'"),
        ("row:\n  repeat G:\n  MLD a, x",
         "8: the block is empty; indent its instructions by four spaces"),
        ("row:\n  tree:\n    MLD a, x",
         "8: 'tree:' stands in 'row:'; expected in 'between:' or 'epilogue:'"),
        ("row:\n  MLD a, x\nepilogue:\n  repeat G:\n    MLD a, v[g]",
         "10: 'repeat G:' stands in 'epilogue:'; expected in 'prologue:' or 'row:'"),
        ("rows:\n", "7: unknown section 'rows'; did you mean 'row'?"),
        ("marc: derived\nrow:\n", "7: unknown header 'marc'; did you mean 'mark'?"),
        ("mark: derived\nrow:\n", "7: header 'mark' is given twice"),
        ("width: 0\nrow:\n", "7: width is '0'; expected a positive integer"),
        ("const b = four\nrow:\n",
         "7: constant 'b' is 'four'; expected a number or 0x and four digits"),
        ("const B = 4\nrow:\n", "7: 'B' is not a name of lower-case letters and digits"),
        ("memory y[col]\nrow:\n",
         "7: unknown axis 'col' of 'y'; expected row, lane, lanes, g or a number"),
        ("memory y(row)\nrow:\n",
         "7: cannot read 'memory y(row)'; expected names as 'acc[row]'"),
        ("row:\n  MLD a, x\nconst b = 4",
         "9: header line 'const b = 4' stands after the first section"),
        ("  MLD a, x\nrow:\n", "7: an instruction stands before the first section"),
        ("prologue:\n  MLD a, x", "1: section 'row:' is missing"),
        ("row:\n  call exp x", "8: cannot read 'call exp x'; expected 'call kernel x -> y'"),
        ("row:\n  MLD a, x\n  call exp a -> a", "9: a register is passed twice to exp"),
        ("row:\n  MLD a, x\n  call exp a, one -> b", "9: exp takes 2 registers, got 3"),
        ("row:\n  MLD a, x\n  call ln_apply -> b", "9: cannot read 'call ln_apply -> b'; "
         "expected 'call kernel x -> y'"),
        ("row:\n  call exp a -> b", "8: register 'a' is read before it is written"),
    ],
)  # fmt: skip
def test_errors(body, message):
    with pytest.raises(InputError) as error:
        build_kernel(parse(HEAD + body, "k.npe"))
    assert str(error.value) == f"k.npe:{message}"


def test_a_callee_is_one_row():
    with pytest.raises(InputError) as error:
        build_kernel(parse(HEAD + "row:\n  MLD a, x\n  call wkv a -> b\n", "k.npe"))
    assert str(error.value) == "k.npe:9: wkv takes 0 registers, got 2"


def test_header_is_required():
    with pytest.raises(InputError) as error:
        parse("kernel k\nrow:\n", "k.npe")
    assert str(error.value) == "k.npe:1: header 'mark' is missing"


def test_mark_is_one_of_four():
    with pytest.raises(InputError) as error:
        parse("mark: guessed\n", "k.npe")
    assert str(error.value) == (
        "k.npe:1: unknown mark 'guessed'; expected one of published, second-hand, derived, assumed"
    )
