"""The check passes on every sound program and on no other."""

from dataclasses import replace
from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seneca_sim.errors import DeadlockError, InputError
from seneca_sim.program import Site
from workloads.compiler.check import (
    SiteCheck,
    check_site,
    check_values,
    compare,
    load_image,
    verdict,
)

SIZES = [
    ((1, 8, 8, 5), 1),
    ((2, 24, 40, 17), 1),
    ((2, 24, 40, 17), 2),  # three rows of lanes over two cores
    ((2, 24, 40, 17), 3),
    ((1, 33, 57, 40), 4),  # nothing divides
    ((3, 20, 12, 3), 2),  # an FFN narrower than the model
    ((1, 64, 24, 9), 8),  # cores without a row of some matrices
    ((1, 1, 1, 1), 1),
]


def judged(case, program=None, image_of=None, thresholds=None):
    """Run the check with the verifier left out; a program that stops counts as failed."""
    program = program or case.program
    trace = case.trace
    if thresholds:
        trace = replace(trace, thresholds={**trace.thresholds, **thresholds})
    image = load_image(image_of or program, trace, case.weights)
    inputs = {"emb": case.weights["emb.weight"][trace.tokens]}
    return verdict(compare(program, image, trace, inputs))


@pytest.mark.parametrize("sparsified", [False, True])
@pytest.mark.parametrize(("size", "cores"), SIZES)
def test_small_models_agree_with_torch(make_case, size, cores, sparsified):
    case = make_case(size, cores, sparsified=sparsified)
    checks = check_values(case.program, case.trace, case.weights)
    assert verdict(checks).passed, verdict(checks)
    sites = {*case.trace.sites}
    assert len(checks) == 5 * (7 * size[0] + 3) == 5 * len(sites)
    assert {check.site for check in checks} == sites


# Always the same examples: by chance a value may lie closer to a threshold than its rounding.
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    layers=st.integers(1, 2),
    width=st.integers(1, 40),
    ffn=st.integers(1, 40),
    vocab=st.integers(1, 40),
    cores=st.integers(1, 5),
    sparsified=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_small_model_agrees(make_case, layers, width, ffn, vocab, cores, sparsified, seed):
    cores = min(cores, max(1, width // 8))
    case = make_case((layers, width, ffn, vocab), cores, sparsified=sparsified, tokens=2, seed=seed)
    checks = check_values(case.program, case.trace, case.weights)
    assert verdict(checks).passed, verdict(checks)


def test_the_shipped_model_agrees(zoo_case):
    checks = check_values(zoo_case.program, zoo_case.trace, zoo_case.weights)
    assert verdict(checks).passed, verdict(checks)
    assert len(checks) == 4 * (7 * 6 + 3)


def test_left_to_itself_the_shipped_model_agrees_too(zoo_case):
    """With thresholds a value may tip over, and takes others with it; without, none can."""
    checks = check_values(zoo_case.program, zoo_case.trace, zoo_case.weights, free_running=True)
    limit = 1e-2 if zoo_case.trace.thresholds else 1e-5
    assert max(c.max_error for c in checks if c.site == "logits") <= limit


def test_a_trace_with_nothing_skipped_agrees(case):
    checks = check_values(case.program, case.trace.dense(), case.weights)
    assert verdict(checks).passed, verdict(checks)


# -- every fault shows -----------------------------------------------------------------------


def survivors(case, faults, image_of=None):
    """The faults that nobody noticed: neither a refusal, nor a stop, nor a wrong value."""
    unnoticed = []
    for what, program in faults:
        try:
            passed = judged(case, program, image_of).passed
        except (InputError, DeadlockError):
            passed = False
        if passed:
            unnoticed.append(what)
    return unnoticed


def change(program, table, index, **changes):
    rows = list(getattr(program, table))
    rows[index] = replace(rows[index], **changes)
    return replace(program, **{table: tuple(rows)})


def swapped(program, table, i, j, *fields):
    """Two rows of a table with some of their fields exchanged."""
    a, b = getattr(program, table)[i], getattr(program, table)[j]
    program = change(program, table, i, **{name: getattr(b, name) for name in fields})
    return change(program, table, j, **{name: getattr(a, name) for name in fields})


def weights_of(program):
    return [i for i, r in enumerate(program.regions) if r.name.startswith("weight:")]


def test_a_dropped_destination_shows(short):
    """Any destination of any route that has several."""

    def faults():
        program = short.program
        for index, route in enumerate(program.routes):
            cores = program.destinations(index)
            for core in cores if len(cores) > 1 else ():
                rest = tuple(c for c in cores if c != core)
                broken = replace(program, core_sets=(*program.core_sets, rest))
                last = len(program.core_sets)
                yield (route, core), change(broken, "routes", index, destinations=last)

    assert len(list(faults())) > 50
    assert survivors(short, faults()) == []


def test_a_shifted_slice_shows(short):
    """Any weight slice taken from the rows beside its own."""

    def faults():
        program = short.program
        for index in weights_of(program):
            region = program.regions[index]
            for by in (-1, 1):
                low, high = region.low + by, region.high + by
                if low >= 0:
                    yield (region, by), change(program, "regions", index, low=low, high=high)

    assert survivors(short, faults()) == []


def test_a_shifted_address_shows(short):
    """Any weight slice a line further than where it was loaded, or on top of its neighbour."""

    def faults():
        program = short.program
        for index in weights_of(program):
            region = program.regions[index]
            moved = region.address_bits + region.stride_bits
            yield region, change(program, "regions", index, address_bits=moved)

    assert survivors(short, faults(), image_of=short.program) == []
    assert survivors(short, faults()) == []


def test_swapped_weights_show(short):
    """Any two consumers of a core with each other's weights, accumulators, or tensors."""

    def faults():
        program = short.program
        for i, a in enumerate(program.consumers):
            for j, b in enumerate(program.consumers[:i]):
                if a.kernel and b.kernel and a.core == b.core and a.neurons == b.neurons:
                    yield (a, b, "weights"), swapped(program, "consumers", i, j, "weights")
                    yield (a, b, "target"), swapped(program, "consumers", i, j, "target")
                    regions = a.weights, b.weights
                    yield (a, b, "tensor"), swapped(program, "regions", *regions, "tensor")

    assert len(list(faults())) > 50
    assert survivors(short, faults()) == []


def steps_of(program):
    for index, stage in enumerate(program.stages):
        for number, step in enumerate(stage.steps):
            yield index, stage, number, step


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.nightly) for part in (1, 2))]
)
def test_swapped_operands_show(short, part):
    """Any two operands of any step, a third of them on each push."""

    def faults():
        program = short.program
        for index, stage, number, step in steps_of(program):
            for a, b in combinations(step.regions, 2):
                # LayerNorm 0 works in place; two operands of ln_stats are needed at BF16 only.
                if a[1] != b[1] and {a[0], b[0]} != {"pad", "scratch"}:
                    other = {a[0]: b[1], b[0]: a[1]}
                    regions = tuple((name, other.get(name, at)) for name, at in step.regions)
                    wrong = replace(step, regions=regions)
                    steps = (*stage.steps[:number], wrong, *stage.steps[number + 1 :])
                    what = stage.name, stage.core, step.kernel, a[0], b[0]
                    yield what, change(program, "stages", index, steps=steps)

    assert len(list(faults())) > 100
    assert survivors(short, islice(faults(), part, None, 3)) == []


