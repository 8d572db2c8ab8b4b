"""Published numbers, measured again by running, and how far off they come out."""

from seneca_sim.validate.bench import Bench
from seneca_sim.validate.measure import select, validate
from seneca_sim.validate.rows import Measured, Published, Row, failed, headline, published_rows

__all__ = [
    "Bench", "Measured", "Published", "Row", "failed", "headline", "published_rows", "select",
    "validate",
]  # fmt: skip
