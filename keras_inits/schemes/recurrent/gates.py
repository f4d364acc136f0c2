"""Laws for the gates of recurrent layers, whose kernels and biases hold all gates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed, draw_from, law_of
from keras_inits.registry import initializer_of, register
from keras_inits.streams import Stream
from keras_inits.streams.default.quantile import log64
from keras_inits.streams.stream import Index


def _four_gates(owner: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if shape[0] % 4:
        raise checks.value_error(owner, "shape", "(4 units,), the bias of an LSTM", shape)
    return shape


@register(
    law="each gate a draw of its own",
    source="structure of LSTM and GRU kernels",
    family="recurrent",
)
class Gated(Scheme):
    """Each of the `gates` blocks along the last axis is drawn from `initializer` by itself.

    Keras draws an LSTM's recurrent kernel (units, 4 units) as one matrix: no gate of an "orthogonal"
    one is orthogonal, and fan_out counts four layers. With `gates=4` (LSTM, ConvLSTM) or 3 (GRU)
    every gate has the law that `initializer` gives a matrix of its shape. `initializer` is an
    object, a string or a config; its own seed plays no part. ValueError at the call where the last
    axis does not divide by `gates`.

    >>> k = Gated("keras_inits>orthogonal", seed=0)((8, 32))
    >>> round(float(keras.ops.sum(k[:, :8] ** 2)), 4)
    8.0
    """

    min_rank = 1

    def __init__(self, initializer: Any, gates: int = 4, seed: Any = None) -> None:
        self.initializer = initializer_of("Gated", initializer)
        self.gates = checks.integer("Gated", "gates", gates, low=1)
        self.seed = check_seed("Gated", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if dims[-1] % self.gates:
            expected = f"one whose last axis is a multiple of {self.gates} (gates)"
            raise checks.value_error("Gated", "shape", expected, dims)
        if isinstance(self.initializer, Scheme):
            self.initializer.check_shape(self._block(dims))
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return law_of(self.initializer, self._block(shape))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        block = self._block(shape)
        drawn = [
            draw_from(self.initializer, block, dtype, stream.child("gate", gate))
            for gate in range(self.gates)
        ]
        return np.ascontiguousarray(np.concatenate(drawn, axis=-1))

    def _block(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:-1], shape[-1] // self.gates)


@register(law="value at the forget gate", source="Jozefowicz et al. 2015", family="recurrent")
class ForgetGateBias(Scheme):
    """An LSTM's bias: `value` at the forget gate, `initializer` (zeros) at the other three gates.

    `value` is a number or an initializer of its own. Gates as Keras orders them: input, forget, cell, output. A start of 1 or more keeps the cell's
    memory open. A layer's `unit_forget_bias` plays no part beside it.
    ValueError at the call for a shape other than (4 units,).

    >>> [float(entry) for entry in ForgetGateBias()((8,))]
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]

    Source: Jozefowicz, Zaremba, Sutskever 2015, An empirical exploration of recurrent network
    architectures, section 2.2.
    """

    #: A layer asks it for the whole bias, whatever its `unit_forget_bias`.
    gate_bias = True
    min_rank = max_rank = 1

    def __init__(
        self, value: Any = 1.0, initializer: Any = "keras_inits>zero", seed: Any = None
    ) -> None:
        if isinstance(value, (str, dict)) or callable(value):
            self.value = initializer_of("ForgetGateBias", value)
        else:
            self.value = checks.number("ForgetGateBias", "value", value)
        self.initializer = initializer_of("ForgetGateBias", initializer)
        self.seed = check_seed("ForgetGateBias", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return _four_gates("ForgetGateBias", super().check_shape(shape))

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        forget = self.value
        known = law_of(forget, (shape[0] // 4,)) if callable(forget) else laws.Point(forget)
        return laws.mixture([known, law_of(self.initializer, shape)], [1, 3])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        units = shape[0] // 4
        bias = np.array(draw_from(self.initializer, shape, dtype, stream))
        forget = self.value
        if callable(forget):
            forget = draw_from(forget, (units,), dtype, stream.child("forget"))
        bias[units : 2 * units] = forget
        return bias


@register(
    law="forget gate log U(1, max_time - 1), input gate its negative",
    source="arXiv 1804.11188",
    family="recurrent",
)
class Chrono(Scheme):
    """An LSTM's bias: forget gate log(u), u ~ U(1, max_time - 1), input gate -log(u), others 0.

    Spreads the cells' memories over the time scales up to `max_time` >= 2, the longest range of
    dependencies in the data, in steps. A layer's `unit_forget_bias` plays no part beside it. ValueError
    at the call for a shape other than (4 units,).

    >>> b = Chrono(100, seed=0)((8,))
    >>> float(keras.ops.max(abs(b[:2] + b[2:4])))
    0.0

    Source: Tallec & Ollivier 2018 (arXiv 1804.11188), section 3, equation 16.
    """

    #: A layer asks it for the whole bias, whatever its `unit_forget_bias`.
    gate_bias = True
    min_rank = max_rank = 1

    def __init__(self, max_time: float, seed: Any = None) -> None:
        self.max_time = checks.number("Chrono", "max_time", max_time, low=2)
        self.seed = check_seed("Chrono", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return _four_gates("Chrono", super().check_shape(shape))

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        high = self.max_time - 1.0
        parts = [laws.LogUniform(high), laws.LogUniform(high, -1), laws.Point(0.0)]
        return laws.mixture(parts, [1, 1, 2])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        units = shape[0] // 4
        forget = log64(stream.uniform((units,), 1.0, self.max_time - 1.0, "float64"))
        return np.concatenate([-forget, forget, np.zeros(2 * units)]).astype(dtype)
