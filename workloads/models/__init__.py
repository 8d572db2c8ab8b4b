"""Language models as short readable forwards with named activation sites.

`Rwkv4` is the forward, `load_model` reads a checkpoint in any of the usual kinds of file, and
`content_hash` names a set of weights by what it holds. This package needs torch.
"""

from workloads.models.readers import content_hash, load_model, load_weights
from workloads.models.rwkv4 import SITES, Rwkv4, Rwkv4Shape, Rwkv4State, site_names
from workloads.models.sites import Tap

__all__ = [
    "SITES",
    "Rwkv4",
    "Rwkv4Shape",
    "Rwkv4State",
    "Tap",
    "content_hash",
    "load_model",
    "load_weights",
    "site_names",
]
