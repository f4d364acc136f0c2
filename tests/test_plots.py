"""Figures: labels that can be read, densities that are those of the draws, settings left alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from conftest import python
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import integrate, optimize

import keras_inits as ki
from keras_inits import plots
from keras_inits.comparison import DEFAULT, Comparison, Row
from keras_inits.comparison.curves import spread
from keras_inits.plots.spectra import marchenko_pastur
from keras_inits.reports.report import Panel, Report
from keras_inits.reports.style import line_style, outliers

pytestmark = pytest.mark.once


@dataclass
class Compared:
    path: str
    before: float
    after: float


@pytest.fixture
def comparison():
    """Thirteen curves, many of which end in the same place."""
    generator = np.random.default_rng(0)
    rows = []
    for network in ("shallow", "deep"):
        for i, scheme in enumerate(DEFAULT):
            end = (0.08, 0.11, 0.97, 1.0)[min(i // 2, 3)]
            accuracy = np.linspace(0.1, end, 21) - generator.uniform(0, 0.01, 21)
            accuracy = [*accuracy[:-1].tolist(), end]
            rows.append(Row(network, scheme, "law", [[1.0] * 21], [accuracy]))
    networks = {"shallow": "two layers", "deep": "ten layers"}
    return Comparison("digits", "jax", 20, [0], networks, rows)


def _rendered(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def _texts(axes, renderer):
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in axes.texts
        if text.get_text()
    ]


def test_every_curve_has_a_label_that_overlaps_none(comparison):
    figure = plots.learning_curves(comparison)
    renderer = _rendered(figure)
    page = figure.bbox.padded(1)
    placed = [item for axes in figure.axes for item in _texts(axes, renderer)]
    for scheme in DEFAULT:
        assert [text for text, _ in placed].count(scheme) == 2
    for i, (text, box) in enumerate(placed):
        assert page.fully_containsx(box.x0), text
        assert page.fully_containsx(box.x1), text
        assert page.fully_containsy(box.y0), text
        assert page.fully_containsy(box.y1), text
        for other, second in placed[:i]:
            assert not box.padded(-1).overlaps(second.padded(-1)), (text, other)


def test_curves_show_the_accuracies(comparison):
    figure = comparison.plot()
    shallow = figure.axes[0]
    curves = [line for line in shallow.lines if len(line.get_ydata()) == 21]
    for line, row in zip(curves, comparison.of("shallow"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), np.minimum(row.accuracy[0], 0.995))
    low, high = shallow.get_ylim()
    heights = shallow.transData.transform([(0, low), (0, 0.9), (0, 0.95), (0, high)])[:, 1]
    assert (np.diff(heights) > 20).all()


def test_one_epoch_and_many_schemes_fit(comparison):
    rows = [Row("deep", f"scheme_{i}", "law", [[1.0, 1.0]], [[0.1, 0.1]]) for i in range(40)]
    figure = plots.learning_curves(Comparison("digits", "jax", 1, [0], {"deep": "ten"}, rows))
    boxes = [box for text, box in _texts(figure.axes[0], _rendered(figure)) if "_" in text]
    tops = sorted(box.y0 for box in boxes)
    assert len(boxes) == 40
    assert min(np.diff(tops)) > 0.7 * boxes[0].height


def test_laws_differ_by_dashes_families_by_colour():
    uniform, normal = line_style("he_uniform"), line_style("he_normal")
    assert uniform["color"] == normal["color"]
    assert uniform["linestyle"] != normal["linestyle"]
    families = ("he_normal", "glorot_normal", "lecun_normal", "normal", "data_normal", "orthogonal")
    assert len({line_style(name)["color"] for name in families}) == len(families)


@pytest.mark.parametrize("seed", range(5))
def test_spread_is_the_least_move(seed):
    generator = np.random.default_rng(seed)
    wanted = np.round(generator.uniform(0, 1, 7) ** 3, 1)
    placed = spread(wanted, 0.1)
    order = np.argsort(wanted, kind="stable")
    gaps = np.diff(placed[order])
    assert gaps.min() >= 0.1 - 1e-12
    assert placed.min() >= 0
    assert placed.max() <= 1 + 1e-12
    best = optimize.minimize(
        lambda p: ((p - wanted[order]) ** 2).sum(),
        np.linspace(0, 1, 7),
        bounds=[(0, 1)] * 7,
        constraints={"type": "ineq", "fun": lambda p: np.diff(p) - 0.1},
        tol=1e-12,
    )
    np.testing.assert_allclose(placed[order], best.x, atol=1e-5)


def test_spread_leaves_alone_what_is_apart():
    assert spread([0.9, 0.1, 0.5], 0.2).tolist() == [0.9, 0.1, 0.5]
    assert spread([0.5] * 11, 0.5).tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    assert spread([0.3], 0.1).tolist() == [0.3]


SHAPE = (300, 200)
FEATURES = np.linspace(-1, 1, 300)
WITH_DENSITY = {
    "Uniform": (ki.Uniform(0.2, seed=1), 0.2**2 / 3),
    "Normal": (ki.Normal(0.2, seed=1), 0.2**2),
    "RandomUniform": (ki.RandomUniform(1.0, 3.0, seed=1), 1 / 3),
    "RandomNormal": (ki.RandomNormal(5.0, 2.0, seed=1), 4.0),
    "TruncatedNormal": (ki.TruncatedNormal(1.0, 2.0, seed=1), 4 * 0.7737413),
    "VarianceScaling": (ki.VarianceScaling(3.0, "fan_out", seed=1), 3 / 200),
    "LecunUniform": (ki.LecunUniform(seed=1), 1 / 300),
    "LecunNormal": (ki.LecunNormal(seed=1), 1 / 300),
    "GlorotUniform": (ki.GlorotUniform(seed=1), 2 / 500),
    "GlorotNormal": (ki.GlorotNormal(seed=1), 2 / 500),
    "HeUniform": (ki.HeUniform(seed=1), 2 / 300),
    "HeNormal": (ki.HeNormal(seed=1), 2 / 300),
    "FanInUniform": (ki.FanInUniform(seed=1), 1 / 900),
    "KaimingNormal": (ki.KaimingNormal(nonlinearity="tanh", seed=1), 25 / 9 / 300),
    "Orthogonal": (ki.Orthogonal(-2.0, seed=1), 4 / 300),
    "DataNormal": (ki.DataNormal(FEATURES.tolist(), 0.5, seed=1), 0.25 + FEATURES.var()),
}


@pytest.mark.parametrize("case", WITH_DENSITY)
def test_density_is_that_of_the_draws(case):
    scheme, variance = WITH_DENSITY[case]
    density = plots.exact_density(scheme, SHAPE)
    values = keras.ops.convert_to_numpy(scheme(SHAPE)).astype("float64").ravel()
    spread_ = 9 * math.sqrt(variance)
    centre = {"RandomUniform": 2.0, "RandomNormal": 5.0, "TruncatedNormal": 1.0}.get(case, 0.0)
    z = np.linspace(centre - spread_, centre + spread_, 20_001)
    p = density(z)
    assert integrate.trapezoid(p, z) == pytest.approx(1, abs=1e-3)
    assert integrate.trapezoid(p * (z - centre) ** 2, z) == pytest.approx(variance, rel=2e-3)
    # Kolmogorov's distance at p = 1e-4 is 2.23 / sqrt(n).
    share = np.searchsorted(np.sort(values), z, side="right") / values.size
    distance = np.abs(share - integrate.cumulative_trapezoid(p, z, initial=0)).max()
    assert distance < 2.23 / math.sqrt(values.size) + 1e-3


def test_no_density_without_one():
    for scheme in (ki.Zero(), ki.Identity(), ki.DataNormal([0.0, 1.0], [1.0, 0.0])):
        assert plots.exact_density(scheme, (2, 2)) is None


def test_histograms_show_each_scheme_and_its_law():
    x = np.random.default_rng(0).normal(size=(100, 64))
    schemes = ["xavier_normal", ki.Identity(), ki.DataNormal.from_data(x), ki.Orthogonal(seed=0)]
    figure = plots.histograms([*schemes, ki.Zero()], (64, 64), columns=2)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [axes.get_title(loc="left") for axes in shown]
    assert titles == ["XavierNormal", "Identity", "DataNormal", "Orthogonal", "Zero"]
    identity = [text.get_text() for text in shown[1].texts]
    assert identity == ["gain * I", "98.4%", "1.6%"]
    for axes in (shown[0], shown[2], shown[3]):
        (curve,) = axes.lines
        # The histogram and the curve have the same area: one is drawn against the other.
        (bars,) = axes.patches
        top = bars.get_xy()[:, 1].max()
        assert top == pytest.approx(curve.get_ydata().max(), rel=0.25)


class Deviations(Report):
    panels = (Panel("std", "first", "second"),)


@dataclass(frozen=True)
class Pair:
    path: str
    first: float | None = None
    second: float | None = None


def _marked(axes):
    """The markers as (value, row), by look."""
    marks = {"none": [], "full": []}
    for line in axes.lines:
        marks[line.get_fillstyle()] = list(zip(*line.get_data(), strict=True))
    return marks


@pytest.mark.parametrize("factor", [1.0, 1e3])
def test_a_report_is_drawn_row_by_row(factor):
    rows = [Pair("a", 0.5, 1.0), Pair("none"), Pair("b", 0.0, factor), Pair("c", math.nan, 2.0)]
    axes = Deviations(rows).plot().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert _marked(axes) == {"none": [(0.5, 0)], "full": [(1.0, 0), (factor, 1), (2.0, 2)]}
    assert axes.get_xscale() == ("linear" if factor == 1 else "log")
    low, high = axes.get_ylim()
    assert low > high  # the first row is on top
    wide = Deviations([Pair("$a_b$", 1e-9, 1.0), Pair("c$", 1e-2, 1.0)]).plot()
    labels = [label.get_text() for label in wide.axes[0].get_xticklabels()]
    assert 4 <= len([text for text in labels if text]) <= 14
    _rendered(wide)
    many = Deviations([Pair(f"layer_{i}", 1.0, 2.0) for i in range(300)]).plot()
    assert many.get_figheight() < 9
    with pytest.raises(ValueError, match="Deviations: rows must have numbers to plot, got none"):
        Deviations([Pair("zeros", 0.0, 0.0)]).plot()


def test_every_report_has_a_figure():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, "relu", name="a")])
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    for report, count in [
        (ki.initialize(model, "torch", seed=0), 2),
        (ki.lsuv(model, x, seed=0), 1),
        (ki.data_dependent(model, x), 1),
    ]:
        axes = report.plot().axes[0]
        assert len(_marked(axes)["full"]) == len(axes.get_yticklabels()) == count
    axes = ki.check_reloadable(model).plot().axes[0]
    assert sum(bar.get_width() for bar in axes.patches) == len(ki.check_reloadable(model).rows)
    model.layers[0].kernel_initializer = lambda shape, dtype: np.zeros(shape)
    report = ki.check_reloadable(model)
    good, bad = report.plot().axes[0].containers
    assert sum(bar.get_width() for bar in bad) == 1 == len(report.problems)
    assert sum(bar.get_width() for bar in good) == len(report.rows) - 1


@pytest.mark.slow
def test_figures_leave_the_settings_alone_and_need_no_pyplot(tmp_path):
    code = """
