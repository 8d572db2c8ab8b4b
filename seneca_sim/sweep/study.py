"""A study file, schema `seneca-study/1`: what to vary, what to leave out, what to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from seneca_sim.config import Document, Library, parse_document, read_document
from seneca_sim.config.check import check_keys, nearest, table_of, text_of, whole_of
from seneca_sim.config.document import Array, Node, Scalar, Table
from seneca_sim.errors import InputError
from seneca_sim.sweep.axes import Block, blocks_of
from seneca_sim.sweep.expressions import Expression

LIBRARY: Final = Library("seneca-study/1", "study", Path(__file__).parent / "sweeps")
KEYS: Final = (
    "name", "workload", "chip", "energy", "area", "settings", "axes", "filters", "derived",
    "report", "constraints", "pareto", "search",
)  # fmt: skip
SAMPLERS: Final = ("tpe", "nsga2", "random")
Direction = Literal["minimize", "maximize"]
DEFAULT_PARETO: Final[dict[str, Direction]] = {
    "energy_per_token_j": "minimize",
    "latency_per_token_s": "minimize",
}
DEFAULT_REPORT: Final = ("energy_per_token_j", "latency_per_token_s", "energy_delay_js")


@dataclass(frozen=True)
class Search:
    """Guided search.

    Attributes:
        trials: points to try.
        sampler: which of Optuna's.
        seed: of the sampler.
    """

    trials: int = 100
    sampler: str = "tpe"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Study:
    """A study as it was read; every scalar still knows where it stands.

    Attributes:
        name: for people, and of the default store.
        workload: a name, or a mapping that the command line reads.
        chip: preset or file to start from.
        energy: energy table to start from.
        area: area table.
        settings: of every point, path -> value; "= …" is an expression over other settings.
        blocks: what varies; the study is the product of all blocks.
        filters: expressions over settings; a point for which one is false is no point.
        derived: further quantities by name, from settings and metrics.
        report: columns of tables.
        constraints: what a best point must hold.
        pareto: objectives and their directions.
        pareto_places: where each objective stands in the file.
        search: how to search.
        sha256: of the text that was read.
    """

    name: str
    workload: Node
    chip: Scalar
    energy: Scalar
    area: str
    settings: Mapping[str, Scalar]
    blocks: tuple[Block, ...]
    filters: tuple[Expression, ...] = ()
    derived: Mapping[str, Expression] = field(default_factory=dict)
    report: tuple[Scalar, ...] = ()
    constraints: tuple[Expression, ...] = ()
    pareto: Mapping[str, Direction] = field(default_factory=lambda: dict(DEFAULT_PARETO))
    pareto_places: Mapping[str, str] = field(default_factory=dict)
    search: Search = Search()
    sha256: str = ""

    @property
    def axes(self) -> tuple[str, ...]:
        """Paths that vary, in the order of the file."""
        return tuple(dict.fromkeys(path for block in self.blocks for path in block.paths))


def read_study(name_or_path: str | Path) -> Study:
    """Read a study that ships, or a YAML file.

    Raises:
        InputError: with file, line and column.
    """
    return _study(read_document(name_or_path, LIBRARY))


def parse_study(text: str, name: str = "<text>") -> Study:
    """Read a study from YAML text."""
    return _study(parse_document(text, name, LIBRARY))


def _study(document: Document) -> Study:
    top = document.table
    check_keys(top, KEYS, "")
    for key in ("name", "axes"):
        if key not in top.items:
            raise InputError(f"{top.where}: '{key}' is missing")
    pareto, places = _pareto(top)
    blocks = blocks_of(table_of(top.items["axes"], "axes"))
    return Study(
        name=_name(top.items["name"]),
        workload=top.items.get("workload", Scalar(top.where, "")),
        chip=_scalar(top, "chip", "seneca-8x8"),
        energy=_scalar(top, "energy", "seneca-gf22"),
        area=_scalar(top, "area", "seneca-gf22").text,
        settings=_settings(top),
        blocks=blocks,
        filters=_expressions(top, "filters"),
        derived=_derived(top),
        report=_report(top),
        constraints=_expressions(top, "constraints"),
        pareto=pareto,
        pareto_places=places,
        search=_search(top),
        sha256=document.sha256,
    )


def _name(node: Node) -> str:
    name = text_of(node, "name")
    if not name or not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
        raise InputError(f"{node.where}: name {name!r}; expected letters, digits, - _ and .")
    return name


def _scalar(top: Table, key: str, default: str) -> Scalar:
    """A preset or a file; a path is taken from the study's own folder if there is such a file."""
    node = top.items.get(key, Scalar(top.where, default))
    if not isinstance(node, Scalar):
        raise InputError(f"{node.where}: {key} must be a name or a path, got {node.kind}")
    return Scalar(node.where, beside(node), node.kind)


