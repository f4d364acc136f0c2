"""An optimizer whose learning rate has a factor for each variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_inits import checks
from keras_inits.host import excludes_from_decay

# What an Optimizer does around the updates of a class; the last two only on the gradients' way in.
_AROUND: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
_OWNER = "MupOptimizer"


@keras.saving.register_keras_serializable("keras_inits")
class MupOptimizer(keras.optimizers.Optimizer):
    """`optimizer` with learning rate times `factors[i]` for the i-th trainable variable.

    Its gradient is multiplied by `gradients[i]` first, so that the epsilon of an optimizer like Adam
    weighs as much at every width; an update that scales with its gradient needs factors of 1.
    Decoupled weight decay takes learning rate times `weight_decay` of every variable, whatever its
    factor, so that it transfers too. Made by `Mup.optimizer`; saved and loaded with the model. The
    learning rate, or its schedule, is this optimizer's own and may be set.

    Args:
        optimizer: A Keras optimizer, of which a copy does the updates.
        factors: A factor >= 0 for each trainable variable, in the model's order.
        gradients: Likewise.
        shapes: Their shapes, which are compared when the optimizer is built.
        name: As for every optimizer.
    """

    def __init__(
        self,
        optimizer: Any,
        factors: Sequence[float],
        gradients: Sequence[float],
        shapes: Sequence[Sequence[int]],
        name: str = "mup_optimizer",
    ) -> None:
        if isinstance(optimizer, dict):
            optimizer = keras.optimizers.deserialize(optimizer)
        check_optimizer(_OWNER, optimizer)
        config = optimizer.get_config()
        rate = config["learning_rate"]
        if isinstance(rate, dict):
            rate = keras.optimizers.schedules.deserialize(rate)
        around = {name: config[name] for name in _AROUND if name in config}
        super().__init__(learning_rate=rate, name=name, **around)
        # Tuples: TensorFlow would wrap lists in its own.
        self.factors, self.gradients = (
            tuple(checks.number(_OWNER, f"{what}[{i}]", n, low=0) for i, n in enumerate(numbers))
            for what, numbers in (("factors", factors), ("gradients", gradients))
        )
        self.shapes = tuple(tuple(shape) for shape in shapes)
        # AdamW does not do without a weight_decay; `update_step` decays nothing.
        idle = {n: v for n, v in _AROUND.items() if n in config and n != "weight_decay"}
        self.updates = type(optimizer).from_config(config | idle)

    def build(self, variables: Any) -> None:
        """Make the state of the updates for these variables."""
        if self.built:
            return
        shapes = tuple(tuple(v.shape) for v in variables)
        if shapes != self.shapes:
            raise ValueError(
                f"{_OWNER}: variables must be the {len(self.shapes)} trainable ones that mup saw, got "
                f"{_difference(shapes, self.shapes)}; call Mup.optimizer again after a change of the model"
            )
        self.updates.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Any]:
        """Its own and those of the updates."""
        return [*super().variables, *self.updates.variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's update, at its own rate."""
        i = self._get_variable_index(variable)
        # Keras's operation takes the rows that TensorFlow gives as an embedding's gradient, too.
        gradient = keras.ops.multiply(gradient, self.gradients[i])
        self.updates.update_step(gradient, variable, learning_rate * self.factors[i])

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Update the variables; both counts of steps move on together."""
        result = super().apply(grads, trainable_variables)
        self.updates.iterations.assign(self.iterations)
        return result

    def get_config(self) -> dict[str, Any]:
        """The optimizer's config as it is now, and the factors."""
        own = super().get_config()
        inside = self.updates.get_config()
        inside |= {n: own[n] for n in ("learning_rate", *_AROUND) if n in inside}
        optimizer = keras.optimizers.serialize(type(self.updates).from_config(inside))
        return {
            "name": own["name"],
            "optimizer": optimizer,
            "factors": list(self.factors),
            "gradients": list(self.gradients),
            "shapes": [list(shape) for shape in self.shapes],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a config."""
        with keras.saving.custom_object_scope(custom_objects or {}):
            return cls(**config)


def check_optimizer(owner: str, optimizer: Any) -> None:
    """An optimizer that has done nothing yet, or an error."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise checks.type_error(owner, "optimizer", "a Keras optimizer", optimizer)
    if isinstance(optimizer, (MupOptimizer, keras.optimizers.LossScaleOptimizer)):
        expected = "the optimizer inside, such as keras.optimizers.Adam"
        raise checks.type_error(owner, "optimizer", expected, optimizer)
    if optimizer.built:
        raise ValueError(f"{owner}: optimizer must be new, got one that was built for a model")
    if excludes_from_decay(optimizer):
        raise ValueError(
            f"{owner}: optimizer must exclude nothing from weight decay yet; call "
            "exclude_from_weight_decay of the one that Mup.optimizer returns"
        )


def _difference(shapes: Sequence[Any], expected: Sequence[Any]) -> str:
    for i, (got, want) in enumerate(zip(shapes, expected, strict=False)):
        if got != want:
            return f"shape {got} for {want} at place {i}"
    return f"{len(shapes)} variables"
