"""What fixes a run: the model, the recipe and its budget. Same settings and text, same weights."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from seneca_sim.errors import InputError
from workloads.models.opt import OptShape
from workloads.models.rwkv4 import Rwkv4Shape

BYTES = 256
MODELS = ("rwkv4", "opt")
MEASURED_STEPS = (20, 100)
"""Steps that are timed to turn a budget in minutes into one in steps."""


@dataclass(frozen=True)
class Settings:
    """All that a run depends on besides the two texts.

    Attributes:
        model: "rwkv4" or "opt".
        layers: blocks.
        width: D; the perceptron of a block is 4 D wide.
        heads: attention heads, opt only.
        window: bytes predicted per training window; for opt also the number of positions.
        batch: windows per step.
        steps: how many; None finds out how many fit into `minutes` and keeps to that.
        minutes: wall-clock limit; None for none.
        lr: peak learning rate, after `warmup` steps; a cosine brings it to `final_lr` of it.
        warmup: steps of linear growth.
        final_lr: share of the peak that is left at the end.
        weight_decay: of AdamW, on matrices only.
        dropout: share of values set to zero on each path into the residual stream.
        clip: largest norm of the gradient.
        ema: decay per step of the average of the weights, which is what is kept; 0 for none.
        look_every: steps between two looks at the held-out text.
        patience: looks without a better one after which the run ends.
        valid_window: bytes predicted per window of the held-out text.
        seed: of initialisation, order of the text and dropout.
        device: "cuda" (BF16 linears) or "cpu" (fp32).
        compile: let torch.compile fuse the blocks.
    """

    model: str = "rwkv4"
    layers: int = 6
    width: int = 256
    heads: int = 8
    window: int = 512
    batch: int = 256
    steps: int | None = None
    minutes: float | None = None
    lr: float = 2e-3
    warmup: int = 100
    final_lr: float = 0.05
    weight_decay: float = 0.1
    dropout: float = 0.1
    clip: float = 1.0
    ema: float = 0.999
    look_every: int = 250
    patience: int = 40
    valid_window: int = 1024
    seed: int = 0
    device: str = "cuda"
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "window", "batch", "look_every", "patience"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _check(self.model in MODELS, "model", self.model, " or ".join(MODELS))
        _check(self.valid_window >= 1, "valid_window", self.valid_window, "at least 1")
        _check(self.lr > 0, "lr", self.lr, "above 0")
        for name in ("dropout", "ema"):
            _check(0 <= getattr(self, name) < 1, name, getattr(self, name), "in 0 .. 1")
        self._check_budget()
        if self.model == "opt":
            _check(self.width % self.heads == 0, "heads", self.heads, f"a divisor of {self.width}")
            _check(
                self.valid_window <= self.window,
                "valid_window",
                self.valid_window,
                f"at most window, {self.window}: an OPT has no more positions",
            )

    def _check_budget(self) -> None:
        if self.steps is not None:
            _check(self.steps >= 1, "steps", self.steps, "at least 1")
        elif self.minutes is None:
            raise InputError("training: no budget; give steps, or minutes, or both")
        else:
            _check(
                self.warmup >= MEASURED_STEPS[1],
                "warmup",
                self.warmup,
                f"at least {MEASURED_STEPS[1]} when the budget is in minutes alone",
            )

    @property
    def rwkv4_shape(self) -> Rwkv4Shape:
        """The shape of an RWKV-4 of these settings."""
        return Rwkv4Shape(self.layers, self.width, 4 * self.width, BYTES)

    @property
    def opt_shape(self) -> OptShape:
        """The shape of an OPT of these settings."""
        return OptShape(
            self.layers, self.width, 4 * self.width, BYTES, self.heads, positions=self.window
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, as files hold them."""
        return asdict(self)

    def difference(self, other: dict[str, Any]) -> str | None:
        """Name and both values of the first setting in which `other` differs, if any."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), other.get(field.name)
            if mine != theirs:
                return f"{field.name} is {mine!r} here and {theirs!r} there"
        return None


def _check(good: bool, name: str, value: object, expected: str) -> None:
    if not good:
        raise InputError(f"training: {name} is {value!r}, expected {expected}", field=name)
