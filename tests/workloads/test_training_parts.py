"""The parts of the training recipe against independent truth, and its command line's errors."""

import lzma
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.rwkv4 import EMPTY_EXPONENT, wkv_loop
from workloads.training.chunked import wkv_chunked
from workloads.training.cli import main
from workloads.training.data import Sampler, read_text
from workloads.training.evaluate import held_out
from workloads.training.optim import learning_rate, update_average
from workloads.training.settings import Settings


def random_wkv(seed: int, length: int, batch: int = 2, width: int = 5) -> tuple[Tensor, ...]:
    gen = torch.Generator().manual_seed(seed)
    k = 3 * torch.randn(width, batch, length, generator=gen)
    v = torch.randn(width, batch, length, generator=gen)
    decay = -torch.exp(torch.rand(width, generator=gen) * 8 - 5)  # from slow to instant
    return k, v, decay, torch.randn(width, generator=gen)


def exact_wkv(k: Tensor, v: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """The definition in fp64, every pair of tokens written out, (D, B, T)."""
    t = torch.arange(k.shape[-1])
    lag = (t[:, None] - 1 - t).double()
    exponent = lag * decay.double()[:, None, None] + torch.where(lag < 0, -math.inf, 0.0)
    exponent = torch.where(lag == -1, first.double()[:, None, None], exponent)
    weights = torch.softmax(exponent[:, None] + k.double()[:, :, None], -1)
    return (weights @ v.double()[..., None])[..., 0]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 150))
