"""The wkv recurrence at BF16 against the textbook form in doubles; two-word state and plain."""

from dataclasses import dataclass

import numpy as np
import pytest

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import load_kernel

CHANNELS = 256


@dataclass
class Case:
    """Accumulators of T tokens and the parameters of a layer, all from one seed."""

    r: np.ndarray
    k: np.ndarray
    v: np.ndarray
    u: np.ndarray
    w: np.ndarray

    @classmethod
    def random(cls, tokens, time_decay, spread=1.0, seed=1):
        rng = np.random.default_rng(seed)
        r, k, v = (round_bf16(rng.normal(size=(tokens, CHANNELS)) * s) for s in (2, spread, 1))
        w = -np.exp(rng.uniform(*time_decay, CHANNELS))
        return cls(r, k, v, round_bf16(rng.normal(size=CHANNELS)), w)


def textbook(case):
    """RWKV-4's own recurrence, with its running maximum, in doubles."""
    aa, bb, pp = np.zeros(CHANNELS), np.zeros(CHANNELS), np.full(CHANNELS, -1e30)
    out = []
    for r, k, v in zip(*(a.astype(np.float64) for a in (case.r, case.k, case.v)), strict=True):
        p = np.maximum(pp, case.u + k)
        old, new = np.exp(pp - p), np.exp(case.u + k - p)
        out.append((old * aa + new * v) / (old * bb + new) / (1 + np.exp(-r)))
        p = np.maximum(pp + case.w, k)
        old, new = np.exp(pp + case.w - p), np.exp(k - p)
        aa, bb, pp = old * aa + new * v, old * bb + new, p
    return np.array(out)


def on_the_npes(name, case):
    """Runs the kernel token after token, one row of 256 lanes."""
    kernel = load_kernel(name, CHANNELS)
    shift = np.maximum(np.round(case.w / np.log(2)), -32)
    fixed = {
        "threshold": 0.0,
        "u": case.u[None],
        "shift": shift[None],
        "decay": np.expm1(case.w - shift * np.log(2))[None],
    }
    state, out = {}, []
    for r, k, v in zip(case.r, case.k, case.v, strict=True):
        run = run_kernel(kernel, fixed | state | {"r": r[None], "k": k[None], "v": v[None]}, 1)
        state = {name: run.memory[name] for name in ("aa", "bb", "pp")}
        out.append(run.events[0].values)
        assert not any(run.memory[name].any() for name in "rkv")
    return np.array(out)


def loss(name, case):
    """Root mean square of the error over that of the outputs, in the last half of the tokens."""
    half = len(case.r) // 2
    wanted = textbook(case)[half:]
    error = on_the_npes(name, case)[half:] - wanted
    return np.sqrt(np.mean(error**2) / np.mean(wanted**2))


@pytest.mark.parametrize(
    ("tokens", "time_decay", "spread", "two_words", "plain"),
    [
        (64, (-6, 2), 1, 0.00634, 0.00699),
        (64, (-6, 2), 3, 0.00616, 0.0182),
        (64, (-8, -4), 1, 0.00690, 0.0113),
        (256, (-9, -5), 1, 0.00873, 0.0249),
        pytest.param(512, (-9, -5), 1, 0.0109, 0.0651, marks=pytest.mark.nightly),
    ],
)
def test_loss_of_both_states(tokens, time_decay, spread, two_words, plain):
    """The numbers are measured ones, those of docs/kernels.md."""
    case = Case.random(tokens, time_decay, spread)
    losses = loss("wkv", case), loss("wkv_plain", case)
    print(f"{tokens} tokens: two words {losses[0]:.4%}, plain {losses[1]:.4%}")
    assert losses == pytest.approx((two_words, plain), rel=0.05)


def test_an_old_outlier_is_forgotten():
    """The first key is 30 above the others, as where a model attends to its first token."""
    case = Case.random(96, (-1, 1))
    case.k[0] = 30
    assert loss("wkv", case) < 0.01


def test_first_token_gives_its_own_value():
    case = Case.random(1, (-6, 2), spread=5)
    np.testing.assert_allclose(on_the_npes("wkv", case), case.v / (1 + np.exp(-case.r)), rtol=0.025)


def test_the_scale_keeps_bb_between_one_and_two():
    case = Case.random(1, (-6, 2), spread=5)
    kernel = load_kernel("wkv", CHANNELS)
    names = {"r": case.r, "k": case.k, "v": case.v, "u": case.u[None]}
    bb = run_kernel(kernel, names, 1).value("bb")[0, 0]
    assert ((bb >= 1) & (bb < 2)).all()


def test_only_values_above_the_threshold_fire():
    case = Case.random(1, (-6, 2))
    names = {"r": case.r, "k": case.k, "v": case.v, "u": case.u[None], "threshold": 0.25}
    event = run_kernel(load_kernel("wkv", CHANNELS), names, 1).events[0]
    np.testing.assert_array_equal(event.fired, np.abs(event.values) > 0.25)
    assert 0 < event.fired.sum() < CHANNELS
