"""What the hardware is: specification, mesh geometry, presets."""

from seneca_sim.chip.spec import (
    BoundarySpec,
    Chip,
    ControllerSpec,
    CoreSpec,
    HostSpec,
    MemorySpec,
    NocSpec,
)

__all__ = [
    "BoundarySpec",
    "Chip",
    "ControllerSpec",
    "CoreSpec",
    "HostSpec",
    "MemorySpec",
    "NocSpec",
]
