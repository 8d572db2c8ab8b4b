"""`--set path=value`: one spelling for every setting, sent to the part that it belongs to."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.engine.activity import Mode

RUN_SETTINGS = {
    "workload.tokens": "16",
    "workload.context": "64",
    "workload.seed": "0",
    "workload.token_correlation": "0",
    "workload.hot_channels": "0",
    "mapping.strategy": "auto",
    "mapping.goal": "energy-delay",
    "mapping.fit": "chip",
    "mapping.cores_per_layer": "0",
    "mapping.placement": "auto",
    "mapping.seed": "0",
    "mapping.steps": "1000",
    "mapping.balance": "size",
    "mapping.batch": "1",
    "mapping.passes": "off",
    "mapping.reload": "before",
    "mapping.head": "in",
    "mapping.file": "none",
    "mapping.weights": "core",
    "mapping.state_words": "2",
    "mapping.context": "512",
    "weights.bits": "bf16",
    "mode": "generation",
}
"""Settings of a run that belong to no file, with their defaults; 0 cores leaves the choice."""
COUNTS = ("mapping.cores.", "mapping.tiles.")
"""Beginnings of settings that end with the name of a group or of a site."""
CHIP_PARTS = ("core", "noc", "host", "boundary", "memory")
CHIP_FIELDS = ("columns", "rows", "clock_hz", "voltage_mv", "name")
ALIASES = {"clock": "clock_hz", "voltage": "voltage_mv"}


@dataclass(frozen=True)
class Settings:
    """What `--set` changes: fields of the chip, parts of the energy table, settings of the run.

    `run` is complete; `given` are the paths of it that somebody set, be it to their default.
    """

    chip: dict[str, str] = field(default_factory=dict)
    energy: dict[str, str] = field(default_factory=dict)
    run: Mapping[str, str] = field(default_factory=lambda: dict(RUN_SETTINGS))
    given: frozenset[str] = frozenset()

    def counts(self, prefix: str) -> dict[str, int]:
        """Settings that begin with `prefix`, by the rest of their names."""
        return {
            path.removeprefix(prefix): self.whole(path)
            for path in self.run
            if path.startswith(prefix)
        }

    def set_by(self, name: str) -> bool:
        """Whether somebody set the setting of the mapping by this name."""
        return f"mapping.{name}" in self.given

    def whole(self, path: str) -> int:
        """A setting of the run that is a whole number, 0 or more."""
        text = self.run[path]
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise InputError(
                f"--set {path}={text}: expected a whole number below a billion, as in {path}=16"
            )
        return int(text)

    def share(self, path: str) -> float:
        """A setting of the run that is a number from 0 to 1."""
        text = self.run[path]
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise InputError(
                f"--set {path}={text}: expected a number from 0 to 1, as in {path}=0.3"
            )
        return value

    @property
    def mode(self) -> Mode:
        """Token mode, generation or pipelined."""
        mode = self.run["mode"]
        if mode == "generation":
            return "generation"
        if mode == "pipelined":
            return "pipelined"
        raise InputError(f"--set mode={mode}: expected generation or pipelined")


def parse_settings(pairs: Sequence[str]) -> Settings:
    """Sort `path=value` texts by the part they belong to.

    Chip fields may be written with or without ``chip.`` in front.

    Raises:
        InputError: no "=", or a path that nothing has.
    """
    run = dict(RUN_SETTINGS)
    chip: dict[str, str] = {}
    energy: dict[str, str] = {}
    given: set[str] = set()
    for pair in pairs:
        path, equals, value = pair.partition("=")
        path, value = ALIASES.get(path.strip(), path.strip()), value.strip()
        if not equals or not path or not value:
            raise InputError(f"--set {pair}: expected path=value, as in core.npes=16")
        head, _, rest = path.partition(".")
        if path in RUN_SETTINGS or path.startswith(COUNTS):
            run[path] = value
            given.add(path)
        elif head == "energy" and rest:
            energy[rest] = value
        elif head == "chip" and rest:
            chip[rest] = value
        elif head in CHIP_PARTS or path in CHIP_FIELDS:
            chip[path] = value
        else:
            raise InputError(f"--set {pair}: unknown setting '{path}'{_nearest(path)}")
    return Settings(chip, energy, run, frozenset(given))


def _nearest(path: str) -> str:
    from dataclasses import fields

    from seneca_sim.chip import (
        BoundarySpec,
        ControllerSpec,
        CoreSpec,
        HostSpec,
        MemorySpec,
        NocSpec,
    )

    known = [*RUN_SETTINGS, *CHIP_FIELDS]
    specs = {"core": CoreSpec, "noc": NocSpec, "host": HostSpec, "core.controller": ControllerSpec}
    specs |= {"boundary": BoundarySpec, "memory": MemorySpec}
    for prefix, spec in specs.items():
        known += [f"{prefix}.{f.name}" for f in fields(spec)]
    close = difflib.get_close_matches(path, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else "; see docs/cli.md for all of them"
