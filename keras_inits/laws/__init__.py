"""The distributions that the entries of a weight follow, as objects that tell, draw and print them."""

from keras_inits.laws.discrete import Discrete, Entries, Point
from keras_inits.laws.law import Law
from keras_inits.laws.mixed import Mixture, Times, mixture
from keras_inits.laws.scaled import Normal, Uniform
from keras_inits.laws.special import LogUniform, SoftplusStep, SphereEntry
from keras_inits.laws.truncated import TruncatedNormal

__all__ = [
    "Discrete",
    "Entries",
    "Law",
    "LogUniform",
    "Mixture",
    "Normal",
    "Point",
    "SoftplusStep",
    "SphereEntry",
    "Times",
    "TruncatedNormal",
    "Uniform",
    "mixture",
]
