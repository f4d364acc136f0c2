"""Tensors beyond 2^31 entries, fans beyond 2^53 and models of many variables."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_inits as ki
from keras_inits.models.memory import digest as module
from keras_inits.models.memory.digest import entry_sum
from keras_inits.models.variables.walk import renumbered

SHAPE = (256_000, 16_384)  # 4.2e9 entries, 8.4 GB in bfloat16


@pytest.mark.once
@pytest.mark.parametrize("law", ["uniform", "normal", "truncated_normal"])
def test_any_block_of_a_large_embedding_is_drawn_alone(law):
    draw = getattr(ki.DefaultStream(3), law)
    corner = (slice(255_900, 256_000), slice(16_300, 16_384))
    block = draw(SHAPE, dtype="bfloat16", index=corner)
    assert np.isfinite(block.astype("float32")).all()
    assert np.unique(block).size > 50
    part = draw(SHAPE, dtype="bfloat16", index=(slice(255_990, 256_000), slice(16_380, 16_384)))
    np.testing.assert_array_equal(block[90:, 80:], part)
    assert (block != draw(SHAPE, dtype="bfloat16", index=(slice(0, 100), slice(0, 84)))).any()


@pytest.mark.once
def test_positions_beyond_32_bits_count(monkeypatch):
    values = np.ones((2, 3), "float32")
    blocks = [(slice(r, r + 2), slice(5, 8)) for r in (0, 2**18 - 2)]
    sums = [entry_sum(values, block, (2**18, 2**14)) for block in blocks]
    assert sums[0] != sums[1]
    monkeypatch.setattr(module, "_in_c", None)
    assert [entry_sum(values, block, (2**18, 2**14)) for block in blocks] == sums


@pytest.mark.once
def test_fans_are_exact_integers():
    assert ki.compute_fans((2**19 + 1, 2**17 + 1, 3), [0, 1], [2]) == ((2**19 + 1) * (2**17 + 1), 3)
    assert ki.compute_fans((2**19 - 1, 2**19 + 1)) == (2**19 - 1, 2**19 + 1)
    with pytest.raises(ValueError, match="at most"):  # no fan comes near to 2^53
        ki.compute_fans((2**20, 2**20))


@pytest.mark.once
def test_names_are_numbered_in_linear_time():
    """Four times the names take about four times as long; before, sixteen."""

    def seconds(count):
        names = [(f"dense_{i}", "dense") for i in range(count)]
        start = time.process_time()
        assert renumbered(names)[-1] == f"dense_{count - 1}"
        return time.process_time() - start

    assert min(seconds(32_000) for _ in range(3)) < 10 * min(seconds(8000) for _ in range(3))


def test_many_variables():
    class Many(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [L.Dense(2) for _ in range(500)]
            for part in self.parts:
                part.build((None, 2))
            self.built = True

        def call(self, x):
            return x

    with ki.deferred():
        model = Many()
    report = ki.initialize(model, seed=1)
    assert len(report.rows) == 1000
    assert len({row.path for row in report.rows}) == 1000
    assert not ki.deferred_variables(model)
