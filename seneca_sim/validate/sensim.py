"""The dense layer of SENSIM under its own constants, and the same events on our core.

SENSIM charges a core for an event of S spikes into m neurons 10 + 2 S ceil(m / NPE) cycles. Its
published check: 1,000 events of one spike, 1,024 neurons, 8 NPEs, 266,000 busy cycles.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from seneca_sim.config import Library, read_document
from seneca_sim.config.check import check_keys, sourced, text_of, whole_of
from seneca_sim.validate.bench import Bench, one_core
from seneca_sim.validate.rows import Measured

LIBRARY = Library("seneca-peer/1", "peer", Path(__file__).parent)
EVENTS, NEURONS, SPIKES = 1000, 1024, 1


@dataclass(frozen=True)
class Sensim:
    """Constants of SENSIM's dense layer; energies in its own pJ."""

    npes: int
    fixed_cycles: int
    cycles_per_pass: int
    controller_pj_per_cycle: int
    npe_pj: int
    weight_pj: int
    state_pj: int
    spikes_per_state: int

    def cycles(self, spikes: int, neurons: int) -> int:
        """Busy cycles of a core for one event of `spikes`."""
        return self.fixed_cycles + self.cycles_per_pass * spikes * -(-neurons // self.npes)

    def energy_pj(self, spikes: int, neurons: int) -> int:
        """Energy of a core for the same event, without its packets on the bus."""
        states = -(-spikes // self.spikes_per_state)
        return (
            self.controller_pj_per_cycle * self.cycles(spikes, neurons)
            + (self.npe_pj + self.weight_pj) * neurons * spikes
            + self.state_pj * neurons * states
        )


def load_sensim() -> Sensim:
    """Read the preset."""
    table = read_document("sensim", LIBRARY).table
    names = [f.name for f in fields(Sensim)]
    check_keys(table, ("name", *names), "")
    text_of(table.items["name"], "name")
    return Sensim(**{name: sourced(table.items[name], name, whole_of).value for name in names})


def busy_cycles() -> Measured:
    """Its busy cycles for its published check."""
    return Measured(float(EVENTS * load_sensim().cycles(SPIKES, NEURONS)))


def energy() -> Measured:
    """Its energy for the same, in nJ."""
    return Measured(EVENTS * load_sensim().energy_pj(SPIKES, NEURONS) / 1000)


def on_our_core(bench: Bench) -> Measured:
    """Busy cycles of our NPEs for the same events: no grouping, a controller as simple as theirs.

    Their 1,000 events come as tokens of ours with one event each.
    """
    bench = bench.sized(group_size=1, task_setup_cycles=0).controlled(
        packet_in_instructions=1, event_in_instructions=10, task_instructions=0
    )
    program = one_core(bench.chip, kernel="event_int4", neurons=NEURONS, width=8, word_bits=4)
    one = int(bench.run(program, [1], [0]).item_npe_cycles[0])
    return Measured(float(EVENTS * one))
