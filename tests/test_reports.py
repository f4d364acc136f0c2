"""Reports: plain data that JSON takes, tables that fit a terminal, figures of one's own rows."""

from __future__ import annotations

import csv
import enum
import importlib
import io
import itertools
import json
import math
import os
import pkgutil
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

import keras_inits
from keras_inits.comparison import Comparison, Row
from keras_inits.reports.plain import plain
from keras_inits.reports.progress import progress
from keras_inits.reports.report import Counts, Panel, Problem, Report
from keras_inits.reports.style import new_figure

pytestmark = pytest.mark.once

NAN, INF = math.nan, math.inf


@dataclass
class Inner:
    value: Any = NAN


@dataclass
class Wild:
    """Whatever a row could hold and JSON does not."""

    path: str = "layer/kernel"
    std: float = NAN
    kind: str = "Dense"
    problem: str = ""
    numbers: Any = field(default_factory=lambda: (1.0, INF, -INF, np.float32("nan"), np.int8(3)))
    nested: Any = field(default_factory=lambda: {"a": [Inner(), Inner((NAN, 2))], 3: {NAN}})
    array: Any = field(default_factory=lambda: np.array([[1.5, NAN]]))
    other: Any = field(default_factory=lambda: [Path("a/b"), np.dtype("int8"), object, 1j, b"x"])


def _reports() -> list[type[Report]]:
    """Every class of report in the package."""
    for module in pkgutil.walk_packages(keras_inits.__path__, "keras_inits."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)

    def below(cls: type) -> Iterator[type]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    found = {c for c in below(Report) if c.__module__.startswith("keras_inits.")}
    return [Report, *sorted(found, key=lambda cls: cls.__name__)]


def _example(cls: type[Report]) -> Report:
    if cls is Comparison:
        row = Row("deep", "he_normal", "law", [[NAN, INF]], [[0.1, NAN]])
        return Comparison(
            "digits", "jax", 1, [0], {"deep": "ten"}, [row], [Problem("a.keras", "differs")]
        )
    if cls.__name__ == "Replication":
        made = cls("paper", "claim", [("case", "figure", NAN)], [])
        made.problems.append(Problem("layer/kernel", "dead"))
        return made
    further = {"CoordinateCheck": ([64, 128], 3), "Mup": (None,)}.get(cls.__name__, ())
    return cls([Wild(), Wild()], [("layer/kernel", "dead")], *further)


def test_every_report_is_json() -> None:
    classes = _reports()
    assert len(classes) > 4
    for cls in classes:
        found = _example(cls).to_dict()
        assert json.loads(json.dumps(found, allow_nan=False)) == found, cls.__name__
        assert found["rows"]
        assert set(found["problems"][0]) == {"path", "reason", "why", "code"}
        assert cls.__doc__


def test_plain_values() -> None:
    class Colour(enum.IntEnum):
        RED = 3

    found = plain(Wild())
    assert found["std"] is None
    assert found["numbers"] == [1.0, None, None, None, 3]
    assert found["nested"] == {"a": [{"value": None}, {"value": [None, 2]}], "3": [None]}
    assert found["array"] == [[1.5, None]]
    assert found["other"][:2] == ["a/b", "int8"]
    assert (
        json.dumps(plain([True, None, "x", Colour.RED, 2**70])) == f'[true, null, "x", 3, {2**70}]'
    )
    assert plain(np.float64(0.1)) == 0.1
    assert plain(np.array(2.5)) == 2.5


def test_a_report_without_anything_to_draw_says_so() -> None:
    with pytest.raises(ValueError, match="Report: panels must say what to plot, got none"):
        Report([Wild()]).plot()


