"""The packet table: one row per (packet, destination) with every delay apart, as CSV or Parquet.

The delays of a row follow one another without a gap: created + all delays = done, each at least 0.

    created      in the output buffer
    source_queue_cycles        waits for the controller, for room and for its window (S13, S14)
    sending_cycles             the controller sends it
    injected     in the output queue
    network_minimum_cycles     what its way takes in an empty network (S5)
    blocked_cycles             waits in the network: behind others, or for room
    arrived      whole in the core's input queue, or at the host
    destination_queue_cycles   waits for the controller
    started      the controller takes it
    processing_cycles          the controller works on it
    stalled_cycles             the controller waits for room in the task FIFO
    done
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import crosses_boundary, xy_path
from seneca_sim.cost.timing import serialisation_cycles
from seneca_sim.engine.activity import PACKET_FIELDS, Ints
from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes
from seneca_sim.program import Program

if TYPE_CHECKING:
    import pandas as pd

PACKET_COLUMNS: Final = (
    "packet",
    "route",
    "site",
    "layer",
    "token",
    "sequence",
    "source",
    "destination",
    "hops",
    "events",
    "flits",
    "created",
    "injected",
    "arrived",
    "started",
    "done",
    "source_queue_cycles",
    "sending_cycles",
    "network_minimum_cycles",
    "blocked_cycles",
    "destination_queue_cycles",
    "processing_cycles",
    "stalled_cycles",
)
DELAYS: Final = PACKET_COLUMNS[-7:]
"""Columns whose sum is done - created."""

_AT: Final = {name: index for index, name in enumerate(PACKET_FIELDS)}
_PARQUET: Final = (".parquet", ".pq")


@dataclass(frozen=True)
class Selection:
    """Which tokens (from `first_token` to before `end_token`) and cores to show; all by default.

    A packet is chosen by its source or its destination.
    """

    first_token: int = 0
    end_token: int = 2**62
    cores: frozenset[int] | None = None

    def tokens(self, tokens: Ints) -> NDArray[np.bool_]:
        """Which rows are of a chosen token."""
        return (tokens >= self.first_token) & (tokens < self.end_token)

    def places(self, *columns: Ints) -> NDArray[np.bool_]:
        """Which rows have a chosen core in one of some columns."""
        if self.cores is None:
            return np.ones(len(columns[0]), np.bool_)
        chosen = np.array(sorted(self.cores), np.int64)
        found: NDArray[np.bool_] = np.any([np.isin(c, chosen) for c in columns], axis=0)
        return found


EVERYTHING: Final = Selection()


def packet_columns(
    chip: Chip, program: Program, log: Ints, selection: Selection = EVERYTHING
) -> dict[str, Ints]:
    """All columns of the table but `site`, int64; the log's order.

    Args:
        chip: what it ran on.
        program: what ran.
        log: `Activity.packets`.
        selection: which rows.
    """
    routes = program.routes
    sources = np.array([route.source for route in routes], np.int64)[log[:, _AT["route"]]]
    targets = log[:, _AT["destination"]]
    kept = selection.tokens(log[:, _AT["token"]]) & selection.places(sources, targets)
    log, sources = log[kept], sources[kept]
    columns = {name: log[:, index] for name, index in _AT.items()}
    columns["source"] = sources
    layers = np.array([program.sites[route.site].layer for route in routes], np.int64)
    columns["layer"] = layers[columns["route"]]
    columns["packet"] = _numbers(chip, columns)
    columns |= _delays(chip, columns)
    return {name: columns[name] for name in PACKET_COLUMNS if name != "site"}


def packets_frame(
    chip: Chip, program: Program, log: Ints, selection: Selection = EVERYTHING
) -> pd.DataFrame:
    """The table as a DataFrame, with the name of each packet's site."""
    import pandas as pd

    columns = packet_columns(chip, program, log, selection)
    names = [program.sites[route.site].name for route in program.routes]
    sites = pd.Series(np.array(names, object)[columns["route"]], dtype="category")
    frame = pd.DataFrame(columns)
    frame.insert(PACKET_COLUMNS.index("site"), "site", sites)
    return frame


