"""`Family`: sites, matrices, parameters and MACs of RWKV-4, RWKV-7 and OPT, as closed forms.

A *site* is a vector whose zeros are events that are never sent; each of its events wakes one column
of every matrix that reads it. *Dense* matrices read vectors that are never thresholded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from seneca_sim.errors import InputError
from workloads.families.shape import Shape


@dataclass(frozen=True)
class Site:
    """One kind of site of a block.

    Attributes:
        name: without layer, as in "att.key".
        columns: its channels, from the shape.
        rows: neurons that one of its events reaches, over all matrices that read it, from shape
            and layer.
        weight: of one of its channels in the average sparsity of the literature; None for its rows,
            which makes that average the share of MACs skipped.
    """

    name: str
    columns: Callable[[Shape], int]
    rows: Callable[[Shape, int], int]
    weight: int | None = None


@dataclass(frozen=True)
class Family:
    """What the models of a family are made of.

    Attributes:
        name: as in shapes and traces.
        prefix: of full site names: `{prefix}.{layer}.{site}`.
        sites: in forward order.
        dense_macs: MACs of a block's matrices behind dense vectors, from shape and layer.
        head_macs: MACs outside the blocks, for one token: the head, and projections to and from
            an embedding of another width.
        parameters: all weights of the model, a tied head counted once.
        states: names of a trace's recurrent state, each [layers, width]; empty if traces of this
            family hold none.
        cache: whether a token looks back at keys and values of those before it, so that what it
            costs depends on how many there are.
    """

    name: str
    prefix: str
    sites: tuple[Site, ...]
    head_macs: Callable[[Shape], int]
    parameters: Callable[[Shape], int]
    dense_macs: Callable[[Shape, int], int] = lambda shape, layer: 0
    states: tuple[str, ...] = ()
    cache: bool = False
    _by_name: Mapping[str, Site] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {site.name: site for site in self.sites})

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the sites without their layer, in forward order."""
        return tuple(self._by_name)

    def site(self, kind: str) -> Site:
        """The site of this name."""
        return self._by_name[kind]

    def full_name(self, layer: int, kind: str) -> str:
        """`blocks.3.att.key` from 3 and `att.key`."""
        return f"{self.prefix}.{layer}.{kind}"

    def site_macs(self, shape: Shape, layer: int, kind: str) -> int:
        """MACs of a token behind one site when nothing is skipped."""
        site = self.site(kind)
        return site.columns(shape) * site.rows(shape, layer)

    def channel_weight(self, shape: Shape, layer: int, kind: str) -> int:
        """Weight of each channel of a site in the literature's average sparsity."""
        site = self.site(kind)
        return site.rows(shape, layer) if site.weight is None else site.weight

    def block_macs(self, shape: Shape) -> int:
        """MACs of a token in all blocks' matrices when nothing is skipped; attention left out."""
        return sum(
            sum(self.site_macs(shape, layer, kind) for kind in self.kinds)
            + self.dense_macs(shape, layer)
            for layer in range(shape.layers)
        )