def test_a_report_of_ones_own_counts_its_rows() -> None:
    class Checked(Report):
        title = "Checked"
        panels = Counts("kind", "problem", "pass", "fail")

    rows = [Wild(), Wild(problem="bad"), Wild(kind="Conv")]
    axes = Checked(rows).plot().axes[0]
    good, bad = axes.containers
    assert [bar.get_width() for bar in good] == [1, 1]
    assert [bar.get_width() for bar in bad] == [1, 0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Dense", "Conv"]
    assert [text.get_text() for text in axes.texts] == ["2 pass, 1 fail"]


@dataclass
class Long:
    path: str
    scheme: str
    std: float | None
    note: str = ""


class Shown(Report):
    title = "Shown"
    columns = {"path": "path", "scheme": "scheme", "std": "measured std", "note": "note"}  # noqa: RUF012
    drop = ("scheme",)
    panels = (Panel("std", "std", "std"),)


def test_nothing_is_broken_at_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # fewer than 80 are not believed
    path = "encoder/" * 6 + "kernel"
    rows = [Long(path, "[bold]Normal(0.05)[/]", 0.125), Long("b", "c", None)]
    problems = [
        Problem("a/b", "it [x] is so " * 20, "Why not.", "a = 1\nb = 2"),
        ("c" * 90, "short"),
    ]
    lines = str(Shown(rows, problems)).splitlines()
    assert lines[0] == "Shown: 2 rows, 2 problems"
    assert all(cell_len(line) <= 80 for line in lines if "ccc" not in line)
    assert "c" * 90 in lines
    assert {"  Why not.", "      a = 1", "      b = 2", "  short"} <= set(lines)
    (line,) = [line for line in lines if line.startswith("encoder")]
    assert line.split() == [path, "0.125"]  # the empty column went first, then the scheme
    assert lines[-1] == "Not shown: scheme, note; all: .to_dict(), .to_csv(), .to_json()"
    monkeypatch.setenv("COLUMNS", "160")
    wide = str(Shown(rows))
    assert "[bold]Normal(0.05)[/]" in wide
    assert "Not shown" not in wide
    monkeypatch.setenv("COLUMNS", "80")
    report = Shown([Long("x" * 40, "s" * 60, 0.125, "why")])
    report.drop = ()  # then the last goes first: all but the path, where the scheme is the widest
    (line,) = [line for line in str(report).splitlines() if line.startswith("xxx")]
    assert line.split() == ["x" * 40, "0.125", "why"]
    alone = str(Shown([Long("x" * 100, "a", 1.0)])).splitlines()
    assert alone[-2] == "x" * 100


def test_a_screen_of_rows_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    report = Shown([Long(f"layer_{i}", "s", 1.0) for i in range(100)])
    text = str(report)
    assert len(text.splitlines()) < 35
    assert "... 75 more rows: .show(all=True)" in text
    assert "layer_19" in text
    assert "layer_20 " not in text
    assert "layer_99" in text
    report.show(all=True)
    assert sum(line.startswith("layer_") for line in capsys.readouterr().out.splitlines()) == 100
    few = Shown([Long(f"layer_{i}", "s", 1.0) for i in range(25)])
    assert "more rows" not in str(few)


def test_exports(tmp_path: Path) -> None:
    report = Shown([Long("a,b", "s", NAN, 'say "x"'), Long("c", "s", 0.5)], [("c", "bad")])
    assert json.loads(report.to_json(tmp_path / "r.json")) == report.to_dict()
    assert json.loads((tmp_path / "r.json").read_text()) == report.to_dict()
    text = report.to_csv(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {"path": "a,b", "scheme": "s", "std": "", "note": 'say "x"'}
    assert rows[1]["std"] == "0.5"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.csv", "r.json"]
    with pytest.raises(FileNotFoundError, match=r"r\.json: there is no folder .*missing$"):
        report.to_json(tmp_path / "missing" / "r.json")


def test_a_frame_where_pandas_is(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Shown([Long("a", "s", 0.5)])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="to_frame needs pandas: pip install pandas"):
        report.to_frame()
    made = SimpleNamespace(DataFrame=list)
    monkeypatch.setitem(sys.modules, "pandas", made)
    assert report.to_frame() == [{"path": "a", "scheme": "s", "std": 0.5, "note": ""}]


class Pictured(Shown):
    def row_figures(self) -> Iterator[Any]:
        for row in self.rows:
            yield new_figure(lambda figure, row=row: figure.subplots().plot([0, row.std]), 3, 2)


EVIL = "<script>alert(1)</script>&"


def pictured() -> Report:
    rows = [Long(f"layer_{i}/{EVIL}", EVIL, float(i * 7 % 10)) for i in range(10)]
    return Pictured(rows, [Problem(EVIL, "bad", "because", f"x = '{EVIL}'\ny = 2")])


class Reader(HTMLParser):
    """The tags of a page and the text of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attributes if k in ("src", "href") or (v and "//" in v)]
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "td" and self.cells:
            self.cells[-1] += data


def test_the_page_is_whole_and_takes_text_for_text(tmp_path: Path) -> None:
    report = pictured()
    report.save_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    page = Reader(text)
    assert page.tags.count("script") == 1
    assert page.tags.count("template") == 10
    # Nothing is fetched: links are within the page, or names of XML.
    outside = [link for link in page.links if not link.startswith(("#", "http://www.w3.org/"))]
    assert all("//" not in link for link in outside), outside
    assert f"layer_3/{EVIL}" in page.cells
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    fragment = Reader(report._repr_html_())
    assert "script" not in fragment.tags
    assert f"layer_3/{EVIL}" in fragment.cells
    assert "overflow: auto" in report._repr_html_()
    with pytest.raises(OSError):
        report.save_html(tmp_path / "missing" / "page.html")


def test_pages_say_what_they_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match="pages need Jinja2"):
        pictured().save_html(tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.browser
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    pictured().save_html(tmp_path / "page.html")
    where = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=where, args=["--no-sandbox"])
        for dark in ("light", "dark"):
            context = browser.new_context(color_scheme=dark, offline=True)
            page, errors = context.new_page(), []
            page.on("pageerror", lambda error, found=errors: found.append(error))
            page.goto((tmp_path / "page.html").as_uri())
            column = page.locator("#rows tbody tr:not(.open) td:nth-child(3)")
            assert column.all_inner_texts() == [str(i * 7 % 10) for i in range(10)]
            head = page.locator("#rows th button").nth(2)
            head.click()
            assert column.all_inner_texts() == [str(i) for i in range(10)]
            head.click()
            assert column.all_inner_texts() == [str(9 - i) for i in range(10)]
            page.fill("#filter", "layer_3")
            assert page.inner_text("#count") == "1 of 10"
            page.fill("#filter", "")
            row = page.locator("#rows tbody tr:not(.open)").nth(4)
            row.click()
            assert page.locator("tr.open svg").count() == 1
            row.click()
            assert page.locator("tr.open").count() == 0
            page.locator(".copy").click()
            page.wait_for_function("document.querySelector('.copy').textContent !== 'Copy'")
            assert not errors
        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto((tmp_path / "page.html").as_uri())
        assert plain.locator("#rows tbody tr").count() == 10
        assert not plain.locator("#filter").is_visible()
        browser.close()


class Screen(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("terminal", [False, True])
def test_long_work_says_how_far_it_is(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 1.0)  # each look at the clock a second later
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr(sys, "stderr", Screen(terminal))
    monkeypatch.setenv("TERM", "xterm")
    with progress("lsuv", 20) as advance:
        for i in range(20):
            advance(f"layer {i}")
    said = sys.stderr.getvalue()
    if terminal:
        assert "lsuv: layer 19" in said
        assert "\x1b[?25h" in said  # the cursor is back
    else:
        assert said == "lsuv: layer 1: 10% after 2 s\nlsuv: layer 11: 60% after 12 s\n"
    with progress("quiet", 20, shown=False) as advance:
        [advance() for _ in range(20)]
    assert sys.stderr.getvalue() == said


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("quick", 3) as advance:
        [advance() for _ in range(3)]
    assert capsys.readouterr().err == ""


def test_figures_show_by_themselves() -> None:
    figure = new_figure(lambda figure: figure.subplots(), 2, 1)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_comparison_is_a_report() -> None:
    rows = [
        Row("deep", "he_normal", "N(0, 2/fan_in)", [[2.5, 0.1]], [[0.1, 0.95]], "a.keras", True),
        Row("deep", "zero", "0", [[NAN, INF]], [[0.1, 0.1]], "b.keras"),
    ]
    report = Comparison(
        "digits", "jax", 1, [7], {"deep": "ten layers"}, rows, [("b.keras", "predictions differ")]
    )
    assert repr(report) == "<Comparison: 2 rows, 1 problems>"
    found = report.to_dict()
    keys = "data backend epochs seeds rows problems networks"
    assert list(found) == keys.split()
    assert (found["data"], found["backend"], found["epochs"], found["seeds"]) == (
        "digits",
        "jax",
        1,
        [7],
    )
    assert found["problems"] == [
        {"path": "b.keras", "reason": "predictions differ", "why": "", "code": ""}
    ]
    assert found["rows"][0]["epochs_to_90_percent"] == 1
    assert found["rows"][1] == {
        **{"network": "deep", "scheme": "zero", "law": "0", "loss": [[None, None]]},
        **{"accuracy": [[0.1, 0.1]], "path": "b.keras", "reloads": None},
        **{"final_accuracy": 0.1, "epochs_to_90_percent": None, "worse_than_best": False},
    }
    (line,) = [
        line.split()
        for line in str(report).splitlines()
        if "he_normal" in line and "best" not in line
    ]
    assert line == ["deep", "he_normal", "2.5", "0.95", "0.95", "0.95", "1"]
    assert report.of("shallow") == []
