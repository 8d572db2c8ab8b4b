"""From data to one HTML file: the template, escaping, and what is put inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import jinja2

D3_VERSION: Final = "7.9.2"
# All of it goes into one script; the first has what the others share.
RUN_SCRIPTS: Final = ("base.js", "charts.js", "run_energy.js", "run_time.js")
STUDY_SCRIPTS: Final = ("base.js", "charts.js", "study.js")


@dataclass(frozen=True)
class Page:
    """What the template shows, as plain text; everything is escaped.

    Attributes:
        kicker: a few words above the verdict.
        verdict: the answer in a sentence.
        sections: (anchor, name) of the charts, for the navigation.
        main: the table of figures, its first row the header.
        inputs: a text shown as it is.
        data: what the scripts draw; JSON.
    """

    title: str
    kicker: str
    verdict: str
    context: str
    sections: Sequence[tuple[str, str]]
    data: Mapping[str, Any]
    footer: str
    warnings: Sequence[str] = ()
    main: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    tiles: bool = False
    inputs: str = ""
    inputs_lead: str = ""
    scripts: Sequence[str] = RUN_SCRIPTS


def render(page: Page) -> str:
    """The page as HTML; the same page gives the same text."""
    from markupsafe import Markup

    return _template().render(
        **{name: getattr(page, name) for name in page.__dataclass_fields__ if name != "data"},
        data=Markup(embedded(page.data)),
        style=Markup(_asset("page.css")),
        library=Markup(_asset("d3.min.js")),
        script=Markup("\n".join(_asset(name) for name in page.scripts)),
        d3_version=D3_VERSION,
    )


def embedded(data: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element, whatever text is in it.

    No `<` is left, so neither `</script>` nor `<!--` can be; U+2028 and U+2029 are escaped too.

    Raises:
        ValueError: a number that JSON has not (infinite, or none).
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html"))