def test_a_step_left_out_shows(short):
    def faults():
        program = short.program
        for index, stage, number, step in steps_of(program):
            steps = stage.steps[:number] + stage.steps[number + 1 :]
            what = stage.name, stage.core, step.kernel
            yield what, change(program, "stages", index, steps=steps)

    assert survivors(short, faults()) == []


def test_wrong_channels_show(short):
    """Any sparse route that labels its values with the channels beside them."""

    def faults():
        program = short.program
        for index, route in enumerate(program.routes):
            if program.sites[route.site].kind == "events":
                for by in (-1, 1):
                    low, high = max(0, route.low + by), route.high + by
                    yield (route, by), change(program, "routes", index, low=low, high=high)

    assert survivors(short, faults()) == []


@pytest.mark.parametrize("by", [-0.1, 0.1])
def test_a_wrong_threshold_shows(case, by):
    """The trace's masks, and a program that fires at another size."""
    right = case.trace.thresholds
    assert judged(case, thresholds=dict(right)).passed
    for site, threshold in right.items():
        wrong = judged(case, thresholds={site: max(0, threshold + by)})
        assert {check.site for check in wrong.failed} == {site}
        assert all(check.far_from_threshold for check in wrong.failed)


def test_wrong_weights_show(case):
    for name in case.weights:
        weights = dict(case.weights)
        weights[name] = weights[name] * np.float32(1.01)
        assert not verdict(check_values(case.program, case.trace, weights)).passed, name


def test_a_wrong_state_shows(case):
    for name in case.trace.state:
        state = {**case.trace.state, name: case.trace.state[name] + np.float32(0.1)}
        trace = replace(case.trace, state=state)
        assert not verdict(check_values(case.program, trace, case.weights)).passed, name


# -- the measure itself ----------------------------------------------------------------------


