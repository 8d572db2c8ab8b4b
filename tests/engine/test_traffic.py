"""Open-loop traffic on the network alone, against closed forms."""

import re
from dataclasses import replace

import numpy as np
import pytest

from seneca_sim.chip import Chip, NocSpec
from seneca_sim.chip.mesh import xy_path
from seneca_sim.engine.reference.traffic import HOT_SHARE, Load, run_load
from seneca_sim.errors import InputError

MESH = Chip("m", columns=8, rows=8)
SMALL = Chip("s", columns=4, rows=4)


@pytest.mark.parametrize("flits", [1, 4, 9])
@pytest.mark.parametrize("hop_cycles", [1, 3])
def test_a_lonely_packet_takes_the_zero_load_latency(flits: int, hop_cycles: int) -> None:
    """Transpose at a trickle: every pair's latency is hops x hop cycles + flits - 1."""
    chip = replace(SMALL, noc=NocSpec(hop_cycles=hop_cycles))
    point = run_load(chip, Load("transpose", flits, 0.004, cycles=3000, seed=3))
    hops = [len(xy_path(chip, n, chip.node(*reversed(chip.position(n))))) for n in range(16)]
    low, high = min(hops), max(hops)
    assert low * hop_cycles + flits - 1 <= point.mean_latency <= high * hop_cycles + flits - 1 + 1
    assert point.unfinished == 0


def test_mean_hops_of_uniform_traffic() -> None:
    """8 x 8: 16/3 hops on average between two different nodes, one ejection, 2 cycles each."""
    point = run_load(MESH, Load("uniform", 1, 0.01, cycles=2000, seed=1))
    assert point.mean_latency == pytest.approx(2 * (16 / 3 + 1), rel=0.03)


def test_below_saturation_what_is_offered_is_accepted() -> None:
    for pattern, offered in (("uniform", 0.2), ("transpose", 0.1), ("hot-spot", 0.04)):
        point = run_load(MESH, Load(pattern, 4, offered, cycles=800, seed=2))  # type: ignore[arg-type]
        assert point.accepted == pytest.approx(offered, rel=0.08), pattern
        assert point.unfinished == 0


def test_the_hot_node_takes_one_flit_a_cycle_at_most() -> None:
    point = run_load(SMALL, Load("hot-spot", 4, 1.0, cycles=500))
    hot = HOT_SHARE * point.accepted * 16
    assert hot <= 1
    assert point.unfinished > 0


def test_latency_rises_with_load() -> None:
    points = [run_load(SMALL, Load("uniform", 4, load, cycles=600)) for load in (0.05, 0.3, 0.6)]
    means = [point.mean_latency for point in points]
    assert means == sorted(means)
    assert np.isfinite(means).all()


def test_a_torus_carries_more_uniform_traffic_than_a_mesh() -> None:
    """A torus has twice the links across its middle; full packets, room for four of them."""
    noc = NocSpec(buffer_flits=68)
    load = Load("uniform", 17, 0.8, cycles=1000)
    mesh = run_load(replace(MESH, noc=noc), load)
    torus = run_load(replace(MESH, noc=replace(noc, topology="torus")), load)
    assert torus.accepted > mesh.accepted


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (Load("uniform", 1, 0.0), "offered load 0.0; expected flits a node and cycle, 0 to 1"),
        (Load("uniform", 18, 0.1), "packets of 18 flits; expected 1 to 17"),
        (Load("tornado", 1, 0.1), "pattern 'tornado'; expected uniform, transpose, hot-spot"),  # type: ignore[arg-type]
    ],
)
def test_odd_loads_are_refused(load: Load, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        run_load(MESH, load)


def test_transpose_needs_a_square() -> None:
    with pytest.raises(InputError, match="as many columns as rows"):
        run_load(replace(MESH, rows=4), Load("transpose", 1, 0.1))
