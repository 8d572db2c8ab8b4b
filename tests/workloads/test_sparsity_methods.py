"""Rival methods on tiny models: what they allocate, and that targets are met."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seneca_sim.errors import InputError
from workloads.models import Rwkv4, Rwkv4Shape, content_hash
from workloads.models.sited import sited
from workloads.sparsity.compare import compare_methods
from workloads.sparsity.evaluate import evaluate
from workloads.sparsity.greedy import Table, greedy_densities
from workloads.sparsity.methods import CLOSE, TARGET_METHODS, matched, meet, meeting_recipe
from workloads.sparsity.search import sparsify
from workloads.sparsity.tasks import Item, Task

TEXT = bytes((7 * i * i + i // 3) % 251 for i in range(129))
HOW = {"window": 32, "batch": 2, "workers": 1}


@pytest.fixture(scope="module")
def model(make_weights: Callable[..., dict[str, Tensor]]) -> Rwkv4:
    shape = Rwkv4Shape(layers=2, width=32, ffn=64, vocab=256)
    return Rwkv4(shape, make_weights(shape))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=256, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3,
        )
    )  # fmt: skip


@pytest.mark.parametrize("method", ["uniform", "greedy", "topk"])
def test_targets_are_met(model: Rwkv4, method: str) -> None:
    found = meet(model, TEXT, 0.45, method, **HOW)  # type: ignore[arg-type]
    again = evaluate(model, TEXT, tap=found.tap, window=32, batch=2)
    assert again.sparsity == pytest.approx(0.45, abs=CLOSE)
    assert again.nats == pytest.approx(found.measured.nats)


def test_uniform_is_one_density_and_topk_exact(model: Rwkv4) -> None:
    uniform = meet(model, TEXT, 0.45, "uniform", **HOW)  # type: ignore[arg-type]
    assert len({choice.density for choice in uniform.choices.values()}) == 1
    top = meet(model, TEXT, 0.5, "topk", **HOW)  # type: ignore[arg-type]
    zeros = evaluate(model, TEXT, tap=top.tap, window=32).zeros
    shares = {name: count.share for name, count in zeros.items()}
    kept = next(iter(top.choices.values())).density
    assert shares["blocks.0.att.key"] == 1 - round(kept * 32) / 32


def test_thresholds_are_quantiles_of_natural_activations(model: Rwkv4) -> None:
    found = meet(model, TEXT, 0.4, "uniform", **HOW)  # type: ignore[arg-type]
    density = found.choices["blocks.1.att.val"].density
    seen: list[Tensor] = []
    tokens = torch.tensor(list(TEXT[:-1])).view(4, 32)
    model.sequence(tokens, tap=lambda n, x: seen.append(x) or x if n == "blocks.1.att.val" else x)
    expected = torch.quantile(seen[0].abs(), 1 - density, dim=-1).mean()
    # Between two densities of the grid the threshold is a straight line.
    assert found.thresholds["blocks.1.att.val"] == pytest.approx(float(expected), rel=0.02)


def test_greedy_takes_the_step_that_changes_least() -> None:
    """A block y = x + a + 100 b over two equal sites: everything is taken from a."""

    class Two:
        vocab, stages, positions, gates, block_macs = 2, 1, None, (), 20

        def __init__(self) -> None:
            from workloads.models.sites import Site

            self.sites = (Site("b.0.a", "a", 0, 0, 10), Site("b.0.b", "b", 0, 0, 10))

        def start(self, tokens: Tensor) -> tuple[Tensor]:
            return (torch.linspace(0.1, 1, 10).expand(1, 4, 10),)

        def run(self, first: int, last: int, carry: tuple[Tensor], tap: object) -> object:
            (x,) = carry
            yield (x + tap("b.0.a", x) + 100 * tap("b.0.b", x),)  # type: ignore[operator]

    densities = tuple(1 - i / 20 for i in range(20))
    table = Table(densities, dict.fromkeys(("b.0.a", "b.0.b"), tuple(i / 20 for i in range(20))))
    found = greedy_densities(Two(), torch.zeros(1, 4), table, 0.4)  # type: ignore[arg-type]
    assert found == pytest.approx({"b.0.a": 0.2, "b.0.b": 1.0})


def test_cats_thresholds_the_gate_of_gated_units() -> None:
    """Zeros of the gate skip rows of up and, through the product, columns of down."""
    module = llama()
    text = TEXT[:65]
    found = meet(module, text, 0.3, "cats", window=32, batch=2, workers=1)
    assert set(found.choices) == {"layers.0.mlp.gate", "layers.1.mlp.gate"}
    zeros = found.measured.zeros
    assert zeros["layers.0.mlp.down"].zeros >= zeros["layers.0.mlp.gate"].zeros > 0
    assert zeros["layers.0.mlp.gate_up"].zeros == 0
    block = 2 * (32 * 32 * 2 + 16 * 32 * 2 + 3 * 32 * 64)
    skipped = sum(
        32 * 64 * (zeros[f"layers.{n}.mlp.gate"].share + zeros[f"layers.{n}.mlp.down"].share)
        for n in range(2)
    )
    assert found.measured.sparsity == pytest.approx(skipped / block)


def test_cats_has_too_few_sites_for_much(model: Rwkv4) -> None:
    with pytest.raises(InputError, match=r"^cats: reaches a weighted sparsity of 0\.\d+ at most"):
        meet(model, TEXT, 0.6, "cats", **HOW)  # type: ignore[arg-type]


def test_a_recipe_is_scaled_to_a_target(model: Rwkv4) -> None:
    recipe = sparsify(model, TEXT, 1.02, **HOW)  # type: ignore[arg-type]
    found = matched(model, TEXT, recipe, 0.5, **HOW)  # type: ignore[arg-type]
    assert found.measured.sparsity == pytest.approx(0.5, abs=CLOSE)
    factors = [t / recipe.thresholds[n] for n, t in found.thresholds.items() if t]
    assert max(factors) == pytest.approx(min(factors), rel=1e-5)


def test_a_meeting_makes_a_recipe(model: Rwkv4) -> None:
    found = meet(model, TEXT, 0.4, "uniform", **HOW)  # type: ignore[arg-type]
    recipe = meeting_recipe(found, model, TEXT, 0.4, "call", window=32, batch=2)
    assert recipe.model == content_hash(model.weights)
    assert (recipe.method, recipe.loss_inc, recipe.target_sparsity) == ("uniform", 0.0, 0.4)
    assert recipe.sparsity == pytest.approx(0.4, abs=CLOSE)
    top = meet(model, TEXT, 0.4, "topk", **HOW)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^topk at a target has no thresholds"):
        meeting_recipe(top, model, TEXT, 0.4, "call", window=32)


def test_what_cannot_be_asked_for(model: Rwkv4) -> None:
    with pytest.raises(InputError, match=r"^method 'teal'; expected one of uniform, greedy, cats"):
        meet(model, TEXT, 0.4, "teal")
    for target in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match=r"^target sparsity is .*; expected a share between"):
            meet(model, TEXT, target)
    with pytest.raises(InputError, match=r"^uniform: a weighted sparsity of 0\.01 is below what"):
        meet(model, TEXT, 0.01, "uniform", **HOW)  # type: ignore[arg-type]


def test_the_comparison(model: Rwkv4) -> None:
    recipe = sparsify(model, TEXT, 1.001, candidates=[0.7], **HOW)  # type: ignore[arg-type]
    task = Task("t", (Item((("ab", " c"), ("ab", " d")), 0),) * 3)
    seen: list[str] = []
    table = compare_methods(
        model, TEXT, recipe=recipe, evaluation=TEXT[::-1], tasks=[task],
        progress=lambda done, total, name: seen.append(name), **HOW,
    )  # type: ignore[arg-type]  # fmt: skip
    assert seen == ["natural", "sequential", *TARGET_METHODS]
    assert table.target == recipe.sparsity
    rows = {row.method: row for row in table.rows}
    natural = evaluate(model, TEXT[::-1], window=32)
    assert rows["natural"].nats == pytest.approx(natural.nats)
    for name in ("sequential", "uniform", "greedy", "topk"):
        assert rows[name].sparsity == pytest.approx(recipe.sparsity, abs=0.05)
        assert rows[name].scores[0].items == 3
    assert rows[table.best].nats == min(r.nats for r in table.rows[1:] if not r.note)
    assert rows["cats"].note.startswith("cats: reaches") or rows["cats"].sparsity > 0
    with pytest.raises(InputError, match="give target_sparsity, or a recipe"):
        compare_methods(model, TEXT, evaluation=TEXT)
    other = Rwkv4(model.shape, {n: w * 2 for n, w in model.weights.items()})
    with pytest.raises(InputError, match=r"^recipe is for model"):
        compare_methods(other, TEXT, recipe=recipe, evaluation=TEXT)
    assert sited(model).gates == ()
