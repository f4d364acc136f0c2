"""Where the random numbers come from."""

from keras_inits.streams.default import DefaultStream
from keras_inits.streams.keras1_replay import Keras1Stream
from keras_inits.streams.stream import Stream
from keras_inits.streams.torch_replay import TorchStream

__all__ = ["DefaultStream", "Keras1Stream", "Stream", "TorchStream"]
