"""How energies follow the supply voltage, and the clock.

A table holds at one voltage. At another one

- what switches (every op but the next two kinds) costs (V / V0)^2: charging a capacitance;
- leakage power is V / V0 times as high: the current stays what it is (assumed; drain-induced
  barrier lowering makes real leakage fall faster than that below V0);
- off-core memories and links between chips have supplies of their own and keep their cost.

The clock changes no energy per action. It turns leakage power into energy per cycle, in
`cost.energy`; whether a clock can be reached at a voltage is not modelled, for nothing public says.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from seneca_sim.chip.spec import HIGHEST_MV, LOWEST_MV
from seneca_sim.config import Mark
from seneca_sim.errors import InputError

NOMINAL_MV: Final = 800
"""Supply of a table that names none: SENECA's synthesis (assumed, from memory of T23)."""
OWN_SUPPLY: Final = ("mem.", "noc.boundary_bit")


@dataclass(frozen=True)
class Scaling:
    """What a row of the table is multiplied by, by which rule, and how sure that rule is."""

    factor: Fraction
    rule: str
    mark: Mark


def scaling_of(op: str, voltage_mv: int, table_mv: int) -> Scaling:
    """How a row that holds at `table_mv` is carried to `voltage_mv`."""
    ratio = Fraction(voltage_mv, table_mv)
    ends = f"from {volts(table_mv)} to {volts(voltage_mv)}"
    if op.startswith(OWN_SUPPLY):
        return Scaling(Fraction(1), "none: a supply of its own", Mark.PUBLISHED)
    if ratio == 1:
        return Scaling(Fraction(1), f"none: the table holds at {volts(table_mv)}", Mark.PUBLISHED)
    if op.startswith("leak."):
        return Scaling(ratio, f"V, same leakage current, {ends}", Mark.ASSUMED)
    return Scaling(ratio**2, f"V^2, {ends}", Mark.SCALED)


def check_voltage(path: str, voltage_mv: int) -> None:
    """Refuse a voltage for which no rule holds; `path` is the field of the message."""
    if not LOWEST_MV <= voltage_mv <= HIGHEST_MV:
        limits = f"{volts(LOWEST_MV)} to {volts(HIGHEST_MV)}"
        raise InputError(
            f"{path}: energies cannot be scaled to {volts(voltage_mv)}; expected {limits}",
            field=path,
        )


def volts(millivolts: int) -> str:
    """Write a voltage: 0.8 V."""
    return f"{float(Fraction(millivolts, 1000)):g} V"
