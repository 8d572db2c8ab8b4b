"""Training-free sparsification: one threshold per site, found one after another.

`recipe` holds the result and its file and is all that is imported here, so that a recipe can be
read without torch. `search.sparsify` finds one, `methods` holds the rivals, `evaluate` measures
what it costs and `zeroshot` on which tasks, `stats` what it saves; `thresholds`, `topk` and
`calibrate` are the steps in between. `sites` puts thresholds on any torch module.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from workloads.sparsity.recipe import (
    Recipe,
    SiteChoice,
    parse_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)

if TYPE_CHECKING:
    from torch import nn

    from workloads.sparsity.context import Sites


def sites(
    model: nn.Module, patterns: Sequence[str] = ("*",), densities: Sequence[float] = ()
) -> AbstractContextManager[Sites]:
    """Record and threshold a module's Linear inputs; see `workloads.sparsity.context`."""
    from workloads.sparsity import context

    return context.sites(model, patterns, densities)


__all__ = [
    "Recipe",
    "SiteChoice",
    "parse_recipe",
    "read_recipe",
    "recipe_text",
    "sites",
    "write_recipe",
]
