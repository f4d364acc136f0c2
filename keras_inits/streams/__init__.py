"""Where the random numbers come from."""

from keras_inits.streams.default.stream import DefaultStream
from keras_inits.streams.keras1.stream import Keras1Stream
from keras_inits.streams.stream import Stream
from keras_inits.streams.torch.stream import TorchStream

__all__ = ["DefaultStream", "Keras1Stream", "Stream", "TorchStream"]
