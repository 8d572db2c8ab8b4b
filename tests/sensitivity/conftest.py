"""The nominal chip, and one study of everything on a small workload."""

import pytest
from small_workload import build

from seneca_sim.chip.load import LoadedChip, load_chip
from seneca_sim.cost.energy import EnergyTable, load_energy
from seneca_sim.sensitivity import Study, parameters_of, run_study


@pytest.fixture(scope="session")
def loaded() -> LoadedChip:
    return load_chip("seneca-8x8", {"columns": "2", "rows": "2"})


@pytest.fixture(scope="session")
def table() -> EnergyTable:
    return load_energy()


@pytest.fixture(scope="session")
def study(loaded: LoadedChip, table: EnergyTable) -> Study:
    return run_study(loaded, table, parameters_of(loaded, table), build, processes=1)
