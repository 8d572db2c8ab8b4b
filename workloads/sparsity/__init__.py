"""Training-free sparsification: one threshold per site, found one after another.

`recipe` holds the result and its file and is all that is imported here, so that a recipe can be
read without torch. `search.sparsify` finds one, `evaluate` measures what it costs, `stats` what
it saves, `thresholds` and `calibrate` are the two steps in between.
"""

from workloads.sparsity.recipe import (
    Recipe,
    SiteChoice,
    parse_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)

__all__ = ["Recipe", "SiteChoice", "parse_recipe", "read_recipe", "recipe_text", "write_recipe"]
