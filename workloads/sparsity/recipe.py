"""A recipe: the thresholds found for one model, and everything needed to find them again.

The file is YAML, schema ``seneca-recipe/1``; floats are written in full, so what is read back is
what was found. Nothing here needs torch.
"""

import difflib
import io
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from seneca_sim.errors import InputError
from seneca_sim.files import write_text

SCHEMA = "seneca-recipe/1"


@dataclass(frozen=True)
class SiteChoice:
    """What the search settled on for one site.

    Attributes:
        threshold: T; a value goes on where ``|x| > T``.
        density: K, the nominal share kept.
        forced: True if even the densest candidate cost too much and was taken all the same.
    """

    threshold: float
    density: float
    forced: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise InputError(f"threshold is {self.threshold}; expected a number from 0 up")
        if not 0 < self.density <= 1:
            raise InputError(f"density is {self.density}; expected a share above 0, up to 1")


@dataclass(frozen=True)
class Recipe:
    """Thresholds for one model with their origin.

    Attributes:
        model: content hash of the weights.
        command: the command or call that made it.
        method: how candidates were judged, e.g. "sequential".
        loss_inc: most that the calibration loss may grow by at one site, as a factor; 0 for
            methods that have no such budget.
        candidates: densities K that were tried, in order.
        calibration_hash: SHA-256 of the calibration bytes (of tokens: as little-endian int32).
        calibration_length: how many of them there are.
        window: tokens per sequence; each sequence starts from the zero state.
        base_loss: nats per token on the calibration text without thresholds.
        final_loss: the same with all thresholds.
        natural_sparsity: weighted share of zeros without thresholds, on the calibration text.
        sparsity: the same with all thresholds.
        sites: the choice at each site by full name, in the order of the search.
        warm_start: whether a site started at the density chosen most often before it.
        evaluations: how many times the calibration loss was measured on the way.
        target_sparsity: the weighted sparsity that was asked for, of methods that work so; else 0.
    """

    model: str
    command: str
    method: str
    loss_inc: float
    candidates: tuple[float, ...]
    calibration_hash: str
    calibration_length: int
    window: int
    base_loss: float
    final_loss: float
    natural_sparsity: float
    sparsity: float
    sites: dict[str, SiteChoice] = field(default_factory=dict)
    warm_start: bool = False
    evaluations: int = 0
    target_sparsity: float = 0.0

    @property
    def thresholds(self) -> dict[str, float]:
        """T by full name of the site."""
        return {name: choice.threshold for name, choice in self.sites.items()}

    def check_model(self, model_hash: str) -> None:
        """Refuse to serve another model than the one the thresholds were found for.

        Raises:
            InputError: `model_hash` is not this recipe's.
        """
        if model_hash != self.model:
            raise InputError(
                f"recipe is for model {self.model[:12]}, not for {model_hash[:12]}; "
                "thresholds of one model mean nothing in another: search again"
            )


def write_recipe(recipe: Recipe, path: str | Path) -> None:
    """Write a recipe file, aside and then renamed."""
    write_text(path, recipe_text(recipe))


def recipe_text(recipe: Recipe) -> str:
    """The text of a recipe file."""
    plain: dict[str, Any] = {"schema": SCHEMA}
    for f in fields(recipe):
        plain[f.name] = getattr(recipe, f.name)
    for name, default in _OPTIONAL.items():
        if plain[name] == default:
            del plain[name]
    plain["candidates"] = list(recipe.candidates)
    plain["sites"] = {name: _plain_choice(choice) for name, choice in recipe.sites.items()}
    out = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096  # a command stays on its line
    yaml.dump(plain, out)
    return out.getvalue()


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe file.

    Raises:
        InputError: no such file, not YAML, another schema, a key missing, unknown or of the
            wrong type.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not text'})"
        ) from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Make a recipe from the text of its file; `where` names it in errors.

    Raises:
        InputError: another schema, or an entry that is missing or wrong.
    """
    plain = _load(text, where)
    schema = plain.pop("schema", None)
    if schema != SCHEMA:
        raise InputError(f"{where}: schema is {schema!r}, expected {SCHEMA!r}")
    sites = plain.pop("sites", None)
    if not isinstance(sites, dict) or not sites:
        raise InputError(f"{where}: 'sites' must map site names to their choices")
    values = _typed({**_OPTIONAL, **plain}, _KINDS, where)
    values["candidates"] = tuple(values["candidates"])
    return Recipe(**values, sites={str(n): _choice(c, f"{where}: {n}") for n, c in sites.items()})


def _load(text: str, where: str) -> dict[str, Any]:
    try:
        plain = YAML(typ="safe").load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise InputError(f"{where}{at}: {' '.join(str(problem).split())}") from error
    except RecursionError:
        raise InputError(f"{where}: is nested too deeply") from None
    if not isinstance(plain, dict):
        raise InputError(f"{where}: expected a mapping with schema: {SCHEMA}")
    return plain


_KINDS: dict[str, type] = {
    "model": str,
    "command": str,
    "method": str,
    "loss_inc": float,
    "candidates": list,
    "calibration_hash": str,
    "calibration_length": int,
    "window": int,
    "base_loss": float,
    "final_loss": float,
    "natural_sparsity": float,
    "sparsity": float,
    "warm_start": bool,
    "evaluations": int,
    "target_sparsity": float,
}
_OPTIONAL: dict[str, Any] = {"warm_start": False, "evaluations": 0, "target_sparsity": 0.0}
"""Keys that may be left out, with what that means."""
_CHOICE_KINDS: dict[str, type] = {"threshold": float, "density": float, "forced": bool}


def _typed(plain: dict[str, Any], kinds: dict[str, type], where: str) -> dict[str, Any]:
    """Check keys and types; an integer passes for a float."""
    for key in plain:
        if key not in kinds:
            close = difflib.get_close_matches(str(key), kinds, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(f"{where}: unknown key {key!r}{hint}")
    for key, kind in kinds.items():
        if key not in plain:
            raise InputError(f"{where}: key {key!r} is missing")
        plain[key] = _value(plain[key], kind, f"{where}: {key!r}")
    return plain


def _value(value: Any, kind: type, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is list and isinstance(value, list):
        return [_value(item, float, where) for item in value]
    if type(value) is not kind:
        raise InputError(f"{where} is {value!r}, expected {kind.__name__}")
    return value


def _choice(plain: Any, where: str) -> SiteChoice:
    if not isinstance(plain, dict):
        raise InputError(f"{where}: expected threshold and density, got {plain!r}")
    values = _typed({"forced": False, **plain}, _CHOICE_KINDS, where)
    try:
        return SiteChoice(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _plain_choice(choice: SiteChoice) -> dict[str, Any]:
    plain = {"threshold": choice.threshold, "density": choice.density}
    return {**plain, "forced": True} if choice.forced else plain
