"""The search against a plain one written from the paper, and the shipped recipe remade."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.models import Rwkv4, Rwkv4Shape, Tap, content_hash, load_model, site_names
from workloads.models.sited import sited
from workloads.models.sites import no_tap
from workloads.sparsity.evaluate import evaluate
from workloads.sparsity.recipe import Recipe, SiteChoice
from workloads.sparsity.search import CANDIDATES, sparsify
from workloads.sparsity.thresholds import threshold_tap

TEXT = bytes((7 * i * i + i // 3) % 251 for i in range(65))


def spying(name: str, inner: Tap, seen: list[Tensor]) -> Tap:
    def tap(at: str, x: Tensor) -> Tensor:
        if at == name:
            seen.append(x)
        return inner(at, x)

    return tap


def commonest(before: list[int]) -> int:
    """The most frequent; of equals the one that came first."""
    return max(before, key=lambda i: (before.count(i), -before.index(i)))


def plain_search(
    model: Rwkv4, text: bytes, loss_inc: float, densities: tuple[float, ...], warm: bool
) -> dict[str, SiteChoice]:
    """The paper's steps 1 to 6 with no short cut: whole model, whole text, every time."""
    tokens = torch.tensor(list(text[:-1]))[None]
    thresholds: dict[str, float] = {}
    chosen: dict[str, SiteChoice] = {}
    base = evaluate(model, text).nats
    for name in site_names(model.shape.layers):
        seen: list[Tensor] = []
        model.sequence(tokens, tap=spying(name, threshold_tap(thresholds), seen))
        found = [float(torch.quantile(seen[0].abs(), 1 - k, dim=-1).mean()) for k in densities]
        losses: dict[int, float] = {}

        def passes(i: int, name=name, found=found, losses=losses, base=base) -> bool:  # type: ignore[no-untyped-def]
            losses[i] = evaluate(model, text, {**thresholds, name: found[i]}).nats
            return bool(losses[i] / base < loss_inc)

        before = [densities.index(c.density) for n, c in chosen.items() if n[9:] == name[9:]]
        start = commonest(before) if warm and before else 0
        down = list(itertools.takewhile(passes, range(start, len(densities))))
        up = (i for i in range(start - 1, -1, -1) if passes(i))
        taken = down[-1] if down else next(up, None)
        if taken is not None:
            base = losses[taken]
        chosen[name] = SiteChoice(found[taken or 0], densities[taken or 0], forced=taken is None)
        thresholds[name] = chosen[name].threshold
    return chosen


def assert_same(ours: dict[str, SiteChoice], theirs: dict[str, SiteChoice]) -> None:
    assert list(ours) == list(theirs)
    for name, choice in theirs.items():
        assert ours[name].threshold == pytest.approx(choice.threshold, rel=1e-5, abs=1e-7), name
        assert (ours[name].density, ours[name].forced) == (choice.density, choice.forced), name


@pytest.fixture(scope="module")
def deep_model(make_weights: Callable[..., dict[str, Tensor]]) -> Rwkv4:
    shape = Rwkv4Shape(layers=3, width=8, ffn=20, vocab=256)
    return Rwkv4(shape, make_weights(shape, 3))


@pytest.mark.parametrize(
    ("loss_inc", "warm"),
    [
        (1.0, False),
        (1.001, True),
        (1.02, False),
        *(
            pytest.param(*how, marks=pytest.mark.nightly)
            for how in ((1.0, True), (1.001, False), (1.02, True))
        ),
    ],
)
def test_the_search_is_that_of_the_paper(deep_model: Rwkv4, loss_inc: float, warm: bool) -> None:
    recipe = sparsify(deep_model, TEXT, loss_inc, window=64, warm_start=warm)
    assert recipe.warm_start is warm
    expected = plain_search(deep_model, TEXT, loss_inc, CANDIDATES["linear"], warm)
    assert_same(recipe.sites, expected)
    forced = {choice.forced for choice in recipe.sites.values()}
    assert loss_inc == 1.001 or (True in forced) == (loss_inc == 1)


def test_the_warm_start_saves_evaluations(deep_model: Rwkv4) -> None:
    warm = sparsify(deep_model, TEXT, 1.02, window=64)
    cold = sparsify(deep_model, TEXT, 1.02, window=64, warm_start=False)
    assert warm.evaluations < cold.evaluations


def test_stages_make_the_numbers_of_the_forward(deep_model: Rwkv4) -> None:
    """Every site and the logits, bit by bit, also when the stages are run one at a time."""
    tokens = torch.randint(0, 256, (3, 40), generator=torch.Generator().manual_seed(1))
    seen: dict[str, Tensor] = {}
    expected, _ = deep_model.sequence(tokens, tap=lambda n, x: seen.setdefault(n, x))
    it = sited(deep_model)
    again: dict[str, Tensor] = {}
    carry = it.start(tokens)
    for stage in range(it.stages):
        (carry,) = it.run(stage, stage + 1, carry, lambda n, x: again.setdefault(n, x))
    assert torch.equal(it.logits(carry, no_tap), expected)
    assert again.keys() == set(site_names(3)) == {site.name for site in it.sites}
    for name, x in again.items():
        assert torch.equal(x, seen[name]), name


