"""Layers and models whose configs are right or wrong in one way each; a new process imports them."""

from __future__ import annotations

from typing import Any

import keras

L = keras.layers
register = keras.saving.register_keras_serializable("reloadable_layers")


@register
class ForgetsRequired(L.Layer):
    """A layer with a layer inside whose config lacks an argument that must be given."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.dense = L.Dense(units)

    def build(self, input_shape: Any) -> None:
        self.dense.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


@register
class WithConfig(ForgetsRequired):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@register
class NoKeywords(WithConfig):
    def __init__(self, units: int) -> None:
        super().__init__(units)


@register
class ForgetsDefault(L.Layer):
    """A leaf that keeps its argument under the argument's name."""

    def __init__(self, act: str = "relu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.act = keras.activations.get(act)

    def call(self, x: Any) -> Any:
        return self.act(x)

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


@register
class ForgetsPrivately(ForgetsDefault):
    """Under another name."""

    def __init__(self, act: str = "relu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kind = act

    def call(self, x: Any) -> Any:
        return keras.activations.get(self._kind)(x)


@register
class ForgetsInside(ForgetsRequired):
    """Nowhere but in the layer that its constructor makes."""

    def __init__(self, act: str = "relu", **kwargs: Any) -> None:
        super().__init__(3, **kwargs)
        self.more = [L.Dense(3, act, bias_initializer="ones" if act == "tanh" else "zeros")]

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.more[0].build((None, 3))

    def call(self, x: Any) -> Any:
        return self.more[0](self.dense(x))


@register
class Wrapper(L.Layer):
    """Takes a layer and does all that it should."""

    def __init__(self, inner: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, input_shape: Any) -> None:
        if not self.inner.built:
            self.inner.build(input_shape)

    def call(self, x: Any) -> Any:
        return x if isinstance(self.inner, dict) else self.inner(x)

    def get_config(self) -> dict[str, Any]:
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(keras.saving.deserialize_keras_object(config.pop("inner")), **config)


@register
class NotDeserialized(Wrapper):
    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


@register
class SilentlyNotDeserialized(NotDeserialized):
    """The dict in the layer's place is taken for nothing to do."""

    def build(self, input_shape: Any) -> None:
        if not isinstance(self.inner, dict):
            super().build(input_shape)


@register
class NotSerialized(NotDeserialized):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": self.inner.name}


class Unregistered(L.Layer):
    def call(self, x: Any) -> Any:
        return 2.0 * x


@register
class MakesUnregistered(L.Layer):
    """Its constructor makes the layer that is not registered, so that no file names it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = Unregistered()

    def call(self, x: Any) -> Any:
        return self.inner(x)


@register
class Stateful(L.Layer):
    """What `call` keeps in attributes is no argument."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.calls = 0
        self.seen: Any = None

    def call(self, x: Any) -> Any:
        self.calls += 1
        self.seen = tuple(x.shape)
        return x


class UnregisteredModel(keras.Model):
    def __init__(self, units: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.dense = L.Dense(units)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@register
class GoodModel(UnregisteredModel):
    pass


@register
class ForgetfulModel(UnregisteredModel):
    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["units"]
        return config


@register
class BaseForgotten(L.Layer):
    def call(self, x: Any) -> Any:
        return x

    def get_config(self) -> dict[str, Any]:
        return {}


@register
class BuiltByCall(L.Layer):
    """Its weight is made by the first call and not by `build`, so it is not there to be loaded."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = L.Dense(4)
        self.skip = False

    def build(self, input_shape: Any) -> None:
        self.skip = True

    def call(self, x: Any) -> Any:
        return self.inner(x)


@register
class Outer(keras.Model):
    """A model that builds what is inside by its `build` alone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = BuiltByCall(name="first")

    def build(self, input_shape: Any) -> None:
        self.first.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.first(x)


@register
class ArrayArgument(L.Layer):
    def __init__(self, mean: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean = mean

    def call(self, x: Any) -> Any:
        return x if isinstance(self.mean, dict) else keras.ops.subtract(x, self.mean)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean}


@register
class ForgetfulLoss(keras.losses.Loss):
    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.weight * keras.ops.mean(y_pred - y_true)


@register
class ForgetfulMetric(keras.metrics.Mean):
    """Counts its calls, which is state."""

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = beta
        self.calls = 0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.calls += 1
        super().update_state(y_true, sample_weight)


@register
class OwnAUC(keras.metrics.AUC):
    """Makes its variables at the first call."""


@register
class ForgetfulSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def __call__(self, step: Any) -> float:
        return self.rate

    def get_config(self) -> dict[str, Any]:
        return {}


@register
class ForgetfulSGD(keras.optimizers.SGD):
    def __init__(self, learning_rate: Any = 0.1, extra: float = 1.0, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.extra = extra


@register
class Block(WithConfig):
    """A layer and a weight, of which the config says nothing."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.scale = self.add_weight(shape=(1,), name="scale")

    def call(self, x: Any) -> Any:
        return self.scale * self.dense(x)


@register
class Keeps(L.Layer):
    """Keeps its argument as it is given."""

    def __init__(self, sizes: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sizes = sizes

    def call(self, x: Any) -> Any:
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": self._sizes}


@register
class KeepsTuple(Keeps):
    def __init__(self, sizes: Any, **kwargs: Any) -> None:
        super().__init__(tuple(sizes), **kwargs)


@register
class KeepsForKeras(L.Reshape):
    """The tuple in it is Keras's."""

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(target_shape, **kwargs)
        self.given = list(target_shape)


@register
class OwnCompile(GoodModel):
    def compile(self, extra: Any = 1.0, **kwargs: Any) -> None:
        super().compile(**kwargs)
        self.extra = extra
        self._twice = 2 * extra


@register
class CompileComesBack(OwnCompile):
    def get_compile_config(self) -> dict[str, Any]:
        return {**super().get_compile_config(), "extra": self.extra}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))


@register
class CompileForgets(CompileComesBack):
    def get_compile_config(self) -> dict[str, Any]:
        return GoodModel.get_compile_config(self)


@register
class CompileFails(CompileForgets):
    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(config["no such thing"])