def write_packets(path: str | Path, frame: pd.DataFrame) -> None:
    """Write the table: Parquet for a name that ends so, else CSV.

    Raises:
        InputError: the file cannot be written, or pyarrow is missing.
    """
    if Path(path).suffix not in _PARQUET:
        text = frame.to_csv(index=False, lineterminator="\n")
        write_bytes(path, text.encode())
        return
    check_packets_path(path)
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())


def check_packets_path(path: str | Path) -> None:
    """Refuse, before anything is computed, a name that cannot be written.

    Raises:
        InputError: neither CSV nor Parquet, or pyarrow is missing.
    """
    from importlib.util import find_spec

    suffix = Path(path).suffix
    if suffix not in (".csv", *_PARQUET):
        raise InputError(f"{path}: a packet table ends in .csv or .parquet")
    if suffix in _PARQUET and find_spec("pyarrow") is None:
        raise InputError(
            f"{path}: Parquet needs pyarrow: pip install 'seneca-sim[parquet]', or name a .csv"
        )


def _numbers(chip: Chip, columns: dict[str, Ints]) -> Ints:
    """Number of the packet within the table: by creation, then by route, token and sequence.

    With multicast one packet has a row for each destination; with unicast each row is a packet.
    """
    names = ["created", "route", "token", "sequence"]
    if chip.noc.multicast == "unicast":
        names.append("destination")
    keys = [columns[name] for name in names]
    order = np.lexsort(keys[::-1])
    changes = np.zeros(len(order), np.bool_)
    for key in keys:
        changes[1:] |= key[order][1:] != key[order][:-1]
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(changes)
    return numbers


def _delays(chip: Chip, columns: dict[str, Ints]) -> dict[str, Ints]:
    sending = _sending(chip, columns["source"], columns["events"])
    minimum = network_minimum(chip, columns["source"], columns["destination"], columns["flits"])
    stalled = columns["stalled"]
    return {
        "source_queue_cycles": columns["injected"] - columns["created"] - sending,
        "sending_cycles": sending,
        "network_minimum_cycles": minimum,
        "blocked_cycles": columns["arrived"] - columns["injected"] - minimum,
        "destination_queue_cycles": columns["started"] - columns["arrived"],
        "processing_cycles": columns["done"] - columns["started"] - stalled,
        "stalled_cycles": stalled,
    }


def _sending(chip: Chip, sources: Ints, events: Ints) -> Ints:
    """S13: the controller's cycles for each packet; the host needs none (S15)."""
    spec = chip.core.controller
    instructions = spec.packet_out_instructions + events * spec.event_out_instructions
    return np.where(sources < chip.cores, instructions * spec.cycles_per_instruction, 0)


def network_minimum(chip: Chip, sources: Ints, targets: Ints, flits: Ints) -> Ints:
    """Cycles from the output queue to the whole packet at its destination with nobody in the way.

    S5: each link takes its latency; the endpoint, and a router behind a boundary between reticles,
    has the packet when its last flit is over.
    """
    ends = chip.cores + 1
    pairs, which = np.unique(sources * ends + targets, return_inverse=True)
    paths = [xy_path(chip, *divmod(pair, ends)) for pair in pairs.tolist()]
    far = np.array([sum(crosses_boundary(chip, hop) for hop in path) for path in paths], np.int64)
    near = np.array([len(path) for path in paths], np.int64) - far
    latency = near * chip.noc.hop_cycles + far * chip.boundary.hop_cycles
    rest, rest_far = (
        _serials(chip, bits)[flits] - 1 for bits in (chip.noc.link_bits, chip.boundary.link_bits)
    )
    return latency[which] + rest + far[which] * rest_far


def _serials(chip: Chip, link_bits: int) -> Ints:
    """Cycles on a link for packets of 0, 1, 2 … flits."""
    noc = chip.noc
    sizes = range(noc.packet_flits + 1)
    return np.array([serialisation_cycles(n, noc.flit_bits, link_bits) for n in sizes], np.int64)
