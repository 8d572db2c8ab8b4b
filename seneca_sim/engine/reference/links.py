"""What kind of link lies behind each router output of a chip (S5, S6, S19)."""

from __future__ import annotations

from dataclasses import replace

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import OPPOSITE, PORT_NAMES, Hop, crosses_boundary
from seneca_sim.cost.timing import serialisation_cycles
from seneca_sim.engine.reference.network import LinkKind


class LinkKinds:
    """Kinds of links by hop: ordinary, of a ring, or between reticles."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        noc = chip.noc
        self._plain = LinkKind(
            inputs=len(PORT_NAMES),
            hop_cycles=noc.hop_cycles,
            serials=self._serials(noc.link_bits),
            rotate=noc.arbitration == "round-robin",
        )
        self._between = replace(
            self._plain,
            hop_cycles=chip.boundary.hop_cycles,
            serials=self._serials(chip.boundary.link_bits),
            whole=True,
            boundary_bits=noc.flit_bits,
        )

    def of(self, hop: Hop) -> LinkKind:
        """The kind of the link behind one router output."""
        _, port = hop
        kind = self._between if crosses_boundary(self.chip, hop) else self._plain
        if self.chip.noc.topology == "torus" and port in OPPOSITE:
            return replace(kind, slot=self.chip.noc.packet_flits, ring_input=OPPOSITE[port])
        return kind

    def _serials(self, link_bits: int) -> tuple[int, ...]:
        """Cycles on the link for a packet of 0, 1, 2 … flits."""
        noc = self.chip.noc
        return tuple(
            serialisation_cycles(flits, noc.flit_bits, link_bits)
            for flits in range(noc.packet_flits + 1)
        )
