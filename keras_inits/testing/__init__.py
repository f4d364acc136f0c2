"""Conformance of an initializer, this library's or anyone's: what a user may rely on, checked."""

from keras_inits.testing.check import check_initializer, initializer_checks, parametrize_with_checks

__all__ = ["check_initializer", "initializer_checks", "parametrize_with_checks"]
