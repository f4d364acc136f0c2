"""How many inputs and outputs a weight tensor connects."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_inits import checks


def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight tensor.

    Without axes, as Keras reads a shape: rank 2 is (inputs, outputs); rank 3 and more is a
    convolution kernel (receptive field..., inputs, outputs), both fans counting the receptive
    field; a vector of n has fans (n, n), a scalar (1, 1).

    With axes, fan_in is the product of `shape` over `input_axes`, fan_out over `output_axes`; both
    are given or neither. Negative axes count from the end. Axes of a receptive field belong to both.

    Raises ValueError where only one of the two is given or an axis is out of range.

    >>> compute_fans((3, 3, 64, 128))
    (576, 1152)
    >>> compute_fans((64, 8, 16), input_axes=[0], output_axes=[1, -1])
    (64, 128)
    """
    dims = checks.shape("compute_fans", shape)
    inputs, outputs = axes_pair("compute_fans", input_axes, output_axes)
    if inputs is not None and outputs is not None:
        return (
            _product(dims, "input_axes", inputs),
            _product(dims, "output_axes", outputs),
        )
    if len(dims) < 2:
        fan = dims[0] if dims else 1
        return fan, fan
    field = math.prod(dims[:-2])
    return field * dims[-2], field * dims[-1]


def axes_pair(
    owner: str, input_axes: Sequence[int] | None, output_axes: Sequence[int] | None
) -> tuple[list[int] | None, list[int] | None]:
    """Both lists of axes, checked, or (None, None)."""
    if input_axes is None and output_axes is None:
        return None, None
    inputs = checks.axes(owner, "input_axes", input_axes)
    outputs = checks.axes(owner, "output_axes", output_axes)
    if (inputs is None) != (outputs is None):
        raise ValueError(
            f"{owner}: input_axes and output_axes must be given together, "
            f"got input_axes={inputs}, output_axes={outputs}"
        )
    return inputs, outputs


def _product(dims: tuple[int, ...], name: str, axes: list[int]) -> int:
    rank = len(dims)
    if any(not -rank <= axis < rank for axis in axes) or len({a % rank for a in axes}) < len(axes):
        expected = f"distinct axes of shape {dims}, from {-rank} to {rank - 1}"
        raise checks.value_error("compute_fans", name, expected, axes)
    return math.prod(dims[axis] for axis in axes)


def einsum_axes(equation: str) -> tuple[list[int], list[int]]:
    """(input_axes, output_axes) of the kernel of `keras.layers.EinsumDense(equation)`.

    A kernel axis that the output also has leads to outputs; one that is summed over, to inputs.

    >>> einsum_axes("abc,cde->abde")
    ([0], [1, 2])
    """
    operands, output = equation.replace(" ", "").split("->")
    kernel = operands.split(",")[1]
    inputs = [axis for axis, letter in enumerate(kernel) if letter not in output]
    outputs = [axis for axis, letter in enumerate(kernel) if letter in output]
    return inputs, outputs
