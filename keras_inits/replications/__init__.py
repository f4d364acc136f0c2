"""Claims of papers on initialization, replicated in minutes on small data."""

from __future__ import annotations

from collections.abc import Callable

from keras_inits import checks
from keras_inits.comparison.training import single_threaded
from keras_inits.replications import images, plain, recurrent, residual
from keras_inits.replications.result import Replication

#: Name of the paper: what replicates it.
REPLICATIONS: dict[str, Callable[[int], Replication]] = {
    "he2015": plain.he2015,
    "saxe2013": plain.saxe2013,
    "xiao2018": plain.xiao2018,
    "lsuv": plain.lsuv2015,
    "irnn": recurrent.irnn,
    "chrono": recurrent.chrono,
    "siren": images.siren,
    "icnr": images.icnr,
    "fixup": residual.fixup,
    "gpt2": residual.gpt2,
}


def replicate(name: str, seed: int = 0) -> Replication:
    """The figures of the replication of this name, measured now.

    >>> replicate("icnr").value("ICNR", "power of the checkerboard") < 1e-10
    True
    """
    checks.one_of("replicate", "name", name, tuple(REPLICATIONS))
    seed = checks.integer("replicate", "seed", seed, low=0)
    with single_threaded():
        return REPLICATIONS[name](seed)
