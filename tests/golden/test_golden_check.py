"""Checks and causes on real runs; what a change does is measured by a run of its own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from golden_tools import fresh, own_golden
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip, load_chip
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.cost.kernel import Coefficients
from seneca_sim.engine.reference import simulate
from seneca_sim.errors import InputError
from seneca_sim.golden import Bench, Job, check, record, update
from seneca_sim.golden.check import Outcome, Selection
from seneca_sim.golden.keep import check_reason
from seneca_sim.golden.tolerance import Tolerance
from seneca_sim.results import RunResult, price_run
from seneca_sim.results.compare.inputs import linear_text
from seneca_sim.results.ids import MODEL_VERSION

JOB = own_golden()[1]
GOLDEN = fresh(JOB)  # of now: whether the committed one still holds is another test's business
BASE = {"columns": "3", "rows": "2"}


def priced(chip: Chip, table: EnergyTable) -> RunResult:
    """The same run by the way that everybody else takes."""
    program, streams = JOB.build(chip)
    activity = simulate(chip, program, streams["run"], mode=JOB.mode)
    loaded = LoadedChip(chip, load_chip("seneca-4x4").fields, "")
    return price_run(loaded, table, program, streams["run"], activity, label="run", mode=JOB.mode)


def with_row(op: str, part: str, factor: Fraction) -> EnergyTable:
    row = JOB.table.rows[op]
    changed = replace(row, parts={**row.parts, part: row.parts[part] * factor})
    return replace(JOB.table, rows={**JOB.table.rows, op: changed})


def checked(job: Job, **selection: tuple[str, ...]) -> Outcome:
    return check(GOLDEN, Bench(job), Selection(**selection))


def texts(outcome: Outcome) -> list[str]:
    return [cause.text for cause in outcome.variants[0].causes]


def test_a_golden_has_the_integers_of_a_priced_run() -> None:
    result, numbers = priced(JOB.chip, JOB.table), GOLDEN.numbers["run"]
    assert numbers.energy_fj == result.energy_fj
    assert numbers.cycles == result.cycles
    assert numbers.done == result.tokens.done
    by_op: dict[str, int] = {}
    for path, term in numbers.terms.items():
        by_op[path.rpartition(".")[0]] = by_op.get(path.rpartition(".")[0], 0) + term.energy_fj
    assert by_op == result.by_op


def test_costs_of_kernels_read_like_the_rule() -> None:
    assert linear_text(Coefficients(0, 1, 2, 3, 0)) == "g + rows (2 + 3 g)"
    assert linear_text(Coefficients(2, 0, 0, 0, 1)) == "3"
    assert linear_text(Coefficients(0, 0, 0, 0, 0)) == "0"
    assert {"event_bf16.cycles", "event_bf16.npe.mld"} < set(GOLDEN.inputs["kernels"])


def test_nothing_changed_nothing_moved() -> None:
    outcome = checked(JOB)
    assert outcome.exit_code == 0
    assert (outcome.changes, outcome.notes) == ((), ())
    assert outcome.checked == len(GOLDEN.numbers["run"].integers())


def test_one_percent_of_one_row_is_caught_and_traced_to_the_row() -> None:
    outcome = checked(replace(JOB, table=with_row("npe.mul", "npe", Fraction(101, 100))))
    (variant,) = outcome.variants
    assert [move.key for move in variant.breaches] == ["energy.npe.mul.npe", "energy.total"]
    # 1 % of 1300 fJ for every MUL of each of 8 NPEs.
    delta = 13 * 8 * GOLDEN.numbers["run"].counts["npe.mul"]
    assert [move.delta for move in variant.breaches] == [delta, delta]
    (cause,) = variant.causes
    assert cause.text == "energy row npe.mul: npe 1300 fJ -> 1313 fJ (+1 %)"
    assert (cause.energy_fj, cause.cycles) == (delta, 0)
    assert cause.share(variant.old, variant.new).startswith("accounts for all of energy +")


def test_slower_hops_are_caught_and_traced_to_the_field_of_the_chip() -> None:
    now = GOLDEN.inputs["chip"]["noc.hop_cycles"]
    chip = load_chip("seneca-4x4", {**BASE, "noc.hop_cycles": str(int(now) + 1)}).chip
    outcome = checked(replace(JOB, chip=chip))
    (cause,) = outcome.variants[0].causes
    assert cause.text == f"chip noc.hop_cycles {now} -> {int(now) + 1} (+50 %)"
    assert cause.cycles == priced(chip, JOB.table).cycles - GOLDEN.numbers["run"].cycles > 0
    assert set(cause.terms) == {"leak.sram.leakage", "leak.registers.leakage"}


FIELDS = {
    "noc.hop_cycles": ("1", "3", "4"),
    "core.group_size": ("4", "8", "24"),
    "core.controller.event_in_instructions": ("5", "40"),
    "core.task_setup_cycles": ("0", "9"),
    "clock_hz": ("250 MHz",),
    "voltage_mv": ("700 mV",),
    "core.gating": ("power", "none"),
    "noc.multicast": ("unicast",),
}


@settings(max_examples=5)
@given(
    st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True),
    st.booleans(),
    st.data(),
)
def test_each_cause_does_what_it_does_alone(
    fields: list[str], row: bool, data: st.DataObject
) -> None:
    """The effect told of a change is that of a run with only this change, priced by `price_run`."""
    sets = {field: data.draw(st.sampled_from(FIELDS[field])) for field in fields}
    table = with_row("ctrl.instruction", "controller", Fraction(3, 2)) if row else JOB.table
    chip = load_chip("seneca-4x4", BASE | sets).chip
    outcome = checked(replace(JOB, chip=chip, table=table))
    (variant,) = outcome.variants
    assert sum(c.energy_fj for c in variant.causes) == variant.new.energy_fj - variant.old.energy_fj
    assert sum(c.cycles for c in variant.causes) == variant.new.cycles - variant.old.cycles
    told = {cause.text: (cause.energy_fj, cause.cycles) for cause in variant.causes}
    base = priced(JOB.chip, JOB.table)
    alone = {f"chip {f} ": priced(load_chip("seneca-4x4", BASE | {f: v}).chip, JOB.table)
             for f, v in sets.items()}  # fmt: skip
    if row:
        alone["energy row ctrl.instruction:"] = priced(JOB.chip, table)
    for name, result in alone.items():
        mine = [effect for text, effect in told.items() if text.startswith(name)]
        effect = result.energy_fj - base.energy_fj, result.cycles - base.cycles
        if result.tokens.done == base.tokens.done and effect == (0, 0):
            continue
        assert mine == [effect]


def test_prices_are_checked_without_a_second_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def counted(chip: Chip, *arguments: object, **options: object) -> object:
        runs.append(chip.name)
        return simulate(chip, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("seneca_sim.golden.job.simulator", lambda engine: counted)
    rows = with_row("npe.mul", "npe", Fraction(2))
    assert checked(replace(JOB, table=rows)).exit_code == 1
    assert len(runs) == 1
    chip = load_chip("seneca-4x4", BASE | {"noc.hop_cycles": "3"}).chip
    assert checked(replace(JOB, chip=chip, table=rows)).exit_code == 1
    assert len(runs) == 1 + 2  # as it is now, and as it was recorded


def test_fields_that_only_go_together_are_named_as_such() -> None:
    """16 NPEs need lines of 256 bit; wider lines alone change nothing here."""
    sets = {"core.npes": "16", "core.line_bits": "256 b"}
    chip = load_chip("seneca-4x4", BASE | sets).chip
    outcome = checked(replace(JOB, chip=chip))
    variant = outcome.variants[0]
    assert sum(c.energy_fj for c in variant.causes) == variant.new.energy_fj - variant.old.energy_fj
    assert any(
        text.startswith("chip core.npes 8 -> 16 (+100 %) (not possible alone), and these changes")
        for text in texts(outcome)
    )


def test_many_fields_at_once_are_told_together() -> None:
    sets = {
        "noc.hop_cycles": "3", "noc.header_flits": "2", "core.group_size": "8",
        "core.task_fifo": "8", "core.controller.task_instructions": "7",
        "core.controller.packet_in_instructions": "21", "noc.buffer_flits": "40",
        "core.controller.packet_out_instructions": "22", "core.task_setup_cycles": "5",
    }  # fmt: skip
    outcome = checked(replace(JOB, chip=load_chip("seneca-4x4", BASE | sets).chip))
    (text,) = texts(outcome)
    assert text.endswith("; and 1 more")


def test_a_changed_rule_of_the_code_is_told_apart_from_a_changed_chip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bench whose engine takes a cycle longer: the code, not the chip, has that part."""
    chip = load_chip("seneca-4x4", BASE | {"noc.hop_cycles": "3"}).chip
    honest = checked(replace(JOB, chip=chip)).variants[0]

    def late(*arguments: object, **options: object) -> object:
        activity = simulate(*arguments, **options)  # type: ignore[arg-type]
        return replace(activity, cycles=activity.cycles + 7)

    monkeypatch.setattr("seneca_sim.golden.job.simulator", lambda engine: late)
    (variant,) = checked(replace(JOB, chip=chip)).variants
    cycles = {cause.text: cause.cycles for cause in variant.causes}
    assert cycles == {
        "chip noc.hop_cycles 2 -> 3 (+50 %)": honest.new.cycles - honest.old.cycles,
        "the code: no input that differs explains it": 7,
    }


