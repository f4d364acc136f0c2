"""Laws of recurrent layers: gates side by side, kernels by their dynamics."""

from keras_inits.schemes.recurrent.dynamics import Chain, EchoState, StepBias
from keras_inits.schemes.recurrent.gates import Chrono, ForgetGateBias, Gated

__all__ = ["Chain", "Chrono", "EchoState", "ForgetGateBias", "Gated", "StepBias"]
