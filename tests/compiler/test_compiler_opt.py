"""OPT as a layer graph: its values are the model's, its cache is counted, its costs are by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from builders import make_chip
from same_bits import values_as_the_texts

from seneca_sim.chip import Chip
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.engine import reference
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.program import Program
from seneca_sim.results.kinds import ATTENTION, HEAD, MATRICES, site_kinds, weighted_kind
from workloads.compiler import MapSettings, choose, lower, mask_stream, opt_graph
from workloads.models.opt import Opt, OptShape, opt_site_names

SIZES = {"layers": 2, "width": 32, "ffn": 64, "vocab": 40, "heads": 4, "positions": 64}
CONTEXT = 16
TOKENS = [3, 7, 1, 39, 0, 12]
CHIP = make_chip(8, 8)
DECODER = "model.decoder"


def graph(**options: Any) -> Any:
    return opt_graph("o", SIZES, **{"context": CONTEXT, **options})


def program(chip: Chip = CHIP, **settings: Any) -> Program:
    return lower(graph(), chip, settings=MapSettings(**settings))


def random_model(heads: int = SIZES["heads"]) -> Opt:
    generator = torch.Generator().manual_seed(0)
    width, ffn = SIZES["width"], SIZES["ffn"]

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator) / columns**0.5

    weights = {
        f"{DECODER}.embed_tokens.weight": matrix(SIZES["vocab"], width) * 6,
        f"{DECODER}.embed_positions.weight": matrix(SIZES["positions"] + 2, width),
    }
    rows = dict.fromkeys([f"self_attn.{x}_proj" for x in ("q", "k", "v", "out")], (width, width))
    rows |= {"fc1": (ffn, width), "fc2": (width, ffn)}
    for n in range(SIZES["layers"]):
        for name, (out, columns) in rows.items():
            weights[f"{DECODER}.layers.{n}.{name}.weight"] = 3 * matrix(out, columns)
            weights[f"{DECODER}.layers.{n}.{name}.bias"] = matrix(out, 1)[:, 0]
    norms = [
        f"{DECODER}.layers.{n}.{x}_layer_norm" for n in range(2) for x in ("self_attn", "final")
    ]
    for norm in (*norms, f"{DECODER}.final_layer_norm"):
        weights[f"{norm}.weight"] = 1 + 0.1 * matrix(width, 1)[:, 0]
        weights[f"{norm}.bias"] = matrix(width, 1)[:, 0]
    return Opt(OptShape(**{**SIZES, "heads": heads}), weights)


@pytest.mark.parametrize("strategy", ["grouped", "tiles-2d"])
def test_values_are_those_of_the_model(strategy: str) -> None:
    """A few tokens through a cache that grows, every site, against PyTorch's attention."""
    model = random_model()
    seen: dict[str, list[np.ndarray]] = {}

    def tap(name: str, x: torch.Tensor) -> torch.Tensor:
        seen.setdefault(name, []).append(x.numpy().copy())
        return x

    state = None
    for token in TOKENS:
        _, state = model.step(token, state, tap)
    mapped = program(strategy=strategy)
    image = MemoryImage.load(mapped, {k: v.numpy() for k, v in model.weights.items()})
    run = list(run_values(mapped, image, {"emb": np.stack(seen["emb"])}))
    assert set(opt_site_names(2)) | {"logits", "layers.1.self_attn.out"} <= set(seen)
    for name, expected in seen.items():
        mine, wanted = np.stack([vectors[name] for vectors in run]), np.stack(expected)
        assert np.abs(mine - wanted).max() <= 1e-5 * np.abs(wanted).max(), name


@pytest.mark.parametrize(
    ("lanes", "heads"), [(16, 2), *(pytest.param(n, 4, marks=pytest.mark.nightly) for n in (4, 8))]
)
def test_bits_are_those_of_the_kernels(lanes: int, heads: int) -> None:
    """At BF16 all vectors and all of memory, by compiled functions and by the kernels' texts."""
    model = random_model(heads)
    chip = make_chip(8, 8, npes=lanes, line_bits=16 * max(8, lanes))
    mapped = lower(opt_graph("o", {**SIZES, "heads": heads}, context=CONTEXT), chip)
    tensors = {k: v.numpy() for k, v in model.weights.items()}
    rows = (model.weights[f"{DECODER}.embed_tokens.weight"][TOKENS[:3]]).numpy()
    mine = values_as_the_texts(mapped, tensors, rows)
    exact = list(run_values(mapped, MemoryImage.load(mapped, tensors), {"emb": rows}))
    fine, coarse = (np.stack([v["logits"] for v in run]) for run in (exact, mine))
    assert 0 < np.sqrt(np.mean((fine - coarse) ** 2) / np.mean(fine**2)) < 0.05