def one(own, recorded, threshold=0.0, kind="events"):
    site = Site("blocks.0.att.key", 0, len(own), kind)
    arrays = (np.array(v, np.float32) for v in (own, recorded))
    return check_site(site, 3, *arrays, {site.name: threshold})


def test_errors_are_relative_to_the_largest_value():
    check = one([4.0, 0.5], [4.0, 0.50002])
    assert check.max_error == pytest.approx(5e-6, rel=1e-2)
    assert check.passed
    assert not one([4.0, 0.5], [4.0, 0.50006]).passed
    assert (check.site, check.layer, check.token) == ("blocks.0.att.key", 0, 3)


def test_a_value_at_the_threshold_may_fall_on_either_side():
    """0.5 does not fire, 0.500003 does; what was not recorded has no value to compare with."""
    for own, recorded in ((0.5, 0.500003), (0.500003, 0.0)):
        check = one([2, own], [2, recorded], 0.5)
        assert (check.mask_differences, check.far_from_threshold) == (1, 0)
        assert check.passed
    check = one([2, 0.50001], [2, 0], 0.5)
    assert (check.mask_differences, check.far_from_threshold) == (1, 1)
    assert not check.passed


def test_without_a_threshold_the_largest_value_is_the_yardstick():
    assert one([2, 1e-6], [2, 0]).passed
    assert one([2, 1e-6], [2, 0]).mask_differences == 1
    assert not one([2, 1e-4], [2, 0]).passed


def test_below_the_threshold_values_are_free():
    assert one([2, 0.1], [2, 0], 0.5).passed
    assert one([0.1, 0.2], [0, 0], 0.5).max_error == 0


@pytest.mark.parametrize("kind", ["events", "dense"])
def test_nan_never_passes(kind):
    assert not one([np.nan, 1], [1, 1], kind=kind).passed
    assert not one([np.nan, 1], [0, 1], kind=kind).passed


def test_dense_vectors_are_compared_everywhere():
    assert one([1, 0], [1, 0], kind="dense").passed
    assert not one([1, 0.1], [1, 0], kind="dense").passed
    assert one([0, 0], [0, 0], kind="dense").max_error == 0
    assert one([0, 1], [0, 0], kind="dense").max_error == np.inf


def test_the_verdict_in_one_line():
    good = SiteCheck("blocks.0.att.key", 0, 1, 2e-6, 1, 0)
    bad = SiteCheck("head", 2, 4, 3e-2, 0, 0)
    assert str(verdict([good])) == (
        "1 vectors agree, worst blocks.0.att.key at token 1: error 2.0e-06 of the largest value "
        "(limit 1e-05); 1 mask bits differ"
    )
    assert str(verdict([good, bad])) == (
        "1 of 2 vectors differ, first head at token 4: error 3.0e-02 of the largest value "
        "(limit 1e-05); 1 mask bits differ"
    )
    assert verdict([good]).passed
    assert not verdict([good, bad]).passed
    assert verdict([good, bad]).worst == bad


# -- what cannot be checked ------------------------------------------------------------------


def test_a_trace_must_have_values_a_state_and_the_same_shape(case, make_case):
    with pytest.raises(InputError, match="has no state before its first token"):
        check_values(case.program, case.trace.slice(1, 3), case.weights)
    sites = {name: replace(site, values=None) for name, site in case.trace.sites.items()}
    with pytest.raises(InputError, match="holds masks only; record it with values"):
        check_values(case.program, replace(case.trace, sites=sites), case.weights)
    other = make_case((1, 8, 8, 5), 1)
    with pytest.raises(InputError, match="layers is 1, but program random has 2"):
        check_values(case.program, other.trace, case.weights)


def test_weights_must_be_those_of_the_program(case):
    weights = dict(case.weights)
    weights["emb.weight"] = weights["emb.weight"][:-1]
    with pytest.raises(InputError) as error:
        check_values(case.program, case.trace, weights)
    assert str(error.value) == "weights: 'emb.weight' is 16 x 24; expected 17 x 24"
    del weights["emb.weight"]
    with pytest.raises(InputError, match=r"no tensor 'emb\.weight'"):
        check_values(case.program, case.trace, weights)
    weights = {**case.weights, "blocks.1.ffn.value.weight": case.weights["head.weight"]}
    with pytest.raises(InputError, match=r"'blocks\.1\.ffn\.value\.weight' is 17 x 24, but region"):
        check_values(case.program, case.trace, weights)


def test_check_sites_are_optional(case):
    sites = {n: s for n, s in case.trace.sites.items() if n not in ("emb", "head", "logits")}
    checks = check_values(case.program, replace(case.trace, sites=sites), case.weights)
    assert verdict(checks).passed
    assert len(checks) == 5 * 14
