"""From a model's shape and the settings to a program: what every command does alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip, load_chip
from seneca_sim.cli.settings import Settings
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.program import Program
    from workloads.compiler import LayerGraph, MapSettings
    from workloads.traces import ActivationTrace

FITS = ("chip", "smallest")
RELOADS = ("before", "ahead")
NO_FILE = "none"


def compile_shape(
    name: str,
    shape: Mapping[str, object],
    chip: Chip,
    settings: Settings,
    trace: ActivationTrace | None = None,
) -> Program:
    """Compile a model of a trace's `shape` for a chip, mapped as the settings say.

    With `mapping.fit=smallest` the chip is one of `fitted_chip`. With `mapping.balance=events`
    columns are cut by the events of `trace`.

    Raises:
        InputError: a family that has no layer graph, or settings that do not go together.
        CapacityError: a model that does not fit.
    """
    from workloads.compiler import lower
    from workloads.compiler.passes import compile_passes

    graph, how = graph_of(name, shape, settings), map_settings(settings, trace)
    count = _passes(settings, how)
    if count is None:
        return lower(graph, chip, settings=how)
    return compile_passes(graph, chip, how, count, ahead=_ahead(settings))


def _ahead(settings: Settings) -> bool:
    """Whether a pass is loaded while the one before runs."""
    reload = settings.run["mapping.reload"]
    if reload not in RELOADS:
        raise InputError(f"--set mapping.reload={reload}: expected {' or '.join(RELOADS)}")
    return reload == "ahead"


def _passes(settings: Settings, how: MapSettings) -> int | None:
    """How many passes: None for a whole model, 0 for the fewest that fit.

    Raises:
        InputError: passes beside settings that leave them no sense.
    """
    passes = settings.run["mapping.passes"]
    _ahead(settings)
    if passes == "off":
        return None
    if how.weights == "shared":
        raise InputError(
            f"--set mapping.passes={passes}: with mapping.weights=shared weights stay in off-core "
            "memory and come event by event, so no pass has any to load; leave one of the two out"
        )
    if passes == "auto" and settings.run["mapping.fit"] == "smallest":
        raise InputError(
            "--set mapping.passes=auto: finds the fewest passes on a chip that is given, and "
            "mapping.fit=smallest the smallest chip for passes that are given; say how many, as in "
            "mapping.passes=4"
        )
    count = 0 if passes == "auto" else settings.whole("mapping.passes")
    if passes != "auto" and not count:
        raise InputError(f"--set mapping.passes={passes}: expected off, auto or a number from 1 on")
    return count


def fitted_chip(
    name: str, shape: Mapping[str, object], loaded: LoadedChip, chip: str, settings: Settings
) -> LoadedChip:
    """The chip itself, or with `mapping.fit=smallest` the smallest mesh of its cores that fits.

    With `mapping.passes=N` it is the smallest on which the model runs in N passes.

    Args:
        name: of the model.
        shape: of the model.
        loaded: the chip as it was asked for.
        chip: its name or file, to be read again in another size.
        settings: of the run.

    Raises:
        InputError: no such fit, or a size was given beside it.
        CapacityError: no number of cores fits.
    """
    fit = settings.run["mapping.fit"]
    if fit not in FITS:
        raise InputError(f"--set mapping.fit={fit}: expected {' or '.join(FITS)}")
    if fit == "chip":
        return loaded
    given = [key for key in ("columns", "rows") if key in settings.chip]
    if given:
        raise InputError(
            f"--set mapping.fit=smallest chooses the mesh itself: leave {' and '.join(given)} out"
        )
    from workloads.compiler.choose import choose, mesh_of
    from workloads.compiler.passes import fewest_cores

    graph, how = graph_of(name, shape, settings), map_settings(settings)
    count = _passes(settings, how)
    if count is None or count < 2:
        cores = choose(graph, loaded.chip, how).cores
    else:
        cores = fewest_cores(graph, loaded.chip, how, count, ahead=_ahead(settings))
    columns, rows = mesh_of(cores)
    size = {"columns": str(columns), "rows": str(rows), "name": f"{loaded.chip.name}-fitted"}
    return load_chip(chip, {**settings.chip, **size})


def graph_of(name: str, shape: Mapping[str, object], settings: Settings) -> LayerGraph:
    """The layer graph of a model's shape.

    Raises:
        InputError: a setting of the mapping that its family does not have.
    """
    from workloads.compiler.model_graph import CHOICES, model_graph

    chosen = {key: settings.whole(f"mapping.{key}") for key in CHOICES if settings.set_by(key)}
    return model_graph(name, shape, head=settings.run["mapping.head"], **chosen)


def map_settings(settings: Settings, trace: ActivationTrace | None = None) -> MapSettings:
    """What the settings say about mapping, over what a mapping file says.

    What was set wins, be it the default; `cores` and `tiles` go together name by name, and a
    placement that was set does away with the file's `place`.
    """
    from workloads.compiler import MapSettings
    from workloads.compiler.balance import activity_of
    from workloads.compiler.mapping_file import read_mapping

    file: dict[str, Any] = {}
    if settings.run["mapping.file"] != NO_FILE:
        file = read_mapping(settings.run["mapping.file"])
    if settings.set_by("placement"):
        file.pop("place", None)
    balance = settings.run["mapping.balance"]
    if balance not in ("size", "events"):
        raise InputError(f"--set mapping.balance={balance}: expected size or events")
    by_events = balance == "events" and trace is not None
    values = {
        "strategy": settings.run["mapping.strategy"],
        "cores_per_layer": settings.whole("mapping.cores_per_layer"),
        "bits": settings.run["weights.bits"],
        "weights": settings.run["mapping.weights"],
        "goal": settings.run["mapping.goal"],
        "placement": settings.run["mapping.placement"],
        "batch": settings.whole("mapping.batch"),
        "seed": settings.whole("mapping.seed"),
        "steps": settings.whole("mapping.steps"),
        "cores": file.pop("cores", {}) | settings.counts("mapping.cores."),
        "tiles": file.pop("tiles", {}) | settings.counts("mapping.tiles."),
        "activity": activity_of(trace) if by_events and trace is not None else {},
        "fewest": settings.run["mapping.fit"] == "smallest",
    }
    told = {key: value for key, value in values.items() if key not in file or settings.set_by(key)}
    return MapSettings(**{**file, **told})
