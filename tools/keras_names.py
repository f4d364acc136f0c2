"""What each name meant in each era and framework, and what to write now for the same law."""

from __future__ import annotations

from dataclasses import dataclass

#: The eras whose laws differ, and how a reader knows them.
PERIODS = {
    "keras1": "Keras 0.3.3 to 1.2.2",
    "keras2.0": "Keras 2.0.0 to 2.1.6 on TensorFlow",
    "keras2": "Keras 2.2.0 to 2.3.1, tf.keras, Keras 3",
}

_SQRT3 = 1.7321
_CUT = "cut at 2 sigma"
_LOOSE = "cut at 2 sigma, standard deviation 0.88 sigma"


@dataclass(frozen=True)
class Meaning:
    """The law of `name`, and `now`, an expression that gives it with this library.

    `name` is what one wrote: a string in a layer for Keras, else an expression. `largest` is the
    largest entry in units of the law's nominal standard deviation, `spread` the actual one in the
    same unit; None where there is no such bound or where entries are not drawn alike.
    """

    name: str
    period: str
    law: str
    now: str
    spread: float | None = None
    largest: float | None = None


def _uniform(name: str, law: str) -> list[Meaning]:
    """A uniform law by fans: the same in all eras, but for the fans of Keras 1."""
    camel = "".join(word.title() for word in name.split("_"))
    return [
        Meaning(name, "keras1", f"{law}, fans of Keras 1", f"keras1.{camel}()", 1.0, _SQRT3),
        *(
            Meaning(name, period, law, f"keras_inits.{camel}()", 1.0, _SQRT3)
            for period in ("keras2.0", "keras2")
        ),
    ]


def _normal(name: str, law: str, scale: float, mode: str, *, keras1: bool = True) -> list[Meaning]:
    """A normal law by fans: plain at first, then cut, then cut and widened."""
    camel = "".join(word.title() for word in name.split("_"))
    loose = f'keras_inits.VarianceScaling({scale} * 0.87962566103423978**2, "{mode}")'
    plain = Meaning(name, "keras1", f"{law}, fans of Keras 1", f"keras1.{camel}()", 1.0)
    return [
        *([plain] if keras1 else []),
        Meaning(name, "keras2.0", f"{law}, {_LOOSE}", loose, 0.8796, 2.0),
        Meaning(
            name,
            "keras2",
            f"{law}, {_CUT}",
            f'keras_inits.VarianceScaling({scale}, "{mode}")',
            1.0,
            2.2737,
        ),
    ]


_LOOSE_NORMAL = 'keras_inits.VarianceScaling(0.87962566103423978**2, "fan_in")'

KERAS: list[Meaning] = [
    *(
        Meaning("uniform", p, "U(-0.05, 0.05)", "keras_inits.Uniform()", 1.0, _SQRT3)
        for p in PERIODS
    ),
    *(Meaning("normal", p, "N(0, 0.05^2)", "keras_inits.Normal()", 1.0) for p in PERIODS),
    *_uniform("lecun_uniform", "U(-L, L), L = sqrt(3/fan_in)"),
    *_normal("lecun_normal", "N(0, 1/fan_in)", 1.0, "fan_in", keras1=False),
    *_uniform("glorot_uniform", "U(-L, L), L = sqrt(6/(fan_in + fan_out))"),
    *_normal("glorot_normal", "N(0, 2/(fan_in + fan_out))", 1.0, "fan_avg"),
    *_uniform("he_uniform", "U(-L, L), L = sqrt(6/fan_in)"),
    *_normal("he_normal", "N(0, 2/fan_in)", 2.0, "fan_in"),
    Meaning("orthogonal", "keras1", "1.1 Q of shape (first axis, rest)", "keras1.Orthogonal()"),
    Meaning("orthogonal", "keras2.0", "Q of shape (rest, last axis)", "keras_inits.Orthogonal()"),
    Meaning("orthogonal", "keras2", "Q of shape (rest, last axis)", "keras_inits.Orthogonal()"),
    Meaning("identity", "keras1", "I, square matrices alone", "keras1.Identity()"),
    Meaning("identity", "keras2.0", "I, square matrices alone", "keras_inits.Identity()"),
    Meaning("identity", "keras2", "I, any matrix (from 2.2.5)", "keras_inits.Identity()"),
    *(Meaning("zero", p, "0", "keras_inits.Zero()") for p in PERIODS),
    *(Meaning("one", p, "1", "keras_inits.One()") for p in PERIODS),
    *(Meaning("zeros", p, "0", "keras_inits.Zeros()") for p in ("keras2.0", "keras2")),
    *(Meaning("ones", p, "1", "keras_inits.Ones()") for p in ("keras2.0", "keras2")),
    *(
        Meaning(
            "truncated_normal",
            p,
            "N(0, 0.05^2) cut at 2 sigma, standard deviation 0.88 sigma",
            "keras_inits.TruncatedNormal()",
            0.8796,
            2.0,
        )
        for p in ("keras2.0", "keras2")
    ),
]

