"""Mixed mappings: which groups of a layer share cores, and how many, for each kind of layer.

Sharing saves cores where groups work at different times, as the attention and the residual stream
do; lying apart saves time where they work side by side. For each kind of layer a walk from the
fewest cores upwards notes what every way of sharing costs by the closed form; then cores go to the
kind of layer that gains most for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from workloads.compiler.energy import Spent
from workloads.compiler.estimate import Densities
from workloads.compiler.graph import Layer
from workloads.compiler.groups import Counts, Groups

AHEAD = 3
"""Steps of a cluster that a walk looks ahead, as one alone may gain nothing."""
MANY = 4
"""Layers with more groups are tried in pairs and all together alone."""
PAIRS = 6
"""Of many pairs so many are walked, those that look best."""
PLACES = 6
"""Mappings without sharing in which pairs are looked at."""

Cost = Callable[[Spent], float]


@dataclass(frozen=True, slots=True)
class Point:
    """A kind of layer mapped: what it takes by the closed forms, which groups share, and counts."""

    spent: Spent
    shared: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]


def share_out(groups: Groups, budget: int, cost: Cost, densities: Densities) -> bool:
    """Choose sharing and numbers of cores for all kinds of layers.

    Args:
        groups: every group on its fewest cores; changed.
        budget: cores that there are.
        cost: of what all of it takes, to be small.
        densities: for the estimate.

    Returns:
        False if even the fewest cores are more than the budget; `groups` is as before.
    """
    fronts = [front(groups, kind, densities) for kind in range(len(groups.first))]
    times = [groups.kinds.count(kind) for kind in range(len(fronts))]
    chosen = [0] * len(fronts)  # the fewest cores come first
    have = Spent(0, 0.0, 0.0)
    for n, points in zip(times, fronts, strict=True):
        have = have.plus(points[0].spent, n)
    if have.cores > budget:
        return False
    while True:
        best, step = 0.0, None
        for kind, points in enumerate(fronts):
            rest = have.plus(points[chosen[kind]].spent, -times[kind])
            for i, point in enumerate(points):
                new = rest.plus(point.spent, times[kind])
                gain = (cost(have) - cost(new)) / max(1, new.cores - have.cores)
                if new.cores <= budget and gain > best and i != chosen[kind]:
                    best, step = gain, (kind, i, new)
        if step is None:
            break
        kind, chosen[kind], have = step
    for kind, points in enumerate(fronts):
        point = points[chosen[kind]]
        groups.shared[kind], groups.counts[kind] = point.shared, dict(point.counts)
    return True


def front(groups: Groups, kind: int, densities: Densities) -> list[Point]:
    """The points that nothing beats in cores, cycles and energy, fewest cores first."""
    found: list[Point] = []
    before = groups.shared[kind], groups.counts[kind]
    sets = list(ways(groups, groups.first[kind]))
    found += walk(groups, kind, (), densities)
    for shared in _promising(groups, kind, sets, found, densities):
        found += walk(groups, kind, shared, densities)
    groups.shared[kind], groups.counts[kind] = before
    return unbeaten(found)


def unbeaten(found: list[Point]) -> list[Point]:
    """The points that nothing beats in cores, cycles and energy, fewest cores first."""
    kept: list[Point] = []
    for point in sorted(found, key=lambda p: p.spent):
        _, cycles, energy = point.spent
        if all(cycles < p.spent.cycles or energy < p.spent.energy for p in kept):
            kept.append(point)
    return kept


def ways(groups: Groups, layer: Layer) -> Iterator[tuple[str, ...]]:
    """Sets of groups that may share cores: none, two, more, all.

    Groups with numbers by hand, pieces of their own or tiles stay apart, and a core takes part in
    one LayerNorm and takes a site once.
    """
    yield ()
    names = [g.name for g in layer.groups if g.name not in groups.fixed and not g.piece]
    names = [name for name in names if ".tile." not in name]
    sizes = range(2, len(names) + 1) if len(names) <= MANY else (2, len(names))
    for size in sizes:
        for some in combinations(names, size):
            sites = [m.site for m in layer.matrices if m.group in some]
            if len(layer.normed & set(some)) <= 1 and len(set(sites)) == len(sites):
                yield some


def _promising(
    groups: Groups, kind: int, sets: list[tuple[str, ...]], apart: list[Point], d: Densities
) -> list[tuple[str, ...]]:
    """Sets of groups but the empty one; of many pairs the few that save most cores for their time.

    Pairs are looked at where all lie apart, from the fewest cores to the most that help, with both
    groups on as many cores as the larger one has.
    """
    pairs, others = [s for s in sets if len(s) == 2], [s for s in sets if len(s) > 2]
    if len(pairs) <= PAIRS:
        return pairs + others
    best = unbeaten(apart)
    score: dict[tuple[str, ...], float] = {}
    for place in best[:: max(1, len(best) // PLACES)]:
        counts = dict(place.counts)
        for pair in pairs:
            count = _both(groups, groups.first[kind], pair, counts)
            if count:
                point = _point(groups, kind, pair, counts | dict.fromkeys(pair, count), d)
                ratio = _product(point) / _product(place)
                score[pair] = min(ratio, score.get(pair, ratio))
    return sorted(score, key=lambda pair: score[pair])[:PAIRS] + others


def _both(groups: Groups, layer: Layer, pair: tuple[str, ...], counts: Counts) -> int:
    """The number of cores that hold two groups together, from the larger one's own on; else 0."""
    low, high = max(counts[name] for name in pair), sum(counts[name] for name in pair)
    most = min(high, *(groups.fit.units(layer, name) for name in pair))
    return next((n for n in range(low, most + 1) if groups.fit.fits(layer, pair, n)), 0)


