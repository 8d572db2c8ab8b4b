"""`record` against a forward pass written out again here, one token at a time."""

import numpy as np
import pytest
import torch

from seneca_sim.errors import InputError
from workloads.models import Rwkv4, Rwkv4Shape
from workloads.traces import block_sites, read_trace, write_trace
from workloads.traces.record import record

L, D, F, V = 2, 6, 24, 13
TOKENS = [3, 1, 4, 1, 5, 9, 2, 6]
CONTEXT = 3
TRACE_SHAPE = {"family": "rwkv4", "layers": L, "width": D, "ffn": F, "vocab": V}
LIMITS = {name: 0.1 + 0.05 * i for i, name in enumerate(block_sites(TRACE_SHAPE))}
LIMITS["blocks.1.ffn.val"] = 0.0


def random_weights():
    g = torch.Generator().manual_seed(0)

    def t(*size, scale=1.0):
        return torch.randn(*size, generator=g) * scale

    w = {"emb.weight": t(V, D), "head.weight": t(V, D)}
    norms = ["blocks.0.ln0", "ln_out"] + [f"blocks.{n}.ln{i}" for n in range(L) for i in (1, 2)]
    for norm in norms:
        w |= {f"{norm}.weight": 1 + t(D, scale=0.2), f"{norm}.bias": t(D, scale=0.2)}
    for p in (f"blocks.{n}" for n in range(L)):
        w |= {f"{p}.att.time_decay": t(D), f"{p}.att.time_first": t(D)}
        for mix in ("att.time_mix_k", "att.time_mix_v", "att.time_mix_r"):
            w[f"{p}.{mix}"] = torch.rand(D, generator=g)
        for mix in ("ffn.time_mix_k", "ffn.time_mix_r"):
            w[f"{p}.{mix}"] = torch.rand(D, generator=g)
        for name in ("att.key", "att.value", "att.receptance", "att.output", "ffn.receptance"):
            w[f"{p}.{name}.weight"] = t(D, D, scale=0.6)
        w[f"{p}.ffn.key.weight"] = t(F, D, scale=0.6)
        w[f"{p}.ffn.value.weight"] = t(D, F, scale=0.6)
    return w


WEIGHTS = random_weights()


class Linear:
    """A matrix that cuts its input at `limit` and hands what is left to `hook`: y = W cut(x)."""

    def __init__(self, weight, name, limits, hook):
        self.weight, self.name, self.limit, self.hook = weight, name, limits.get(name, 0.0), hook

    def __call__(self, x):
        cut = torch.tensor([e if abs(e) > self.limit else 0.0 for e in x.tolist()])
        self.hook(self.name, cut)
        return self.weight @ cut


