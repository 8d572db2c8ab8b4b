"""Statistics against numbers worked out by hand and against the published tables."""

import numpy as np
import pytest

from seneca_sim.errors import InputError
from workloads.traces import (
    BLOCK_SITES,
    ActivationTrace,
    SiteTrace,
    average_sparsity,
    block_sites,
    count_macs,
    mac_ratio,
    mean_sparsity,
    site_widths,
    synthesise,
    zeros_by_site,
)

SHAPE = {"family": "rwkv4", "layers": 2, "width": 2, "ffn": 8, "vocab": 10}


def with_zeros(zeros, shape=SHAPE, tokens=2):
    """All ones, but the first `zeros[site]` bits."""
    sites = {}
    for name in block_sites(shape):
        mask = np.ones((tokens, site_widths(shape)[name]), bool)
        mask.flat[: zeros.get(name, 0)] = False
        sites[name] = SiteTrace(mask.shape[1], mask)
    return ActivationTrace(shape, "m", "natural", np.zeros(tokens, np.int32), sites)


def test_a_trace_by_hand():
    # Block MACs per token: 13 D^2 L = 13 x 4 x 2 = 104, of two tokens 208; head V D = 20 a token.
    # Zeros: 3 at att.key save 3 D = 6 MACs, 2 at ffn.key 2 F = 16, 5 at ffn.val 5 D = 10.
    trace = with_zeros({"blocks.0.att.key": 3, "blocks.1.ffn.key": 2, "blocks.1.ffn.val": 5})
    macs = count_macs(trace)
    assert (macs.tokens, macs.surviving, macs.dense, macs.head) == (2, 176, 208, 40)
    assert macs.per_token() == 88
    assert macs.per_token(head=True) == 108
    assert average_sparsity(trace) == pytest.approx(32 / 208)
    rows = [(r.layer, r.site, r.zeros, r.total) for r in zeros_by_site(trace) if r.zeros]
    assert rows == [(0, "att.key", 3, 4), (1, "ffn.key", 2, 4), (1, "ffn.val", 5, 16)]
    assert len(zeros_by_site(trace)) == 14
    assert zeros_by_site(trace)[0].sparsity == 0.75
    assert mean_sparsity(trace) == dict.fromkeys(BLOCK_SITES, 0) | {
        "att.key": 0.375,
        "ffn.key": 0.25,
        "ffn.val": 5 / 32,
    }


@pytest.mark.parametrize("site", BLOCK_SITES)
def test_a_site_that_is_all_zeros_has_its_share_of_the_block(site):
    full = {f"blocks.{n}.{site}": 10**6 for n in range(2)}
    weight = 4 / 13 if site in ("ffn.key", "ffn.val") else 1 / 13
    assert average_sparsity(with_zeros(full)) == pytest.approx(weight)


def test_block_macs_of_the_published_shapes():
    shape = {"family": "rwkv4", "layers": 12, "width": 768, "ffn": 3072, "vocab": 50277}
    macs = count_macs(with_zeros({}, shape, tokens=1))
    assert (macs.surviving, macs.dense, macs.head) == (92_012_544, 92_012_544, 38_612_736)


def test_ratio_of_two_traces():
    full, fewer = with_zeros({}), with_zeros({"blocks.0.ffn.key": 4, "blocks.0.ffn.val": 16})
    assert mac_ratio(full, fewer) == pytest.approx(208 / (208 - 32 - 32))
    assert mac_ratio(full, fewer, head=True) == pytest.approx(248 / 184)
    assert mac_ratio(full, full) == 1


def test_ratio_does_not_depend_on_the_number_of_tokens():
    assert mac_ratio(with_zeros({}, tokens=7), with_zeros({}, tokens=2)) == 1


def test_ratios_that_mean_nothing_are_refused():
    none = with_zeros(dict.fromkeys(block_sites(SHAPE), 10**6))
    with pytest.raises(InputError, match="no surviving MACs"):
        mac_ratio(with_zeros({}), none)
    with pytest.raises(InputError, match="two shapes"):
        mac_ratio(with_zeros({}), with_zeros({}, {**SHAPE, "vocab": 11}))


# Zeros per site in %, RWKV-4 3B, mean over layers (arXiv 2501.16337).
NATURAL = {"att.key": 0.02, "att.val": 0.03, "att.rec": 0.01, "att.out": 0}
NATURAL |= {"ffn.key": 0.02, "ffn.rec": 0.02, "ffn.val": 93.0}
SPARSE = {"att.key": 61.6, "att.val": 48.7, "att.rec": 49.5, "att.out": 73.7}
SPARSE |= {"ffn.key": 38.6, "ffn.rec": 55.9, "ffn.val": 93.7}


def test_the_published_zeros_give_the_published_average():
    shape = {"family": "rwkv4", "layers": 1, "width": 500, "ffn": 2000, "vocab": 2}
    natural, sparse = (
        synthesise(shape, {k: 1 - z / 100 for k, z in zeros.items()}, tokens=100, seed=7)
        for zeros in (NATURAL, SPARSE)
    )
    assert average_sparsity(natural) == pytest.approx(0.2863, abs=0.003)
    assert average_sparsity(sparse) == pytest.approx(0.6297, abs=0.003)
    assert mac_ratio(natural, sparse) == pytest.approx(1.927, abs=0.02)
