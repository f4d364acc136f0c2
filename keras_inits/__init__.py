"""Weight initialization for Keras 3; importing it registers every scheme with Keras."""

import importlib
import typing

# The schemes first: the catalogue lists them in this order.
from keras_inits import schemes as _schemes  # noqa: F401

# isort: split
from keras_inits import host as _host
from keras_inits import keras1, laws
from keras_inits.base import Scheme
from keras_inits.fans import compute_fans
from keras_inits.fans import einsum_axes as _einsum_axes
from keras_inits.gains import gain

# What models from old files hold, and so what they are saved with.
from keras_inits.legacy.keras2 import activations as _activations  # noqa: F401
from keras_inits.legacy.keras2 import masks as _masks  # noqa: F401
from keras_inits.legacy.keras2.mending import on_torch as _on_torch  # noqa: F401
from keras_inits.legacy.keras2.operations import layer as _operations  # noqa: F401
from keras_inits.models.width import optimizer as _optimizer  # noqa: F401
from keras_inits.registry import get, names, register
from keras_inits.schemes.constant import Constant, Identity, One, Zero
from keras_inits.schemes.data import DataNormal, FromArray
from keras_inits.schemes.depth import Scaled, SmallInit, WangInit, depth_factor
from keras_inits.schemes.frequency import ConvolutionAware
from keras_inits.schemes.identity import Dirac, IDInit, ZerO
from keras_inits.schemes.orthogonal import ConvolutionOrthogonal, DeltaOrthogonal, Orthogonal
from keras_inits.schemes.prior import PriorBias
from keras_inits.schemes.recurrent import (
    Chain,
    Chrono,
    EchoState,
    ForgetGateBias,
    Gated,
    StepBias,
)
from keras_inits.schemes.resampling import ICNR, Bilinear
from keras_inits.schemes.sparse import Sparse, SparseInputs
from keras_inits.schemes.state_space import S4D, HiPPO, LRURing
from keras_inits.schemes.uniform_normal import (
    Normal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    Uniform,
)
from keras_inits.schemes.variance_scaling import (
    ComplexGlorot,
    ComplexHe,
    FanInUniform,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    RandomWalk,
    SignedConstant,
    Siren,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)
from keras_inits.streams import DefaultStream, Keras1Stream, Stream, TorchStream

if typing.TYPE_CHECKING:
    from keras_inits import plots as plots
    from keras_inits import presets as presets
    from keras_inits import testing as testing
    from keras_inits.comparison.compare import compare
    from keras_inits.legacy.keras2.files import legacy_load_model
    from keras_inits.legacy.scope import legacy_scope
    from keras_inits.models.adapters.lora import lora_init
    from keras_inits.models.attention.projections import Projections
    from keras_inits.models.attention.start import attention_init
    from keras_inits.models.audit.audit import audit
    from keras_inits.models.autoinit import autoinit
    from keras_inits.models.choice.presets import register_preset
    from keras_inits.models.data_dependent import data_dependent
    from keras_inits.models.initialize import initialize
    from keras_inits.models.inspect import inspect
    from keras_inits.models.lsuv import lsuv
    from keras_inits.models.memory.deferred import deferred, deferred_variables
    from keras_inits.models.memory.digest import digest
    from keras_inits.models.monitor import SignalMonitor
    from keras_inits.models.recommend import recommend
    from keras_inits.models.reloadable import check_reloadable
    from keras_inits.models.residual.branches import residual_branches
    from keras_inits.models.weights.geometry import Geometry, register_geometry
    from keras_inits.models.width.coordinates import coordinate_check
    from keras_inits.models.width.mup import mup
    from keras_inits.reports.report import Report

Zeros = Zero
Ones = One

__version__ = "0.1.0"

# What registers nothing with Keras is imported when it is first used.
_LATER = {
    "Geometry": "models.weights.geometry",
    "Projections": "models.attention.projections",
    "Report": "reports.report",
    "SignalMonitor": "models.monitor",
    "attention_init": "models.attention.start",
    "audit": "models.audit.audit",
    "autoinit": "models.autoinit",
    "check_reloadable": "models.reloadable",
    "compare": "comparison.compare",
    "coordinate_check": "models.width.coordinates",
    "data_dependent": "models.data_dependent",
    "deferred": "models.memory.deferred",
    "deferred_variables": "models.memory.deferred",
    "digest": "models.memory.digest",
    "initialize": "models.initialize",
    "inspect": "models.inspect",
    "legacy_load_model": "legacy.keras2.files",
    "legacy_scope": "legacy.scope",
    "lora_init": "models.adapters.lora",
    "lsuv": "models.lsuv",
    "mup": "models.width.mup",
    "recommend": "models.recommend",
    "register_geometry": "models.weights.geometry",
    "register_preset": "models.choice.presets",
    "residual_branches": "models.residual.branches",
}

__all__ = [  # noqa: RUF022 - plain order: ruff takes ICNR for a constant
    "Bilinear",
    "Chain",
    "Chrono",
    "ComplexGlorot",
    "ComplexHe",
    "Constant",
    "ConvolutionAware",
    "ConvolutionOrthogonal",
    "DataNormal",
    "DefaultStream",
    "DeltaOrthogonal",
    "Dirac",
    "EchoState",
    "FanInUniform",
    "ForgetGateBias",
    "FromArray",
    "Gated",
    "Geometry",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "HiPPO",
    "ICNR",
    "IDInit",
    "Identity",
    "KaimingNormal",
    "KaimingUniform",
    "Keras1Stream",
    "LRURing",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "One",
    "Ones",
    "Orthogonal",
    "PriorBias",
    "Projections",
    "RandomNormal",
    "RandomUniform",
    "RandomWalk",
    "Report",
    "S4D",
    "Scaled",
    "Scheme",
    "SignalMonitor",
    "SignedConstant",
    "Siren",
    "SmallInit",
    "Sparse",
    "SparseInputs",
    "StepBias",
    "Stream",
    "TorchStream",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "WangInit",
    "XavierNormal",
    "XavierUniform",
    "ZerO",
    "Zero",
    "Zeros",
    "attention_init",
    "audit",
    "autoinit",
    "check_reloadable",
    "compare",
    "compute_fans",
    "coordinate_check",
    "data_dependent",
    "deferred",
    "deferred_variables",
    "depth_factor",
    "digest",
    "gain",
    "get",
    "initialize",
    "inspect",
    "keras1",
    "laws",
    "legacy_load_model",
    "legacy_scope",
    "lora_init",
    "lsuv",
    "mup",
    "names",
    "recommend",
    "register",
    "register_geometry",
    "register_preset",
    "residual_branches",
]

_host.give_einsum_axes(VarianceScaling, _einsum_axes)
_host.give_whole_biases()


if not typing.TYPE_CHECKING:  # which would take any name for one of the library

    def __getattr__(name: str) -> typing.Any:
        if name in ("plots", "presets", "testing"):
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
