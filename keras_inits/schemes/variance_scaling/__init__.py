"""Laws whose variance follows the fans: LeCun, Glorot/Xavier, He/Kaiming, PyTorch's default."""

from keras_inits.schemes.variance_scaling.by_width import RandomWalk, SignedConstant, Siren
from keras_inits.schemes.variance_scaling.complex import ComplexGlorot, ComplexHe
from keras_inits.schemes.variance_scaling.general import TRUNCATED_STDDEV, VarianceScaling
from keras_inits.schemes.variance_scaling.named import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
)
from keras_inits.schemes.variance_scaling.pytorch import (
    FanInUniform,
    KaimingNormal,
    KaimingUniform,
    XavierNormal,
    XavierUniform,
)

__all__ = [
    "TRUNCATED_STDDEV",
    "ComplexGlorot",
    "ComplexHe",
    "FanInUniform",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "RandomWalk",
    "SignedConstant",
    "Siren",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
]
