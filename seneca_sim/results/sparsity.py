"""What a run skipped: events sent, zeros by site, and the multiply-accumulates that were left."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from seneca_sim.engine.activity import Activity
from seneca_sim.program import NO_ROUTE, EventStream, Program
from seneca_sim.results.kinds import HEAD, MATRICES, SYNAPTIC, weighted_kind

_LAYER = re.compile(r"^[a-z_]+\.\d+\.")


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of a run's matrices, over all tokens.

    As `workloads.families` counts them: attention over cached keys and values is not in them.

    Attributes:
        sparse: done in the blocks behind sites whose zeros are skipped.
        sparse_if_dense: the same if nothing were skipped.
        dense: done in the blocks behind dense vectors (an attention's output projection, the
            second factor of a low-rank map); these are never skipped.
        head: done by the head, which is never skipped either.
    """

    sparse: int
    sparse_if_dense: int
    dense: int
    head: int

    @property
    def blocks(self) -> int:
        """Done in the blocks."""
        return self.sparse + self.dense

    @property
    def sparsity(self) -> float:
        """Share of the blocks' multiply-accumulates that was skipped, 0 to 1."""
        skipped = self.sparse_if_dense - self.sparse
        return skipped / (self.sparse_if_dense + self.dense) if skipped else 0.0


def stem(site: str) -> str:
    """A site's name without its layer: blocks.3.att.key -> att.key."""
    return _LAYER.sub("", site)


def work_of(program: Program, activity: Activity) -> Work:
    """Count the multiply-accumulates that a run has done.

    A consumer may take a part of a site, as a tile does: what its routes bring if nothing is zero.
    """
    tokens = activity.token_ops.shape[0]
    done, brought = dict.fromkeys((SYNAPTIC, MATRICES, HEAD), 0), _channels(program)
    if_dense = 0
    for item, consumer in enumerate(program.consumers):
        if not consumer.kernel:
            continue
        kind = weighted_kind(program, item)
        done[kind] += int(activity.item_events_in[item]) * consumer.neurons
        if kind == SYNAPTIC:
            if_dense += brought[item] * tokens * consumer.neurons
    return Work(done[SYNAPTIC], if_dense, done[MATRICES], done[HEAD])


def _channels(program: Program) -> list[int]:
    """For every consumer, the channels of its site that routes bring it."""
    routes, _, takers = program.deliveries
    widths = np.array([route.high - route.low for route in program.routes], np.int64)
    found = np.zeros(len(program.consumers), np.int64)
    np.add.at(found, takers[takers >= 0], widths[routes[takers >= 0]])
    channels: list[int] = found.tolist()
    return channels


def events_sent(program: Program, stream: EventStream) -> tuple[int, ...]:
    """For every site, the events sent on its routes over all tokens (credits carry none)."""
    sent = [0] * len(program.sites)
    for index, route in enumerate(program.routes):
        if route.acknowledges == NO_ROUTE:
            sent[route.site] += int(stream.counts[index].sum())
    return tuple(sent)


def values_to_send(program: Program) -> tuple[int, ...]:
    """For every site, the values of a token on its routes: its width, or more if sent twice."""
    values = [0] * len(program.sites)
    for route in program.routes:
        if route.acknowledges == NO_ROUTE:
            values[route.site] += route.high - route.low
    return tuple(values)


def site_sparsity(values: int, sent: int, tokens: int) -> float:
    """Share of a site's `values` a token that were not sent."""
    return 1 - sent / (values * tokens) if values else 0.0


def sparsity_by_stem(program: Program, stream: EventStream) -> dict[str, float]:
    """Share of zeros of each sparse site, the mean over layers, in the program's order."""
    shares: dict[str, list[float]] = {}
    values, events = values_to_send(program), events_sent(program, stream)
    for site, of, sent in zip(program.sites, values, events, strict=True):
        if site.kind == "events":
            shares.setdefault(stem(site.name), []).append(site_sparsity(of, sent, stream.tokens))
    return {name: sum(found) / len(found) for name, found in shares.items()}
