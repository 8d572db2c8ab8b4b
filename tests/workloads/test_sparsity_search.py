"""The search against a plain one written from the paper, and the shipped recipe remade."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.models import Rwkv4, Tap, content_hash, load_model, site_names
from workloads.sparsity.evaluate import evaluate
from workloads.sparsity.recipe import Recipe, SiteChoice
from workloads.sparsity.search import CANDIDATES, sparsify
from workloads.sparsity.thresholds import threshold_tap

TEXT = bytes((7 * i * i + i // 3) % 251 for i in range(129))


def spying(name: str, inner: Tap, seen: list[Tensor]) -> Tap:
    def tap(at: str, x: Tensor) -> Tensor:
        if at == name:
            seen.append(x)
        return inner(at, x)

    return tap


def plain_search(
    model: Rwkv4, text: bytes, loss_inc: float, densities: tuple[float, ...]
) -> dict[str, SiteChoice]:
    """Steps 1 to 5 of the paper with no short cut: whole model, whole text, every time."""
    tokens = torch.tensor(list(text[:-1]))[None]
    thresholds: dict[str, float] = {}
    chosen: dict[str, SiteChoice] = {}
    base = evaluate(model, text).nats
    for name in site_names(model.shape.layers):
        seen: list[Tensor] = []
        model.sequence(tokens, tap=spying(name, threshold_tap(thresholds), seen))
        accepted = None
        for k in densities:
            t = float(torch.quantile(seen[0].abs(), 1 - k, dim=-1).mean())
            loss = evaluate(model, text, {**thresholds, name: t}).nats
            if loss / base >= loss_inc:
                break
            accepted = (t, k, loss)
        if accepted is None:
            t = float(torch.quantile(seen[0].abs(), 1 - densities[0], dim=-1).mean())
            chosen[name] = SiteChoice(t, densities[0], forced=True)
        else:
            chosen[name], base = SiteChoice(*accepted[:2]), accepted[2]
        thresholds[name] = chosen[name].threshold
    return chosen


def assert_same(ours: dict[str, SiteChoice], theirs: dict[str, SiteChoice]) -> None:
    assert list(ours) == list(theirs)
    for name, choice in theirs.items():
        assert ours[name].threshold == pytest.approx(choice.threshold, rel=1e-5, abs=1e-7), name
        assert (ours[name].density, ours[name].forced) == (choice.density, choice.forced), name


@pytest.mark.parametrize("loss_inc", [1.0, 1.001, 1.02])
def test_the_search_is_that_of_the_paper(small_model: Rwkv4, loss_inc: float) -> None:
    recipe = sparsify(small_model, TEXT, loss_inc, window=128)
    expected = plain_search(small_model, TEXT, loss_inc, CANDIDATES["linear"])
    assert_same(recipe.sites, expected)
    assert {c.forced for c in recipe.sites.values()} >= ({True} if loss_inc == 1 else {False})


def test_a_generous_budget_takes_the_sparsest(small_model: Rwkv4) -> None:
    recipe = sparsify(small_model, TEXT, 1e9, candidates="exp")
    assert {choice.density for choice in recipe.sites.values()} == {0.01}


def test_what_a_recipe_says(small_model: Rwkv4) -> None:
    seen: list[tuple[int, int]] = []
    recipe = sparsify(
        small_model,
        TEXT,
        1.01,
        candidates=[0.8, 0.4],
        window=32,
        batch=2,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert seen == [(i, 14) for i in range(1, 15)]
    assert recipe.model == content_hash(small_model.weights)
    assert recipe.candidates == (0.8, 0.4)
    assert recipe.calibration_length == 129
    assert recipe.command == "sparsify(model, text, 1.01, candidates=[0.8, 0.4], window=32)"
    measured = evaluate(small_model, TEXT, recipe.thresholds, window=32)
    assert recipe.final_loss == pytest.approx(measured.nats, rel=1e-6)
    assert recipe.sparsity == pytest.approx(measured.sparsity)
    assert recipe.natural_sparsity < recipe.sparsity
    assert tuple(recipe.sites) == site_names(2)


def test_a_search_is_repeatable(small_model: Rwkv4) -> None:
    assert sparsify(small_model, TEXT) == sparsify(small_model, TEXT)


@pytest.mark.parametrize("loss_inc", [0.5, math.nan, math.inf])
def test_senseless_budgets(small_model: Rwkv4, loss_inc: float) -> None:
    with pytest.raises(InputError, match=f"^loss_inc is {loss_inc}; expected a factor from 1 up"):
        sparsify(small_model, TEXT, loss_inc)


@pytest.mark.parametrize("candidates", ["cubic", [], [0.5, 0.6], [1.0, 0.5], [0.5, 0.0]])
def test_senseless_candidates(small_model: Rwkv4, candidates: str | list[float]) -> None:
    with pytest.raises(InputError, match=r"^candidates .*; expected "):
        sparsify(small_model, TEXT, candidates=candidates)


def test_empty_text_and_senseless_windows(small_model: Rwkv4) -> None:
    with pytest.raises(InputError, match=r"^text: it is empty"):
        sparsify(small_model, b"")
    with pytest.raises(InputError, match=r"^window 0 must be at least 1$"):
        sparsify(small_model, TEXT, window=0)


def remake() -> Recipe:
    shipped = zoo.recipe("rwkv4-byte-6x256-1.0005")
    model = load_model(zoo.weights_path("rwkv4-byte-6x256"))
    text = zoo.calibration_text()[: shipped.calibration_length]
    return sparsify(model, text, shipped.loss_inc, command=shipped.command)


@pytest.mark.nightly
def test_the_shipped_recipe_is_remade() -> None:
    shipped, remade = zoo.recipe("rwkv4-byte-6x256-1.0005"), remake()
    for name, choice in shipped.sites.items():
        assert remade.sites[name].density == choice.density, name
        assert remade.sites[name].threshold == pytest.approx(choice.threshold, rel=1e-6), name
    assert remade.final_loss == pytest.approx(shipped.final_loss, rel=1e-6)


def test_the_shipped_recipe_makes_the_model_sparse_and_keeps_it_good() -> None:
    recipe = zoo.recipe("rwkv4-byte-6x256-1.0005")
    model = load_model(zoo.weights_path("rwkv4-byte-6x256"))
    text = zoo.evaluation_text()[:4097]
    natural, sparsified = evaluate(model, text), evaluate(model, text, recipe.thresholds)
    assert natural.bits < sparsified.bits < natural.bits * 1.05
    assert sparsified.sparsity > natural.sparsity + 0.1


def test_the_example_in_the_docs_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "sparsification.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(code, str(page), "exec"), {})
