"""How often `compare` calls two equal laws different, for a number of seeds: 200,000 simulated pairs.

python benchmarks/pairs.py
"""

import numpy as np

PAIRS = 200_000

for seeds in (2, 3, 5):
    one, other = np.random.default_rng(0).normal(size=(2, PAIRS, seeds))
    apart = (one.min(1) > other.max(1)) | (other.min(1) > one.max(1))
    wide = np.maximum(np.ptp(one, 1), np.ptp(other, 1))
    called = apart & (abs(np.median(one, 1) - np.median(other, 1)) > wide)
    print(f"{seeds} seeds: {called.mean():.2%}")
