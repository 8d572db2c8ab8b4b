"""Language models as short readable forwards with named activation sites.

`load_any` reads a checkpoint of any family in any of the usual kinds of file: an `Rwkv4`, an
`Rwkv7` or an `Opt`, all of them a `Forward`, which is what is recorded, compiled and simulated.
`load_model` reads RWKV-4 alone. `content_hash` names a set of weights by what it holds. This
package needs torch.
"""

from workloads.models.forward import Forward
from workloads.models.load import load_any
from workloads.models.opt import Opt, OptShape, opt_site_names
from workloads.models.readers import content_hash, load_model, load_weights
from workloads.models.rwkv4 import SITES, Rwkv4, Rwkv4Shape, Rwkv4State, site_names
from workloads.models.rwkv7 import Rwkv7, Rwkv7Shape
from workloads.models.sites import Tap

__all__ = [
    "SITES",
    "Forward",
    "Opt",
    "OptShape",
    "Rwkv4",
    "Rwkv4Shape",
    "Rwkv4State",
    "Rwkv7",
    "Rwkv7Shape",
    "Tap",
    "content_hash",
    "load_any",
    "load_model",
    "load_weights",
    "opt_site_names",
    "site_names",
]
