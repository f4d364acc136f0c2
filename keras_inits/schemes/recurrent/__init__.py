"""Laws of recurrent layers: gates side by side, kernels by their dynamics."""

from keras_inits.schemes.recurrent.dynamics import EchoState, StepBias
from keras_inits.schemes.recurrent.gates import Chrono, ForgetGateBias, Gated

__all__ = ["Chrono", "EchoState", "ForgetGateBias", "Gated", "StepBias"]