def test_chunks_give_the_recurrence(seed: int, length: int) -> None:
    k, v, decay, first = random_wkv(seed, length)
    found = wkv_chunked(k, v, decay, first)
    torch.testing.assert_close(found.double(), exact_wkv(k, v, decay, first), atol=5e-5, rtol=1e-4)
    zero = torch.zeros(2, 5)
    start = (zero, zero, torch.full((2, 5), EMPTY_EXPONENT))
    looped, _ = wkv_loop(k.permute(1, 2, 0), v.permute(1, 2, 0), decay, first, start)
    torch.testing.assert_close(found, looped.permute(2, 0, 1), atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("length", [7, 32, 75])
def test_chunks_give_its_gradients(length: int) -> None:
    inputs = random_wkv(3, length)
    towards = torch.randn(5, 2, length, generator=torch.Generator().manual_seed(9))
    grads = []
    for wkv in (wkv_chunked, exact_wkv):
        leaves = [x.clone().requires_grad_() for x in inputs]
        (wkv(*leaves) * towards).sum().backward()  # type: ignore[no-untyped-call]
        grads.append([leaf.grad for leaf in leaves])
    for name, mine, exact in zip(("k", "v", "decay", "first"), *grads, strict=True):
        assert exact is not None, name
        scale = float(exact.abs().max())
        torch.testing.assert_close(mine, exact, atol=1e-4 * scale, rtol=1e-3)


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 4), st.integers(0, 400))
def test_a_pass_sees_every_window_once(seed: int, window: int, batch: int, extra: int) -> None:
    length = (batch + 1) * window + extra
    text = torch.arange(length)  # a token says where it is
    sampler = Sampler(text, window, batch, seed)
    starts: list[int] = []
    for step in range(sampler.steps_per_pass):
        inputs, targets = sampler.batch(step)
        assert inputs.shape == targets.shape == (batch, window)
        assert torch.equal(inputs + 1, targets)
        assert torch.equal(inputs - inputs[:, :1], torch.arange(window).expand(batch, -1))
        starts += inputs[:, 0].tolist()
    assert len({s // window for s in [s - min(starts) for s in starts]}) == len(starts)
    assert len({s % window for s in starts}) == 1


def test_steps_need_no_memory_of_those_before() -> None:
    text = torch.arange(1000)
    forwards, backwards = Sampler(text, 10, 4, 7), Sampler(text, 10, 4, 7)
    steps = range(60)  # two passes and a half
    seen = [forwards.batch(step)[0] for step in steps]
    assert all(torch.equal(seen[s], backwards.batch(s)[0]) for s in reversed(steps))
    assert not torch.equal(seen[0], seen[forwards.steps_per_pass])
    with pytest.raises(InputError, match=r"^text: 49 bytes, and 4 windows of 10 need 50; use a"):
        Sampler(text[:49], 10, 4, 7)


def test_held_out_windows_cover_the_text_and_every_third_is_looked_at() -> None:
    parts = held_out(torch.arange(1, 47), 5)
    assert [int(w[0]) for w in parts.peeked] == [1, 16, 31]
    assert [int(w[0]) for w in parts.unseen] == [6, 11, 21, 26, 36, 41]
    predicted = torch.cat([w[1:] for w in parts.peeked + parts.unseen])
    assert sorted(predicted.tolist()) == list(range(2, 47))


def test_learning_rate_by_hand() -> None:
    rates = [learning_rate(s, 12, 1.0, 4, 0.1) for s in (0, 3, 4, 8, 12, 99)]
    assert rates == pytest.approx([0.2, 0.8, 1.0, 0.55, 0.1, 0.1])
    assert learning_rate(50, None, 1.0, 100, 0.1) == pytest.approx(51 / 101)


@torch.no_grad()
def test_average_of_weights_by_hand() -> None:
    now, mean = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    mean.weight.fill_(0.0)
    now.weight.fill_(1.0)
    update_average(mean, now, 0, 0.999)  # the first: 1 - 1/10 of the way
    assert float(mean.weight) == pytest.approx(0.9)
    now.weight.fill_(2.0)
    update_average(mean, now, 10_000, 0.999)  # late: by the decay
    assert float(mean.weight) == pytest.approx(0.999 * 0.9 + 0.001 * 2)
    update_average(mean, now, 10_001, 0.0)  # no average
    assert float(mean.weight) == 2.0


def test_texts_plain_and_packed_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"some text\xff")
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(b"some text\xff"))
    plain, packed = read_text(tmp_path / "a.txt"), read_text(tmp_path / "a.txt.xz")
    assert plain.tokens.tolist() == packed.tokens.tolist() == list(b"some text\xff")
    assert plain.sha256 == packed.sha256


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--text", "none.txt"], "none.txt: cannot be read (No such file or directory)"),
        (["--text", "empty.txt"], "empty.txt: the text is empty"),
        (["--text", "bad.xz"], "bad.xz: damaged or not xz ("),
        (["--batch", "400"], "text: 4000 bytes, and 400 windows of 32 need 12832; use a longer"),
        (["--lr", "0"], "training: lr is 0.0, expected above 0"),
        (["--dropout", "1"], "training: dropout is 1.0, expected in 0 .. 1"),
        (["--layers", "0"], "training: layers is 0, expected at least 1"),
        (["--device", "cuda:99"], "training: no device 'cuda:99' here; try cpu"),
        (["--device", "gpu"], "training: no device 'gpu' here; try cpu"),
        (["--resume"], "out/state.pt: no such file, so there is nothing to resume"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_bytes(bytes(range(100)) * 40)
    Path("empty.txt").write_bytes(b"")
    Path("bad.xz").write_bytes(b"not xz at all")
    sizes = "rwkv4 --layers 1 --width 8 --window 32 --batch 4 --steps 2 --warmup 1 --device cpu"
    texts = "--text good.txt --valid good.txt --out out --threads 1"
    assert main([*sizes.split(), *texts.split(), *more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_states_of_other_runs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_bytes(bytes(range(100)) * 40)
    Path("other.txt").write_bytes(bytes(range(99)) * 40)
    line = (
        "rwkv4 --layers 1 --width 8 --window 32 --batch 4 --steps 2 --warmup 1 --device cpu "
        "--look-every 1 --threads 1 --valid good.txt --out out --text "
    )
    assert main([*line.split(), "good.txt"]) == 0
    capsys.readouterr()
    for more, message in (
        ("good.txt", "out/state.pt: a run is here; resume it or choose another folder"),
        ("other.txt --resume", "other settings: the training text is another one"),
        ("good.txt --resume --width 16", "other settings: width is 16 here and 8 there"),
    ):
        assert main([*line.split(), *more.split()]) == 2
        assert message in capsys.readouterr().err
    Path("out/state.pt").write_bytes(b"PK garbage")
    assert main([*line.split(), "good.txt", "--resume"]) == 2
    assert "out/state.pt: damaged, or not the state of a run" in capsys.readouterr().err


def test_settings_that_cannot_be() -> None:
    good = Settings(steps=1)
    for change, message in (
        ({"steps": None}, "no budget; give steps, or minutes, or both"),
        ({"steps": None, "minutes": 1.0, "warmup": 20}, "warmup is 20, expected at least 100 when"),
        ({"model": "gpt"}, "model is 'gpt', expected rwkv4 or opt"),
        ({"model": "opt", "heads": 7}, "heads is 7, expected a divisor of 256"),
        ({"model": "opt"}, "valid_window is 1024, expected at most window, 512"),
    ):
        with pytest.raises(InputError, match=rf"^training: {message}"):
            replace(good, **change)