def test_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seneca_sim.results.compare.inputs.MODEL_VERSION", 99)
    outcome = checked(JOB)
    assert outcome.exit_code == 0
    assert outcome.notes == (f"recorded with another version (cost model {MODEL_VERSION} -> 99)",)
    slow = load_chip("seneca-4x4", BASE | {"noc.hop_cycles": "3"}).chip
    (note,) = checked(replace(JOB, chip=slow)).notes
    assert note.endswith("the changelog says which numbers moved on purpose")


def test_a_program_and_events_of_now_are_named_as_what_they_are() -> None:
    program, streams = JOB.build(JOB.chip)
    fewer = replace(streams["run"], counts=streams["run"].counts // 2)
    outcome = checked(replace(JOB, build=lambda chip: (program, {"run": fewer})))
    (text,) = texts(outcome)
    assert text.startswith("events of run ")


def test_a_changed_kernel_is_named_with_its_rule() -> None:
    """Recorded when firing took 9 cycles a row, for 20 more cycles in all."""
    now = GOLDEN.inputs["kernels"]["relu2_fire.cycles"]
    kernels = {**GOLDEN.inputs["kernels"], "relu2_fire.cycles": "2 + rows (9)"}
    numbers = replace(GOLDEN.numbers["run"], cycles=GOLDEN.numbers["run"].cycles + 20)
    older = replace(GOLDEN, inputs={**GOLDEN.inputs, "kernels": kernels}, numbers={"run": numbers})
    (cause,) = check(older, Bench(JOB)).variants[0].causes
    assert cause.text == f"micro-kernel relu2_fire.cycles 2 + rows (9) -> {now}"
    assert cause.cycles == -20


def test_only_what_is_chosen_is_checked() -> None:
    job = replace(JOB, table=with_row("npe.mul", "npe", Fraction(2)))
    assert checked(job, keys=("count.*", "cycles")).exit_code == 0
    outcome = checked(job, keys=("energy.npe.mul.*",))
    assert (outcome.exit_code, outcome.checked) == (1, 2)
    assert checked(job, variants=("run",)).exit_code == 1
    with pytest.raises(InputError, match="no such variant; it has run"):
        checked(job, variants=("natural",))
    with pytest.raises(InputError, match="no number under enrgy"):
        checked(job, keys=("enrgy.*",))


def test_a_tolerance_lets_a_small_move_pass_and_is_told() -> None:
    table = with_row("npe.mul", "npe", Fraction(101, 100))
    loose = (Tolerance("energy.npe.mul.npe", "1 %", "lot 7"), Tolerance("energy.total", "1 %", "b"))
    golden = replace(GOLDEN, tolerances=loose)
    outcome = check(golden, Bench(replace(JOB, table=table)))
    assert outcome.exit_code == 0
    allowed = outcome.variants[0].allowed
    assert [(one.move.key, one.tolerance.reason) for one in allowed] == [
        ("energy.npe.mul.npe", "lot 7"),
        ("energy.total", "b"),
    ]
    worse = check(golden, Bench(replace(JOB, table=with_row("npe.mul", "npe", Fraction(102, 100)))))
    assert [move.key for move in worse.variants[0].breaches] == ["energy.npe.mul.npe"]


def test_an_update_keeps_the_reason_and_what_moved() -> None:
    job = replace(JOB, table=with_row("npe.mul", "npe", Fraction(101, 100)))
    new = update(GOLDEN, Bench(job), "  measured again ", today="2026-02-03")
    assert new.history[:-1] == GOLDEN.history
    last = new.history[-1]
    assert (last.when, last.reason) == ("2026-02-03", "measured again")
    assert len(last.moved) == 1
    assert last.moved[0].startswith("run: 2 numbers; energy ")
    assert check(new, Bench(job)).exit_code == 0
    assert update(new, Bench(job), "again") is new
    assert check(GOLDEN, Bench(job)).exit_code == 1


@pytest.mark.parametrize("reason", ["", "  ", "...", "123"])
def test_no_update_without_a_reason(reason: str) -> None:
    with pytest.raises(InputError, match="only with a reason"):
        check_reason(reason)


def test_both_engines_record_the_same() -> None:
    engines = [
        record("x", {}, Bench(JOB, engine), today="2026-01-02")
        for engine in ("reference", "compiled")
    ]
    assert engines[0] == engines[1]
