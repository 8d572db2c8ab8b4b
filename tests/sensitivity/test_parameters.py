"""What is varied, and how a value is put into a chip or a table."""

import pytest

from seneca_sim.chip.load import LoadedChip, load_chip
from seneca_sim.config import Mark
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.errors import InputError
from seneca_sim.sensitivity import choose, notes, parameters_of
from seneca_sim.sensitivity.parameters import CHOICES, changed

PRESETS = ("seneca-8x8", "seneca-4x4", "seneca-8x8-hbm")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_assumption_with_a_range_is_varied_or_a_choice(
    preset: str, table: EnergyTable
) -> None:
    chip = load_chip(preset)
    varied = {p.path for p in parameters_of(chip, table)}
    for path, leaf in chip.fields.items():
        if leaf.mark is Mark.ASSUMED and leaf.range is not None and path not in CHOICES:
            absent = path.startswith(("boundary.", "memory.")) and chip.chip.memory.kind == "none"
            assert path in varied or absent or path.startswith("boundary."), path


def test_every_assumption_says_what_would_settle_it(table: EnergyTable) -> None:
    known = notes()
    for preset in PRESETS:
        for p in parameters_of(load_chip(preset), table):
            assert known[p.path].settle, p.path


def test_notes_name_fields_that_exist(loaded: LoadedChip, table: EnergyTable) -> None:
    for path, note in notes().items():
        if path.startswith("energy."):
            assert path.removeprefix("energy.") in table.rows
        elif not note.alternatives:
            assert path in loaded.fields


def test_words_are_varied_too_and_nominal_values_are_left_out(
    loaded: LoadedChip, table: EnergyTable
) -> None:
    found = {p.path: p for p in parameters_of(loaded, table)}
    assert found["core.gating"].others == ("none", "power")
    assert found["core.controller.cycles_per_instruction"].others == (2,)
    assert found["clock_hz"].shown(200_000_000) == "200 MHz"
    assert found["energy.noc.flit_hop"].others == (300, 4000)
    assert "columns" not in found
    assert "memory.burst_bits" not in found


def test_one_value_changes_and_marks_stay(loaded: LoadedChip, table: EnergyTable) -> None:
    other, same = changed(loaded, table, "core.controller.event_in_instructions", 2)
    assert other.chip.core.controller.event_in_instructions == 2
    assert other.chip.noc == loaded.chip.noc
    assert (other.fields, same) == (loaded.fields, table)
    chip, energies = changed(loaded, table, "energy.noc.flit_hop", 300)
    assert chip is loaded
    assert energies.rows["noc.flit_hop"].parts == {"noc": 300}
    assert energies.rows["npe.add"] == table.rows["npe.add"]


def test_buffers_grow_with_the_packet(loaded: LoadedChip, table: EnergyTable) -> None:
    chip = changed(loaded, table, "noc.event_flits", 2)[0].chip
    assert (chip.noc.packet_flits, chip.noc.buffer_flits) == (33, 33)


def test_a_value_that_cannot_be_is_refused(loaded: LoadedChip, table: EnergyTable) -> None:
    with pytest.raises(InputError, match=r"core\.group_size"):
        changed(loaded, table, "core.group_size", 64)


def test_names_can_be_chosen(loaded: LoadedChip, table: EnergyTable) -> None:
    everything = parameters_of(loaded, table)
    (one,) = choose(everything, ("clock_hz",))
    assert one.path == "clock_hz"
    with pytest.raises(InputError, match="did you mean 'clock_hz'"):
        choose(everything, ("clok_hz",))
