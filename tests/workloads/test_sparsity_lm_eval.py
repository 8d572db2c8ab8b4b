"""The adapter for lm-eval against the harness's own base class, where it is installed."""

import itertools
from dataclasses import dataclass

import pytest
import torch

from seneca_sim.errors import InputError
from workloads.models import Rwkv4

pytest.importorskip("lm_eval.api.model", reason="lm-eval is not installed", exc_type=ImportError)


@dataclass
class Request:
    args: tuple[str, ...]


def logprobs(model: Rwkv4, text: bytes, start: int) -> list[float]:
    """By single steps."""
    out, state = [], None
    for token, target in itertools.pairwise(text):
        logits, state = model.step(token, state)
        out.append(float(torch.log_softmax(logits.double(), 0)[target]))
    return out[start - 1 :]


def test_the_harness_calls_it(small_model: Rwkv4) -> None:
    from workloads.sparsity.lm_eval_adapter import SenecaLM

    lm = SenecaLM(small_model)
    found = lm.loglikelihood([Request(("ab", " cde")), Request(("", "xy"))], disable_tqdm=True)
    assert found[0][0] == pytest.approx(sum(logprobs(small_model, b"ab cde", 2)), abs=1e-4)
    assert found[1][0] == pytest.approx(sum(logprobs(small_model, b"\nxy", 1)), abs=1e-4)
    assert [greedy for _, greedy in found] == [False, False]
    (rolling,) = lm.loglikelihood_rolling([Request(("hello",))])
    assert rolling == pytest.approx(sum(logprobs(small_model, b"\nhello", 1)), abs=1e-4)


def test_thresholds_count_and_are_checked(small_model: Rwkv4) -> None:
    from workloads.sparsity.lm_eval_adapter import SenecaLM

    silent = SenecaLM(small_model, {"blocks.1.ffn.val": 1e9})
    (a,), (b,) = (lm.loglikelihood([Request(("ab", " cde"))], disable_tqdm=True)
                  for lm in (silent, SenecaLM(small_model)))  # fmt: skip
    assert a[0] != b[0]
    with pytest.raises(InputError, match=r"unknown site 'blocks\.1\.ffn\.vel'; did you mean"):
        SenecaLM(small_model, {"blocks.1.ffn.vel": 1.0})
    with pytest.raises(InputError, match=r"^1 requests to generate text"):
        silent.generate_until([Request(("a",))])
