"""The claims of the papers, as far as they replicate here: bounds on the figures of seed 0."""

from __future__ import annotations

import pytest

from keras_inits.replications import REPLICATIONS, replicate
from keras_inits.replications.result import Replication

pytestmark = pytest.mark.once


def run(name: str) -> Replication:
    found = replicate(name)
    assert found.claim in found.title
    assert len(found.plot().axes) == len(found.curves)
    return found


def test_icnr() -> None:
    found = run("icnr")
    assert found.value("ICNR", "power of the checkerboard") < 1e-10
    assert found.value("He", "power of the checkerboard") > 0.5


@pytest.mark.slow
def test_xiao2018() -> None:
    found = run("xiao2018")
    assert found.value("delta_orthogonal", "directions out") > 10
    assert found.value("lecun_normal", "directions out") < 5


@pytest.mark.slow
def test_gpt2() -> None:
    found = run("gpt2")
    for case, low, high in (("scaled", 0.5, 2.0), ("not scaled", 8.0, 32.0)):
        added = [found.value(case, f"added variance, {depth} blocks") for depth in (6, 48)]
        assert low < added[1] / added[0] < high


@pytest.mark.slow
@pytest.mark.large
def test_he2015() -> None:
    found = run("he2015")
    assert found.value("he_normal", "training accuracy") > 0.5
    assert found.value("glorot_normal", "training accuracy") < 0.2


def test_all_are_named() -> None:
    assert len(REPLICATIONS) == 10
    with pytest.raises(ValueError, match="replicate: name must be one of 'he2015'"):
        replicate("he2016")
