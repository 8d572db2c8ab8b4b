"""What a run skipped: events sent, zeros by site, and the multiply-accumulates that were left."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seneca_sim.engine.activity import Activity
from seneca_sim.program import NO_ROUTE, EventStream, Program, Site

_LAYER = re.compile(r"^[a-z_]+\.\d+\.")


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of a run, over all tokens: done, and if nothing were skipped.

    `sparse` are those at sites whose zeros are skipped (the blocks' matrices), `dense` the rest
    (the head).
    """

    sparse: int
    sparse_if_dense: int
    dense: int

    @property
    def sparsity(self) -> float:
        """Share of skipped multiply-accumulates at the sparse sites: the average sparsity."""
        return 1 - self.sparse / self.sparse_if_dense if self.sparse_if_dense else 0.0


def stem(site: str) -> str:
    """A site's name without its layer: blocks.3.att.key -> att.key."""
    return _LAYER.sub("", site)


def work_of(program: Program, activity: Activity) -> Work:
    """Count the multiply-accumulates that a run has done."""
    tokens = activity.token_ops.shape[0]
    sparse = sparse_if_dense = dense = 0
    for item, consumer in enumerate(program.consumers):
        if not consumer.kernel:
            continue
        site = program.sites[consumer.site]
        done = int(activity.item_events_in[item]) * consumer.neurons
        if site.kind == "events":
            sparse += done
            sparse_if_dense += site.width * tokens * consumer.neurons
        else:
            dense += done
    return Work(sparse, sparse_if_dense, dense)


def events_sent(program: Program, stream: EventStream) -> tuple[int, ...]:
    """For every site, the events sent on its routes over all tokens (credits carry none)."""
    sent = [0] * len(program.sites)
    for index, route in enumerate(program.routes):
        if route.acknowledges == NO_ROUTE:
            sent[route.site] += int(stream.counts[index].sum())
    return tuple(sent)


def site_sparsity(site: Site, sent: int, tokens: int) -> float:
    """Share of a site's values that were not sent."""
    return 1 - sent / (site.width * tokens) if site.width else 0.0


def sparsity_by_stem(program: Program, stream: EventStream) -> dict[str, float]:
    """Share of zeros of each sparse site, the mean over layers, in the program's order."""
    shares: dict[str, list[float]] = {}
    for site, sent in zip(program.sites, events_sent(program, stream), strict=True):
        if site.kind == "events":
            zeros = site_sparsity(site, sent, stream.tokens)
            shares.setdefault(stem(site.name), []).append(zeros)
    return {name: sum(values) / len(values) for name, values in shares.items()}
