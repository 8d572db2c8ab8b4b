"""What a chip is: plain frozen values, checked when they are made.

A `Chip` is a mesh of `columns` x `rows` identical cores joined by a NoC, with one host port. All
fields are integers in the unit that their name says (bits, words, flits, cycles, Hz); sources and
marks of the shipped numbers stand in the presets (`seneca_sim/chip/presets`).
"""

from dataclasses import dataclass, field

from seneca_sim.chip.checks import at_most, check_numbers, refuse

_BITS = {"dimension": "data"}
_TIME = {"dimension": "time", "minimum": 0}
_ZERO_OK = {"minimum": 0}
LOWEST_MV, HIGHEST_MV = 400, 1200
"""Supplies to which energies can be scaled: above the threshold, below breakdown."""
_VOLTAGE = {"dimension": "voltage", "minimum": LOWEST_MV}
MAX_CORES = 2**16
# Registers of a core's NPEs that a kernel uses beside the grouped events' values and weights.
WORKING_REGISTERS = 8
WORD_BITS = 16


def _choice(*choices: str) -> str:
    """Make a field of a few words, the first of them the default."""
    chosen: str = field(default=choices[0], metadata={"choices": choices})
    return chosen


@dataclass(frozen=True)
class ControllerSpec:
    """What the RISC-V controller does for each packet, event and task: instruction counts.

    Attributes:
        packet_in_instructions: to take a packet.
        event_in_instructions: to take one of its events.
        task_instructions: to push a task to the NPEs.
        packet_out_instructions: to send a packet.
        event_out_instructions: to send one of its events; 0 where the event generator does all.
        event_in_memory_accesses: data-memory accesses for each event taken.
        cycles_per_instruction: cycles.
        code_bits: of the controller's own program in the instruction memory, bits.
    """

    packet_in_instructions: int = 20
    event_in_instructions: int = field(default=10, metadata=_ZERO_OK)
    task_instructions: int = field(default=6, metadata=_ZERO_OK)
    packet_out_instructions: int = 20
    event_out_instructions: int = field(default=0, metadata=_ZERO_OK)
    event_in_memory_accesses: int = field(default=1, metadata=_ZERO_OK)
    cycles_per_instruction: int = 1
    code_bits: int = field(default=2**17, metadata=_BITS)

    def __post_init__(self) -> None:
        check_numbers(self, "core.controller")