def test_a_full_cache_is_an_error() -> None:
    mapped = lower(graph(context=8), CHIP)
    weights = {k: v.numpy() for k, v in random_model().weights.items()}
    run = run_values(
        mapped, MemoryImage.load(mapped, weights), {"emb": np.ones((9, 32), np.float32)}
    )
    with pytest.raises(InputError, match=r"token 8 has no place in a cache of 8; raise mapping"):
        list(run)


@pytest.mark.parametrize(("bits", "mode"), [("int4", "generation"), ("bf16", "pipelined")])
def test_both_engines_agree(bits: str, mode: Any) -> None:
    mapped = program(bits=bits)
    random = np.random.default_rng(1)
    masks = {s.name: random.random((3, s.width)) < 0.5 for s in mapped.sites if s.kind == "events"}
    stream = mask_stream(mapped, masks, 3)
    mine = simulate(CHIP, mapped, stream, mode=mode)
    assert not mine.differences(reference.simulate(CHIP, mapped, stream, mode=mode))


def test_the_cache_is_in_the_memory_map() -> None:
    mapped = program(bits="int8", batch=3)
    found = dict.fromkeys(("keys", "values"), 0)
    for region in mapped.regions:
        if region.name in found:
            found[region.name] += region.rows * region.columns * region.copies
    # Two layers, three sequences, 16 tokens of 32 channels.
    assert found == {"keys": 2 * 3 * 16 * 32, "values": 2 * 3 * 16 * 32}


def test_heads_stay_whole() -> None:
    mapped = program(bits="int4")
    stages = [s for s in mapped.stages if s.name == "self_attn.heads"]
    assert len(stages) == len({s.core for s in stages}) == 2 * 4


# A head of 80 channels and 512 tokens. Keys are lines of tokens: 5 instructions each for 80 of
# them, whatever the lanes. Products: 34 cycles for a line and eight words. Softmax: 24 a line, 28
# and two trees of 3 a step. Then rows a line of channels or tokens: append 2, start 2, send 4.
BY_HAND = {
    4: [6 + 400 + 20 * 2, 128 * 2, 1280 * 34, 128 * 24 + 28 + 12, 1280 * 34, 2 + 20 * 4],
    8: [6 + 400 + 10 * 2, 64 * 2, 640 * 34, 64 * 24 + 28 + 18, 640 * 34, 2 + 10 * 4],
    16: [6 + 400 + 5 * 2, 32 * 2, 320 * 34, 32 * 24 + 28 + 24, 320 * 34, 2 + 5 * 4],
}


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_cycles_of_attention_by_hand(lanes: int) -> None:
    sizes = {"layers": 1, "width": 160, "ffn": 64, "vocab": 8, "heads": 2, "positions": 2048}
    chip = make_chip(8, 8, npes=lanes, line_bits=16 * max(8, lanes))
    mapped = lower(opt_graph("o", sizes), chip, settings=MapSettings(bits="int4"))
    stage = next(s for s in mapped.stages if s.name == "self_attn.heads")
    cycles = {s.kernel: load_kernel(s.kernel, lanes).cost(s.rows).cycles for s in stage.steps}
    assert list(cycles) == [
        f"attention_{n}" for n in ("append", "start", "scores", "softmax", "mix", "send")
    ]
    assert list(cycles.values()) == BY_HAND[lanes]
    if lanes == 8:
        assert sum(cycles.values()) == 45_698  # as docs/kernels.md has it


def test_kinds_of_dense_work() -> None:
    mapped = program()
    kinds = dict(zip((s.name for s in mapped.sites), site_kinds(mapped), strict=True))
    assert kinds["layers.0.self_attn.q"] == ATTENTION
    assert kinds["layers.0.self_attn.out"] == MATRICES
    assert kinds["head"] == HEAD
    own = {
        mapped.sites[c.site].name: weighted_kind(mapped, i)
        for i, c in enumerate(mapped.consumers)
        if c.kernel
    }
    assert own["layers.1.self_attn.out"] == MATRICES
    assert own["head"] == HEAD


