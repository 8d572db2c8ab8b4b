"""The machine runs a program as its routes and stages say, and says what stops it."""

from dataclasses import replace

import numpy as np
import pytest

from seneca_sim.errors import DeadlockError, InputError
from seneca_sim.functional import MemoryImage, ValueMachine, run_values
from seneca_sim.program import NO_REGION
from workloads.compiler.check import STATE_REGIONS, load_image
from workloads.models import Rwkv4State


def inputs(case):
    return {"emb": case.weights["emb.weight"][case.trace.tokens]}


def run(case, program=None, **options):
    program = program or case.program
    image = load_image(case.program, case.trace, case.weights)
    return list(run_values(program, image, inputs(case), **options))


def change(program, table, index, **changes):
    """Replace fields of one row of a table."""
    rows = list(getattr(program, table))
    rows[index] = replace(rows[index], **changes)
    return replace(program, **{table: tuple(rows)})


def find(program, site, **wanted):
    """The first route of a site."""
    return next(
        i
        for i, route in enumerate(program.routes)
        if program.sites[route.site].name == site
        and all(getattr(route, name) == value for name, value in wanted.items())
    )


def test_left_to_itself_it_answers_like_torch(make_case):
    case = make_case(sparsified=False, tokens=12)
    logits = case.trace.sites["logits"].filled()
    for t, vectors in enumerate(run(case)):
        assert np.abs(vectors["logits"] - logits[t]).max() <= 1e-5 * np.abs(logits[t]).max()


def test_the_state_afterwards_is_that_of_torch(make_case):
    case = make_case(sparsified=False, tokens=12, context=0)
    image = load_image(case.program, case.trace, case.weights)
    for _ in run_values(case.program, image, inputs(case)):
        pass
    state = Rwkv4State.zero(case.model.shape)
    for token in case.trace.tokens:
        _, state = case.model.step(int(token), state)
    for name, tensor in state.tensors().items():
        mine = image.get_layers(case.program, STATE_REGIONS[name])
        assert mine == pytest.approx(tensor[:, 0].numpy(), rel=1e-4, abs=1e-4), name


def test_every_vector_is_whole_and_finite(case):
    for vectors in run(case):
        names = {site.name for site in case.program.sites if site.kind != "credit"}
        assert vectors.keys() == names
        assert all(np.isfinite(vector).all() for vector in vectors.values())


def test_the_number_of_cores_moves_no_value_much(make_case):
    """Slices change the order of LayerNorm's sums and nothing else."""
    one, three = (run(make_case((2, 24, 40, 17), cores)) for cores in (1, 3))
    for a, b in zip(one, three, strict=True):
        for name in ("logits", "blocks.1.att.out"):
            assert a[name] == pytest.approx(b[name], rel=1e-5, abs=1e-5)


def test_the_order_of_sending_moves_no_bit(case):
    """Events are added in the order of their channels, whoever comes first."""
    stages = tuple(replace(s, emits=tuple(reversed(s.emits))) for s in case.program.stages)
    shuffled = replace(case.program, stages=stages)
    for a, b in zip(run(case), run(case, shuffled), strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)


def test_recorded_events_go_downstream_and_own_values_are_kept(case):
    site = "blocks.0.att.val"
    recorded = {site: np.zeros((5, 24), np.float32)}
    plain, silenced = run(case), run(case, recorded=recorded)
    assert np.array_equal(plain[0][site], silenced[0][site])
    # The value path is silent now, so the average of values is that of the context alone.
    assert not np.allclose(plain[0]["blocks.0.att.out"], silenced[0]["blocks.0.att.out"])


def test_what_the_host_takes_is_never_replaced(case):
    recorded = {"logits": np.zeros((5, 17), np.float32)}
    assert run(case, recorded=recorded)[0]["logits"].any()


def test_thresholds_decide_who_fires(case):
    shut = {site.name: 1e9 for site in case.program.sites if ".ffn." in site.name}
    vectors = run(case, thresholds=shut)[0]
    assert not vectors["blocks.0.ffn.val"].any()
    assert np.array_equal(  # sigmoid(0) * 0: channel mixing adds nothing
        vectors["blocks.1.x"],
        run(case, thresholds={**shut, "blocks.0.ffn.rec": 0})[0]["blocks.1.x"],
    )


def test_tokens_alternate_between_copies(case):
    image = load_image(case.program, case.trace, case.weights)
    machine = ValueMachine(case.program, image, {})
    route = case.program.routes[find(case.program, "blocks.0.att.key")]
    buffer = case.program.regions[route.buffer]
    seen = []
    for t in range(3):
        vectors = machine.token({"emb": inputs(case)["emb"][t]}, {})
        seen.append(vectors["blocks.0.att.key"][route.low : route.high])
        assert np.array_equal(image.view(buffer, t), seen[t])
    assert np.array_equal(image.view(buffer, 1), seen[1])
    assert machine.tokens == 3