#: Classes with arguments: what was written into code and configs.
KERAS_CLASSES: list[Meaning] = [
    Meaning(
        "uniform(shape, scale=0.1)",
        "keras1",
        "U(-0.1, 0.1)",
        "keras_inits.Uniform(0.1)",
        1.0,
        _SQRT3,
    ),
    Meaning("normal(shape, scale=0.1)", "keras1", "N(0, 0.1^2)", "keras_inits.Normal(0.1)", 1.0),
    Meaning(
        "orthogonal(shape, scale=1.0)",
        "keras1",
        "Q of shape (first axis, rest)",
        "keras1.Orthogonal(1.0)",
    ),
    Meaning(
        'VarianceScaling(distribution="normal")',
        "keras2.0",
        f"N(0, 1/fan_in), {_LOOSE}",
        _LOOSE_NORMAL,
        0.8796,
        2.0,
    ),
    Meaning(
        'VarianceScaling(distribution="normal")',
        "keras2",
        f"N(0, 1/fan_in), {_CUT}",
        "keras_inits.VarianceScaling()",
        1.0,
        2.2737,
    ),
    Meaning(
        'VarianceScaling(distribution="untruncated_normal")',
        "keras2",
        "N(0, 1/fan_in) (tf.keras 1.15 and later)",
        "keras_inits.LecunNormal()",
        1.0,
    ),
]

_W = "torch.nn.init."

TORCH: list[Meaning] = [
    Meaning(f"{_W}uniform_(w)", "torch", "U(0, 1)", "keras_inits.RandomUniform(0.0, 1.0)"),
    Meaning(f"{_W}uniform_(w, -0.1, 0.1)", "torch", "U(-0.1, 0.1)", "keras_inits.Uniform(0.1)"),
    Meaning(f"{_W}normal_(w)", "torch", "N(0, 1)", "keras_inits.Normal(1.0)"),
    Meaning(
        f"{_W}trunc_normal_(w, std=0.02)",
        "torch",
        "N(0, 0.02^2) cut at -2 and 2, not at 2 sigma",
        "keras_inits.TruncatedNormal(0.0, 0.02, low=-100.0, high=100.0)",
    ),
    Meaning(f"{_W}constant_(w, 0.3)", "torch", "0.3", "keras_inits.Constant(0.3)"),
    Meaning(f"{_W}zeros_(w)", "torch", "0", "keras_inits.Zeros()"),
    Meaning(f"{_W}ones_(w)", "torch", "1", "keras_inits.Ones()"),
    Meaning(f"{_W}eye_(w)", "torch", "I", "keras_inits.Identity()"),
    Meaning(
        f"{_W}xavier_uniform_(w, gain=2.0)",
        "torch",
        "U(-L, L), L = 2 sqrt(6/(fan_in + fan_out))",
        "keras_inits.XavierUniform(2.0)",
    ),
    Meaning(
        f"{_W}xavier_normal_(w)",
        "torch",
        "N(0, 2/(fan_in + fan_out))",
        "keras_inits.XavierNormal()",
    ),
    Meaning(
        f"{_W}kaiming_uniform_(w)",
        "torch",
        "U(-L, L), L = sqrt(6/fan_in)",
        "keras_inits.KaimingUniform()",
    ),
    Meaning(
        f'{_W}kaiming_normal_(w, mode="fan_out", nonlinearity="relu")',
        "torch",
        "N(0, 2/fan_out)",
        'keras_inits.KaimingNormal(mode="fan_out", nonlinearity="relu")',
    ),
    Meaning(
        f"{_W}kaiming_uniform_(w, a=5**0.5)",
        "torch",
        "U(-L, L), L = 1/sqrt(fan_in): the default of Linear and Conv",
        "keras_inits.FanInUniform()",
    ),
    Meaning(f"{_W}orthogonal_(w)", "torch", "Q", "keras_inits.Orthogonal()"),
]

_J = "jax.nn.initializers."

JAX: list[Meaning] = [
    Meaning(f"{_J}uniform()", "jax", "U(0, 0.01)", "keras_inits.RandomUniform(0.0, 0.01)"),
    Meaning(f"{_J}normal()", "jax", "N(0, 0.01^2)", "keras_inits.Normal(0.01)"),
    Meaning(
        f"{_J}truncated_normal()",
        "jax",
        f"N(0, 0.01^2), {_LOOSE}",
        "keras_inits.TruncatedNormal(0.0, 0.01)",
    ),
    Meaning(f"{_J}constant(0.3)", "jax", "0.3", "keras_inits.Constant(0.3)"),
    Meaning(f"{_J}zeros", "jax", "0", "keras_inits.Zeros()"),
    Meaning(f"{_J}ones", "jax", "1", "keras_inits.Ones()"),
    Meaning(
        f"{_J}glorot_uniform()",
        "jax",
        "U(-L, L), L = sqrt(6/(fan_in + fan_out))",
        "keras_inits.GlorotUniform()",
    ),
    Meaning(
        f"{_J}glorot_normal()",
        "jax",
        f"N(0, 2/(fan_in + fan_out)), {_CUT}",
        'keras_inits.VarianceScaling(1.0, "fan_avg")',
    ),
    Meaning(
        f"{_J}lecun_uniform()", "jax", "U(-L, L), L = sqrt(3/fan_in)", "keras_inits.LecunUniform()"
    ),
    Meaning(
        f"{_J}lecun_normal()", "jax", f"N(0, 1/fan_in), {_CUT}", "keras_inits.VarianceScaling()"
    ),
    Meaning(f"{_J}he_uniform()", "jax", "U(-L, L), L = sqrt(6/fan_in)", "keras_inits.HeUniform()"),
    Meaning(
        f"{_J}he_normal()", "jax", f"N(0, 2/fan_in), {_CUT}", "keras_inits.VarianceScaling(2.0)"
    ),
    Meaning(
        f'{_J}variance_scaling(2.0, "fan_out", "normal")',
        "jax",
        'N(0, 2/fan_out); "normal" is not cut in JAX',
        'keras_inits.VarianceScaling(2.0, "fan_out", "untruncated_normal")',
    ),
    Meaning(f"{_J}orthogonal()", "jax", "Q", "keras_inits.Orthogonal()"),
]
