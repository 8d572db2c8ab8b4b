"""What the hardware is: specification, mesh geometry, presets."""

from seneca_sim.chip.spec import Chip, ControllerSpec, CoreSpec, HostSpec, NocSpec

__all__ = ["Chip", "ControllerSpec", "CoreSpec", "HostSpec", "NocSpec"]
