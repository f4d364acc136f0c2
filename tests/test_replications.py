"""The claims of the papers, as far as they replicate here: bounds on the figures of seed 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_inits.replications import REPLICATIONS, replicate
from keras_inits.replications.result import Replication

pytestmark = pytest.mark.once


def run(name: str, folder: Path) -> Replication:
    found = replicate(name)
    print(found)
    assert found.claim in found.title
    found.plot().savefig(folder / f"{name}.png")
    assert (folder / f"{name}.png").stat().st_size > 5000
    return found


def test_icnr(tmp_path: Path) -> None:
    found = run("icnr", tmp_path)
    assert found.value("ICNR", "power of the checkerboard") < 1e-10
    assert found.value("He", "power of the checkerboard") > 0.5


@pytest.mark.slow
def test_xiao2018(tmp_path: Path) -> None:
    found = run("xiao2018", tmp_path)
    assert found.value("delta_orthogonal", "directions out") > 10
    assert found.value("lecun_normal", "directions out") < 5


@pytest.mark.slow
@pytest.mark.large
def test_gpt2(tmp_path: Path) -> None:
    found = run("gpt2", tmp_path)
    for case, low, high in (("scaled", 0.5, 2.0), ("not scaled", 8.0, 32.0)):
        added = [found.value(case, f"added variance, {depth} blocks") for depth in (6, 48)]
        assert low < added[1] / added[0] < high


@pytest.mark.slow
@pytest.mark.large
def test_he2015(tmp_path: Path) -> None:
    found = run("he2015", tmp_path)
    assert found.value("he_normal", "training accuracy") > 0.5
    assert found.value("glorot_normal", "training accuracy") < 0.2


@pytest.mark.slow
@pytest.mark.large
def test_siren(tmp_path: Path) -> None:
    found = run("siren", tmp_path)
    figure = "variance of the pre-activation"
    assert found.value("deep sine layers", figure) == pytest.approx(0.7968, abs=0.02)
    for figure, apart in (
        ("peak signal to noise, dB", 20),
        ("correlation with the image's gradient", 0.1),
    ):
        assert found.value("sine", figure) > found.value("relu", figure) + apart


@pytest.mark.slow
@pytest.mark.large
def test_irnn(tmp_path: Path) -> None:
    """Both learn to add: the identity is not needed at this length."""
    found = run("irnn", tmp_path)
    assert found.value("IRNN", "squared error") < 0.1 < found.value("always 1", "squared error")
    assert found.value("tanh, orthogonal", "squared error") < 0.1


@pytest.mark.slow
@pytest.mark.large
def test_fixup(tmp_path: Path) -> None:
    found = run("fixup", tmp_path)
    assert found.value("Fixup", "first loss") == pytest.approx(2.302585, abs=1e-4)
    assert found.value("Fixup", "training accuracy") > 0.5
    assert not found.value("He", "last loss") < 2.3


@pytest.mark.slow
@pytest.mark.large
def test_saxe2013(tmp_path: Path) -> None:
    found = run("saxe2013", tmp_path)
    needed = {
        name: [found.value(name, f"steps, {depth} layers") for depth in (8, 32)]
        for name in ("orthogonal", "lecun_normal")
    }
    assert max(needed["orthogonal"]) < 1.5 * min(needed["orthogonal"])
    assert needed["lecun_normal"][1] > 1.5 * needed["lecun_normal"][0]


@pytest.mark.slow
@pytest.mark.large
def test_lsuv(tmp_path: Path) -> None:
    found = run("lsuv", tmp_path)
    for activation in ("relu", "tanh"):
        assert found.value("lsuv", f"training accuracy, {activation}") > 0.8


@pytest.mark.slow
@pytest.mark.large
def test_chrono(tmp_path: Path) -> None:
    """It solves the task, which a forget gate of 1 does not in that time."""
    found = run("chrono", tmp_path)
    guess = found.value("guessing", "loss")
    assert found.value("Chrono", "loss") < 0.05 * guess
    assert 0.2 * guess < found.value("forget gate 1", "loss") < guess


def test_all_are_named() -> None:
    assert len(REPLICATIONS) == 10
    with pytest.raises(ValueError, match="replicate: name must be one of 'he2015'"):
        replicate("he2016")
