"""The C kernels, which are left out where no compiler is at hand; all else is in pyproject.toml."""

import os
import sysconfig

from setuptools import Extension, setup

# Multiply and add must round one by one, or the numbers would depend on the processor; without
# errno a square root is one instruction.
FLAGS = (
    ["/O2", "/fp:precise"]
    if os.name == "nt"
    else ["-O3", "-fno-fast-math", "-ffp-contract=off", "-fno-math-errno"]
)
# One wheel serves every later Python, but for those without a global lock.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            "keras_inits.streams.default._kernels",
            ["keras_inits/streams/default/_kernels.c"],
            extra_compile_args=FLAGS,
            py_limited_api=STABLE,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