def beside(node: Scalar) -> str:
    """A path as it is found: beside the file that says it, else in the present folder."""
    own = Path(node.where.rsplit(":", 2)[0]).parent / node.text
    is_path = "/" in node.text or Path(node.text).suffix != ""
    return str(own) if is_path and own.exists() else node.text


def _settings(top: Table) -> dict[str, Scalar]:
    """`settings`: path -> value, written flat or nested."""
    found: dict[str, Scalar] = {}
    if "settings" in top.items:
        _flatten(table_of(top.items["settings"], "settings"), "", found)
    return found


def _flatten(table: Table, prefix: str, found: dict[str, Scalar]) -> None:
    for key, node in table.items.items():
        path = prefix + key
        if isinstance(node, Table):
            _flatten(node, f"{path}.", found)
        elif isinstance(node, Scalar) and node.kind != "nothing":
            if path in found:
                raise InputError(f"{table.keys[key]}: {path} is set twice")
            found[path] = node
        else:
            raise InputError(f"{node.where}: settings.{path} must be one value, got {node.kind}")


def _expressions(top: Table, key: str) -> tuple[Expression, ...]:
    node = top.items.get(key)
    if node is None:
        return ()
    items = node.items if isinstance(node, Array) else (node,)
    return tuple(Expression(text_of(item, key), item.where) for item in items)


def _derived(top: Table) -> dict[str, Expression]:
    if "derived" not in top.items:
        return {}
    table = table_of(top.items["derived"], "derived")
    for key, where in table.keys.items():
        if key in table.items and not key.isidentifier():
            raise InputError(f"{where}: derived '{key}' must be a plain name, as in tokens_per_j")
    return {key: Expression(_formula(node, key), node.where) for key, node in table.items.items()}


def _formula(node: Node, key: str) -> str:
    if not isinstance(node, Scalar):
        raise InputError(f"{node.where}: derived.{key} must be an expression, got {node.kind}")
    return node.text.removeprefix("=")


def _report(top: Table) -> tuple[Scalar, ...]:
    node = top.items.get("report")
    if node is None:
        return tuple(Scalar(top.where, name) for name in DEFAULT_REPORT)
    items = node.items if isinstance(node, Array) else (node,)
    return tuple(Scalar(item.where, text_of(item, "report")) for item in items)


def _pareto(top: Table) -> tuple[dict[str, Direction], dict[str, str]]:
    """Objectives, and where each stands."""
    if "pareto" not in top.items:
        return dict(DEFAULT_PARETO), {}
    table = table_of(top.items["pareto"], "pareto")
    found: dict[str, Direction] = {}
    for key, node in table.items.items():
        found[key] = _direction(text_of(node, f"pareto.{key}"), node.where)
    if not found:
        raise InputError(f"{table.where}: pareto has no objective")
    return found, {key: table.keys[key] for key in found}


def _direction(text: str, where: str) -> Direction:
    if text == "minimize":
        return "minimize"
    if text == "maximize":
        return "maximize"
    raise InputError(f"{where}: {text!r}; expected minimize or maximize")


def _search(top: Table) -> Search:
    if "search" not in top.items:
        return Search()
    table = table_of(top.items["search"], "search")
    check_keys(table, ("trials", "sampler", "seed"), "search")
    default = Search()
    sampler = table.items.get("sampler", Scalar(table.where, default.sampler))
    name = text_of(sampler, "search.sampler")
    if name not in SAMPLERS:
        raise InputError(f"{sampler.where}: unknown sampler '{name}'{nearest(name, SAMPLERS)}")

    def whole(key: str, value: int) -> int:
        return whole_of(table.items[key], f"search.{key}") if key in table.items else value

    return Search(whole("trials", default.trials), name, whole("seed", default.seed))
