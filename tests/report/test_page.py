"""Pages without a browser: whole, escaped, small, and the same each time."""

import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path

import pytest
from pages import EVIL, data_of, run_folder, study
from test_report_text import runs

from seneca_sim.cli.main import main
from seneca_sim.errors import InputError
from seneca_sim.report.page import Points, run_page, store_points, study_page
from seneca_sim.report.page.html import embedded
from seneca_sim.report.page.run_page import SECTIONS, TABLES, _first_tokens
from seneca_sim.report.page.study_page import axis_of
from seneca_sim.results.store import Record, Store

ASSETS = resources.files("seneca_sim.report.page") / "assets"


def test_the_data_are_the_folder_s_own_files(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", runs())
    page = run_page(folder)
    data = data_of(page)
    assert list(data["tables"]) == ["dense", "natural", "sparsified"]
    for label, tables in data["tables"].items():
        for name in TABLES:
            assert tables[name] == (folder / label / f"{name}.csv").read_text(encoding="utf-8")
    assert data["summary"]["variants"][-1]["energy_fj"] == runs()[-1].energy_fj
    assert page == run_page(folder / "summary.json")


def test_nothing_is_fetched_and_nothing_escapes(tmp_path: Path) -> None:
    run, points = run_page(run_folder(tmp_path / "run", runs())), study_page(study())
    for page in (run, points):
        own = page.replace((ASSETS / "d3.min.js").read_text(encoding="utf-8"), "")
        assert not re.findall(r"https?://|<link[^>]+stylesheet|<script[^>]+src|@import|url\(", own)
        assert "default-src 'none'" in own
        assert "<img" not in own
        assert own.count("</script>") == own.count("<script") == 3
    assert html.unescape(run).count(EVIL) == 1  # the warning; in the inputs YAML quotes it
    assert EVIL in data_of(points)["axes"][1]["values"]
    assert data_of(points)["failed"][0]["error"] == f"does not fit {EVIL}"


@pytest.mark.parametrize("text", [EVIL, "<!--<script>", "]]>", "\u2029"])
def test_json_in_a_page(text: str) -> None:
    found = embedded({text: [text]})
    assert not set(found) & set("<>&\u2028\u2029")
    assert json.loads(found) == {text: [text]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded({"x": float("nan")})


def test_every_section_of_the_navigation_is_drawn(tmp_path: Path) -> None:
    page = run_page(run_folder(tmp_path / "run", runs()))
    for anchor, _ in SECTIONS:
        assert f'href="#{anchor}"' in page
        assert f'id: "{anchor}"' in page or f'id="{anchor}"' in page


def test_sizes() -> None:
    assert len(study_page(study(1000)).encode()) < 1_000_000


def test_cores_over_time_are_cut_between_tokens() -> None:
    lines = ["token,core", *(f"{token},{core}" for token in range(5) for core in range(3))]
    text = "\n".join(lines) + "\n"
    assert _first_tokens(text, len(text)) == (text, None)
    short, tokens = _first_tokens(text, len(text) - 1)
    assert tokens == 4
    assert short.splitlines() == lines[:13]


def test_the_study_s_data() -> None:
    data = data_of(study_page(study(6)))
    npes, bits, memory = data["axes"]
    assert npes == {"name": "core.npes", "values": [4, 8, 16], "numbers": [4, 8, 16]}
    assert bits["numbers"] is None
    assert memory["values"] == ["512 Kib", "4 Mib"]
    assert memory["numbers"] == [2**19, 2**22]
    assert data["metrics"] == ["energy_per_token_j", "latency_per_token_s", "cycles"]
    assert len(data["rows"]) == 6
    assert [point["core.npes"] for point in data["failed"]] == [32]


def test_the_study_s_verdict() -> None:
    page = study_page(study())
    assert (
        "60 points: energy per token from 10.0 µJ to 138 µJ, latency per token from 497 µs to "
        "1.00 ms; 30 are beaten by none."
    ) in page
    assert "1 point could not run" in page
    with pytest.raises(InputError, match="no point with numbers"):
        study_page(Points("none", [], []))


def test_axes_of_one_kind_of_quantity() -> None:
    assert axis_of("clock_hz", ["1 GHz", "200 MHz"])["values"] == ["200 MHz", "1 GHz"]
    assert axis_of("x", ["b", "a"]) == {"name": "x", "values": ["b", "a"], "numbers": None}
    assert axis_of("x", [True, False])["values"] == [True, False]


def test_a_store_is_a_study(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.writer() as writer:
        for n in (1, 2, 3):
            summary = {"energy_per_token_j": n * 1e-6, "latency_per_token_s": 1e-3 / n}
            writer.append(Record(f"{n}", f"k{n}", {"columns": n}, "ok", summary, {"study": "s"}))
    points = store_points(tmp_path / "store")
    assert (points.name, points.axes, len(points.rows)) == ("s", ["columns"], 3)
    assert "3 are beaten by none" in study_page(points)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, page = run_folder(tmp_path / "run", runs()), tmp_path / "a.html"
    assert main(["report", str(folder), "-o", str(page), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out == {"file": str(page), "bytes": page.stat().st_size}
    (folder / "dense" / "phases.csv").unlink()
    assert main(["report", str(folder), "-o", str(page)]) == 2
    assert "written by an older version: run again" in capsys.readouterr().err
    assert main(["report", str(folder), "-o", str(tmp_path / "a.pdf")]) == 2
    assert "ends in .html" in capsys.readouterr().err
    assert main(["report", "core-counts"]) == 2
    assert "say where with -o FILE.html" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none"), "-o", str(page)]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_library_is_what_its_readme_says() -> None:
    digest = hashlib.sha256((ASSETS / "d3.min.js").read_bytes()).hexdigest()
    readme = (ASSETS / "README.md").read_text(encoding="utf-8")
    assert digest in readme
    assert "Permission to use, copy, modify" in (ASSETS / "d3.LICENSE").read_text(encoding="utf-8")
