"""A report as HTML: the page that `save_html` writes, and what a notebook shows."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_inits.reports.tables import Table

if TYPE_CHECKING:
    from keras_inits.reports.report import Report

TEMPLATES = Path(__file__).parent / "templates"


def page(report: Report) -> str:
    """The whole page, which needs nothing from elsewhere."""
    figures = [_svg(figure, f"row-{i}") for i, figure in enumerate(report.row_figures())]
    return _rendered("page.html", report, figure=_figure(report), figures=figures)


def fragment(report: Report) -> str:
    """The summary, the problems and the rows in a box that scrolls."""
    return _rendered("fragment.html", report, figure="", figures=[])


def _rendered(name: str, report: Report, **values: Any) -> str:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as error:
        message = 'pages need Jinja2: pip install "keras_inits[plots]"'
        raise ModuleNotFoundError(message) from error
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    table = report.table()
    return environment.get_template(name).render(
        title=report.title,
        summary=report.summary(),
        problems=report.problems,
        headers=table.headers,
        rows=table.cells,
        numeric=[_is_numeric(table, i) for i in range(len(table.headers))],
        **values,
    )


def _is_numeric(table: Table, column: int) -> bool:
    pattern = re.compile(r"-|[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|-?inf|nan")
    return all(pattern.fullmatch(row[column]) for row in table.cells)


def _figure(report: Report) -> str:
    try:
        return _svg(report.plot(), "figure")
    except ValueError:  # nothing to draw
        return ""


def _svg(figure: Any, prefix: str) -> str:
    """The figure as an element of the page; ids of its own, since a page has each once."""
    if figure is None:
        return ""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": prefix, "svg.fonttype": "none"}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    text = file.getvalue()
    return text[text.index("<svg") :]