@dataclass(frozen=True)
class CoreSpec:
    """One core: SIMD lanes (NPEs), memories, controller, queues.

    Attributes:
        npes: lanes of 16 bits, all doing the same instruction.
        data_memory_bits: SRAM of weights and states, bits.
        instruction_memory_bits: SRAM of the controller's program, bits.
        bank_bits: size of one SRAM block of the data memory.
        register_words: 16-bit words of registers in each NPE.
        line_bits: width of the data-memory port.
        group_size: input events that one pass over the neuron states applies together.
        task_fifo: tasks that may wait between controller and loop buffer.
        task_setup_cycles: pipeline fill and loop set-up of each task.
        events_per_cycle: what the event generator takes or makes in a cycle.
        input_queue_flits: room for packets that the controller has not taken.
        output_queue_flits: room for packets on their way into the network.
        window: vectors in flight for each (consumer, site).
        completion: how a core learns that a vector is complete: a flag in the last packet of each
            source (end-flag), or a first packet with the number of events (announce).
        gating: what an idle core still spends: leakage and its clock tree (none), leakage (clock),
            or leakage only where the program uses the core at all (power).
        unsafe_blocking_send: 1 lets a controller wait for the output queue without serving its
            input; only for showing that this can deadlock.
        controller: instruction counts.
    """

    npes: int = 8
    data_memory_bits: int = field(default=2**21, metadata=_BITS)
    bank_bits: int = field(default=2**18, metadata=_BITS)
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
    completion: str = _choice("end-flag", "announce")
    gating: str = _choice("clock", "none", "power")
    unsafe_blocking_send: int = field(default=0, metadata=_ZERO_OK)
    controller: ControllerSpec = field(default_factory=ControllerSpec)

    def __post_init__(self) -> None:
        check_numbers(self, "core")
        limit = max(0, (self.register_words - WORKING_REGISTERS) // 2)
        why = f"{self.register_words} registers hold 2 words an event and {WORKING_REGISTERS} more"
        at_most("core.group_size", self.group_size, limit, why)
        if self.npes & (self.npes - 1):
            refuse("core.npes", f"{self.npes} is no power of two, which sums over lanes need")
        if self.line_bits < WORD_BITS * self.npes:
            need = WORD_BITS * self.npes
            refuse(
                "core.line_bits",
                f"{self.line_bits} b cannot feed {self.npes} NPEs in one access: at least {need} b "
                "(or fewer core.npes)",
            )


@dataclass(frozen=True)
class NocSpec:
    """The network: links, router buffers and the shape of packets.

    Attributes:
        link_bits: bits that a link carries in a cycle.
        flit_bits: bits of a flit.
        hop_cycles: cycles from one router to the next.
        buffer_flits: buffer of each router input port.
        header_flits: at least 1: the end of a vector is a flag in the header.
        event_flits: flits of one graded event.
        packet_events: events in a packet at most.
        topology: mesh, or torus (each row and column a ring, entered by bubble flow control).
        multicast: one packet that branches on its way (tree), or one for each destination.
        arbitration: of a router's output among its inputs.

    """

    link_bits: int = field(default=32, metadata=_BITS)
    flit_bits: int = field(default=32, metadata=_BITS)
    hop_cycles: int = 2
    buffer_flits: int = 18
    header_flits: int = 1
    event_flits: int = 1
    packet_events: int = 16
    topology: str = _choice("mesh", "torus")
    multicast: str = _choice("tree", "unicast")
    arbitration: str = _choice("round-robin", "fixed-priority")

    def __post_init__(self) -> None:
        check_numbers(self, "noc")

    @property
    def packet_flits(self) -> int:
        """Flits of a full packet, its header included."""
        return self.header_flits + self.packet_events * self.event_flits


@dataclass(frozen=True)
class BoundarySpec:
    """Links from one reticle to the next.

    Attributes:
        tile_columns: columns of a reticle; 0 for no boundary.
        tile_rows: rows of a reticle; 0 for no boundary.
        link_bits: bits that such a link carries in a cycle.
        hop_cycles: cycles over such a link.
    """

    tile_columns: int = field(default=0, metadata=_ZERO_OK)
    tile_rows: int = field(default=0, metadata=_ZERO_OK)
    link_bits: int = field(default=32, metadata=_BITS)
    hop_cycles: int = 20

    def __post_init__(self) -> None:
        check_numbers(self, "boundary")


@dataclass(frozen=True)
class MemorySpec:
    """Off-core memory behind the SMPU: channels, each shared by neighbouring cores.

    Attributes:
        kind: which memory, for its energy; none if there is no channel.
        channel_bits: bits that a channel delivers in a cycle.
        latency_ps: from the end of a transfer's turn on the channel to the data in the core.
        burst_bits: each weight column is fetched in whole bursts.
        cores_per_channel: cores i * n to i * n + n - 1 share channel i.
        prefetch: tasks whose weights a core may have fetched or be fetching.

    """

    kind: str = _choice("none", "hbm", "stt-mram", "lpddr")
    channel_bits: int = field(default=32, metadata=_BITS)
    latency_ps: int = field(default=135_000, metadata=_TIME)
    burst_bits: int = field(default=256, metadata=_BITS)
    cores_per_channel: int = 16
    prefetch: int = 2

    def __post_init__(self) -> None:
        check_numbers(self, "memory")


@dataclass(frozen=True)
class HostSpec:
    """Where the host port is.

    Attributes:
        x: column of its router.
        y: row of its router.
        queue_flits: room for packets that the host has not taken.
    """

    x: int = field(default=0, metadata=_ZERO_OK)
    y: int = field(default=0, metadata=_ZERO_OK)
    queue_flits: int = 64

    def __post_init__(self) -> None:
        check_numbers(self, "host")


@dataclass(frozen=True)
class Chip:
    """A mesh of cores with a clock, a NoC and a host port.

    Attributes:
        name: for people.
        columns: cores in a row of the mesh.
        rows: cores in a column of the mesh.
        clock_hz: of cores and network, Hz.
        voltage_mv: supply, mV; energies are scaled to it.
        core: what each core is.
        noc: the network.
        host: its port.
        boundary: links between reticles.
        memory: off-core memory.
    """

    name: str
    columns: int = 8
    rows: int = 8
    clock_hz: int = field(default=500_000_000, metadata={"dimension": "frequency"})
    voltage_mv: int = field(default=800, metadata=_VOLTAGE)
    core: CoreSpec = field(default_factory=CoreSpec)
    noc: NocSpec = field(default_factory=NocSpec)
    host: HostSpec = field(default_factory=HostSpec)
    boundary: BoundarySpec = field(default_factory=BoundarySpec)
    memory: MemorySpec = field(default_factory=MemorySpec)

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise InputError, with the dotted field path, where fields do not go together."""
        check_numbers(self, "")
        if self.cores > MAX_CORES:
            refuse("columns", f"{self.columns} x {self.rows} cores are more than {MAX_CORES}")
        at_most("voltage_mv", self.voltage_mv, HIGHEST_MV, "energies do not scale further")
        at_most("host.x", self.host.x, self.columns - 1, f"the mesh has {self.columns} columns")
        at_most("host.y", self.host.y, self.rows - 1, f"the mesh has {self.rows} rows")
        self._check_queues()

    @property
    def memory_latency_cycles(self) -> int:
        """Latency of the off-core memory, rounded up to cycles."""
        return -(-self.memory.latency_ps * self.clock_hz // 10**12)

    def channel(self, core: int) -> int:
        """Return the memory channel of a core."""
        return core // self.memory.cores_per_channel

    def _check_queues(self) -> None:
        """Check that routers and queues hold the largest packet, else it could never move."""
        packet = self.noc.packet_flits
        if self.noc.topology == "torus" and self.noc.buffer_flits < 2 * packet:
            why = f"a torus is entered with a bubble: room for 2 packets of {packet}"
            refuse("noc.buffer_flits", f"{self.noc.buffer_flits} flits are too few: {why}")
        if self.boundary.tile_columns or self.boundary.tile_rows:
            # A packet must not overtake its own tail, which arrives over a narrower link.
            why = f"links within a reticle carry {self.noc.link_bits} b"
            at_most("boundary.link_bits", self.boundary.link_bits, self.noc.link_bits, why)
        at_most("core.unsafe_blocking_send", self.core.unsafe_blocking_send, 1, "it is 0 or 1")
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