def _product(point: Point) -> float:
    return point.spent.cores * point.spent.cycles


def walk(
    groups: Groups, kind: int, shared: tuple[str, ...], densities: Densities
) -> Iterator[Point]:
    """From the fewest cores on, step after step what gains most for each core; all that is seen."""
    layer = groups.first[kind]
    counts = _fewest(groups, layer, shared)
    if counts is None:
        return
    now: Point | None = _point(groups, kind, shared, counts, densities)
    while now is not None:
        yield now
        best, chosen = 0.0, None  # type: float, Point | None
        for names in _clusters(layer, shared):
            if groups.fixed & set(names):
                continue
            for count in _next(groups, layer, names, dict(now.counts)):
                point = _point(
                    groups, kind, shared, dict(now.counts) | dict.fromkeys(names, count), densities
                )
                yield point
                saved = now.spent.cycles - point.spent.cycles
                gain = saved / max(1, point.spent.cores - now.spent.cores)
                if gain > best:
                    best, chosen = gain, point
        now = chosen


def _fewest(groups: Groups, layer: Layer, shared: tuple[str, ...]) -> Counts | None:
    kind = groups.first.index(layer)
    counts = dict(groups.counts[kind]) if not shared else {}
    for names in _clusters(layer, shared) if shared else ():
        for some in (names,) if names == shared else ((name,) for name in names):
            by_hand = groups.counts[kind][some[0]] if some[0] in groups.fixed else 0
            count = by_hand or groups.fit.fewest(layer, some)
            if not count:
                return None
            counts |= dict.fromkeys(some, count)
    return {group.name: counts[group.name] for group in layer.groups}


def _clusters(layer: Layer, shared: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Groups that step together: those that share cores, the tiles of a matrix, any other alone."""
    found: dict[str, tuple[str, ...]] = {}
    for group in layer.groups:
        alike = "" if group.name in shared else group.name.partition(".tile.")[0]
        found[alike] = (*found.get(alike, ()), group.name)
    return list(found.values())


def _next(groups: Groups, layer: Layer, names: tuple[str, ...], counts: Counts) -> list[int]:
    """The next numbers of cores at which some group's largest slice is smaller, and that fit."""
    now, fit = counts[names[0]], groups.fit
    units = [fit.units(layer, name) for name in names]
    steps = {-(-u // rows) for u in units for rows in range(-(-u // now) - 1, 0, -1)}
    together = [names] if ".tile." not in names[0] else [(name,) for name in names]
    found: list[int] = []
    for count in sorted(step for step in steps if now < step <= min(units)):
        if all(fit.fits(layer, some, count) for some in together):
            found.append(count)
        if len(found) == AHEAD:
            break
    return found


def _point(
    groups: Groups, kind: int, shared: tuple[str, ...], counts: Counts, densities: Densities
) -> Point:
    groups.shared[kind], groups.counts[kind] = shared, dict(counts)
    return Point(groups.measured(kind, densities), shared, tuple(counts.items()))
