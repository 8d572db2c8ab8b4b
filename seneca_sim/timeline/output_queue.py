"""How long packets lie in a core's output queue: told from both logs, without one of its own.

The queue is the LOCAL input buffer of the core's router (S5): strictly first in, first out. So the
n-th packet that a core sends by one of its router's ports is the n-th slice of that link with one
of the core's own packets. A packet that branches at once leaves with its last copy (S7). Its room
is taken when the controller begins to send it (S13).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import links, xy_path
from seneca_sim.engine.activity import LINK_SLICE, SLICE_FIELDS, Ints
from seneca_sim.program import Program


def leaving(
    chip: Chip, program: Program, columns: Mapping[str, Ints], slices: Ints, end: int
) -> tuple[Ints, Ints]:
    """The first row of each packet of a core, and the cycle in which it has left the queue.

    Args:
        chip: what it ran on.
        program: what ran.
        columns: of packets, [rows], with all rows of every packet of their sources.
        slices: `Activity.slices` from the first cycle on; packets that leave later have no end.
        end: cycle for those.
    """
    mine = np.flatnonzero(columns["source"] < chip.cores)
    _, first, packet = np.unique(columns["packet"][mine], return_index=True, return_inverse=True)
    link = _first_links(chip, columns["source"][mine], columns["destination"][mine])
    pairs = np.unique(packet * len(links(chip)) + link)
    copies = np.stack(np.divmod(pairs, len(links(chip))), axis=1)  # packet, link
    rows = mine[first]
    sent, took = _own_slices(chip, program, slices)
    order = np.lexsort((columns["injected"][rows][copies[:, 0]], copies[:, 1]))
    copies = copies[order]
    place = _rank(copies[:, 1])
    begins = np.searchsorted(sent, copies[:, 1])
    known = place < np.searchsorted(sent, copies[:, 1], "right") - begins
    left = np.full(len(copies), end, np.int64)
    left[known] = took[(begins + place)[known]]
    until = np.zeros(len(rows), np.int64)
    np.maximum.at(until, copies[:, 0], left)
    return rows, until


def _first_links(chip: Chip, sources: Ints, targets: Ints) -> Ints:
    """Index in `chip.mesh.links` of the first hop of each way."""
    index = {hop: number for number, hop in enumerate(links(chip))}
    ends = chip.cores + 1
    pairs, which = np.unique(sources * ends + targets, return_inverse=True)
    found = [index[xy_path(chip, *divmod(pair, ends))[0]] for pair in pairs.tolist()]
    first: Ints = np.array(found, np.int64)[which]
    return first


def _own_slices(chip: Chip, program: Program, slices: Ints) -> tuple[Ints, Ints]:
    """Link and end of the slices by which packets leave their own core; by link, then by time."""
    at = dict(zip(SLICE_FIELDS, slices[slices[:, 0] == LINK_SLICE].T, strict=True))
    nodes = np.array([node for node, _ in links(chip)], np.int64)
    sources = np.array([route.source for route in program.routes], np.int64)
    own: NDArray[np.bool_] = sources[at["item"]] == nodes[at["place"]]
    place, start, end = at["place"][own], at["start"][own], at["end"][own]
    order = np.lexsort((start, place))
    return place[order], end[order]


def _rank(groups: Ints) -> Ints:
    """Number of each entry within its group, groups lying together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(np.append(starts, len(groups)))
    rank: Ints = np.arange(len(groups)) - np.repeat(starts, sizes)
    return rank
