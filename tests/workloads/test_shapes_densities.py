"""Densities that ship: against the published tables and averages, and the shift over layers."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.config import Mark
from seneca_sim.errors import InputError
from workloads import zoo
from workloads.families import FAMILIES
from workloads.zoo.densities import Densities, shifted

# Zeros per site in %, mean over layers (arXiv 2501.16337 and its code), in
# the order below; then their sum weighted 1 : 1 : 1 : 1 : 4 : 1 : 4, over 13.
ORDER = ("att.key", "att.val", "att.rec", "att.out", "ffn.key", "ffn.rec", "ffn.val")
TABLE = {
    ("rwkv4-3b", "natural"): ((0.02, 0.03, 0.01, 0, 0.02, 0.02, 93.0), 28.63),
    ("rwkv4-3b", "sparsified"): ((61.6, 48.7, 49.5, 73.7, 38.6, 55.9, 93.7), 62.97),
    ("rwkv4-1.5b", "natural"): ((0.02, 0.02, 0.01, 0, 0.02, 0.01, 92.1), 28.35),
    ("rwkv4-1.5b", "sparsified"): ((58.8, 46.5, 47.6, 74.7, 31.8, 48.7, 93.5), 59.81),
}


@pytest.mark.parametrize(("name", "variant"), TABLE)
def test_the_published_zeros(name: str, variant: str) -> None:
    zeros, average = TABLE[name, variant]
    card = zoo.load_shape(name)
    found = card.densities(variant)
    assert found.mean() == pytest.approx(
        {site: 1 - z / 100 for site, z in zip(ORDER, zeros, strict=True)}, abs=1e-12
    )
    assert 100 * zoo.expected_sparsity(card.shape, found) == pytest.approx(average, abs=0.005)


def test_mac_ratios_of_3b_without_and_with_the_head() -> None:
    card = zoo.load_shape("rwkv4-3b")
    natural, sparse = card.densities("natural"), card.densities("sparsified")
    assert zoo.expected_ratio(card.shape, natural, sparse) == pytest.approx(1.927, abs=0.0005)
    # With the head, by hand: (0.71372 x 2,726,297,600 + 128,709,120) over (0.37031 x … + …).
    with_head = zoo.expected_ratio(card.shape, natural, sparse, head=True)
    assert with_head == pytest.approx(1.8226, abs=0.0005)
    dense = card.densities("dense")
    assert zoo.expected_macs(card.shape, dense) == 2_726_297_600
    assert zoo.expected_macs(card.shape, dense, head=True) == 2_726_297_600 + 128_709_120


def test_3b_spreads_over_layers_as_the_search_chose() -> None:
    found = zoo.load_shape("rwkv4-3b").densities("sparsified")
    # The first layers of the published table; its mean for att.key is 12.6 / 32 = 0.39375.
    assert found.spread["att.key"][:4] == (0.4, 0.3, 0.3, 0.2)
    assert found.by_layer["att.key"][:4] == pytest.approx(
        [0.4 - 0.00975, 0.3 - 0.00975, 0.3 - 0.00975, 0.2 - 0.00975]
    )
    assert found.by_layer["ffn.val"] == pytest.approx([0.063] * 32)
    nominal = found.nominal()
    shape = zoo.load_shape("rwkv4-3b").shape
    assert 100 * zoo.expected_sparsity(shape, nominal) == pytest.approx(61.0, abs=0.05)


# The published averages, and what they leave when weighted 3 : 1 : 4 over qkv, fc1, fc2.
@pytest.mark.parametrize(
    ("name", "natural", "sparsified"), [("opt-2.7b", 48, 72.1), ("opt-6.7b", 48.5, 71.6)]
)
def test_the_published_averages_of_opt_come_out_exactly(
    name: str, natural: float, sparsified: float
) -> None:
    card = zoo.load_shape(name)
    for variant, average in (("natural", natural), ("sparsified", sparsified)):
        found = card.densities(variant)
        assert found.mark is Mark.ASSUMED
        assert 100 * zoo.expected_sparsity(card.shape, found) == pytest.approx(average, abs=1e-9)
        zeros = {site: 1 - d for site, d in found.mean().items()}
        by_hand = (3 * zeros["self_attn.qkv"] + zeros["fc1"] + 4 * zeros["fc2"]) / 8
        assert 100 * by_hand == pytest.approx(average, abs=1e-9)


# Zeros at qkv, fc1, fc2 of OPT fine-tuned with ReLU (arXiv 2310.04564 as retold), and the averages
# that arXiv 2501.16337 gives for them: evidence for the weights, which nobody states.
@pytest.mark.parametrize(
    ("name", "zeros", "average"),
    [("opt-2.7b", (0.50, 0.35, 0.96), 71.1), ("opt-6.7b", (0.50, 0.40, 0.97), 72.25)],
)
def test_the_weights_of_opt_also_give_the_fine_tuned_averages(
    name: str, zeros: tuple[float, ...], average: float
) -> None:
    shape = zoo.load_shape(name).shape
    kinds = FAMILIES["opt"].kinds
    by_layer = {k: (1 - z,) * shape.layers for k, z in zip(kinds, zeros, strict=True)}
    found = Densities("relu", Mark.SECOND_HAND, "", by_layer)
    assert 100 * zoo.expected_sparsity(shape, found) == pytest.approx(average, abs=0.05)


def test_what_is_assumed_equal_is_equal() -> None:
    three = zoo.load_shape("rwkv4-3b")
    for name in ("rwkv4-430m", "rwkv4-7b", "rwkv4-14b"):
        for variant in ("natural", "sparsified"):
            found = zoo.load_shape(name).densities(variant)
            assert found.mark is Mark.ASSUMED
            assert found.mean() == pytest.approx(three.densities(variant).mean())
    for name in ("opt-125m", "opt-350m", "opt-1.3b"):
        for variant in ("natural", "sparsified"):
            like = zoo.load_shape("opt-2.7b").densities(variant).mean()
            assert zoo.load_shape(name).densities(variant).mean() == pytest.approx(like)


def test_169m_keeps_the_published_shares() -> None:
    means = zoo.load_shape("rwkv4-169m").densities("sparsified").mean()
    chosen = {"att.key": 0.51, "att.val": 0.6, "att.rec": 0.62, "att.out": 0.69, "ffn.key": 0.8}
    chosen |= {"ffn.rec": 0.53, "ffn.val": 0.079}
    assert means == pytest.approx(chosen)


def test_every_shape_has_densities_for_every_site_in_every_layer() -> None:
    for card in zoo.shapes():
        family = FAMILIES[card.shape.family]
        for variant in ("dense", "natural", "sparsified"):
            found = card.densities(variant)
            assert list(found.by_layer) == list(family.kinds)
            assert len(found.by_site(card.shape)) == card.shape.layers * len(family.kinds)
            assert all(0 <= d <= 1 for values in found.by_layer.values() for d in values)


def test_a_variant_that_is_not_there() -> None:
    card = zoo.load_shape("rwkv4-3b")
    with pytest.raises(InputError, match=r"no densities for 'sparse'; did you mean 'sparsified'\?"):
        card.densities("sparse")
    with pytest.raises(InputError, match="no spread over layers is known"):
        card.densities("natural").nominal()


SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def _by_bisection(values: list[float], mean: float) -> list[float]:
    low, high = -1.0, 1.0
    for _ in range(80):
        step = (low + high) / 2
        if fmean(min(max(v + step, 0.0), 1.0) for v in values) < mean:
            low = step
        else:
            high = step
    return [min(max(v + high, 0.0), 1.0) for v in values]


@given(values=SHARES, mean=st.floats(0, 1))
def test_a_shift_keeps_the_mean_and_is_one_step_for_all(values: list[float], mean: float) -> None:
    found = shifted(values, mean)
    assert fmean(found) == pytest.approx(mean, abs=1e-9)
    assert all(0 <= v <= 1 for v in found)
    assert found == pytest.approx(_by_bisection(values, mean), abs=1e-9)
