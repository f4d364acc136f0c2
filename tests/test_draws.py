"""A seed gives the numbers that it gave in earlier releases: some entries of every case, kept in data/draws.json.

KERAS_BACKEND=torch python tests/test_draws.py    # adds those of new cases; a changed draw is deleted by hand first
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case

import keras_inits as ki

pytestmark = pytest.mark.once
KEPT = Path(__file__).parent / "data" / "draws.json"


def entries(case: Case) -> list[float]:
    """How many entries are not 0, and nine of them."""
    x = case.make(case.shape, None).draw(case.shape, ki.DefaultStream(12345), "float32").ravel()
    some = x[x != 0]
    return [some.size, *(float(f"{v:.7g}") for v in some[:: max(some.size // 9, 1)][:9])]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_seed_gives_what_it_gave(case: Case) -> None:
    """Up to what LAPACK of another machine rounds otherwise."""
    np.testing.assert_allclose(entries(case), json.loads(KEPT.read_text())[case.id], rtol=1e-4)


if __name__ == "__main__":
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    rows = {case.id: kept.get(case.id) or entries(case) for case in CASES}
    KEPT.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}\n"
    )
