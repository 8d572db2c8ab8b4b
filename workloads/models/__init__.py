"""Language models as short readable forwards with named activation sites.

`Rwkv4` is the forward that is compiled and simulated, `load_model` reads a checkpoint of it in any
of the usual kinds of file. `load_any` reads other families, too, of which `Opt` is one.
`content_hash` names a set of weights by what it holds. This package needs torch.
"""

from workloads.models.load import load_any
from workloads.models.opt import Opt, OptShape, opt_site_names
from workloads.models.readers import content_hash, load_model, load_weights
from workloads.models.rwkv4 import SITES, Rwkv4, Rwkv4Shape, Rwkv4State, site_names
from workloads.models.sites import Tap

__all__ = [
    "SITES",
    "Opt",
    "OptShape",
    "Rwkv4",
    "Rwkv4Shape",
    "Rwkv4State",
    "Tap",
    "content_hash",
    "load_any",
    "load_model",
    "load_weights",
    "opt_site_names",
    "site_names",
]