@pytest.mark.parametrize("limit", [0, 5_000, 1 << 30])
def test_what_is_kept_changes_no_threshold(
    deep_model: Rwkv4, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A naive search, one with room for a part of the batches, and one with room for all."""
    monkeypatch.setattr("workloads.models.sites.TILE", 8)
    how = {"window": 16, "batch": 2, "workers": 2}
    kept = sparsify(deep_model, TEXT, 1.01, cache_bytes=limit, **how)
    assert kept == sparsify(deep_model, TEXT, 1.01, cache_bytes=123_456, workers=1, window=16,
                            batch=2)  # fmt: skip


def test_the_cache_spares_the_stages_before_the_present_one(deep_model: Rwkv4) -> None:
    """Stages run, counted: naive all 21 a loss, kept only those from the site's own on."""
    counts = {}
    for limit in (0, 1 << 30):
        it, runs = sited(deep_model), [0]
        inner = it.run

        def counting(first: int, last: int, *rest: object, runs=runs, inner=inner):  # type: ignore[no-untyped-def]
            runs[0] += last - first
            return inner(first, last, *rest)

        it.run = counting  # type: ignore[method-assign]
        recipe = sparsify(it, TEXT, 1.02, cache_bytes=limit, window=64)
        counts[limit] = runs[0]
    assert counts[0] > recipe.evaluations * 21
    assert counts[1 << 30] < 0.75 * counts[0]


def test_the_older_variant_judges_by_topk_and_takes_the_smallest_survivor() -> None:
    """Two channels in two tokens: at K = 1/2 the larger of each stays; its mean size is T."""
    from workloads.sparsity.topk import apply_topk, batch_survivors

    x = torch.tensor([[[3.0, -1.0, 2.0, 0.5], [-8.0, 0.0, 4.0, 4.5]]])
    assert apply_topk(x, 0.5).tolist() == [[[3, 0, 2, 0], [-8, 0, 0, 4.5]]]
    assert batch_survivors(x, [0.5, 0.25], "x").tolist() == [(2 + 4.5) / 2, (3 + 8) / 2]


def test_the_topk_search_measures_its_own_thresholds_in_the_end(deep_model: Rwkv4) -> None:
    recipe = sparsify(deep_model, TEXT, 1.02, method="topk", window=64)
    assert recipe.method == "topk"
    measured = evaluate(deep_model, TEXT, recipe.thresholds, window=64)
    assert recipe.final_loss == pytest.approx(measured.nats, rel=1e-6)
    other = sparsify(deep_model, TEXT, 1.02, window=64)
    assert recipe.thresholds != other.thresholds


def test_a_generous_budget_takes_the_sparsest(small_model: Rwkv4) -> None:
    recipe = sparsify(small_model, TEXT, 1e9, candidates="exp")
    assert {choice.density for choice in recipe.sites.values()} == {0.01}


def test_what_a_recipe_says(small_model: Rwkv4) -> None:
    seen: list[tuple[int, int, str]] = []
    recipe = sparsify(
        small_model,
        TEXT,
        1.01,
        candidates=[0.8, 0.4],
        window=32,
        batch=2,
        progress=lambda *args: seen.append(args),
    )
    assert [args[:2] for args in seen] == [(i, 14) for i in range(1, 15)]
    assert all(" left" in args[2] for args in seen[:-1])
    assert recipe.model == content_hash(small_model.weights)
    assert recipe.candidates == (0.8, 0.4)
    assert recipe.calibration_length == 65
    assert recipe.command == "sparsify(model, text, 1.01, candidates=[0.8, 0.4], window=32)"
    assert 14 <= recipe.evaluations <= 28
    measured = evaluate(small_model, TEXT, recipe.thresholds, window=32)
    assert recipe.final_loss == pytest.approx(measured.nats, rel=1e-6)
    assert recipe.sparsity == pytest.approx(measured.sparsity)
    assert recipe.natural_sparsity < recipe.sparsity
    assert tuple(recipe.sites) == site_names(2)


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
    with pytest.raises(InputError, match=r"^method 'best'; the search knows sequential and topk$"):
        sparsify(small_model, TEXT, method="best")


def test_broken_activations_are_named(small_weights: dict[str, Tensor]) -> None:
    weights = {**small_weights, "blocks.1.att.time_mix_v": torch.full((8,), math.inf)}
    with pytest.raises(InputError, match=r"^blocks\.1\.att\.val: NaN or infinity among the act"):
        sparsify(Rwkv4(Rwkv4Shape(2, 8, 20, 256), weights), TEXT)


def remake() -> Recipe:
    shipped = zoo.recipe("rwkv4-byte-6x256-1.0005")
    model = load_model(zoo.weights_path("rwkv4-byte-6x256"))
    text = zoo.calibration_text()[: shipped.calibration_length]
    return sparsify(
        model, text, shipped.loss_inc, warm_start=shipped.warm_start, command=shipped.command
    )


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


def test_the_examples_in_the_docs_run() -> None:
    for page in ("sparsification.md", "evaluation.md"):
        text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
        for code in text.split("```python\n")[1:]:
            exec(compile(code.split("```")[0], page, "exec"), {})
