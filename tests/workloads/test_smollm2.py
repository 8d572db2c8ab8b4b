"""SmolLM2 where its package is installed: what it is, and that it speaks."""

import pytest
import torch

from seneca_sim.errors import InputError
from workloads.models import smollm2

needed = pytest.mark.skipif(
    bool(smollm2.missing()), reason=f"not installed: {', '.join(smollm2.missing())}"
)


def test_rows_are_put_back() -> None:
    """Two heads of four rows: llama.cpp holds them as 0, 2, 1, 3 within a head."""
    rows = torch.arange(8.0)[:, None].repeat(1, 3).numpy()
    stored = rows[[0, 2, 1, 3, 4, 6, 5, 7]]
    assert smollm2.unpermuted(stored, 2).tolist() == rows.tolist()


def test_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "_NEEDS", ("no_such_package",))
    with pytest.raises(InputError, match=r"^SmolLM2 needs the Python package 'no_such_package': p"):
        smollm2.load_smollm2()


@needed
@pytest.mark.nightly
def test_it_knows_the_capital_of_france() -> None:
    from workloads.models.sited import sited
    from workloads.sparsity.zeroshot import answer

    module, text = smollm2.load_smollm2()
    sentence = "The capital of France is Paris.  1234 it's\n\nok"
    assert text.decode(text.encode(sentence)) == sentence
    model = sited(module)
    assert (model.stages, model.vocab, len(model.sites)) == (30, 49152, 120)
    assert model.block_macs == 30 * 3_538_944
    right, wrong = answer(
        model, [("The capital of France is", " Paris"), ("The capital of France is", " Rome")], text
    )
    assert right.greedy
    assert right.logprob > wrong.logprob + 2
