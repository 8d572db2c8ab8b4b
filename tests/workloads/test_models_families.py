"""OPT and Llama of transformers, RWKV-7 and any module: sites, stages, the same search."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seneca_sim.errors import InputError
from workloads import sparsity
from workloads.families import FAMILIES
from workloads.models.modules import LLAMA, ModuleSites
from workloads.models.rwkv7 import Rwkv7Shape
from workloads.models.rwkv7_layout import expected_shapes, load_rwkv7, rwkv7
from workloads.models.sited import sited
from workloads.models.sites import no_tap
from workloads.sparsity.evaluate import evaluate
from workloads.sparsity.search import sparsify

TEXT = bytes((7 * i * i + i // 3) % 251 for i in range(65))
TOKENS = torch.randint(0, 256, (2, 20), generator=torch.Generator().manual_seed(2))


def opt() -> nn.Module:
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=256, hidden_size=16, word_embed_proj_dim=16, ffn_dim=48,
            num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64, init_std=0.3,
        )
    )  # fmt: skip


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=256, hidden_size=16, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3,
        )
    )  # fmt: skip


def random_rwkv7(layers: int = 2) -> dict[str, Tensor]:
    """Weights in the range of trained ones; thin matrices of rank 4."""
    gen = torch.Generator().manual_seed(1)
    shape = Rwkv7Shape(layers, 128, 2, 256, 256)
    thin = {
        f"blocks.{n}.att.{letter}1": torch.zeros(128, 4) for n in range(layers) for letter in "wavg"
    }
    weights = {}
    for name, size in expected_shapes(shape, thin).items():
        noise = torch.randn(size, generator=gen)
        if ".x_" in name or name.endswith(".k_a"):
            noise = torch.rand(size, generator=gen)
        elif len(size) == 2:
            noise = noise * 2 / size[-1] ** 0.5
        elif name.endswith("weight"):
            noise = 1 + 0.1 * noise
        weights[name] = noise
    return weights


@pytest.mark.parametrize("make", [opt, llama])
def test_stages_give_the_logits_of_transformers(make: object) -> None:
    module = make()  # type: ignore[operator]
    model = ModuleSites(module)
    seen: dict[str, Tensor] = {}
    carry = model.start(TOKENS)
    for stage in range(model.stages):
        (carry,) = model.run(stage, stage + 1, carry, lambda n, x: seen.setdefault(n, x))
    with torch.no_grad():
        assert torch.equal(model.logits(carry, no_tap), module(TOKENS).logits)
    assert list(seen) == sorted(seen, key=list(seen).index)
    assert {s.name for s in (*model.sites, *model.gates)} == set(seen)


def test_opt_sites_are_what_enters_the_matrices() -> None:
    """A threshold on the input of QKV, done by hand on the norm in front of it."""
    module = opt()
    model = ModuleSites(module)
    assert [s.kind for s in model.sites[:3]] == ["self_attn.qkv", "fc1", "fc2"]
    assert [s.macs for s in model.sites[:3]] == [3 * 16 * 16, 16 * 48, 16 * 48]
    assert model.block_macs == 2 * (4 * 16 * 16 + 2 * 16 * 48)
    found = evaluate(model, TEXT, {"layers.1.self_attn.qkv": 0.7}, window=64)
    norm = module.model.decoder.layers[1].self_attn_layer_norm
    norm.register_forward_hook(lambda m, i, out: torch.where(out.abs() > 0.7, out, 0.0))
    with torch.no_grad():
        logits = module(torch.tensor([list(TEXT[:-1])])).logits[0]
    expected = nn.functional.cross_entropy(logits, torch.tensor(list(TEXT[1:])))
    assert found.nats == pytest.approx(float(expected), rel=1e-6)
    assert found.zeros["layers.1.self_attn.qkv"].total == 64 * 16  # once, not for q, k and v each
    assert found.zeros["layers.0.fc2"].share > 0.3  # ReLU


def test_the_search_runs_on_transformers() -> None:
    recipe = sparsify(opt(), TEXT, 1.01, window=32)
    naive = sparsify(opt(), TEXT, 1.01, window=32, cache_bytes=0)
    assert recipe == naive
    assert recipe.sparsity > recipe.natural_sparsity > 0
    assert sparsify(llama(), TEXT, 1.01, window=32).sparsity > 0.05


def test_a_model_takes_no_longer_windows_than_it_has_positions() -> None:
    assert evaluate(opt(), TEXT * 3).predicted == 3 * len(TEXT) - 1


def test_kinds_can_be_left_dense() -> None:
    model = ModuleSites(llama(), LLAMA, leave_out=("self_attn.o",))
    assert [s.kind for s in model.sites] == ["self_attn.qkv", "mlp.gate_up", "mlp.down"] * 2
    with pytest.raises(InputError, match=r"^leave_out: 'self_attn\.q' is no kind of Llama: self_a"):
        ModuleSites(llama(), LLAMA, leave_out=("self_attn.q",))


def test_unknown_modules() -> None:
    with pytest.raises(InputError, match=r"^Sequential: no family fits .* such as '0'$"):
        sited(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(InputError, match=r"^ReLU has no torch\.nn\.Linear layer, so no sites$"):
        sited(nn.ReLU())
    with pytest.raises(InputError, match=r"^int is no model with sites"):
        sited(3)  # type: ignore[arg-type]


ORACLE = """
import sys, torch
from rwkv.model import RWKV
model = RWKV(sys.argv[1], "cpu fp32")
logits, _ = model.forward([int(t) for t in sys.argv[2].split()], None, full_output=True)
torch.save(logits, sys.argv[1] + ".logits")
"""


def test_rwkv7_is_that_of_the_rwkv_package(tmp_path: Path) -> None:
    weights = random_rwkv7()
    # As files have them: vectors (1, 1, D), and factors of block 0 that nothing uses.
    boxed = {n: t[None, None] if t.ndim == 1 and ".att." in n and "ln_x" not in n else t
             for n, t in weights.items()}  # fmt: skip
    boxed |= {"blocks.0.att.v0": torch.zeros(1, 1, 128)}
    boxed |= {"blocks.0.att.v1": torch.zeros(128, 4), "blocks.0.att.v2": torch.zeros(4, 128)}
    torch.save(boxed, tmp_path / "r7.pth")
    # A process of its own, as the package decides at import which generation it speaks.
    env = {**os.environ, "RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0", "RWKV_V7_ON": "1"}
    words = " ".join(str(t) for t in TOKENS[0].tolist())
    subprocess.run([sys.executable, "-c", ORACLE, str(tmp_path / "r7"), words],
                   env=env, check=True, capture_output=True)  # fmt: skip
    expected = torch.load(tmp_path / "r7.logits")
    ours, _ = load_rwkv7(tmp_path / "r7.pth").sequence(TOKENS)
    assert expected.std() > 0.5
    torch.testing.assert_close(ours[0], expected, atol=2e-4, rtol=0)


def test_rwkv7_state_and_stages() -> None:
    model = rwkv7(random_rwkv7())
    whole, _ = model.sequence(TOKENS)
    first, state = model.sequence(TOKENS[:, :7])
    second, _ = model.sequence(TOKENS[:, 7:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, atol=1e-4, rtol=1e-4)
    seen: list[str] = []
    carry = model.start(TOKENS)
    for n in range(2):
        (carry,) = model.run(n, n + 1, carry, lambda name, x: seen.append(name) or x)
    torch.testing.assert_close(model.logits(carry, no_tap), whole)
    # The taps are the sites of the family's traces; those of thin matrices have no threshold.
    assert seen == [f"blocks.{n}.{kind}" for n in range(2) for kind in FAMILIES["rwkv7"].kinds]
    thinly = ("att.decay", "att.rate", "att.gate")
    assert [s.name for s in model.sites] == [s for s in seen if not s.endswith(thinly)]
    # A channel of att.val wakes W_v's column and, from block 1 on, the value residual's.
    assert [s.macs for s in model.sites if s.kind == "att.val"] == [128 * 128, 128 * 132]
    thin = 2 * 128 * 4
    assert model.block_macs == 2 * (4 * 128 * 128 + 2 * 128 * 256) + (3 + 4) * thin


def test_rwkv7_is_sparsified() -> None:
    model = rwkv7(random_rwkv7())
    natural = evaluate(model, TEXT[:33])
    assert natural.zeros["blocks.0.ffn.val"].share == pytest.approx(0.5, abs=0.2)  # relu squared
    recipe = sparsify(model, TEXT[:33], 1.01, window=16, candidates=(0.7, 0.4))
    assert recipe.sparsity > natural.sparsity
    assert recipe == sparsify(model, TEXT[:33], 1.01, window=16, candidates=(0.7, 0.4),
                              cache_bytes=0)  # fmt: skip


FAULTS = {
    "missing": (lambda w: w.pop("blocks.1.att.k_k"), r"missing tensor 'blocks\.1\.att\.k_k'"),
    "unknown": (lambda w: w.update(x=torch.zeros(1)), r"unknown tensor 'x'"),
    "heads": (
        lambda w: w.update({"blocks.0.att.r_k": torch.zeros(3, 64)}),
        r"3 heads of 64 do not make up a width of 128",
    ),
    "nan": (lambda w: w["ln_out.bias"].fill_(torch.nan), r"'ln_out\.bias' holds NaN or infinity"),
    "rwkv4": (lambda w: w.pop("blocks.0.att.r_k"), r"r_k', so this is not an RWKV-7"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_rwkv7(fault: str) -> None:
    change, message = FAULTS[fault]
    weights = random_rwkv7()
    change(weights)
    with pytest.raises(InputError, match=message):
        rwkv7(weights, "here")


def test_checkpoints_with_code_are_refused(tmp_path: Path) -> None:
    torch.save({"emb.weight": Path("x")}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"evil\.pth: damaged, or holds more than plain tensors"):
        load_rwkv7(tmp_path / "evil.pth")


class Two(nn.Module):
    """y = fc2(relu(fc1(x))) with fc1 the identity and fc2 a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(3, 3, bias=False), nn.Linear(3, 1, bias=False)
        self.fc1.weight = nn.Parameter(torch.eye(3))
        self.fc2.weight = nn.Parameter(torch.ones(1, 3))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.fc1(x).relu())
        return y


