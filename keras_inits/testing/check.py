"""The checks put together: all at once, by name, or each a test of pytest's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

from keras_inits import checks
from keras_inits.laws import Law
from keras_inits.testing import objects, processes, state, values
from keras_inits.testing.drawing import Check

_SHAPES = ((48, 32), (3, 3, 8, 16), (3, 16, 16), (64,), (16, 16))
_SHOWN = 3  # what one fault does to shape after shape


def check_initializer(
    subject: Any,
    *,
    law: Law | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    new_processes: bool = False,
) -> None:
    """Check that an initializer does what Keras and its users rely on.

    `config`, `copies`: its config is JSON and makes an equal object; clones, copies and pickles draw
    the same. `files`: a layer that holds it survives saving and loading. `documentation`: a docstring
    that names every argument. `dtypes`: every floating dtype comes back in the shape that was asked
    for, another dtype comes back or is an error. `bad_shapes`, `bad_seeds`, `empty`: a bad shape or
    seed is a ValueError or TypeError, a shape with a zero an empty tensor or an error. `seeds`: an int
    seed gives the same values at every call, another one others, a SeedGenerator moves on, and without
    a seed every call differs. `law`: entries follow the law. `layouts`, `compiled`: a layout and
    `jax.jit` or `tf.function` change no values. `threads`: nor do 16 threads at once.
    `global_state`: a seeded draw leaves the generators of NumPy, Python and Keras alone.

    Args:
        subject: An initializer, or a class that can be made without arguments.
        law: The law of an entry; by default what the initializer's own `law(shape)` says, if it has
            such a method.
        shapes: Shapes to draw; by default matrices, kernels and vectors, as far as it takes them.
        new_processes: Also load `.keras`, `.h5` and JSON files that hold it in a new process on each
            backend that is installed, which takes seconds for each. The class must stand in a module.

    Raises:
        AssertionError: Lists every check that failed, with what was expected and what came.
        TypeError: `subject` is not an initializer, or `law` no law.

    Example:
        >>> import keras_inits
        >>> check_initializer(keras_inits.HeNormal)
    """
    given = initializer_checks(subject, law=law, shapes=shapes, new_processes=new_processes)
    failures = []
    for check in given.values():
        try:
            check()
        except AssertionError as error:
            failures.append(str(error))
    if failures:
        what = f"{len(failures)} check{'s' * (len(failures) > 1)}"
        raise AssertionError("\n".join([f"{_name(subject)} fails {what}:", *failures]))


def initializer_checks(
    subject: Any,
    *,
    law: Law | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    new_processes: bool = False,
) -> dict[str, Callable[[], None]]:
    """The checks of `check_initializer` by name; each raises AssertionError when it is called.

    Args:
        subject: As for `check_initializer`, like all others.
        law: The law of an entry.
        shapes: Shapes to draw.
        new_processes: Whether files are loaded in new processes.

    Returns:
        From the name of a check to a function without arguments.

    Raises:
        TypeError: `subject` is not an initializer, or `law` no law.

    Example:
        >>> import keras_inits
        >>> initializer_checks(keras_inits.HeNormal)["threads"]()
    """
    try:
        initializer = subject() if isinstance(subject, type) else subject
    except TypeError as error:
        expected = "an initializer, or a class that can be made without arguments"
        raise TypeError(f"check_initializer: subject must be {expected}: {error}") from error
    if not callable(initializer) or not hasattr(initializer, "get_config"):
        raise checks.type_error("check_initializer", "subject", "an initializer", subject)
    if law is not None and not isinstance(law, Law):
        raise checks.type_error("check_initializer", "law", "None or a keras_inits.laws.Law", law)
    given = _SHAPES if shapes is None else [tuple(shape) for shape in shapes]
    taken = cache(lambda: [shape for shape in given if _takes(initializer, shape)])

    def run(name: str, check: Check) -> None:
        try:
            failures = list(check(initializer, taken())) if taken() else []
        except Exception as error:
            failures = [f"{type(error).__name__}: {error}"]
        if failures:
            shown = list(dict.fromkeys(failures))
            if more := shown[_SHOWN:]:
                shown[_SHOWN:] = [f"and {len(more)} more"]
            raise AssertionError("\n".join(f"{name}: {failure}" for failure in shown))

    def some_shape() -> None:
        if not taken():
            raise AssertionError(f"shapes: none of {list(given)} is taken")

    named = {check.__name__: check for check in (*objects.CHECKS, *values.CHECKS, *state.CHECKS)}
    named["law"] = partial(values.law, stated=law)
    if new_processes:
        named["new_processes"] = processes.new_processes
    return {"shapes": some_shape} | {n: partial(run, n, check) for n, check in named.items()}


def parametrize_with_checks(
    subjects: Iterable[Any], *, shapes: Sequence[Sequence[int]] | None = None
) -> Any:
    """A decorator that makes a test of pytest's of every check of every initializer.

    Args:
        subjects: Initializers, or classes that can be made without arguments.
        shapes: Shapes to draw, as for `check_initializer`.

    Returns:
        `pytest.mark.parametrize` for the argument `check`, a function to call.

    Raises:
        TypeError: One of `subjects` is not an initializer.

    Example:
        >>> import keras_inits
        >>> @parametrize_with_checks([keras_inits.HeNormal, keras_inits.Sparse(0.5)])
        ... def test_it_conforms(check):
        ...     check()
    """
    import pytest

    return pytest.mark.parametrize(
        "check",
        [
            pytest.param(check, id=f"{_name(subject)}-{name}")
            for subject in subjects
            for name, check in initializer_checks(subject, shapes=shapes).items()
        ],
    )


def _name(subject: Any) -> str:
    return (subject if isinstance(subject, type) else type(subject)).__name__


def _takes(initializer: Any, shape: Sequence[int]) -> bool:
    try:
        initializer(shape, dtype="float32")
    except (TypeError, ValueError):
        return False
    return True
