"""The form between compiler and engines: what is placed where, and who sends to whom."""

from seneca_sim.program.ir import (
    HOST_STAGE,
    NO_REGION,
    NO_ROUTE,
    Consumer,
    Pass,
    Program,
    Region,
    Route,
    Site,
    Stage,
    Step,
)
from seneca_sim.program.stream import EventStream

__all__ = [
    "HOST_STAGE",
    "NO_REGION",
    "NO_ROUTE",
    "Consumer",
    "EventStream",
    "Pass",
    "Program",
    "Region",
    "Route",
    "Site",
    "Stage",
    "Step",
]
