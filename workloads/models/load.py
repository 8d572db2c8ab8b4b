"""One door for checkpoints of every family that has a readable forward here."""

from collections.abc import Callable
from pathlib import Path

from seneca_sim.errors import InputError
from workloads.models.opt import Opt
from workloads.models.opt_reader import is_opt, load_opt
from workloads.models.readers import load_model, read_config, read_tensors
from workloads.models.rwkv4 import Rwkv4
from workloads.models.rwkv7 import Rwkv7
from workloads.models.rwkv7_layout import load_rwkv7

Loaded = Rwkv4 | Rwkv7 | Opt
"""What `load_any` may return: a `Forward`, and a model for `workloads.sparsity`."""


def family_in(path: str | Path) -> str:
    """The family of a checkpoint: rwkv4, rwkv7 or opt; tensor names or ``config.json`` tell.

    Raises:
        InputError: the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return "opt" if read_config(path).get("model_type") == "opt" else "rwkv4"
    names = read_tensors(path)
    if is_opt(names):
        return "opt"
    return "rwkv7" if "blocks.0.att.r_k" in names else "rwkv4"


def load_any(path: str | Path, *, undo_rescale: bool | None = None) -> Loaded:
    """Read a checkpoint of RWKV-4, RWKV-7 or OPT; tensor names or ``config.json`` tell which.

    Args:
        path: a ``.pth``, ``.pt``, ``.bin`` or ``.safetensors`` file, or a Hugging Face folder.
        undo_rescale: of RWKV-4 alone, see `workloads.models.readers.load_weights`.

    Raises:
        InputError: the file cannot be read, does not hold a sound model, or `undo_rescale` is said
            of a family that has no such weights.
    """
    family = family_in(path)
    if family == "rwkv4":
        return load_model(path, undo_rescale=undo_rescale)
    if undo_rescale is not None:
        raise InputError(
            f"{path}: halved weights are a matter of RWKV-4, and this is {family}; leave "
            "undo_rescale (--rescaled) out"
        )
    return _READERS[family](path)


_READERS: dict[str, Callable[[str | Path], Loaded]] = {"rwkv7": load_rwkv7, "opt": load_opt}
