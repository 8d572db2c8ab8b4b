"""Links of a multicast tree as ranges: the same as the union of XY paths, hop by hop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.chip.mesh import PORT_NAMES, links, multicast_tree
from seneca_sim.conformance.build import make_chip
from seneca_sim.results.traffic import tree_links


@given(st.data())
def test_ranges_are_the_union_of_paths(data: st.DataObject) -> None:
    columns, rows = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    chip = make_chip(columns, rows)
    ends = st.integers(0, chip.cores)
    source = data.draw(ends)
    targets = tuple(data.draw(st.lists(ends, min_size=1, max_size=12, unique=True)))
    number = {link: index for index, link in enumerate(links(chip))}
    table = np.full((chip.cores, len(PORT_NAMES)), -1)
    for (node, port), index in number.items():
        table[node, port] = index
    tree = multicast_tree(chip, source, targets)
    expected = sorted(number[node, port] for node, ports in tree.items() for port in ports)
    assert sorted(tree_links(chip, table, source, targets).tolist()) == expected
