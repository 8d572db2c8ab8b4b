"""Which measurement belongs to which row of ``published.csv``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter

from seneca_sim.chip import Chip
from seneca_sim.chip.area import AreaTable, core_area, core_um2
from seneca_sim.config.check import nearest
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.validate import instructions, network, sensim, sop
from seneca_sim.validate.bench import Bench
from seneca_sim.validate.rows import Measured, Published, Row, published_rows

Measure = Callable[[Bench], Measured]

_PROBES = {
    "e-add": "add", "e-int8": "int8", "e-cmp": "cmp", "e-eql": "eql", "e-and": "and",
    "e-shl": "shl", "e-i2f": "i2f", "e-rnd": "rnd", "e-mld": "mld", "e-mst": "mst", "e-evc": "evc",
}  # fmt: skip

MEASURES: Mapping[str, Measure] = {
    **{row: partial(instructions.instruction, name=name) for row, name in _PROBES.items()},
    "e-event": instructions.event,
    "e-riscv": instructions.controller_instruction,
    "e-data": instructions.controller_access,
    "e-noc": instructions.flit_hop,
    "e-hbm": partial(instructions.off_core_bit, kind="hbm"),
    "e-stt-mram": partial(instructions.off_core_bit, kind="stt-mram"),
    "leak-sram": partial(
        instructions.leakage_per_bit, field="data_memory_bits", bits_each=lambda core: 1
    ),
    "leak-registers": partial(
        instructions.leakage_per_bit, field="register_words", bits_each=lambda core: 16 * core.npes
    ),
    "header-flits": instructions.header_flits,
    "packet-events": instructions.packet_events,
    "controller-event": instructions.instructions_per_event,
    "read-bit": partial(instructions.memory_bit, name="mld"),
    "write-bit": partial(instructions.memory_bit, name="mst"),
    "sop-bf16": partial(sop.synaptic, kernel="event_bf16"),
    "sop-bf16-1": partial(sop.synaptic, kernel="event_bf16", group=1),
    "sop-int8": partial(sop.synaptic, kernel="event_int8"),
    "sop-int4": partial(sop.synaptic, kernel="event_int4"),
    "sop-explicit": partial(sop.synaptic, kernel="event_binary_int4_explicit"),
    "sop": partial(sop.synaptic, kernel=sop.HEADLINE),
    "sop-controller": sop.with_controller,
    "sop-all": sop.with_everything,
    "sop-all-64": partial(sop.with_everything, neurons=64),
    "controller-share": sop.controller_share,
    "noc-zero-load": network.zero_load,
    "noc-mean-latency": network.mean_latency,
    "noc-capacity": network.accepted,
    "sensim-busy": lambda bench: sensim.busy_cycles(),
    "sensim-energy": lambda bench: sensim.energy(),
    "sensim-ours": sensim.on_our_core,
}
"""Measurements by row. A row with none is not reproduced, or is given by whoever calls."""

_NPES = ("voltage_mv", "core.npes")
_MEMORIES = ("core.data_memory_bits", "core.instruction_memory_bits")
_TRAFFIC = (
    "noc.topology", "noc.hop_cycles", "noc.flit_bits", "noc.link_bits", "noc.buffer_flits",
    "boundary.tile_columns", "boundary.tile_rows",
)  # fmt: skip
_SOPS = ("sop", "sop-bf16", "sop-bf16-1", "sop-int8", "sop-int4", "sop-explicit")
_CONTROLLER = ("core.controller", "core.completion", "core.group_size", "noc.packet_events")

RESTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*_PROBES, "read-bit", "write-bit", *_SOPS), _NPES),
    **dict.fromkeys(("e-event", "e-riscv", "e-data", "e-noc"), ("voltage_mv",)),
    **dict.fromkeys(("leak-sram", "leak-registers"), ("voltage_mv",)),
    "header-flits": ("noc.header_flits",),
    "packet-events": ("noc.packet_events",),
    "controller-event": _CONTROLLER,
    "controller-share": ("core.npes", *_CONTROLLER),
    "area": (
        "core.npes", "core.register_words", *_MEMORIES, "core.input_queue_flits",
        "core.output_queue_flits", "noc.flit_bits", "noc.buffer_flits",
    ),
    "area-memories": _MEMORIES,
    "noc-mean-latency": _TRAFFIC,
    "noc-capacity": _TRAFFIC,
    "sensim-ours": ("core.npes",),
}  # fmt: skip
"""Fields of the chip that a published number holds for, where they are as in seneca-8x8."""


def select(only: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the rows asked for; all of them if none is named.

    Raises:
        InputError: there is no such row.
    """
    known = [row.id for row in published_rows()]
    for name in only:
        if name not in known:
            tip = nearest(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"validate: no row '{name}'{tip}")
    return tuple(row for row in known if not only or row in only)


def validate(
    bench: Bench,
    area: AreaTable,
    given: Mapping[str, Measured | str] | None = None,
    only: Sequence[str] = (),
) -> tuple[Row, ...]:
    """Measure rows of ``published.csv`` again, in its order.

    Args:
        bench: chip and energy table.
        area: table of areas.
        given: measurements that need more than the machine (a model, PyTorch), by row, or why
            they were skipped.
        only: rows to measure; all if none is named.
    """
    wanted = select(only)
    rows = [row for row in published_rows() if row.id in wanted]
    return tuple(_row(row, bench, area, given or {}) for row in rows)


def _row(
    published: Published, bench: Bench, area: AreaTable, given: Mapping[str, Measured | str]
) -> Row:
    found = given.get(published.id)
    if found is None:
        try:
            found = _measured(published.id, bench, area)
        except InputError as error:
            if error.field is None and not isinstance(error, CapacityError):
                raise
            found = f"the measurement does not fit this chip: {error}"
    if isinstance(found, str):
        return Row(published, None, skipped=found)
    return Row(published, found, elsewhere=_elsewhere(published.id, bench.chip))


def _measured(row: str, bench: Bench, area: AreaTable) -> Measured | None:
    if row in MEASURES:
        return MEASURES[row](bench)
    return _area(row, bench, area) if row.startswith("area") else None


def _elsewhere(row: str, chip: Chip) -> str:
    """The fields that a row's number was published for, where the chip has others; or nothing."""
    found = []
    for path in RESTS.get(row, ()):
        theirs, ours = (attrgetter(path)(c) for c in (Chip("seneca-8x8"), chip))
        if ours != theirs:
            plain = isinstance(ours, int | str)
            found.append(f"{path} {theirs} (here {ours})" if plain else f"another {path}")
    return f"published for {' and '.join(found)}" if found else ""


def _area(row: str, bench: Bench, table: AreaTable) -> Measured:
    """The core's area in mm2, or that of its two memories."""
    if row == "area":
        return Measured(float(core_um2(bench.chip, table) / 10**6))
    memories = [part.um2 for part in core_area(bench.chip, table) if part.row == "sram"]
    return Measured(float(sum(memories) / 10**6))
