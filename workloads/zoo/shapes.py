"""Shapes without weights: how large a model is and how dense its sites are, from YAML files.

Those that ship stand in `shape_files/`; a user's own file has the same form (docs/zoo.md). Wrong
files are refused with file, line and column.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seneca_sim.config import Document, Library, Mark, read_document
from seneca_sim.config.check import (
    check_keys,
    mark_and_source,
    nearest,
    table_of,
    text_of,
    whole_of,
)
from seneca_sim.config.document import Table
from seneca_sim.errors import InputError
from workloads.families import Shape, family_of, fault_of
from workloads.families.shape import DIMENSIONS
from workloads.zoo.densities import DENSE, Densities, dense
from workloads.zoo.densities_file import read_densities

LIBRARY = Library("seneca-shape/1", "shape", Path(__file__).parent / "shape_files")
_KEYS = (*DIMENSIONS, "summary", "mark", "source", "parameters", "variants")


@dataclass(frozen=True)
class ShapeCard:
    """A shape with its name, its source, and the densities known for it.

    Attributes:
        name: of the zoo, or the file's without its ending.
        shape: the dimensions.
        mark: how sure they are.
        source: where they come from.
        sha256: of the file's text.
        summary: one line.
        variants: densities by variant; "dense" is not among them, it always exists.
    """

    name: str
    shape: Shape
    mark: Mark
    source: str
    sha256: str
    summary: str = ""
    variants: Mapping[str, Densities] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """All weights of the model; a tied head counts once."""
        return family_of(self.shape.family).parameters(self.shape)

    @property
    def block_macs(self) -> int:
        """MACs of a token in the blocks' matrices when nothing is skipped."""
        return family_of(self.shape.family).block_macs(self.shape)

    @property
    def head_macs(self) -> int:
        """MACs of a token outside the blocks."""
        return family_of(self.shape.family).head_macs(self.shape)

    def densities(self, variant: str) -> Densities:
        """The densities of a variant.

        Raises:
            InputError: none are known for it.
        """
        if variant == DENSE:
            return dense(self.shape)
        if variant not in self.variants:
            known = (DENSE, *self.variants)
            raise InputError(
                f"shape {self.name}: no densities for '{variant}'{nearest(variant, known)}"
                f" (it has {', '.join(known)})"
            )
        return self.variants[variant]


def shape_names() -> list[str]:
    """Names of the shapes that ship."""
    return LIBRARY.names()


def is_shape(name_or_path: str) -> bool:
    """Whether this names a shape: one that ships, or a YAML file, which no checkpoint is."""
    return name_or_path in shape_names() or name_or_path.endswith((".yaml", ".yml"))


def shapes() -> tuple[ShapeCard, ...]:
    """Every shape that ships: by family, the smallest first."""
    cards = [load_shape(name) for name in shape_names()]
    return tuple(sorted(cards, key=lambda card: (card.shape.family, card.parameters)))


def load_shape(name_or_path: str | Path) -> ShapeCard:
    """Read a shape that ships, by name, or a file of one's own.

    Raises:
        InputError: with file, line and column: an unknown name or key, a dimension that is missing
            or contradicts another, a density outside 0 … 1, a site that the family has not.
    """
    document = read_document(name_or_path, LIBRARY)
    name = str(name_or_path)
    return _card(name if name in shape_names() else Path(name).stem, document)


def _card(name: str, document: Document) -> ShapeCard:
    table = document.table
    check_keys(table, _KEYS, "")
    mark, source = mark_and_source(table, "the shape")
    shape = _shape(table)
    _check_parameters(table, shape)
    summary = text_of(table.items["summary"], "summary") if "summary" in table.items else ""
    variants = _variants(table, shape)
    return ShapeCard(name, shape, mark, source, document.sha256, summary, variants)


def _shape(table: Table) -> Shape:
    values: dict[str, str | int] = {}
    for key in DIMENSIONS:
        if key in table.items:
            node = table.items[key]
            values[key] = text_of(node, key) if key == "family" else whole_of(node, key)
    if "family" not in values:
        raise InputError(f"{table.where}: family is not given; expected rwkv4, rwkv7 or opt")
    fault = fault_of(values)
    if fault is not None:
        at = table.items.get(fault[0])
        raise InputError(f"{at.where if at else table.where}: {fault[0]} {fault[1]}")
    return Shape.of(values)


def _check_parameters(table: Table, shape: Shape) -> None:
    """A stated number of parameters must be the one that the dimensions give."""
    if "parameters" not in table.items:
        return
    node = table.items["parameters"]
    stated, found = whole_of(node, "parameters"), family_of(shape.family).parameters(shape)
    if stated != found:
        raise InputError(
            f"{node.where}: parameters is {stated}, but these dimensions give {found}; "
            "correct one of them, or leave parameters out"
        )


def _variants(table: Table, shape: Shape) -> dict[str, Densities]:
    if "variants" not in table.items:
        return {}
    variants = table_of(table.items["variants"], "variants")
    if DENSE in variants.items:
        raise InputError(f"{variants.keys[DENSE]}: dense always exists; name another variant")
    return {
        name: read_densities(table_of(node, f"variants.{name}"), name, shape)
        for name, node in variants.items.items()
    }
