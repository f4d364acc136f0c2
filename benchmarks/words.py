"""What NumPy's bit generators take for 32 bits, on one core: why the default stream has SFC64.

python benchmarks/words.py
"""

from __future__ import annotations

import statistics
import time

import numpy as np

WORDS, CALLS, REPEATS = 2**12, 1024, 15  # so few words at a time that they stay in cache


def nanoseconds(bits: np.random.BitGenerator) -> float:
    """The median for 32 bits, in processor time."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(CALLS):
            bits.random_raw(WORDS)
        taken.append((time.process_time() - start) / (2 * WORDS * CALLS) * 1e9)
    return statistics.median(taken)


if __name__ == "__main__":
    for generator in (np.random.SFC64, np.random.PCG64DXSM, np.random.Philox):
        print(f"{generator.__name__}: {nanoseconds(generator(0)):.2f} ns")