def direct(limits, hook):
    """The logits and, before each token, the state; from the equations, by plain exponentials."""
    w = WEIGHTS
    names = {"att.key": "att.key", "att.rec": "att.receptance", "att.val": "att.value"}
    names |= {"att.out": "att.output", "ffn.rec": "ffn.receptance", "ffn.key": "ffn.key"}
    names["ffn.val"] = "ffn.value"

    def norm(name, x):
        x = (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    zero = torch.zeros(D)
    # Numerator and denominator of wkv without the running maximum: exact enough at eight tokens.
    state = [{"att_x": zero, "num": zero, "den": zero, "ffn_x": zero} for _ in range(L)]
    for token in TOKENS:
        hook("state", [dict(s) for s in state])
        x = w["emb.weight"][token]
        hook("emb", x)
        x = norm("blocks.0.ln0", x)
        for n, s in enumerate(state):
            p = f"blocks.{n}"
            m = {
                site: Linear(w[f"{p}.{weight}.weight"], f"{p}.{site}", limits, hook)
                for site, weight in names.items()
            }

            def mix(kind, new, old, p=p):
                mu = w[f"{p}.{kind}"]
                return mu * new + (1 - mu) * old

            a = norm(f"{p}.ln1", x)
            k = m["att.key"](mix("att.time_mix_k", a, s["att_x"]))
            r = m["att.rec"](mix("att.time_mix_r", a, s["att_x"]))
            v = m["att.val"](mix("att.time_mix_v", a, s["att_x"]))
            now = torch.exp(w[f"{p}.att.time_first"] + k)
            wkv = (s["num"] + now * v) / (s["den"] + now)
            decay = torch.exp(-torch.exp(w[f"{p}.att.time_decay"]))
            s["num"] = decay * s["num"] + torch.exp(k) * v
            s["den"] = decay * s["den"] + torch.exp(k)
            s["att_x"] = a
            x = x + m["att.out"](wkv / (1 + torch.exp(-r)))
            c = norm(f"{p}.ln2", x)
            gate = m["ffn.rec"](mix("ffn.time_mix_r", c, s["ffn_x"]))
            k = m["ffn.key"](mix("ffn.time_mix_k", c, s["ffn_x"]))
            x = x + m["ffn.val"](k.clamp(min=0) ** 2) / (1 + torch.exp(-gate))
            s["ffn_x"] = c
        x = norm("ln_out", x)
        hook("head", x)
        hook("logits", w["head.weight"] @ x)


def expected(limits):
    seen = {}
    direct(limits, lambda name, x: seen.setdefault(name, []).append(x))
    states = seen.pop("state")
    return {name: torch.stack(rows[CONTEXT:]).numpy() for name, rows in seen.items()}, states[
        CONTEXT
    ]


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return Rwkv4(Rwkv4Shape(layers=L, width=D, ffn=F, vocab=V), WEIGHTS)


@pytest.mark.parametrize("limits", [None, LIMITS], ids=["natural", "sparsified"])
def test_every_site_is_what_the_matrices_see(model, limits):
    trace = record(model, TOKENS, CONTEXT, limits, "natural" if limits is None else "sparsified")
    sites, _ = expected(limits or {})
    assert set(trace.sites) == set(sites)
    for name, x in sites.items():
        site = trace.sites[name]
        np.testing.assert_allclose(site.filled(), x, rtol=2e-4, atol=2e-5, err_msg=name)
        if name.startswith("blocks"):
            np.testing.assert_array_equal(site.mask, x != 0, err_msg=name)
    assert trace.tokens.tolist() == TOKENS[CONTEXT:]
    assert trace.thresholds == (limits or {})


def test_the_comparison_is_not_empty():
    """The thresholds cut something everywhere, and no value sits so near that rounding decides."""
    whole, _ = expected({})
    cut, _ = expected(LIMITS)
    for name, limit in LIMITS.items():
        assert 0 < (cut[name] != 0).sum() < cut[name].size
        assert (cut[name] != 0).sum() < (whole[name] != 0).sum() or limit == 0


@pytest.mark.parametrize("limits", [None, LIMITS], ids=["natural", "sparsified"])
def test_the_state_is_that_before_the_first_recorded_token(model, limits):
    state = record(model, TOKENS, CONTEXT, limits, "any").state
    _, layers = expected(limits or {})
    for n, s in enumerate(layers):
        scale = np.exp(state["pp"][n])
        np.testing.assert_allclose(state["aa"][n] * scale, s["num"], rtol=2e-4, atol=1e-5)
        np.testing.assert_allclose(state["bb"][n] * scale, s["den"], rtol=2e-4, atol=1e-5)
        np.testing.assert_allclose(state["att_x"][n], s["att_x"], rtol=2e-4, atol=1e-5)
        np.testing.assert_allclose(state["ffn_x"][n], s["ffn_x"], rtol=2e-4, atol=1e-5)


def test_context_only_moves_the_start(model):
    whole = record(model, TOKENS, 0, LIMITS, "sparsified")
    late = record(model, TOKENS, CONTEXT, LIMITS, "sparsified")
    assert late.sites == whole.slice(CONTEXT, len(TOKENS)).sites
    assert (whole.state["pp"] == np.float32(-1e30)).all()


def test_a_value_at_the_threshold_is_cut(model):
    """Strict: |x| > T. The embedding of LN gives known numbers only through a first run."""
    natural = record(model, TOKENS[:1], 0)
    x = natural.sites["blocks.0.att.key"].filled()[0]
    limit = float(np.sort(abs(x))[2])
    cut = record(model, TOKENS[:1], 0, {"blocks.0.att.key": limit}, "cut")
    np.testing.assert_array_equal(cut.sites["blocks.0.att.key"].mask[0], abs(x) > limit)
    assert cut.sites["blocks.0.att.key"].survivors == D - 3


def test_a_recorded_trace_round_trips_and_masks_alone_agree(model, tmp_path):
    trace = record(model, TOKENS, CONTEXT, LIMITS, "sparsified", name="tiny")
    write_trace(tmp_path / "t", trace)
    assert read_trace(tmp_path / "t", model="tiny", shape=TRACE_SHAPE) == trace
    bare = record(model, TOKENS, CONTEXT, LIMITS, "sparsified", values=False)
    for name, site in bare.sites.items():
        assert site.values is None
        np.testing.assert_array_equal(site.mask, trace.sites[name].mask)


def test_the_model_is_named_by_its_weights(model):
    first = record(model, TOKENS[:1], 0).model
    other = Rwkv4(model.shape, {**WEIGHTS, "head.weight": WEIGHTS["head.weight"] + 1})
    assert len(first) == 64
    assert record(other, TOKENS[:1], 0).model != first


@pytest.mark.parametrize("values", [True, False])
def test_a_number_that_is_not_finite_is_not_silence(model, values):
    emb = WEIGHTS["emb.weight"].clone()
    emb[TOKENS[1], 2] = torch.nan
    broken = Rwkv4(model.shape, {**WEIGHTS, "emb.weight": emb})
    with pytest.raises(InputError, match="model: emb is not finite at recorded token 1"):
        record(broken, TOKENS, 0, values=values)
    weight = WEIGHTS["blocks.0.att.value.weight"].clone()
    weight[0, 0] = torch.nan
    broken = Rwkv4(model.shape, {**WEIGHTS, "blocks.0.att.value.weight": weight})
    with pytest.raises(InputError, match=r"model: blocks\.0\.att\.out is not finite"):
        record(broken, TOKENS, 0, values=values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TOKENS, 8), "context is 8; expected 0 … 7, to leave a token"),
        ((TOKENS, -1), "context is -1; expected 0 … 7"),
        ((TOKENS, 0, {"blocks.0.att.kei": 1.0}, "x"), "unknown threshold site 'blocks.0.att.kei'"),
        ((TOKENS, 0, {"blocks.0.att.key": 1.0}), "variant 'natural' has no thresholds"),
    ],
)
def test_what_is_refused(model, arguments, message):
    with pytest.raises(InputError) as caught:
        record(model, *arguments)
    assert str(caught.value).startswith(message)