def test_a_route_that_nobody_sends_stops_the_token(case):
    program, site = case.program, "blocks.1.x"
    lost = find(program, site)
    stage = program.routes[lost].stage
    emits = tuple(e for e in program.stages[stage].emits if e != lost)
    program = change(program, "stages", stage, emits=emits)
    core = case.program.destinations(lost)[0]
    with pytest.raises(DeadlockError) as error:
        run(case, program)
    assert str(error.value) == (
        f"program random: token 0 cannot go on: core {core} has {site} from 0 of 1 sources"
    )


def test_a_consumer_without_a_route_stops_the_token(case):
    program = case.program
    lost = find(program, "blocks.1.x")
    other = program.routes[find(program, "blocks.1.x", source=1)]
    same = {"destinations": other.destinations, "buffer": other.buffer}
    program = change(program, "routes", lost, low=8, high=16, **same)
    with pytest.raises(DeadlockError, match=r"has blocks\.1\.x from 0 of 0 sources"):
        run(case, program)


@pytest.mark.parametrize(
    ("site", "changes", "message"),
    [
        ("blocks.0.att.key", {"buffer": NO_REGION}, "leaves no output buffer"),
        ("blocks.0.att.key", {"high": 24}, "leaves an output buffer of 0:8"),
        ("blocks.0.att.key", {"low": 20, "high": 28}, "sends channels that its site does not"),
        ("blocks.1.x", {"low": 1, "high": 9}, "leaves an output buffer of 0:8"),
        ("blocks.1.x", {"destinations": 3}, "reaches core 3, which takes 8:24"),
        ("blocks.1.x", {"destinations": 0}, "ends at core 0, where nobody takes it"),
    ],
)
def test_routes_that_cannot_be_run(case, site, changes, message):
    index = find(case.program, site)
    if "destinations" in changes:
        changes = {"destinations": case.program.core_sets.index((changes["destinations"],))}
    with pytest.raises(InputError, match=message):
        run(case, change(case.program, "routes", index, **changes))


def test_a_slice_without_rows_for_its_neurons_is_refused(case):
    index = next(i for i, c in enumerate(case.program.consumers) if c.kernel)
    more = case.program.consumers[index].neurons + 1
    with pytest.raises(InputError, match=f"{more} neurons on core 0, but weight:.* has 8 rows"):
        run(case, change(case.program, "consumers", index, neurons=more))


def test_operands_of_another_length_are_refused(case):
    index = next(i for i, s in enumerate(case.program.stages) if s.name == "att.wkv")
    step = case.program.stages[index].steps[0]
    wrong = next(i for i, r in enumerate(case.program.regions) if r.name == "in:blocks.0.ln1.stat")
    regions = tuple((name, wrong if name == "u" else place) for name, place in step.regions)
    steps = (replace(step, regions=regions),)
    with pytest.raises(
        InputError, match=r"stage att\.wkv on core 0: wkv takes 8 rows of 'u', not 2"
    ):
        run(case, change(case.program, "stages", index, steps=steps))


def test_kernels_without_values_are_refused(case):
    index = next(i for i, c in enumerate(case.program.consumers) if c.kernel)
    with pytest.raises(InputError, match=r"values of kernel 'lif' cannot be run; expected one of "):
        run(case, change(case.program, "consumers", index, kernel="lif"))
    with pytest.raises(InputError, match="event_int8 on core 0 reads weights of 8 bits, but weigh"):
        run(case, change(case.program, "consumers", index, kernel="event_int8"))
    stage = case.program.stages[0]
    steps = (replace(stage.steps[0], kernel="lif"),)
    with pytest.raises(InputError, match=r"stage ln0\.stats on core 0: no values for kernel 'lif'"):
        run(case, change(case.program, "stages", 0, steps=steps))
    steps = (replace(stage.steps[0], regions=stage.steps[0].regions[:1]),)
    with pytest.raises(InputError, match="ln_stats needs operand 'pad'; it has x"):
        run(case, change(case.program, "stages", 0, steps=steps))


def test_an_input_must_be_there(case):
    image = MemoryImage.load(case.program, case.weights)
    machine = ValueMachine(case.program, image, {})
    with pytest.raises(InputError, match="program random: no input for site emb"):
        machine.token({}, {})


def test_an_image_of_a_smaller_program_is_refused(make_case):
    """The compiled loop trusts its indices, so they are checked before."""
    small, large = make_case((1, 16, 16, 8), 1), make_case((2, 24, 40, 17), 1)
    image = MemoryImage.load(small.program, small.weights)
    with pytest.raises(InputError, match="do not lie in the memory image"):
        ValueMachine(large.program, image, {})