def family_of(name: str) -> Family:
    """The family of this name.

    Raises:
        InputError: there is none.
    """
    if name not in FAMILIES:
        raise InputError(f"family is {name!r}; known families: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _given(value: int | None) -> int:
    """A dimension that `Shape` has made sure of."""
    assert value is not None
    return value


def _width(shape: Shape) -> int:
    return shape.width


def _ffn(shape: Shape) -> int:
    return shape.ffn


def _to_width(shape: Shape, layer: int) -> int:
    return shape.width


def _to_ffn(shape: Shape, layer: int) -> int:
    return shape.ffn


def _plain_head(shape: Shape) -> int:
    return shape.vocab * shape.width


def _rwkv4_parameters(s: Shape) -> int:
    """Embedding and head; 5 square and 2 FFN matrices, 2 LayerNorms, 7 vectors a block; 2 norms."""
    block = 5 * s.width**2 + 2 * s.width * s.ffn + 11 * s.width
    return 2 * s.vocab * s.width + s.layers * block + 4 * s.width


def _rwkv4() -> Family:
    square = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec")
    return Family(
        name="rwkv4",
        prefix="blocks",
        sites=(
            *(Site(kind, _width, _to_width) for kind in square),
            Site("ffn.key", _width, _to_ffn),
            Site("ffn.val", _ffn, _to_width),
        ),
        head_macs=_plain_head,
        parameters=_rwkv4_parameters,
        states=("att_x", "aa", "bb", "pp", "ffn_x"),
    )


def _ranks(s: Shape, layer: int) -> tuple[int, ...]:
    """Inner widths of decay, rate, gate and, from block 1 on, value residual."""
    value = _given(s.rank_value) if layer else 0
    return (_given(s.rank_decay), _given(s.rank_rate), _given(s.rank_gate), value)


def _rwkv7_parameters(s: Shape) -> int:
    """As in arXiv 2503.14456: 19 vectors a block, and block 0 lacks the value residual."""
    ranks = 2 * sum(_ranks(s, layer=1))
    block = s.width * (4 * s.width + 2 * s.ffn + ranks + 19)
    absent = s.width * (2 * _given(s.rank_value) + 1)
    return 2 * s.vocab * s.width + 4 * s.width + s.layers * block - absent


def _rwkv7() -> Family:
    """W_r, W_k, W_v, W_o, and low-rank maps whose first half reads a site, the second a dense one.

    The value residual's first half reads the same vector as W_v.
    """
    return Family(
        name="rwkv7",
        prefix="blocks",
        sites=(
            Site("att.rec", _width, _to_width),
            Site("att.decay", _width, lambda s, layer: _given(s.rank_decay)),
            Site("att.key", _width, _to_width),
            Site("att.val", _width, lambda s, layer: s.width + _ranks(s, layer)[3]),
            Site("att.rate", _width, lambda s, layer: _given(s.rank_rate)),
            Site("att.gate", _width, lambda s, layer: _given(s.rank_gate)),
            Site("att.out", _width, _to_width),
            Site("ffn.key", _width, _to_ffn),
            Site("ffn.val", _ffn, _to_width),
        ),
        dense_macs=lambda s, layer: s.width * sum(_ranks(s, layer)),
        head_macs=_plain_head,
        parameters=_rwkv7_parameters,
    )


def _embedding(s: Shape) -> int:
    return s.embedding or s.width


def _opt_projections(s: Shape) -> int:
    return 2 * s.embedding * s.width if s.embedding else 0


def _opt_parameters(s: Shape) -> int:
    """All matrices of a block with bias; two more rows of positions; the head is the embedding."""
    block = 4 * (s.width**2 + s.width) + 2 * s.width * s.ffn + s.ffn + s.width + 4 * s.width
    outside = s.vocab * _embedding(s) + (_given(s.positions) + 2) * s.width + _opt_projections(s)
    last_norm = 0 if s.post_norm else 2 * s.width
    return outside + s.layers * block + last_norm


def _opt() -> Family:
    """The fused QKV's input, fc1's and fc2's; the attention output projection reads dense values.

    The literature's averages can only be met with the weights 3 : 1 : 4, that is by counting the
    *inputs* of q, k, v, fc1 and fc2, not their MACs (docs/zoo.md says why).
    """
    return Family(
        name="opt",
        prefix="layers",
        sites=(
            Site("self_attn.qkv", _width, lambda s, layer: 3 * s.width, weight=3),
            Site("fc1", _width, _to_ffn, weight=1),
            Site("fc2", _ffn, _to_width, weight=1),
        ),
        dense_macs=lambda s, layer: s.width**2,
        head_macs=lambda s: s.vocab * _embedding(s) + _opt_projections(s),
        parameters=_opt_parameters,
        cache=True,
    )


FAMILIES = {family.name: family for family in (_rwkv4(), _rwkv7(), _opt())}
"""Every family, by name."""