def test_three_lines_for_any_module() -> None:
    model, x = Two(), torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.5, 4.0]])
    with sparsity.sites(model, ["fc*"], densities=[0.5]) as s:
        s.thresholds = {"fc1": 0.5, "fc2": 1.0}
        assert model(x).flatten().tolist() == [3, 4]
        # fc1 sees 1, -2, 3 | .5, .5, 4 and loses two; fc2 sees 1, 0, 3 | 0, 0, 4 and keeps two.
        stats = s.stats()
        assert (stats["fc1"].zeros, stats["fc2"].zeros) == (2 / 6, 4 / 6)
        assert stats["fc1"].mean_size == pytest.approx(11 / 6)
        assert s.sparsity() == pytest.approx((9 * 2 / 6 + 3 * 4 / 6) / 12)
        assert s.suggest(0.5) == {"fc1": (2 + 0.5) / 2, "fc2": (1 + 0) / 2}
    assert model(x).flatten().tolist() == [4, 5]  # the hooks are gone


def test_what_the_context_refuses() -> None:
    model = Two()
    for pattern, hint in (("*.fc3", "did you mean"), ("fx1", "'fc1'"), ("z", "sites are fc1")):
        with pytest.raises(InputError, match=hint), sparsity.sites(model, [pattern]):
            pass
    with sparsity.sites(model) as s:
        with pytest.raises(InputError, match=r"^thresholds: unknown site 'fc'; did you mean"):
            s.thresholds = {"fc": 1.0}
        with pytest.raises(InputError, match=r"^site 'fc1' has seen nothing yet"):
            s.sparsity()
        with pytest.raises(InputError, match=r"^density 0\.5 was not recorded"):
            s.suggest(0.5)
