"""Two independent implementations of RWKV-4 give the same logits."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from workloads.models import Rwkv4, Rwkv4Shape, load_model
from workloads.models.readers import RescaleWarning

SHAPE = Rwkv4Shape(layers=3, width=32, ffn=128, vocab=50)
TOKENS = torch.randint(0, 50, (2, 40), generator=torch.Generator().manual_seed(5))


def hf_model(layers: int = 3, rescale_every: int = 0) -> "torch.nn.Module":
    from transformers import RwkvConfig, RwkvForCausalLM

    torch.manual_seed(3)
    config = RwkvConfig(
        vocab_size=50,
        hidden_size=32,
        attention_hidden_size=32,
        intermediate_size=128,
        num_hidden_layers=layers,
        rescale_every=rescale_every,
    )
    model = RwkvForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Its own initialisation leaves most matrices at zero, which would test nothing.
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


@torch.no_grad()
def hf_logits(model: "torch.nn.Module") -> Tensor:
    logits: Tensor = model(TOKENS, use_cache=True).logits
    return logits


def test_transformers_agrees_and_its_folder_can_be_read(tmp_path: Path) -> None:
    oracle = hf_model()
    oracle.save_pretrained(tmp_path)
    ours, _ = load_model(tmp_path).sequence(TOKENS)
    expected = hf_logits(oracle)
    assert expected.std() > 0.1
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


def test_halved_weights_of_transformers_are_restored_or_warned_about(tmp_path: Path) -> None:
    oracle = hf_model(layers=5, rescale_every=2)
    expected = hf_logits(oracle)  # halves in place
    oracle.save_pretrained(tmp_path)
    ours, _ = load_model(tmp_path, undo_rescale=True).sequence(TOKENS)
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)
    with pytest.warns(RescaleWarning, match="rescale_every is 2"):
        as_it_is, _ = load_model(tmp_path).sequence(TOKENS)
    assert (as_it_is - expected).abs().max() > 0.01
    load_model(tmp_path, undo_rescale=False)


def test_a_folder_without_deep_blocks_needs_no_warning(tmp_path: Path) -> None:
    hf_model(layers=3, rescale_every=6).save_pretrained(tmp_path)
    load_model(tmp_path)


def test_the_rwkv_package_agrees(
    tmp_path: Path, make_weights: Callable[..., dict[str, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "RWKV_JIT_ON", "0")
    monkeypatch.setitem(os.environ, "RWKV_CUDA_ON", "0")
    weights = make_weights(SHAPE)
    boxed = {n: t[None, None] if ".time_mix_" in n else t for n, t in weights.items()}
    torch.save(boxed, tmp_path / "tiny.pth")
    from rwkv.model import RWKV

    oracle = RWKV(str(tmp_path / "tiny"), strategy="cpu fp32", verbose=False)
    expected, _ = oracle.forward(TOKENS[0].tolist(), None, full_output=True)
    ours, _ = load_model(tmp_path / "tiny.pth").sequence(TOKENS[:1])
    assert expected.std() > 0.1
    torch.testing.assert_close(ours[0], expected, atol=1e-4, rtol=0)
    direct, _ = Rwkv4(SHAPE, weights).sequence(TOKENS[:1])
    assert torch.equal(direct, ours)
