"""Studies are checked whole before the first run, and every problem has its place."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_tools import HEAD, TIMING, planned, text_of

from seneca_sim.cli.sweeping import open_study
from seneca_sim.errors import InputError
from seneca_sim.sweep.expressions import Expression
from seneca_sim.sweep.plan import StudyError
from seneca_sim.sweep.study import parse_study


def test_a_grid_is_every_combination_the_last_axis_fastest() -> None:
    plan, _ = planned()
    wanted = list(product([1, 2], [1, 2, 3, 4], [4, 8]))
    assert [tuple(point.values.values()) for point in plan.points] == wanted
    assert list(plan.points[0].values) == [
        "mapping.cores_per_layer", "noc.hop_cycles", "core.npes",
    ]  # fmt: skip


def test_zip_and_list_go_row_by_row_and_multiply_with_the_grid() -> None:
    plan, _ = planned(
        """\
axes:
  grid: {noc.hop_cycles: [1, 2]}
  zip: {core.npes: [4, 16], core.line_bits: [64 b, 256 b]}
  list:
    - {clock: 200 MHz, voltage: 0.6 V}
    - {clock: 500 MHz, voltage: 0.8 V}
"""
    )
    found = [tuple(point.values.values()) for point in plan.points]
    rows = product(
        [1, 2], [(4, "64 b"), (16, "256 b")], [("200 MHz", "0.6 V"), ("500 MHz", "0.8 V")]
    )
    assert found == [(hops, *lanes, *supply) for hops, lanes, supply in rows]


@given(
    st.dictionaries(
        st.sampled_from(["noc.hop_cycles", "core.task_fifo", "core.window", "workload.context"]),
        st.lists(st.integers(1, 8), min_size=1, max_size=4, unique=True),
        min_size=1,
    )
)
def test_any_grid_is_the_product_of_its_axes(grid: dict[str, list[int]]) -> None:
    plan, _ = planned(f"axes: {{grid: {grid}}}\n".replace("'", ""))
    assert [tuple(p.values.values()) for p in plan.points] == list(product(*grid.values()))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{from: 1, to: 7, step: 3}", [1, 4, 7]),
        ("{from: 2, to: 5}", [2, 3, 4, 5]),
        ("{from: 1, to: 9, times: 2}", [1, 2, 4, 8]),
    ],
)
def test_ranges(text: str, values: list[int]) -> None:
    plan, _ = planned(f"axes: {{grid: {{core.task_fifo: {text}}}}}\n")
    assert [point.values["core.task_fifo"] for point in plan.points] == values


def test_filters_leave_points_out_before_they_must_be_possible() -> None:
    body = TIMING.replace("[4, 8]", "[4, 6, 8, 64]") + (
        'filters: ["core.npes in (4, 8)", "mapping.cores_per_layer * noc.hop_cycles <= 4"]\n'
    )
    plan, _ = planned(body)
    assert {p.values["core.npes"] for p in plan.points} == {4, 8}
    assert len(plan.points) == 2 * (4 + 2)
    assert plan.left_out == 2 * 4 * 4 - 12


def test_a_setting_may_follow_others_in_base_units() -> None:
    body = "axes: {grid: {core.npes: [4, 32], clock: [100 MHz, 1 GHz]}}\n"
    head = HEAD.replace(
        "workload.tokens: 1}",
        'core.line_bits: "= core.npes * 16", core.task_fifo: "= max(1, clock_hz / 10**8)",'
        ' workload.tokens: "= core.npes / 4"}',
    )
    plan, _ = planned(body, head)
    found = [
        (p.varied["core.line_bits"], p.varied["core.task_fifo"], p.varied["workload.tokens"])
        for p in plan.points
    ]
    assert found == [
        ("64 b", "1", "1"), ("64 b", "10", "1"), ("512 b", "1", "8"), ("512 b", "10", "8"),
    ]  # fmt: skip


def _problems(text: str) -> list[str]:
    """All problems of a study; the file is called s.yaml."""
    from seneca_sim.cli.workload import workload_of
    from seneca_sim.sweep.plan import plan_of

    try:
        study = parse_study(text, "s.yaml")
        workload = workload_of(study.workload)
        plan_of(study, workload.sort)
    except StudyError as error:
        return error.problems
    except InputError as error:
        return [str(error)]
    return []


AXES = "axes: {grid: {%s}}\n"
CHECKS = {
    "unknown path": (
        AXES % "core.npse: [4], noc.hop_cycles: [1]",
        ["s.yaml:8:27: unknown key 'npse' in core; did you mean 'npes'?"],
    ),
    "unknown setting": (
        AXES % "maping.cores_per_layer: [4]",
        [
            "s.yaml:8:15: unknown path 'maping.cores_per_layer'; did you mean "
            "'mapping.cores_per_layer'?"
        ],
    ),
    "unknown energy row": (
        AXES % "energy.noc.flit_hop.nox: [1 pJ]",
        ["s.yaml:8:41: no part 'noc.flit_hop.nox' in seneca-gf22; did you mean "
         "'noc.flit_hop.noc'?"],
    ),
    "impossible values, all of them": (
        AXES % "core.npes: [8, 6], noc.hop_cycles: [2, 0]",
        [
            "s.yaml:8:54: noc.hop_cycles: 0 is too small: at least 1",
            "s.yaml:8:30: core.npes: 6 is no power of two",
        ],
    ),
    "two values that contradict each other": (
        AXES % "core.npes: [16]",
        ["core.npes (s.yaml:8:27)"],
    ),
    "no quantity": (
        AXES % "clock: [fast]",
        ["s.yaml:8:23: clock_hz: 'fast' is not a quantity: expected frequency"],
    ),
    "a run's setting": (
        AXES % "workload.tokens: [1, many]",
        ["s.yaml:8:36: expected a whole number below a billion"],
    ),
    "mode": (AXES % "mode: [batch]", ["s.yaml:8:22: mode=batch: expected generation or pipelined"]),
    "a variant that drawn masks have not": (
        AXES % "workload.variant: [dense]",
        ["s.yaml:8:34: workload.variant=dense: workload layer has no such choice"],
    ),
    "same path twice": (
        "axes:\n  grid: {noc.hop_cycles: [1]}\n  zip: {noc.hop_cycles: [2]}\n",
        ["s.yaml:10:9: noc.hop_cycles varies already, in another part of axes"],
    ),
    "same value twice": (
        AXES % "noc.hop_cycles: [1, 2, 1]",
        ["s.yaml:8:38: noc.hop_cycles has the value 1 twice"],
    ),
    "zip of different lengths": (
        "axes: {zip: {noc.hop_cycles: [1, 2], core.npes: [4]}}\n",
        ["s.yaml:8:38: core.npes has 1 values, but noc.hop_cycles beside it has 2"],
    ),
    "rows with different paths": (
        "axes: {list: [{noc.hop_cycles: 1}, {core.npes: 4}]}\n",
        ["s.yaml:8:36: this row sets core.npes; expected the paths of the first: noc.hop_cycles"],
    ),
    "too many points": (
        AXES % "core.task_fifo: {from: 1, to: 1001}, core.window: {from: 1, to: 1000}",
        ["s.yaml:8:15: axes make 1,001,000 points; expected at most 1,000,000"],
    ),
    "no axes": ("filters: []\n", ["s.yaml:1:1: 'axes' is missing"]),
    "empty axes": ("axes: {}\n", ["s.yaml:8:7: axes has neither grid nor zip nor list"]),
    "unknown key": (TIMING + "filter: []\n", ["s.yaml:13:1: unknown key 'filter'; did you mean"]),
    "a filter that is no expression": (
        TIMING + 'filters: ["core.npes <"]\n',
        ["s.yaml:13:11: 'core.npes <' is no expression: invalid syntax"],
    ),
    "a filter with an unknown name": (
        TIMING + 'filters: ["core.npse < 8"]\n',
        ["s.yaml:13:11: unknown name 'core.npse' in 'core.npse < 8'; did you mean 'core.npes'?"],
    ),
    "a filter that leaves nothing": (
        TIMING + 'filters: ["core.npes > 8"]\n',
        ["s.yaml:13:11: the filters leave out every point"],
    ),
    "a shape that cannot be": (
        TIMING,
        ["s.yaml:5:29: shape.width must be a whole number, got 'wide'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_every_problem_is_named_with_its_place(name: str) -> None:
    body, wanted = CHECKS[name]
    head = HEAD.replace("width: 32", "width: wide") if "shape" in name else HEAD
    found = _problems(text_of(body, head))
    assert len(found) == len(wanted), found
    for problem, start in zip(found, wanted, strict=True):
        assert "\n" not in problem
        assert start in problem if "(s.yaml" in start else problem.startswith(start)


def test_a_path_in_a_study_is_found_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("schema: seneca-chip/1\nextends: seneca-4x4\nname: mine\n")
    (tmp_path / "s.yaml").write_text(text_of(TIMING + "chip: ./mine.yaml\n"))
    opened = open_study(str(tmp_path / "s.yaml"))
    assert opened.sweep.plan.common["chip"] == f"{tmp_path}/mine.yaml"


METRIC_CHECKS = {
    "report: [energy_per_tokn_j]": "unknown name 'energy_per_tokn_j'",
    "derived: {x: energy_per_token_j / nothing}": "unknown name 'nothing' in",
    "constraints: [bits_per_bite < 2]": "unknown name 'bits_per_bite' in",
    "pareto: {speed: minimize}": "unknown name 'speed'",
    "pareto: {energy_by_op_fj: minimize}": "energy_by_op_fj is a table; name an entry, as in ",
    "pareto: {sparsity_by_site: maximize}": "sparsity_by_site is a table",
    "pareto: {bottleneck: minimize}": "objective bottleneck is a word, expected a number",
    "pareto: {mode: minimize}": "objective mode is a word",
    "pareto: {cycles * 2: minimize}": "is an expression; give it a name under derived",
    "derived: {x: energy_by_class_fj * 2}": "energy_by_class_fj is a table",
    "constraints: [energy_by_kind_fj > 2]": "energy_by_kind_fj is a table",
    "pareto: {cycles: least}": "'least'; expected minimize or maximize",
    "derived: {a.b: cycles}": "derived 'a.b' must be a plain name",
    "search: {sampler: gp}": "unknown sampler 'gp'",
}


@pytest.mark.parametrize("line", METRIC_CHECKS)
def test_metrics_that_no_point_will_have_are_refused_up_front(tmp_path: Path, line: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text_of(TIMING + line + "\n"))
    with pytest.raises(InputError) as caught:
        open_study(str(path))
    assert str(caught.value).startswith(f"{path}:13:")
    assert METRIC_CHECKS[line] in str(caught.value)


# -- expressions ------------------------------------------------------------------------------


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(0, 5))
def test_expressions_count_as_python_does(a: int, b: int, c: int) -> None:
    text = "max(core.a, core.b) - core.a // core.b * 2 ** c if core.a < core.b else core.a / core.b"
    value = Expression(text, "s:1:1").value({"core": {"a": a, "b": b}, "c": c})
    assert value == (max(a, b) - a // b * 2**c if a < b else a / b)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()", "open('/etc/passwd')", "().__class__", "core.a.__class__",
        "[x for x in (1, 2)]", "lambda: 1", "core.b", "1 / 0", "9 ** 9 ** 9", "'a' * 10 ** 9",
        "f'{core}'.format(1)", "(yield)",
    ],
)  # fmt: skip
def test_nothing_but_arithmetic_gets_through(text: str) -> None:
    with pytest.raises(InputError, match=r"^s:1:1: "):
        Expression(text, "s:1:1").value({"core": {"a": 1}})