import sys
sys.modules["matplotlib.pyplot"] = None
import keras_inits as ki
from keras_inits import plots
import matplotlib
matplotlib.rcParams |= {"font.size": 17, "backend": "svg"}
before = dict(matplotlib.rcParams)
plots.histograms([ki.Uniform(seed=0)], (32, 32)).savefig(sys.argv[1])
assert dict(matplotlib.rcParams) == before
print("left alone")
"""
    path = tmp_path / "figure.png"
    assert python(code, str(path)).strip() == "left alone"
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(400, 400), (400, 100), (100, 400)])
def test_marchenko_and_pastur_are_the_law_of_singular_values(shape):
    std, (rows, columns) = 0.3, shape
    values = np.linalg.svd(np.random.default_rng(0).normal(0, std, shape), compute_uv=False)
    bounds = [std * abs(math.sqrt(rows) + sign * math.sqrt(columns)) for sign in (-1, 1)]
    # The bulk is rigid: far closer to its law than independent values would be.
    for share in (0.1, 0.5, 0.9):
        below, _ = integrate.quad(
            lambda s: marchenko_pastur(s, rows, columns, std), bounds[0], np.quantile(values, share)
        )
        assert below == pytest.approx(share, abs=0.02)
    total, _ = integrate.quad(lambda s: marchenko_pastur(s, rows, columns, std), *bounds)
    assert total == pytest.approx(1, abs=1e-3)


def test_singular_values_say_what_they_find():
    mean = np.asarray(ki.HeNormal(seed=0)((200, 100))) + 0.05
    kernels = {
        "he": ki.HeNormal(seed=0),
        "shifted": mean,
        "q": ki.Orthogonal(seed=0),
        "eye": np.eye(4),
    }
    figure = plots.singular_values(kernels, (200, 100))
    _rendered(figure)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[1:] == ["shifted: 1 beyond chance", "q: all 1", "eye: all 1"]
    assert titles[0].startswith("he: ")
    assert len(plots.singular_values(["he_normal"], (3, 3, 8, 8)).axes) == 1
    for bad, message in (([], "one kernel or more"), ({"a": np.ones(3)}, "two axes or more")):
        with pytest.raises(ValueError, match=f"singular_values: kernels must be .*{message}"):
            plots.singular_values(bad)


def test_outliers_are_those_far_from_the_rest():
    values = np.random.default_rng(0).normal(size=500)
    assert outliers(values) == []
    values[[7, 300]] = 30.0, -50.0
    assert outliers(values) == [300, 7]
    assert outliers([1.0] * 9 + [1.1, math.nan]) == [9]


@pytest.mark.parametrize("count", [5, 500])
def test_a_report_of_many_rows_names_the_odd_one(count):
    rows = [Compared(f"dense_{i}", 1.0, 1.0 + 0.01 * (i % 5)) for i in range(count)]
    rows[3] = Compared("dense_3", 1.0, 40.0)

    class Two(Report):
        panels = (Panel("standard deviation", "before", "after"),)

    figure = Two(rows).plot()
    _rendered(figure)
    (axes,) = figure.axes
    shown = [text.get_text() for text in axes.texts] + [
        t.get_text() for t in axes.get_yticklabels()
    ]
    assert "dense_3" in shown
    assert ("dense_4" in shown) == (count == 5)


def test_layers_without_a_signal_are_seen_and_marked():
    """No logarithmic axis has a standard deviation of 0."""
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    dense = [keras.layers.Dense(8, "relu") for _ in range(6)]
    model = keras.Sequential([keras.Input((8,)), *dense])
    dense[3].kernel.assign(np.zeros((8, 8), "float32"))
    report = ki.inspect(model, x)
    axes = report.plot().axes[0]
    circles, triangles = (
        [line for line in axes.lines if line.get_marker() == marker] for marker in "ov"
    )
    (zeros,) = [line for line in circles if line.get_markerfacecolor() == "none"]
    assert list(zeros.get_xdata()) == [3, 4, 5]
    assert 3 in np.concatenate([line.get_xdata() for line in triangles])
    for layer in dense:
        layer.kernel.assign(np.zeros((8, 8), "float32"))
    report = ki.inspect(model, x)
    assert report.forward is None
    assert "holds" not in report.plot().axes[0].get_title()
    with pytest.raises(AssertionError):
        report.assert_healthy()
