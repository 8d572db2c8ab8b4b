import re
from collections.abc import Callable

import pytest

from seneca_sim.chip import (
    BoundarySpec,
    Chip,
    ControllerSpec,
    CoreSpec,
    HostSpec,
    MemorySpec,
    NocSpec,
)
from seneca_sim.errors import InputError


def test_defaults_are_the_published_core() -> None:
    chip = Chip("x")
    assert (chip.cores, chip.clock_hz, chip.core.npes) == (64, 500_000_000, 8)
    assert (chip.core.data_memory_bits, chip.core.instruction_memory_bits) == (2097152, 262144)
    assert chip.noc.packet_flits == 17


def test_nodes_count_along_rows() -> None:
    chip = Chip("x", columns=5, rows=3, host=HostSpec(x=4, y=2))
    assert chip.node(3, 1) == 8
    assert chip.position(8) == (3, 1)
    assert chip.host_node == 14


@pytest.mark.parametrize(
    ("make", "field", "message"),
    [
        (lambda: CoreSpec(npes=0), "core.npes", "0 is too small: at least 1"),
        (lambda: CoreSpec(npes=-1), "core.npes", "-1 is too small"),
        (lambda: CoreSpec(npes=7), "core.npes", "7 is no power of two"),
        (lambda: CoreSpec(npes=16), "core.line_bits", "128 b cannot feed 16 NPEs in one access"),
        (lambda: NocSpec(topology="ring"), "noc.topology", "'ring' is unknown: expected mesh or"),
        (
            lambda: Chip("x", noc=NocSpec(topology="torus")),
            "noc.buffer_flits",
            "18 flits are too few: a torus is entered with a bubble",
        ),
        (lambda: MemorySpec(kind="dram"), "memory.kind", "'dram' is unknown: expected none or"),
        (lambda: BoundarySpec(hop_cycles=0), "boundary.hop_cycles", "0 is too small"),
        (lambda: CoreSpec(npes=8.0), "core.npes", "8.0 is not a whole number"),  # type: ignore[arg-type]
        (lambda: CoreSpec(npes=True), "core.npes", "True is not a whole number"),
        (lambda: CoreSpec(npes=2**41), "core.npes", "is too large"),
        (lambda: CoreSpec(group_size=29), "core.group_size", "29 is too large: at most 28"),
        (lambda: CoreSpec(register_words=8), "core.group_size", "at most 0"),
        (lambda: ControllerSpec(task_instructions=-1), "core.controller.task_instructions", "-1"),
        (lambda: NocSpec(hop_cycles=0), "noc.hop_cycles", "0 is too small"),
        (lambda: NocSpec(header_flits=0), "noc.header_flits", "0 is too small"),
        (lambda: Chip("x", noc=NocSpec(buffer_flits=16)), "noc.buffer_flits", "packet, 17"),
        (
            lambda: Chip("x", core=CoreSpec(input_queue_flits=16)),
            "core.input_queue_flits",
            "16 flits cannot hold the largest packet, 17",
        ),
        (
            lambda: Chip("x", core=CoreSpec(output_queue_flits=16)),
            "core.output_queue_flits",
            "16 flits cannot hold",
        ),
        (lambda: Chip("x", host=HostSpec(queue_flits=16)), "host.queue_flits", "16 flits"),
        (lambda: Chip("x", host=HostSpec(x=8)), "host.x", "8 is too large: at most 7"),
        (lambda: Chip("x", rows=2, host=HostSpec(y=2)), "host.y", "2 is too large: at most 1"),
        (lambda: Chip("x", columns=1000, rows=1000), "columns", "more than 65536"),
        (lambda: Chip("x", clock_hz=0), "clock_hz", "0 is too small"),
    ],
)
def test_what_cannot_be_built_is_refused_by_field(
    make: Callable[[], object], field: str, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        make()
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_limits_themselves_are_allowed() -> None:
    CoreSpec(group_size=28)
    Chip("x", noc=NocSpec(buffer_flits=17))
    Chip("x", columns=1, rows=1)
    ControllerSpec(task_instructions=0)


def test_a_chip_is_a_value() -> None:
    chip = Chip(
        "x",
        columns=2,
        noc=NocSpec(hop_cycles=3, topology="torus", buffer_flits=34),
        boundary=BoundarySpec(tile_columns=1),
        memory=MemorySpec(kind="hbm"),
    )
    assert eval(repr(chip)) == chip
    assert hash(chip) == hash(eval(repr(chip)))
