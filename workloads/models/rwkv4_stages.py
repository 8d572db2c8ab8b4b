"""RWKV-4 in seven stages a block, one for each site, for searches that settle sites in order.

The operations are those of `Rwkv4.block`, one after another, so the numbers are the same bit by
bit. What a site's matrix made is handed on instead of being made again: `att.out` starts behind
the wkv recurrence, `ffn.val` behind the squared ReLU.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import linear

from workloads.families import Shape, family_of
from workloads.models.readers import content_hash
from workloads.models.rwkv4 import SITES, LayerState, Rwkv4, mix, shift, wkv_loop
from workloads.models.sites import Carry, Site, Tap, no_tap, tiles


class Rwkv4Sites:
    """An `Rwkv4` as a `SitedModel`: stage 7 n + i holds site i of block n."""

    positions: int | None = None
    gates: tuple[Site, ...] = ()  # the receptance gate skips rows, not input columns

    def __init__(self, model: Rwkv4) -> None:
        self.model = model
        self.vocab = model.shape.vocab
        self.stages = len(SITES) * model.shape.layers
        self.sites = rwkv4_sites(model)
        self.block_macs = family_of("rwkv4").block_macs(family_shape(model))
        zero = model.zero_state()
        self._zero = [zero.layer(n) for n in range(model.shape.layers)]

    def fingerprint(self) -> str:
        """Content hash of the weights."""
        return content_hash(self.model.weights)

    @torch.no_grad()
    def start(self, tokens: Tensor) -> Carry:
        """Tokens (B, T) to the input of block 0."""
        return (self.model.embed(tokens, no_tap),)

    @torch.no_grad()
    def run(self, first: int, last: int, carry: Carry, tap: Tap) -> Iterator[Carry]:
        """Run stages over whole sequences from the zero state, tile by tile."""
        states: dict[int, LayerState] = {}
        for piece in tiles(carry[0].shape[1]):
            tile = tuple(part[:, piece] for part in carry)
            for stage in range(first, last):
                n, i = divmod(stage, len(SITES))
                state = states.get(n) or self._zero_state(n, tile[0].shape[0])
                tile, states[n] = _STAGES[i](self.model, n, tile, state, tap)
            yield tile

    @torch.no_grad()
    def logits(self, carry: Carry, tap: Tap) -> Tensor:
        """Output of the last block to logits."""
        return self.model.head(carry[0], tap)

    def _zero_state(self, n: int, batch: int) -> LayerState:
        return LayerState(*(part.expand(batch, -1) for part in self._zero[n]))


def family_shape(model: Rwkv4) -> Shape:
    """The dimensions in the words of all families."""
    shape = model.shape
    return Shape("rwkv4", shape.layers, shape.width, shape.ffn, shape.vocab)


def rwkv4_sites(model: Rwkv4) -> tuple[Site, ...]:
    """The sites of a model in the order of the search; with F = 4 D they weigh 1 or 4 of 13."""
    shape, family = family_shape(model), family_of("rwkv4")
    return tuple(
        Site(
            name=f"blocks.{n}.{kind}",
            kind=kind,
            block=n,
            stage=len(SITES) * n + i,
            macs=family.site_macs(shape, n, kind),
        )
        for n in range(shape.layers)
        for i, kind in enumerate(SITES)
    )


def _att_key(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x,), p, w = c, f"blocks.{n}.att", m.weights
    a = m.norm(f"blocks.{n}.ln1", x)
    before = shift(a, s.att_x)
    xk, xr, xv = (mix(a, before, w[f"{p}.time_mix_{letter}"]) for letter in "krv")
    k = linear(tap(f"{p}.key", xk), w[f"{p}.key.weight"])
    return (x, k, xr, xv), s._replace(att_x=a[:, -1])


def _att_rec(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x, k, xr, xv), p = c, f"blocks.{n}.att"
    r = linear(tap(f"{p}.rec", xr), m.weights[f"{p}.receptance.weight"])
    return (x, k, r, xv), s


def _att_val(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x, k, r, xv), p, w = c, f"blocks.{n}.att", m.weights
    v = linear(tap(f"{p}.val", xv), w[f"{p}.value.weight"])
    decay = -torch.exp(w[f"{p}.time_decay"])
    wkv, (aa, bb, pp) = wkv_loop(k, v, decay, w[f"{p}.time_first"], (s.aa, s.bb, s.pp))
    return (x, torch.sigmoid(r) * wkv), s._replace(aa=aa, bb=bb, pp=pp)


def _att_out(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x, gated), p = c, f"blocks.{n}.att"
    return (x + linear(tap(f"{p}.out", gated), m.weights[f"{p}.output.weight"]),), s


def _ffn_rec(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x,), p, w = c, f"blocks.{n}.ffn", m.weights
    a = m.norm(f"blocks.{n}.ln2", x)
    before = shift(a, s.ffn_x)
    xr, xk = (mix(a, before, w[f"{p}.time_mix_{letter}"]) for letter in "rk")
    r = linear(tap(f"{p}.rec", xr), w[f"{p}.receptance.weight"])
    return (x, r, xk), s._replace(ffn_x=a[:, -1])


def _ffn_key(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x, r, xk), p = c, f"blocks.{n}.ffn"
    k = linear(tap(f"{p}.key", xk), m.weights[f"{p}.key.weight"]).relu_()
    return (x, r, k * k), s


def _ffn_val(m: Rwkv4, n: int, c: Carry, s: LayerState, tap: Tap) -> tuple[Carry, LayerState]:
    (x, r, hidden), p = c, f"blocks.{n}.ffn"
    out = linear(tap(f"{p}.val", hidden), m.weights[f"{p}.value.weight"])
    return (x + torch.sigmoid(r) * out,), s


_STAGES = (_att_key, _att_rec, _att_val, _att_out, _ffn_rec, _ffn_key, _ffn_val)
