"""Weight initialization for Keras 3; importing it registers every scheme with Keras."""

from keras_inits import host as _host
from keras_inits import keras1
from keras_inits.fans import compute_fans
from keras_inits.fans import einsum_axes as _einsum_axes
from keras_inits.gains import gain
from keras_inits.legacy.keras2.files import legacy_load_model
from keras_inits.legacy.scope import legacy_scope
from keras_inits.models.data_dependent import data_dependent
from keras_inits.models.initialize import initialize
from keras_inits.models.lsuv import lsuv
from keras_inits.models.reloadable import check_reloadable
from keras_inits.registry import get, names
from keras_inits.schemes.constant import Constant, Identity, One, Zero
from keras_inits.schemes.data import DataNormal, FromArray
from keras_inits.schemes.identity import Dirac, ZerO
from keras_inits.schemes.orthogonal import DeltaOrthogonal, Orthogonal
from keras_inits.schemes.recurrent import Chrono, ForgetGateBias, Gated
from keras_inits.schemes.uniform_normal import (
    Normal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    Uniform,
)
from keras_inits.schemes.variance_scaling import (
    FanInUniform,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)
from keras_inits.streams import DefaultStream, Keras1Stream, TorchStream

Zeros = Zero
Ones = One

__version__ = "0.1.0"

__all__ = [
    "Chrono",
    "Constant",
    "DataNormal",
    "DefaultStream",
    "DeltaOrthogonal",
    "Dirac",
    "FanInUniform",
    "ForgetGateBias",
    "FromArray",
    "Gated",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "KaimingNormal",
    "KaimingUniform",
    "Keras1Stream",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "One",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TorchStream",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "ZerO",
    "Zero",
    "Zeros",
    "check_reloadable",
    "compute_fans",
    "data_dependent",
    "gain",
    "get",
    "initialize",
    "keras1",
    "legacy_load_model",
    "legacy_scope",
    "lsuv",
    "names",
]

_host.give_einsum_axes(VarianceScaling, _einsum_axes)
