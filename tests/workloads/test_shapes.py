"""Shapes that ship: against numbers worked out by hand, published totals, and transformers."""

import pytest
import torch

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.families import FAMILIES, Shape

# Layers, width, MACs of all blocks (13 D² L) and of the head (50277 D), by hand.
RWKV4 = {
    "rwkv4-169m": (12, 768, 92_012_544, 38_612_736),
    "rwkv4-430m": (24, 1024, 327_155_712, 51_483_648),
    "rwkv4-1.5b": (24, 2048, 1_308_622_848, 102_967_296),
    "rwkv4-3b": (32, 2560, 2_726_297_600, 128_709_120),
    "rwkv4-7b": (32, 4096, 6_979_321_856, 205_934_592),
    "rwkv4-14b": (40, 5120, 13_631_488_000, 257_418_240),
}
# arXiv 2305.13048 gives four digits.
RWKV4_PARAMETERS = {
    "rwkv4-169m": 1.693e8,
    "rwkv4-430m": 4.304e8,
    "rwkv4-1.5b": 1.515e9,
    "rwkv4-3b": 2.985e9,
    "rwkv4-7b": 7.393e9,
    "rwkv4-14b": 1.415e10,
}
# Totals of arXiv 2503.14456, as retold.
RWKV7_PARAMETERS = {
    "rwkv7-0.1b": 191_034_624,
    "rwkv7-0.4b": 450_767_872,
    "rwkv7-1.5b": 1_527_404_544,
    "rwkv7-2.9b": 2_947_735_040,
}


def test_every_name_has_a_shape_and_the_order_is_by_family_and_size() -> None:
    cards = zoo.shapes()
    assert {card.name for card in cards} == {*zoo.shape_names()}
    assert [card.name for card in cards if card.shape.family == "rwkv4"] == list(RWKV4)
    assert [card.name for card in cards if card.shape.family == "opt"] == [
        f"opt-{size}" for size in ("125m", "350m", "1.3b", "2.7b", "6.7b")
    ]
    assert all(card.summary and card.source for card in cards)


@pytest.mark.parametrize("name", RWKV4)
def test_rwkv4_by_hand(name: str) -> None:
    card = zoo.load_shape(name)
    layers, width, block, head = RWKV4[name]
    assert (card.shape.layers, card.shape.width) == (layers, width)
    assert (card.block_macs, card.head_macs) == (block, head)
    assert card.parameters == pytest.approx(RWKV4_PARAMETERS[name], rel=5e-4)


@pytest.mark.parametrize("name", RWKV7_PARAMETERS)
def test_rwkv7_has_the_published_parameters(name: str) -> None:
    assert zoo.load_shape(name).parameters == RWKV7_PARAMETERS[name]


def test_macs_of_a_small_rwkv7_by_hand() -> None:
    shape = Shape("rwkv7", 2, 8, 32, 10, heads=2, rank_decay=2, rank_rate=3, rank_value=4,
                  rank_gate=5)  # fmt: skip
    # A block: r, k, v, out 4 x 64; FFN 2 x 256; low-rank maps in and out 2 x 8 x (2 + 3 + 5).
    # Block 1 also has the value residual, 2 x 8 x 4.
    assert FAMILIES["rwkv7"].block_macs(shape) == 2 * (256 + 512 + 160) + 64


def _matrices(model: torch.nn.Module) -> int:
    """Weights of all Linear layers of the decoder's blocks: a MAC each for every token."""
    return sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and (".layers." in name or ".blocks." in name)
    )


def _outside(model: torch.nn.Module) -> int:
    """Weights of the Linear layers outside the blocks: head, projections."""
    return sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ".layers." not in name and ".blocks." not in name
    )


@pytest.mark.parametrize("name", ["opt-125m", "opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b"])
def test_opt_is_what_transformers_makes(name: str) -> None:
    from transformers import OPTConfig, OPTForCausalLM

    card = zoo.load_shape(name)
    s = card.shape
    config = OPTConfig(
        vocab_size=s.vocab, hidden_size=s.width, num_hidden_layers=s.layers, ffn_dim=s.ffn,
        num_attention_heads=s.heads, max_position_embeddings=s.positions,
        word_embed_proj_dim=s.embedding or s.width, do_layer_norm_before=not s.post_norm,
    )  # fmt: skip
    with torch.device("meta"):
        model = OPTForCausalLM(config)
    assert card.parameters == model.num_parameters()
    assert card.block_macs == _matrices(model)
    assert card.head_macs == _outside(model)


def test_rwkv4_is_what_transformers_makes() -> None:
    from transformers import RwkvConfig, RwkvForCausalLM

    card = zoo.load_shape("rwkv4-430m")
    s = card.shape
    config = RwkvConfig(
        vocab_size=s.vocab, hidden_size=s.width, num_hidden_layers=s.layers,
        intermediate_size=s.ffn, attention_hidden_size=s.width,
    )  # fmt: skip
    with torch.device("meta"):
        model = RwkvForCausalLM(config)
    assert card.parameters == model.num_parameters()
    assert card.block_macs == _matrices(model)
    assert card.head_macs == _outside(model)


def test_a_shape_states_only_what_it_has_and_comes_back() -> None:
    for card in zoo.shapes():
        stated = card.shape.stated()
        assert None not in stated.values()
        assert Shape.of(stated) == card.shape
    assert zoo.load_shape("rwkv4-3b").shape.stated() == {
        "family": "rwkv4", "layers": 32, "width": 2560, "ffn": 10240, "vocab": 50277,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "shape.heads is 3, which does not divide width 8; try 2"),
        ({"heads": None}, "shape.heads is not given, but opt needs it; width / 64 is usual"),
        ({"embedding": 8}, "shape.embedding is 8, the width itself; leave it out"),
        ({"post_norm": 2}, "shape.post_norm is 2; expected 1, or leave it out"),
        ({"rank_gate": 2}, "shape.rank_gate is given, but opt has none; leave it out"),
        ({"width": True}, "shape.width is True; expected a positive integer"),
        ({"family": "gpt"}, "shape.family is 'gpt'; known families: rwkv4, rwkv7, opt"),
    ],
)
def test_a_shape_that_contradicts_itself(change: dict[str, object], message: str) -> None:
    good = {"family": "opt", "layers": 1, "width": 8, "ffn": 32, "vocab": 9, "heads": 2}
    with pytest.raises(InputError) as caught:
        Shape(**{**good, "positions": 16, **change})  # type: ignore[arg-type]
    assert str(caught.value) == message
