"""Options that several commands share, and what they load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seneca_sim.cli.settings import Settings
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.job import Inputs
    from workloads.job.drawn import Drawing

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CHIP = "seneca-8x8"
DEFAULT_ENERGY = "seneca-gf22"

chip_option = click.option(
    "--chip", default=DEFAULT_CHIP, show_default=True, help="Chip preset, or a YAML file."
)
set_option = click.option(
    "--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change one setting; repeatable."
)
_batch_option = click.option(
    "--batch", type=click.IntRange(min=1), metavar="B",
    help="Sequences side by side: --set mapping.batch=B.",
)  # fmt: skip
_mode_option = click.option(
    "--mode", type=click.Choice(["generation", "pipelined"]), help="The same as --set mode=…"
)


def order_options(command: F) -> F:
    """Add --batch and --mode, which stand for settings; see `with_order`."""
    return _batch_option(_mode_option(command))


def with_order(sets: tuple[str, ...], batch: int | None, mode: str | None) -> tuple[str, ...]:
    """Settings with what --batch and --mode say behind them, so that these win."""
    more = [] if batch is None else [f"mapping.batch={batch}"]
    return (*sets, *more, *([] if mode is None else [f"mode={mode}"]))


json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for machines.")


rescaled_option = click.option(
    "--rescaled",
    type=click.Choice(["undo", "keep"]),
    help="For a transformers folder whose deep blocks may hold halved weights.",
)


def workload_options(command: F) -> F:
    """Add WORKLOAD, --text, --recipe, --rescaled."""
    command = rescaled_option(command)
    command = click.option(
        "--recipe", type=click.Path(path_type=Path), help="Thresholds; default: those that ship."
    )(command)
    command = click.option(
        "--text",
        type=click.Path(path_type=Path),
        help="Text for context, tokens and bits per byte; default: held-out text that ships.",
    )(command)
    return click.argument("workload", required=False)(command)


def inputs_of(
    workload: str | None,
    text: Path | None,
    recipe: Path | None,
    settings: Settings,
    rescaled: str | None = None,
) -> Inputs:
    """The job's inputs from the command line."""
    from workloads.job import shipped_inputs

    return shipped_inputs(
        workload,
        text=text,
        recipe=recipe,
        context=settings.whole("workload.context"),
        tokens=settings.whole("workload.tokens"),
        rescaled=rescaled or "",
        batch=settings.whole("mapping.batch"),
    )


def drawing_of(settings: Settings) -> Drawing:
    """How masks are drawn where there are no weights, from the settings."""
    from workloads.job.drawn import Drawing

    return Drawing(
        tokens=settings.whole("workload.tokens"),
        batch=settings.whole("mapping.batch"),
        seed=settings.whole("workload.seed"),
        token_correlation=settings.share("workload.token_correlation"),
        hot_channels=settings.share("workload.hot_channels"),
    )


def need_torch(what: str) -> None:
    """Refuse, in one line, what cannot be done without torch.

    Raises:
        InputError: torch is not installed.
    """
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise InputError(
            f"{what} needs torch: pip install 'seneca-sim[models]'; "
            "a recorded trace can be replayed without it (run --trace FILE)"
        )
