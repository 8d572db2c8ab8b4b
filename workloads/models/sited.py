"""One door for every kind of model that thresholds work on."""

from torch import nn

from seneca_sim.errors import InputError
from workloads.models.modules import ModuleSites
from workloads.models.opt_stages import OptLike, OptSites
from workloads.models.rwkv4 import Rwkv4
from workloads.models.rwkv4_stages import Rwkv4Sites
from workloads.models.sites import SitedModel

AnyModel = Rwkv4 | OptLike | nn.Module | SitedModel
"""What `sited` takes: our forwards, modules of transformers, or what fits the contract already."""


def sited(model: AnyModel) -> SitedModel:
    """Fit a model to the contract of `SitedModel`; one that fits already is returned as it is.

    Raises:
        InputError: nothing is known about this kind of model.
    """
    if isinstance(model, Rwkv4):
        return Rwkv4Sites(model)
    if isinstance(model, nn.Module):
        return ModuleSites(model)
    if hasattr(model, "sites") and hasattr(model, "run"):
        return model
    if hasattr(model, "embed") and hasattr(model.shape, "positions"):
        return OptSites(model)
    raise InputError(
        f"{type(model).__name__} is no model with sites; expected an Rwkv4, Rwkv7 or Opt, or a "
        "torch.nn.Module of a known family"
    )
