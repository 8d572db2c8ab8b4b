import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.chip import Chip, HostSpec
from seneca_sim.chip.mesh import (
    EAST,
    HOST,
    LOCAL,
    NORTH,
    OPPOSITE,
    SOUTH,
    WEST,
    links,
    multicast_tree,
    neighbour,
    xy_path,
)
from seneca_sim.errors import InputError


@st.composite
def chips(draw: st.DrawFn) -> Chip:
    columns, rows = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    host = HostSpec(x=draw(st.integers(0, columns - 1)), y=draw(st.integers(0, rows - 1)))
    return Chip("test", columns=columns, rows=rows, host=host)


@st.composite
def casts(draw: st.DrawFn) -> tuple[Chip, int, frozenset[int]]:
    """A chip, a source endpoint, some destinations; the host is one of the endpoints."""
    chip = draw(chips())
    endpoints = st.integers(0, chip.cores)
    return chip, draw(endpoints), draw(st.frozensets(endpoints, min_size=1, max_size=12))


def walk(chip: Chip, source: int, tree: dict[int, tuple[int, ...]]) -> tuple[list[int], int]:
    """Follow copies through a tree: the endpoints reached and the outputs crossed."""
    reached, crossed = [], 0
    waiting = [chip.host_node if source == chip.cores else source]
    while waiting:
        node = waiting.pop()
        for port in tree[node]:
            crossed += 1
            assert crossed <= 10 * chip.cores, "a copy goes round for ever"
            if port == LOCAL:
                reached.append(node)
            elif port == HOST:
                assert node == chip.host_node
                reached.append(chip.cores)
            else:
                following = neighbour(chip, node, port)
                assert following is not None
                waiting.append(following)
    return reached, crossed


def test_a_path_by_hand() -> None:
    # 4 columns: from node 1 = (1, 0) to node 11 = (3, 2).
    chip = Chip("x", columns=4, rows=3)
    assert xy_path(chip, 1, 11) == ((1, EAST), (2, EAST), (3, SOUTH), (7, SOUTH), (11, LOCAL))
    assert xy_path(chip, 11, 1) == ((11, WEST), (10, WEST), (9, NORTH), (5, NORTH), (1, LOCAL))
    assert xy_path(chip, 6, 6) == ((6, LOCAL),)


def test_the_host_is_behind_its_port() -> None:
    chip = Chip("x", columns=3, rows=3, host=HostSpec(x=2, y=1))
    host = chip.cores
    assert xy_path(chip, 3, host) == ((3, EAST), (4, EAST), (5, HOST))
    assert xy_path(chip, host, 3) == ((5, WEST), (4, WEST), (3, LOCAL))
    assert xy_path(chip, host, host) == ((5, HOST),)


def test_a_multicast_by_hand() -> None:
    # From (0, 0) of a 3 x 3 mesh to (2, 0), (2, 2), (0, 0) and the host at (2, 1).
    chip = Chip("x", columns=3, rows=3, host=HostSpec(x=2, y=1))
    assert multicast_tree(chip, 0, [2, 8, 0, 9]) == {
        0: (EAST, LOCAL),
        1: (EAST,),
        2: (SOUTH, LOCAL),
        5: (SOUTH, HOST),
        8: (LOCAL,),
    }


@given(casts())
def test_a_multicast_reaches_each_destination_exactly_once(
    cast: tuple[Chip, int, frozenset[int]],
) -> None:
    chip, source, destinations = cast
    tree = multicast_tree(chip, source, destinations)
    reached, crossed = walk(chip, source, tree)
    assert sorted(reached) == sorted(destinations)
    assert crossed == sum(len(ports) for ports in tree.values())  # every node entered once


@given(casts())
def test_a_multicast_never_costs_more_than_unicasts(
    cast: tuple[Chip, int, frozenset[int]],
) -> None:
    chip, source, destinations = cast
    crossed = sum(len(ports) for ports in multicast_tree(chip, source, destinations).values())
    assert crossed <= sum(len(xy_path(chip, source, d)) for d in destinations)


@given(casts())
def test_a_multicast_to_one_is_the_unicast(cast: tuple[Chip, int, frozenset[int]]) -> None:
    chip, source, destinations = cast
    one = min(destinations)
    tree = multicast_tree(chip, source, [one])
    assert tree == {node: (port,) for node, port in xy_path(chip, source, one)}


@given(casts())
def test_a_path_is_as_long_as_the_distance_and_never_turns_back_to_x(
    cast: tuple[Chip, int, frozenset[int]],
) -> None:
    chip, source, destinations = cast
    for destination in destinations:
        path = xy_path(chip, source, destination)
        (x, y), (to_x, to_y) = chip.position(path[0][0]), chip.position(path[-1][0])
        assert len(path) == abs(x - to_x) + abs(y - to_y) + 1
        along_y = [port in (NORTH, SOUTH) for _, port in path[:-1]]
        assert along_y == sorted(along_y)
        assert path[-1][1] in (LOCAL, HOST)


@given(casts())
def test_a_tree_never_turns_from_y_to_x(cast: tuple[Chip, int, frozenset[int]]) -> None:
    chip, source, destinations = cast
    tree = multicast_tree(chip, source, destinations)
    for node, ports in tree.items():
        for port in set(ports) & {NORTH, SOUTH}:
            following = neighbour(chip, node, port)
            assert following is not None
            assert not set(tree[following]) & {EAST, WEST}


@given(chips())
def test_links_are_all_there_once_and_paired(chip: Chip) -> None:
    found = links(chip)
    across = 2 * ((chip.columns - 1) * chip.rows + chip.columns * (chip.rows - 1))
    assert len(found) == len(set(found)) == across + chip.cores + 1
    assert list(found) == sorted(found)
    for node, port in found:
        if port in OPPOSITE:
            following = neighbour(chip, node, port)
            assert following is not None
            assert (following, OPPOSITE[port]) in found


@given(casts())
def test_routes_use_links_only(cast: tuple[Chip, int, frozenset[int]]) -> None:
    chip, source, destinations = cast
    known = set(links(chip))
    assert all(set(xy_path(chip, source, d)) <= known for d in destinations)


def test_bad_endpoints_are_refused() -> None:
    chip = Chip("x", columns=2, rows=2)
    message = "endpoint 5 is not on x: expected 0 to 3, or 4 for the host"
    for source, destination in ((0, 5), (5, 0)):
        with pytest.raises(InputError, match=re.escape(message)):
            xy_path(chip, source, destination)
    with pytest.raises(InputError, match="at least one destination"):
        multicast_tree(chip, 0, [])
