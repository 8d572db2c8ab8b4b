"""Which measurement belongs to which row of ``published.csv``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from seneca_sim.chip.area import AreaTable, core_area, core_um2
from seneca_sim.config.check import nearest
from seneca_sim.errors import InputError
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
    if isinstance(found, str):
        return Row(published, None, skipped=found)
    if found is None and published.id in MEASURES:
        found = MEASURES[published.id](bench)
    if found is None and published.id.startswith("area"):
        found = _area(published.id, bench, area)
    return Row(published, found)


def _area(row: str, bench: Bench, table: AreaTable) -> Measured:
    """The core's area in mm2, or that of its two memories."""
    if row == "area":
        return Measured(float(core_um2(bench.chip, table) / 10**6))
    memories = [part.um2 for part in core_area(bench.chip, table) if part.row == "sram"]
    return Measured(float(sum(memories) / 10**6))
