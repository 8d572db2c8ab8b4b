"""Pages in headless Chromium: no errors, all charts drawn, hover, filter and CSV work."""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import run_folder, study
from test_report_text import runs

from seneca_sim.report.page import run_page, study_page
from seneca_sim.report.page.run_page import SECTIONS

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

COLOURS = """async () => {
  const image = new Image(), canvas = document.createElement("canvas"), found = new Set();
  image.src = document.querySelector("#heat image").href.baseVal;
  await image.decode();
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  for (let k = 0; k < data.length; k += 4)
    found.add(data[k] * 65536 + data[k + 1] * 256 + data[k + 2]);
  return found.size;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    pages = {
        "run": run_page(run_folder(place / "run-folder", runs())),
        "study": study_page(study()),
    }
    for name, text in pages.items():
        (place / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: place / f"{name}.html" for name in pages}


@pytest.fixture
def show(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Opens a page; the test fails if it complained, or asked for anything but itself."""
    said: list[str] = []
    contexts = []

    def opened(name: str, scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport={"width": 1200, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: allowed(request.url) or said.append(request.url))
        page.goto(files[name].as_uri())
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def allowed(url: str) -> bool:
    return url.startswith(("file:", "data:", "blob:"))


def marks(page: Any, chart: str, kind: str = ".mark") -> int:
    return int(page.locator(f"#{chart} .chart {kind}").count())


def test_every_chart_of_a_run(show: Any) -> None:
    page = show("run")
    charts = [anchor for anchor, _ in SECTIONS if anchor != "inputs"]
    assert {chart: marks(page, chart) > 0 for chart in charts} == dict.fromkeys(charts, True)
    assert marks(page, "mesh", "g.core") == 16
    assert marks(page, "sparsity", "rect.mark") == 7
    assert page.locator("svg[role=img]:not([aria-label])").count() == 0
    # The picture of cores over time is not of one colour.
    colours = page.evaluate(COLOURS)
    assert colours > 3


@pytest.mark.nightly
def test_going_into_the_tree_and_back(show: Any) -> None:
    page = show("run")
    page.locator("#tree rect.mark").first.click()
    assert "layer 0" in page.locator("#tree .crumbs").inner_text()
    page.locator("#tree .crumbs button").first.click()
    assert page.locator("#tree .crumbs").inner_text().startswith("whole run")


@pytest.mark.nightly
def test_hover_variants_and_theme(show: Any) -> None:
    page = show("run")
    page.locator("#variants rect.mark").first.hover()
    assert "energy" in page.locator(".tip.on").inner_text()
    before = page.locator("#tiles").inner_text()
    page.get_by_role("button", name="dense").click()
    assert page.locator("#tiles").inner_text() != before
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert show("run", "dark").evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.nightly
def test_tables_and_csv(show: Any) -> None:
    page = show("run")
    page.locator("#tree summary").click()
    assert page.locator("#tree tbody tr").count() > 20
    with page.expect_download() as download:
        page.locator("#tree .csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert sum(int(row["energy_fj"]) for row in rows) == runs()[-1].energy_fj
    with page.expect_download() as download:
        page.locator("#heat .csv").click()
    assert download.value.suggested_filename == "phases-sparsified.csv"


@pytest.mark.nightly
def test_filters_of_a_study(show: Any) -> None:
    page = show("study")
    assert marks(page, "pareto", "circle.mark") == 60
    assert marks(page, "pareto", "circle.ring") == 30
    page.locator("input[data-axis='core.npes'][data-value='4']").uncheck()
    assert marks(page, "pareto", "circle.mark") == 40
    assert "40 of 60" in page.locator("#tiles").inner_text()
    page.locator("#reset").click()
    assert marks(page, "pareto", "circle.mark") == 60
    assert marks(page, "scaling") > 0
    assert page.locator("#failed .note").count() == 1


@pytest.mark.nightly
def test_hover_and_brush_of_a_study(show: Any) -> None:
    page = show("study")
    page.locator("#pareto").scroll_into_view_if_needed()
    point = page.locator("#pareto circle.mark").first.bounding_box()
    page.mouse.move(point["x"] + 4, point["y"] + 4)
    assert "core.npes" in page.locator(".tip.on").inner_text()
    page.locator("#parallel").scroll_into_view_if_needed()
    axis = page.locator("#parallel g.axis").nth(3).locator(".overlay").bounding_box()
    x, y = axis["x"] + axis["width"] / 2, axis["y"]
    page.mouse.move(x, y + axis["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(x, y + axis["height"], steps=3)
    page.mouse.up()
    kept = marks(page, "pareto", "circle.mark")
    assert 0 < kept < 60
    with page.expect_download() as download:
        page.locator("#points > .foot .csv").click()
    rows = csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"), newline=""))
    assert len(list(rows)) == kept
