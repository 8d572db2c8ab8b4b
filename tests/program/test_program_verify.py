"""Every rule of the verifier: one broken program each, and the full text of its message."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from builders import Builder, make_chip, single
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import Case, random_case

from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import HOST_STAGE, Program
from seneca_sim.program.verify import RULES, verify
from seneca_sim.program.verify_memory import code_bits

CHIP = make_chip(2, 1)


def good() -> Program:
    """Host -> stored on core 0 -> weights on core 1 -> host; the way in is windowed.

    Routes 0, 1, 2 and the credit 3; consumers 0, 1 and the host's 2; stages "first", "second".
    """
    b = Builder(CHIP)
    x, mid, y = b.site("x"), b.site("mid"), b.site("y")
    first = b.stage(0, [b.stored(0, x)], ("send_dense", 1), name="first")
    second = b.stage(1, [b.weighted(1, mid)], name="second")
    b.stored(b.host, y)
    entry = b.route(x, HOST_STAGE, [0], window=True)
    b.route(mid, first, [1])
    b.route(y, second, [b.host])
    b.credits(entry, [first])
    return b.build()


def put(program: Program, table: str, index: int, **values: Any) -> Program:
    """A program with one row of a table changed."""
    rows = list(getattr(program, table))
    rows[index] = replace(rows[index], **values)
    return replace(program, **{table: tuple(rows)})


def region(program: Program, name: str) -> int:
    return next(i for i, r in enumerate(program.regions) if r.name == name)


def add_core_set(program: Program, *cores: int) -> Program:
    return replace(program, core_sets=(*program.core_sets, cores))


def cyclic() -> Program:
    """Core 0 waits for core 1 and core 1 for core 0."""
    b = Builder(CHIP)
    x, there, back, y = (b.site(name) for name in ("x", "there", "back", "y"))
    first = b.stage(0, [b.stored(0, x), b.stored(0, back)], name="first")
    second = b.stage(1, [b.stored(1, there)], name="second")
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(there, first, [1])
    b.route(back, second, [0])
    b.route(y, second, [b.host])
    return _unchecked(b)


def _unchecked(b: Builder) -> Program:
    return Program(
        "hand", b.chip.cores, tuple(b.sites), tuple(b.core_sets), tuple(b.routes),
        tuple(b.consumers), tuple(b.stages), tuple(b.regions),
    )  # fmt: skip


BROKEN: list[tuple[str, Callable[[Program], Program], str]] = [
    ("indices_exist", lambda p: put(p, "routes", 1, site=9), "route 1 points outside its tables"),
    (
        "indices_exist",
        lambda p: add_core_set(p, 0, 0),
        "core set 3 is empty, repeats a core or names a missing one",
    ),
    (
        "indices_exist",
        lambda p: put(p, "consumers", 0, core=3),
        "consumer 0 points outside its tables",
    ),
    (
        "indices_exist",
        lambda p: put(p, "stages", 0, needs=(7,)),
        "stage 0 (first) points outside its tables",
    ),
    (
        "indices_exist",
        lambda p: put(p, "consumers", 1, weights=-1),
        "weights of consumer 1 has no place in the memory map",
    ),
    (
        "regions_are_local",
        lambda p: put(p, "consumers", 1, target=region(p, "in:x")),
        "target of consumer 1 on core 1 lies on core 0",
    ),
    (
        "regions_are_local",
        lambda p: put(p, "routes", 1, buffer=region(p, "acc:mid")),
        "buffer of route 1 on core 0 lies on core 1",
    ),
    (
        "stages_are_local",
        lambda p: put(p, "stages", 0, steps=()),
        "stage first on core 0 needs nothing or does nothing",
    ),
    (
        "stages_are_local",
        lambda p: put(p, "stages", 0, core=1),
        "stage first on core 1 needs a consumer of another core",
    ),
    (
        "stages_are_local",
        lambda p: put(p, "stages", 0, emits=(1, 2, 3)),
        "stage first on core 0 sends another stage's route",
    ),
    (
        "stages_are_local",
        lambda p: put(p, "routes", 1, source=1),
        "stage first on core 0 sends another stage's route",
    ),
    (
        "routes_are_sent_once",
        lambda p: put(p, "stages", 0, emits=(3,)),
        "route 1 of mid is sent 0 times by its stage, not once",
    ),
    (
        "routes_are_sent_once",
        lambda p: put(p, "stages", 0, emits=(1, 1, 3)),
        "route 1 of mid is sent 2 times by its stage, not once",
    ),
    (
        "routes_are_sent_once",
        lambda p: put(p, "routes", 0, source=1),
        "route 0 of x leaves core 1, but no stage sends it",
    ),
    (
        "routes_are_sent_once",
        lambda p: put(p, "routes", 2, destinations=p.routes[0].destinations),
        "nothing is sent to the host, so no token would ever be done",
    ),
    (
        "consumers_are_used_once",
        lambda p: put(p, "stages", 0, needs=(0, 0)),
        "x on core 0 is needed by 2 stages, not by one",
    ),
    (
        "consumers_are_used_once",
        lambda p: replace(p, consumers=(*p.consumers, p.consumers[2])),
        "two consumers take the same site on one core",
    ),
    (
        "routes_arrive",
        lambda p: put(p, "routes", 1, destinations=p.routes[0].destinations),
        "mid is sent to core 0, where nobody takes it",
    ),
    (
        "routes_arrive",
        lambda p: put(p, "routes", 3, destinations=p.routes[0].destinations),
        "credit route 3 goes to core 0, not to its route's source",
    ),
    (
        "channels_are_covered",
        lambda p: put(p, "routes", 1, low=2),
        "mid reaches core 1 with channel 0 missing or doubled",
    ),
    (
        "channels_are_covered",
        lambda p: put(p, "routes", 1, high=6),
        "mid reaches core 1 up to channel 6 of 8",
    ),
    (
        "windows_are_answered",
        lambda p: put(p, "routes", 1, window=True),
        "route 1 of mid is acknowledged by [], not by [1]",
    ),
    (
        "windows_are_answered",
        lambda p: put(p, "routes", 0, window=False),
        "route 0 of x is acknowledged by [0], not by []",
    ),
    (
        "slices_match_rows",
        lambda p: put(p, "consumers", 1, neurons=7),
        "weights weight:mid on core 1 are 8 x 8; expected 7 x 8",
    ),
    (
        "slices_match_rows",
        lambda p: put(p, "consumers", 1, rows=0),
        "mid on core 1 runs over 0 rows; 8 neurons need 1",
    ),
    (
        "chip_is_the_right_one",
        lambda p: replace(p, cores=9),
        f"placed on 9 cores, but chip test has {CHIP.cores}",
    ),
    (
        "memory_fits",
        lambda p: put(p, "regions", region(p, "acc:mid"), address_bits=128),
        "core 1: acc:mid overlaps weight:mid",
    ),
    (
        "memory_fits",
        lambda p: put(p, "regions", region(p, "acc:mid"), address_bits=2**21 - 64),
        "core 1 needs 2,097,216 bits of data memory and has 2,097,152",
    ),
    (
        "fetches_have_a_channel",
        lambda p: put(p, "regions", region(p, "weight:mid"), shared=True),
        "weight:mid lies in shared memory, but chip test has none (memory.kind)",
    ),
    ("no_cycle_in_a_token", lambda _: cyclic(), "stage first on core 0 waits for itself"),
]


@pytest.mark.parametrize(("rule", "change", "message"), BROKEN, ids=[m for _, _, m in BROKEN])
def test_message(rule: str, change: Callable[[Program], Program], message: str) -> None:
    error = CapacityError if rule == "memory_fits" else InputError
    with pytest.raises(error) as caught:
        verify(change(good()), CHIP)
    assert str(caught.value) == f"program hand: {message}"


def test_the_message_comes_from_the_named_rule() -> None:
    by_name = {rule.__name__: rule for rule in RULES}
    for name, change, message in BROKEN:
        assert message in list(by_name[name](change(good()), CHIP))


def test_every_rule_has_a_broken_program() -> None:
    own = {"code_fits"}  # no program breaks it on this chip; it has a test of its own
    assert {rule.__name__ for rule in RULES} == {name for name, _, _ in BROKEN} | own


def test_good_programs_pass() -> None:
    verify(good(), CHIP)
    verify(single(make_chip()), make_chip())


def drop_route(rnd: Random, p: Program) -> Program:
    """Take a route away from the stage that sends it."""
    stage = rnd.choice([i for i, s in enumerate(p.stages) if s.emits])
    emits = list(p.stages[stage].emits)
    emits.remove(rnd.choice(emits))
    return put(p, "stages", stage, emits=tuple(emits))


def shorten_route(rnd: Random, p: Program) -> Program:
    """Lose the last channel of a route that has one."""
    route = rnd.choice([i for i, r in enumerate(p.routes) if r.high > r.low])
    return put(p, "routes", route, high=p.routes[route].high - 1)


def lose_credit(rnd: Random, p: Program) -> Program:
    """Let a credit answer for another route."""
    credit = rnd.choice([i for i, r in enumerate(p.routes) if r.acknowledges >= 0])
    other = next(i for i, r in enumerate(p.routes) if r.acknowledges < 0 and not r.window)
    return put(p, "routes", credit, acknowledges=other)


def overlap(rnd: Random, p: Program) -> Program:
    """Move a region of at least a line onto its neighbour."""
    pairs = [
        (i, j)
        for i, a in enumerate(p.regions)
        for j, b in enumerate(p.regions)
        if i != j and a.core == b.core and a.bits and b.bits
    ]
    if not pairs:
        return put(p, "regions", 0, address_bits=2**40)
    i, j = rnd.choice(pairs)
    return put(p, "regions", i, address_bits=p.regions[j].address_bits)


def wrong_core(rnd: Random, p: Program) -> Program:
    """Place a stage on the next endpoint."""
    stage = rnd.randrange(len(p.stages))
    return put(p, "stages", stage, core=(p.stages[stage].core + 1) % (p.cores + 1))


def wrong_source(rnd: Random, p: Program) -> Program:
    """Let a route leave from elsewhere."""
    route = rnd.randrange(len(p.routes))
    return put(p, "routes", route, source=(p.routes[route].source + 1) % (p.cores + 1))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from([drop_route, shorten_route, lose_credit, overlap, wrong_core, wrong_source]),
)
def test_mutants_are_refused(rnd: Random, mutate: Callable[[Random, Program], Program]) -> None:
    """Random programs pass (the builder verifies them); changed in one place they do not."""
    case: Case = random_case(rnd)
    verify(case.program, case.chip)
    with pytest.raises(InputError):
        verify(mutate(rnd, case.program), case.chip)


def test_code_that_does_not_fit() -> None:
    """Core 1 of the good program runs two kernels; 23 bits an instruction, counted in their texts.

    event_bf16 has 6 instructions, send_acc 4 with its constant (MLD zero, MLD, MST, EVC).
    """
    need = {0: 1000 + 23 * 2, 1: 1000 + 23 * (6 + 4)}
    small = replace(CHIP.core.controller, code_bits=1000)
    core = replace(CHIP.core, controller=small)
    assert code_bits(good(), replace(CHIP, core=core)) == need
    tight = replace(CHIP, core=replace(core, instruction_memory_bits=need[1] - 1))
    with pytest.raises(CapacityError) as caught:
        verify(good(), tight)
    assert str(caught.value) == (
        "program hand: core 1 needs 1,230 bits of instruction memory and has 1,229"
    )
