"""The file boundary: YAML with positions, `extends`, overrides, and messages of one line."""

from seneca_sim.config.check import Mark, Sourced
from seneca_sim.config.merge import Document, Library, overridden, parse_document, read_document
from seneca_sim.config.write import yaml_text

__all__ = [
    "Document",
    "Library",
    "Mark",
    "Sourced",
    "overridden",
    "parse_document",
    "read_document",
    "yaml_text",
]
