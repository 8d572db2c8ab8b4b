"""YAML text from plain mappings, for artefacts that read back to what they were."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq


def yaml_text(data: Mapping[str, Any]) -> str:
    """Write `data` as YAML; the mappings deepest down, and lists, stand on one line each."""
    writer = YAML(typ="rt", pure=True)
    writer.width = 10_000
    out = io.StringIO()
    writer.dump(_styled(data), out)
    return out.getvalue()


def _styled(value: Any) -> Any:
    """Copy `value` into ruamel's containers, leaves in flow style."""
    if isinstance(value, Mapping):
        table = CommentedMap({key: _styled(item) for key, item in value.items()})
        if not any(isinstance(item, Mapping) for item in value.values()):
            table.fa.set_flow_style()
        return table
    if isinstance(value, list | tuple):
        array = CommentedSeq(_styled(item) for item in value)
        array.fa.set_flow_style()
        return array
    return value
