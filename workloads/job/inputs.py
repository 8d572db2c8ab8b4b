"""What a job runs on: which model, which thresholds, which text. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seneca_sim.config.check import nearest
from seneca_sim.errors import InputError
from workloads import zoo
from workloads.sparsity.recipe import Recipe, read_recipe

SHIPPED = "rwkv4-byte-6x256"
CONTEXT, TOKENS = 64, 16
EVALUATION_BYTES = 32 * 1024 + 1


@dataclass(frozen=True)
class Inputs:
    """A job's inputs.

    Attributes:
        name: of the workload, for people.
        weights: the checkpoint.
        recipe: thresholds, or None for a model without them.
        text: for each sequence its context, then its tokens to simulate; bytes are tokens.
        evaluation: text to measure bits per byte on; empty for none.
        context: tokens that only build up the state of a sequence.
        tokens: tokens of each sequence that are simulated.
        batch: sequences side by side, each with a piece of the text of its own.
        rescaled: for folders of transformers whose deep blocks may hold halved weights: "undo",
            "keep", or "" where that is no question.
    """

    name: str
    weights: Path
    recipe: Recipe | None
    text: bytes
    evaluation: bytes
    context: int = CONTEXT
    tokens: int = TOKENS
    rescaled: str = ""
    batch: int = 1

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.context < 0:
            raise InputError(
                f"workload.tokens is {self.tokens} and workload.context {self.context}; "
                "expected at least 1 and 0"
            )
        if self.batch < 1:
            raise InputError(f"mapping.batch is {self.batch}; expected at least 1")
        need = self.batch * (self.context + self.tokens)
        if len(self.text) < need:
            several = f" for each of {self.batch} sequences" if self.batch > 1 else ""
            raise InputError(
                f"text of {self.name} has {len(self.text)} bytes; {self.context} of context and "
                f"{self.tokens} tokens{several} need {need}: give a longer text or fewer tokens"
            )

    @property
    def window(self) -> bytes:
        """Context and simulated tokens, of all sequences one after another."""
        return self.text[: self.batch * (self.context + self.tokens)]

    @property
    def windows(self) -> tuple[bytes, ...]:
        """The same, sequence by sequence."""
        size = self.context + self.tokens
        return tuple(self.text[s * size : (s + 1) * size] for s in range(self.batch))


def shipped_inputs(
    workload: str | None = None,
    *,
    text: Path | None = None,
    recipe: Path | None = None,
    context: int = CONTEXT,
    tokens: int = TOKENS,
    rescaled: str = "",
    batch: int = 1,
) -> Inputs:
    """Make the inputs of a job: a model of the zoo by name, or a checkpoint by path.

    Args:
        workload: name or path; None for the model that ships.
        text: a file to take context, tokens and evaluation text from; None for the shipped text.
        recipe: a recipe file; None for the shipped one (a checkpoint of one's own has none).
        context: tokens before the simulated ones.
        tokens: simulated tokens of each sequence.
        batch: sequences side by side.
        rescaled: see `Inputs`.

    Raises:
        InputError: unknown workload, unreadable text or recipe, too little text.
    """
    name = workload or SHIPPED
    if zoo.is_shape(name):
        raise InputError(
            f"{name} is a shape without weights, and this needs a model; `run` and `trace synth` "
            "draw its events, or give a checkpoint"
        )
    models = {entry.name for entry in zoo.entries() if entry.kind == "model"}
    if name in models:
        weights = zoo.weights_path(name)
        chosen: Recipe | None = zoo.recipe(_recipe_of(name))
    else:
        weights = _own_checkpoint(name, models)
        chosen = None
    if recipe is not None:
        chosen = read_recipe(recipe)
    if text is None:
        prompt, evaluation = zoo.prompt_text(), zoo.evaluation_text()
    else:
        prompt = _read_text(text)
        evaluation = prompt[batch * (context + tokens) :][:EVALUATION_BYTES]
    return Inputs(
        Path(name).name, weights, chosen, prompt, evaluation, context, tokens, rescaled, batch
    )


def _recipe_of(model: str) -> str:
    return next(e.name for e in zoo.entries() if e.kind == "recipe" and e.model == model)


def _own_checkpoint(name: str, models: set[str]) -> Path:
    path = Path(name)
    if not path.exists():
        known = [*sorted(models), *zoo.shape_names()]
        raise InputError(
            f"workload {name!r} is neither a file nor in the zoo{nearest(name, known)}; the zoo "
            f"has {', '.join(sorted(models))}, and the shapes {', '.join(zoo.shape_names())}"
        )
    return path


def _read_text(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise InputError(f"{path}: the text is empty; give at least context + tokens bytes")
    return data
