"""The forward: step against sequence, the names and shapes of the taps, what is refused."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models import SITES, Rwkv4, Rwkv4Shape, Rwkv4State, content_hash, site_names

shapes = st.builds(
    Rwkv4Shape,
    layers=st.integers(1, 3),
    width=st.integers(1, 9),
    ffn=st.integers(1, 20),
    vocab=st.integers(1, 12),
)


def by_steps(model: Rwkv4, tokens: list[int]) -> tuple[Tensor, Rwkv4State]:
    rows, state = [], None
    for token in tokens:
        logits, state = model.step(token, state)
        rows.append(logits)
    assert state is not None
    return torch.stack(rows), state


@given(shapes, st.integers(1, 3), st.integers(1, 12), st.data())
@settings(max_examples=40, deadline=None)
def test_a_sequence_is_its_steps(
    make_weights: Callable[..., dict[str, Tensor]],
    shape: Rwkv4Shape,
    batch: int,
    length: int,
    data: st.DataObject,
) -> None:
    model = Rwkv4(shape, make_weights(shape, data.draw(st.integers(0, 99))))
    row = st.lists(st.integers(0, shape.vocab - 1), min_size=length, max_size=length)
    tokens = data.draw(st.lists(row, min_size=batch, max_size=batch))
    logits, state = model.sequence(torch.tensor(tokens))
    for b in range(batch):
        stepped, after = by_steps(model, tokens[b])
        torch.testing.assert_close(logits[b], stepped, atol=1e-5, rtol=1e-5)
        for name, tensor in after.tensors().items():
            torch.testing.assert_close(
                state.tensors()[name][:, b], tensor[:, 0], atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("cut", [1, 37, 299])
def test_a_sequence_may_be_cut_anywhere(small_model: Rwkv4, cut: int) -> None:
    tokens = torch.arange(600).reshape(2, 300) % 256
    whole, end = small_model.sequence(tokens)
    first, state = small_model.sequence(tokens[:, :cut])
    rest, end_of_rest = small_model.sequence(tokens[:, cut:], state)
    torch.testing.assert_close(torch.cat((first, rest), 1), whole, atol=1e-5, rtol=1e-5)
    for name, tensor in end.tensors().items():
        torch.testing.assert_close(end_of_rest.tensors()[name], tensor, atol=1e-5, rtol=1e-5)


def test_one_channel_by_hand() -> None:
    """With one channel LayerNorm gives its bias, so the whole model can be done on paper."""
    one, zero = torch.ones(1), torch.zeros(1)
    weights = {f"blocks.0.ln{i}.{p}": one for i in (0, 1, 2) for p in ("weight", "bias")}
    weights |= {"ln_out.weight": one, "ln_out.bias": one * 3}
    for name in ("key", "value", "receptance", "output"):
        weights[f"blocks.0.att.{name}.weight"] = torch.eye(1)
    for name in ("key", "value", "receptance"):
        weights[f"blocks.0.ffn.{name}.weight"] = torch.eye(1) * 2
    for name in ("att.time_mix_k", "att.time_mix_v", "att.time_mix_r"):
        weights[f"blocks.0.{name}"] = one
    weights |= {"blocks.0.ffn.time_mix_k": one / 2, "blocks.0.ffn.time_mix_r": zero}
    weights |= {"blocks.0.att.time_decay": zero, "blocks.0.att.time_first": zero}
    weights |= {"emb.weight": torch.ones(1, 1), "head.weight": torch.ones(1, 1) * 5}
    model = Rwkv4(Rwkv4Shape(1, 1, 1, 1), weights)
    seen: dict[str, Tensor] = {}

    def tap(name: str, x: Tensor) -> Tensor:
        seen[name] = x
        return x

    logits, state = model.step(0, tap=tap)
    # x = LN0 = 1; k = v = r = 1, the average of one value is the value: out = sigmoid(1).
    assert seen["blocks.0.att.out"].item() == pytest.approx(0.7310586, abs=1e-6)
    assert (state.aa.item(), state.bb.item(), state.pp.item()) == (1, 1, 1)
    # Shift mixes half of LN2 = 1 with the empty state: k' = relu(2 * 0.5)^2 = 1; r' sees zero.
    assert seen["blocks.0.ffn.key"].item() == 0.5
    assert seen["blocks.0.ffn.rec"].item() == 0
    assert seen["blocks.0.ffn.val"].item() == 1
    assert seen["head"].item() == 3
    assert logits.item() == 15
    model.step(0, state, tap)
    # The second token: k' = relu(2 * (0.5 + 0.5))^2 = 4; r' sees the 1 of the first.
    assert seen["blocks.0.ffn.val"].item() == 4
    assert seen["blocks.0.ffn.rec"].item() == 1


def test_taps_are_called_once_in_order_with_the_right_widths(small_model: Rwkv4) -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []

    def tap(name: str, x: Tensor) -> Tensor:
        seen.append((name, tuple(x.shape)))
        return x

    small_model.sequence(torch.zeros(3, 5, dtype=torch.long), tap=tap)
    names = [name for name, _ in seen]
    assert tuple(names[1:-2]) == site_names(2)
    assert names[0] == "emb"
    assert names[-2:] == ["head", "logits"]
    shape = small_model.shape
    widths = {s: shape.site_width(s) for s in SITES} | {"emb": 8, "head": 8, "logits": 256}
    assert all(size == (3, 5, widths[name.split(".", 2)[-1]]) for name, size in seen)
    seen.clear()
    small_model.step(0, tap=tap)
    assert all(size == (widths[name.split(".", 2)[-1]],) for name, size in seen)


def test_sites_come_in_the_order_of_the_search() -> None:
    assert site_names(1) == tuple(f"blocks.0.{site}" for site in SITES)
    assert site_names(3)[7] == "blocks.1.att.key"


@pytest.mark.parametrize(("site", "matrix"), [("att.key", "att.key"), ("ffn.val", "ffn.value")])
def test_what_a_tap_returns_goes_on(small_model: Rwkv4, site: str, matrix: str) -> None:
    """Zero input to a matrix is the same as a matrix of zeros."""
    tokens = torch.arange(12).reshape(2, 6)
    name = f"blocks.1.{site}"
    cut, _ = small_model.sequence(tokens, tap=lambda n, x: x * 0 if n == name else x)
    key = f"blocks.1.{matrix}.weight"
    weights = {**small_model.weights, key: torch.zeros_like(small_model.weights[key])}
    expected, _ = Rwkv4(small_model.shape, weights).sequence(tokens)
    torch.testing.assert_close(cut, expected)


def test_a_state_is_not_changed_by_what_follows(small_model: Rwkv4) -> None:
    _, state = small_model.step(1)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    small_model.step(2, state)
    assert all(torch.equal(before[name], tensor) for name, tensor in state.tensors().items())


def test_bf16_weights_are_computed_in_fp32(small_model: Rwkv4) -> None:
    halved = {name: tensor.bfloat16() for name, tensor in small_model.weights.items()}
    logits, _ = Rwkv4(small_model.shape, halved).step(1)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("token", [-1, 256])
def test_a_token_outside_the_vocabulary_is_refused(small_model: Rwkv4, token: int) -> None:
    with pytest.raises(InputError, match=f"^model: token {token} is not in the vocabulary 0 "):
        small_model.step(token)


def test_no_token_is_refused(small_model: Rwkv4) -> None:
    with pytest.raises(InputError, match=r"^model: no token given; at least one is needed$"):
        small_model.sequence(torch.empty(1, 0, dtype=torch.long))


def test_the_hash_is_of_the_content(small_model: Rwkv4) -> None:
    weights = {name: tensor.bfloat16() for name, tensor in small_model.weights.items()}
    digest = content_hash(weights)
    assert len(digest) == 64
    backwards = dict(reversed(weights.items()))
    assert content_hash(backwards) == digest
    assert content_hash({n: t.float() for n, t in weights.items()}) == digest
    boxed = {n: t[None, None] if ".time_mix" in n else t for n, t in weights.items()}
    assert content_hash(boxed) == digest
    changed = {**weights, "ln_out.bias": weights["ln_out.bias"] + 1}
    assert content_hash(changed) != digest
    assert content_hash({**weights, "more": weights["ln_out.bias"]}) != digest
