"""What a chip is: plain frozen values, checked when they are made.

A `Chip` is a mesh of `columns` x `rows` identical cores joined by a NoC, with one host port. All
fields are integers in the unit that their name says (bits, words, flits, cycles, Hz); sources and
marks of the shipped numbers stand in the presets (`seneca_sim/chip/presets`).
"""

from dataclasses import dataclass, field

from seneca_sim.chip.checks import at_most, check_numbers, refuse

_BITS = {"dimension": "data"}
_ZERO_OK = {"minimum": 0}
MAX_CORES = 2**16
# Registers of a core's NPEs that a kernel uses beside the grouped events' values and weights.
WORKING_REGISTERS = 8


@dataclass(frozen=True)
class ControllerSpec:
    """What the RISC-V controller does for each packet, event and task: instruction counts."""

    packet_in_instructions: int = 20
    event_in_instructions: int = field(default=10, metadata=_ZERO_OK)
    task_instructions: int = field(default=6, metadata=_ZERO_OK)
    packet_out_instructions: int = 20
    event_out_instructions: int = field(default=0, metadata=_ZERO_OK)
    event_in_memory_accesses: int = field(default=1, metadata=_ZERO_OK)
    cycles_per_instruction: int = 1

    def __post_init__(self) -> None:
        check_numbers(self, "core.controller")


@dataclass(frozen=True)
class CoreSpec:
    """One core: SIMD lanes (NPEs), memories, controller, queues.

    Attributes:
        npes: lanes of 16 bits, all doing the same instruction.
        register_words: 16-bit words of registers in each NPE.
        line_bits: width of the data-memory port.
        group_size: input events that one pass over the neuron states applies together.
        task_fifo: tasks that may wait between controller and loop buffer.
        task_setup_cycles: pipeline fill and loop set-up of each task.
        events_per_cycle: what the event generator takes or makes in a cycle.
        window: vectors in flight for each (consumer, site).

    """

    npes: int = 8
    data_memory_bits: int = field(default=2**21, metadata=_BITS)
    instruction_memory_bits: int = field(default=2**18, metadata=_BITS)
    register_words: int = 64
    line_bits: int = field(default=128, metadata=_BITS)
    group_size: int = 16
    task_fifo: int = 4
    task_setup_cycles: int = field(default=4, metadata=_ZERO_OK)
    events_per_cycle: int = 1
    input_queue_flits: int = 64
    output_queue_flits: int = 64
    window: int = 2
    controller: ControllerSpec = field(default_factory=ControllerSpec)

    def __post_init__(self) -> None:
        check_numbers(self, "core")
        limit = max(0, (self.register_words - WORKING_REGISTERS) // 2)
        why = f"{self.register_words} registers hold 2 words an event and {WORKING_REGISTERS} more"
        at_most("core.group_size", self.group_size, limit, why)


@dataclass(frozen=True)
class NocSpec:
    """The network: links, router buffers and the shape of packets.

    Attributes:
        link_bits: bits that a link carries in a cycle.
        hop_cycles: cycles from one router to the next.
        buffer_flits: buffer of each router input port.
        header_flits: at least 1: the end of a vector is a flag in the header.
        event_flits: flits of one graded event.
        packet_events: events in a packet at most.

    """

    link_bits: int = field(default=32, metadata=_BITS)
    flit_bits: int = field(default=32, metadata=_BITS)
    hop_cycles: int = 2
    buffer_flits: int = 18
    header_flits: int = 1
    event_flits: int = 1
    packet_events: int = 16

    def __post_init__(self) -> None:
        check_numbers(self, "noc")

    @property
    def packet_flits(self) -> int:
        """Flits of a full packet, its header included."""
        return self.header_flits + self.packet_events * self.event_flits


@dataclass(frozen=True)
class HostSpec:
    """Where the host port is: at the router of node (x, y)."""

    x: int = field(default=0, metadata=_ZERO_OK)
    y: int = field(default=0, metadata=_ZERO_OK)
    queue_flits: int = 64

    def __post_init__(self) -> None:
        check_numbers(self, "host")


@dataclass(frozen=True)
class Chip:
    """A mesh of cores with a clock, a NoC and a host port."""

    name: str
    columns: int = 8
    rows: int = 8
    clock_hz: int = field(default=500_000_000, metadata={"dimension": "frequency"})
    core: CoreSpec = field(default_factory=CoreSpec)
    noc: NocSpec = field(default_factory=NocSpec)
    host: HostSpec = field(default_factory=HostSpec)

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise InputError, with the dotted field path, where fields do not go together."""
        check_numbers(self, "")
        if self.cores > MAX_CORES:
            refuse("columns", f"{self.columns} x {self.rows} cores are more than {MAX_CORES}")
        at_most("host.x", self.host.x, self.columns - 1, f"the mesh has {self.columns} columns")
        at_most("host.y", self.host.y, self.rows - 1, f"the mesh has {self.rows} rows")
        self._check_queues()

    def _check_queues(self) -> None:
        """Check that routers and queues hold the largest packet, else it could never move."""
        packet = self.noc.packet_flits
        for path, flits in (
            ("noc.buffer_flits", self.noc.buffer_flits),
            ("core.input_queue_flits", self.core.input_queue_flits),
            ("core.output_queue_flits", self.core.output_queue_flits),
            ("host.queue_flits", self.host.queue_flits),
        ):
            if flits < packet:
                what = "header_flits + packet_events x event_flits of noc"
                refuse(path, f"{flits} flits cannot hold the largest packet, {packet} ({what})")

    @property
    def cores(self) -> int:
        """How many cores there are; also the id of the host endpoint."""
        return self.columns * self.rows

    @property
    def host_node(self) -> int:
        """The node whose router has the host port."""
        return self.node(self.host.x, self.host.y)

    def node(self, x: int, y: int) -> int:
        """Return the node at column `x` and row `y`."""
        return y * self.columns + x

    def position(self, node: int) -> tuple[int, int]:
        """Return column and row of `node`."""
        return node % self.columns, node // self.columns
