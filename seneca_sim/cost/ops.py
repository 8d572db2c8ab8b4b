"""The countable actions of the machine, in the one order that every count vector uses."""

from typing import Final

NPE_OPS: Final = (
    "npe.add",
    "npe.sub",
    "npe.mul",
    "npe.i8",
    "npe.gth",
    "npe.max",
    "npe.min",
    "npe.eql",
    "npe.abs",
    "npe.and",
    "npe.orr",
    "npe.shl",
    "npe.shr",
    "npe.i2f",
    "npe.rnd",
    "npe.mld",
    "npe.mst",
    "npe.evc",
)
"""One count is one instruction issued to all NPEs of a core, data-memory access included."""

OPS: Final = (
    *NPE_OPS,
    "evg.event",
    "ctrl.instruction",
    "ctrl.memory",
    "dm.write_word",
    "dm.read_word",
    "noc.flit_hop",
    "noc.boundary_bit",
    "mem.hbm_bit",
    "mem.stt_mram_bit",
    "mem.lpddr_bit",
    "idle.clock",
    "leak.sram",
    "leak.registers",
)
"""All countable ops. Count vectors are tuples of ints in this order."""

OP_INDEX: Final = {op: index for index, op in enumerate(OPS)}
"""Position of each op in a count vector."""
