"""A transformer of transformers, or any `torch.nn.Module`, as a `SitedModel`.

A `Family` says where the blocks are, what comes before and behind them, and which Linear layers
share an input. One stage is one block. What a block is given besides the hidden state (masks,
positions) depends on the shape of the tokens alone, so it is caught once and used again.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seneca_sim.errors import InputError, InternalError
from workloads.models.hooks import Hooked, Hooks, linear_layers, macs
from workloads.models.readers import content_hash
from workloads.models.sites import Carry, Site, Tap, check_tokens


@dataclass(frozen=True)
class Family:
    """Where the parts of a transformer are, by dotted names.

    Attributes:
        name: what to call it.
        blocks: the list of blocks.
        sites: kind of site -> Linear layers inside a block that share this input, in order.
        tail: what the hidden state passes behind the last block, in order.
        gates: kind of gate -> the module whose output it is, and the layers that its zeros skip.
    """

    name: str
    blocks: str
    sites: dict[str, tuple[str, ...]]
    tail: tuple[str, ...]
    gates: dict[str, tuple[str, tuple[str, ...]]]


OPT = Family(
    name="OPT",
    blocks="model.decoder.layers",
    sites={
        "self_attn.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "fc1": ("fc1",),
        "fc2": ("fc2",),
    },
    tail=("model.decoder.final_layer_norm", "model.decoder.project_out", "lm_head"),
    gates={},
)
"""OPT's sites as published: the attention's output projection stays dense."""

LLAMA = Family(
    name="Llama",
    blocks="model.layers",
    sites={
        "self_attn.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "self_attn.o": ("self_attn.o_proj",),
        "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
        "mlp.down": ("mlp.down_proj",),
    },
    tail=("model.norm", "lm_head"),
    gates={"mlp.gate": ("mlp.act_fn", ("mlp.up_proj",))},
)
"""Llama and its like: RMSNorm, rotary positions, SwiGLU.

A gate of zero skips a row of the up projection. The column of the down projection that it also
skips is counted at ``mlp.down``, whose input is the product.
"""

FAMILIES = (OPT, LLAMA)


class ModuleSites:
    """A causal language model of `transformers` by its family.

    Args:
        model: the module; it is put into evaluation mode.
        family: where its parts are; None to find out.
        leave_out: kinds of sites that stay dense, such as ``self_attn.o``.

    Raises:
        InputError: no known family, or a kind that the family does not have.
    """

    def __init__(
        self, model: nn.Module, family: Family | None = None, leave_out: tuple[str, ...] = ()
    ) -> None:
        self.model = model.eval()
        self.family = family or family_of(model)
        unknown = [kind for kind in leave_out if kind not in self.family.sites]
        if unknown:
            kinds = ", ".join(self.family.sites)
            raise InputError(f"leave_out: {unknown[0]!r} is no kind of {self.family.name}: {kinds}")
        config = _part(model, "config")
        self.vocab = int(config.vocab_size)
        self.positions: int | None = config.max_position_embeddings
        self._blocks = list(_part(model, self.family.blocks))
        self._tail = [_part(model, name) for name in self.family.tail if _has(model, name)]
        self.stages = len(self._blocks)
        hooked = self._hooked(leave_out)
        self.sites = tuple(_site(h) for h in hooked if not h.gate)
        self.gates = tuple(_site(h) for h in hooked if h.gate)
        self.block_macs = sum(macs(m) for b in self._blocks for m in linear_layers(b).values())
        self._hooks = Hooks(hooked)
        self._local = threading.local()
        self._catch = self._blocks[0].register_forward_pre_hook(self._caught, with_kwargs=True)
        self._given: dict[tuple[int, int], dict[str, Any]] = {}

    def fingerprint(self) -> str:
        """Content hash of the weights."""
        return content_hash(self.model.state_dict())

    @torch.no_grad()
    def start(self, tokens: Tensor) -> Carry:
        """Tokens (B, T) to the input of the first block; keeps what else the blocks are given."""
        check_tokens(tokens, self.vocab)
        self._local.catching = True
        try:
            self.model(input_ids=tokens, use_cache=False)
        except _CaughtError as caught:
            self._given[_key(caught.hidden)] = caught.given
            return (caught.hidden,)
        finally:
            self._local.catching = False
        raise InternalError(f"{self.family.name}: its forward does not reach {self.family.blocks}")

    @torch.no_grad()
    def run(self, first: int, last: int, carry: Carry, tap: Tap) -> Iterator[Carry]:
        """Run blocks `first` .. `last` - 1 over whole sequences, in one piece."""
        hidden = carry[0]
        given = self._given[_key(hidden)]
        with self._hooks.tapping(tap):
            for block in self._blocks[first:last]:
                out = block(hidden, **given)
                hidden = out[0] if isinstance(out, tuple) else out
        yield (hidden,)

    @torch.no_grad()
    def logits(self, carry: Carry, tap: Tap) -> Tensor:
        """Through the last norm and the head."""
        x = carry[0]
        for part in self._tail:
            x = part(x)
        return tap("logits", x)

    def close(self) -> None:
        """Take the hooks off the module."""
        self._hooks.remove()
        self._catch.remove()

    def _caught(self, _block: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        """End the forward of a thread that asks for what the first block is given."""
        if getattr(self._local, "catching", False):
            hidden = args[0] if args else given["hidden_states"]
            raise _CaughtError(hidden, {k: v for k, v in given.items() if k != "hidden_states"})

    def _hooked(self, leave_out: tuple[str, ...]) -> list[Hooked]:
        found = []
        for n, block in enumerate(self._blocks):
            for kind, names in self.family.sites.items():
                if kind not in leave_out:
                    layers = tuple(_part(block, name) for name in names)
                    found.append(Hooked(f"layers.{n}.{kind}", layers, sum(map(macs, layers))))
            for kind, (gate, skipped) in self.family.gates.items():
                size = sum(macs(_part(block, name)) for name in skipped)
                found.append(Hooked(f"layers.{n}.{kind}", (_part(block, gate),), size, gate=True))
        return found


class _CaughtError(Exception):
    """Ends a forward as soon as the input of the first block is known."""

    def __init__(self, hidden: Tensor, given: dict[str, Any]) -> None:
        self.hidden = hidden
        self.given = given


def family_of(model: nn.Module) -> Family:
    """The family whose parts `model` has.

    Raises:
        InputError: none fits.
    """
    for family in FAMILIES:
        if _has(model, family.blocks):
            block = _part(model, family.blocks)[0]
            if all(_has(block, name) for names in family.sites.values() for name in names):
                return family
    first = next(iter(linear_layers(model)))
    raise InputError(
        f"{type(model).__name__}: no family fits (known: {', '.join(f.name for f in FAMILIES)}); "
        f"use sparsity.sites(model, patterns) with names of Linear layers such as {first!r}"
    )


def _site(hooked: Hooked) -> Site:
    _, block, kind = hooked.name.split(".", 2)
    return Site(hooked.name, kind, int(block), int(block), hooked.macs, hooked.gate)


def _key(hidden: Tensor) -> tuple[int, int]:
    return hidden.shape[0], hidden.shape[1]


def _has(module: nn.Module, name: str) -> bool:
    try:
        return _part(module, name) is not None
    except AttributeError:
        return False


def _part(module: nn.Module, name: str) -> Any:
    part: Any = module
    for word in name.split("."):
        part = getattr(part, word)
    return part