@pytest.mark.parametrize(("lanes", "d"), [(4, 8), (8, 8), (8, 16), (16, 16)])
def test_kernels_make_up_attention(lanes: int, d: int) -> None:
    """Texts of the kernels, token by token through a cache of 16, against softmax in doubles."""
    random = np.random.default_rng(3)
    tokens, room, lines = 11, 16, d // lanes
    q, k, v = random.standard_normal((3, tokens, d))
    keys = np.zeros((room // lanes, d, lanes))  # [line of tokens, channel, token]
    values = np.zeros((room, lines, lanes))
    absent, names = np.full((room // lanes, lanes), -3e38), ("append", "start", "scores", "softmax")
    append, start, scores, softmax, mix, send = (
        load_kernel(f"attention_{name}", lanes) for name in (*names, "mix", "send")
    )
    for t in range(tokens):
        line, lane = divmod(t, lanes)
        here = np.where(np.arange(lanes) == lane, 0xFFFF, 0).astype(np.uint16)
        run = run_kernel(
            append,
            {
                "here": here, "k": k[t].reshape(lines, lanes),
                "keys": keys[line].reshape(lines, lanes, lanes), "v": v[t].reshape(lines, lanes),
                "values": values[t][None], "absent": absent[line, None],
            },
            append.rows_for(d),
        )  # fmt: skip
        keys[line], values[t] = run.value("keys").reshape(d, lanes), run.value("values")[0]
        absent[line] = run.value("absent")[0]
    assert (absent.ravel() == 0).tolist() == [True] * tokens + [False] * 5
    state = run_kernel(start, {"absent": absent}, room // lanes).value("scores")
    for low in range(0, d, 8):
        part = {"q": q[-1, low : low + 8], "keys": keys[:, low : low + 8], "scores": state}
        state = run_kernel(scores, part, room // lanes).value("scores")
    soft = run_kernel(softmax, {"scale": d**-0.5, "scores": state}, room // lanes)
    total = np.zeros((lines, lanes))
    for low in range(0, room, 8):
        part = {
            "weight": soft.value("scores").ravel()[low : low + 8],
            "values": values[low : low + 8].transpose(1, 0, 2),
            "sum": total,
        }
        total = run_kernel(mix, part, lines).value("sum")
    sent = run_kernel(send, {"sum": total, "inv": soft.value("inv")}, lines)
    weight = np.exp(k @ q[-1] * d**-0.5)
    expected = weight @ v / weight.sum()
    found = np.concatenate([event.values for event in sent.events])
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    assert not sent.value("sum").any()


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"mapping.context is 12; expected a multiple of 8, up to"):
        graph(context=12)
    with pytest.raises(InputError, match="shape of o has post_norm, as only OPT 350M does"):
        opt_graph("o", {**SIZES, "post_norm": 1})
    with pytest.raises(InputError, match="width 32 in 8 heads; expected heads of whole blocks"):
        opt_graph("o", {**SIZES, "heads": 8})
    with pytest.raises(InputError, match="head is 'no'; expected in or out"):
        graph(head="no")
    wide = make_chip(8, 8, npes=16, line_bits=256)
    with pytest.raises(InputError, match=r"keys of 24 tokens are no whole .* multiple of 16"):
        lower(graph(context=24), wide)
    with pytest.raises(InputError, match=r"keys of 8 channels are no whole .* core.npes to a"):
        lower(graph(), wide)
    with pytest.raises(CapacityError, match="group heads has a core for each piece"):
        program(strategy="output-split")
    with pytest.raises(
        CapacityError, match=r"smallest slice, 8 channels, .* or lower mapping.context"
    ):
        lower(graph(context=64), make_chip(8, 8, data_memory_bits=16_000))


def test_a_matrix_that_shares_its_site_is_not_cut_in_the_place_of_another() -> None:
    """Query, key and value read one site: where one of them is too large, that is said."""
    graph = opt_graph(
        "opt",
        {"layers": 1, "vocab": 64, "positions": 16, "width": 256, "ffn": 256, "heads": 32},
        context=8,
    )
    chip = make_chip(8, 8, data_memory_bits=34_000)
    with pytest.raises(CapacityError) as caught:
        choose(graph, chip, MapSettings(strategy="grouped", fewest=True))
    words = "group query: its smallest slice, 8 channels, needs"
    assert words in str(caught.value)
    assert "its matrix for self_attn.qkv, which others share, cannot be cut" in str(caught.value)
