"""Reports: plain data that JSON takes, tables that fit a terminal, figures of one's own rows."""

from __future__ import annotations

import enum
import importlib
import json
import math
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

import keras_inits
from keras_inits.comparison import Comparison, Row
from keras_inits.reports.plain import plain
from keras_inits.reports.report import Counts, Panel, Problem, Report

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
        row = Row("deep", "he_normal", "law", [NAN, INF], [0.1, NAN], NAN)
        return Comparison("digits", "jax", 1, 0, [row], [Problem("a.keras", "differs")])
    return cls([Wild(), Wild()], [("layer/kernel", "dead")])


def test_every_report_is_json() -> None:
    classes = _reports()
    assert len(classes) > 4
    for cls in classes:
        found = _example(cls).to_dict()
        assert json.loads(json.dumps(found, allow_nan=False)) == found, cls.__name__
        assert found["rows"]
        assert set(found["problems"][0]) == {"path", "reason"}
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


def test_tables_fit_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    @dataclass
    class Long:
        path: str
        scheme: str
        std: float | None

    class Shown(Report):
        title = "Shown"
        columns = {"path": "path", "scheme": "scheme", "std": "measured std"}  # noqa: RUF012
        panels = (Panel("std", "std", "std"),)

    rows = [Long("encoder/" * 8 + "kernel", "[bold]Normal(0.05)[/]", 0.125), Long("b", "c", None)]
    printed = str(Shown(rows, [("a/b", "it [x] is so" * 20)]))
    assert all(cell_len(line) <= 80 for line in printed.splitlines())
    assert "[bold]Normal(0.05)[/]" in printed
    assert "Shown (2)" in printed
    assert "Problems (1)" in printed
    shown = Shown([Long("<b>", "&", NAN)])._repr_html_()
    assert "<td>&lt;b&gt;</td><td>&amp;</td><td>nan</td>" in shown
    assert "<caption>Shown (1)</caption>" in shown


def test_a_comparison_is_a_report() -> None:
    rows = [
        Row("deep", "he_normal", "N(0, 2/fan_in)", [2.5, 0.1], [0.1, 0.95], 1.5, "a.keras", True),
        Row("deep", "zero", "0", [NAN, INF], [0.1, 0.1], 1.5, "b.keras"),
    ]
    report = Comparison("digits", "jax", 1, 7, rows, [("b.keras", "predictions differ")])
    assert repr(report) == "<Comparison: 2 rows, 1 problems>"
    found = report.to_dict()
    keys = "data backend epochs seed rows problems batch networks"
    assert list(found) == keys.split()
    assert (found["data"], found["backend"], found["epochs"], found["seed"]) == (
        "digits",
        "jax",
        1,
        7,
    )
    assert found["problems"] == [{"path": "b.keras", "reason": "predictions differ"}]
    assert found["rows"][0]["epochs_to_90_percent"] == 1
    assert found["rows"][1] == {
        **{"network": "deep", "scheme": "zero", "law": "0", "loss": [None, None]},
        **{"accuracy": [0.1, 0.1], "seconds": 1.5, "path": "b.keras", "reloads": False},
        "epochs_to_90_percent": None,
    }
    (line,) = [line.split() for line in str(report).splitlines() if "he_normal" in line]
    assert line == ["deep", "he_normal", "2.5", "0.95", "1", "1.5", "yes"]
    assert report.of("shallow") == []
