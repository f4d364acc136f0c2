"""State-space layers: matrices that keep a memory of their input, diagonal ones, rings."""

from keras_inits.schemes.state_space.diagonal import S4D, LRURing
from keras_inits.schemes.state_space.hippo import HiPPO

__all__ = ["S4D", "HiPPO", "LRURing"]
